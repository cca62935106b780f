"""What the simulated Vritti spends on reflections, its daily limit, and the breaker that keeps the premium tier shut.

The day of the lab is the last ``DAY`` seconds, so that one sees it fill and empty. Counters live in the process: a
restart begins at nothing, as in the original (domain-checks.md 2.8).
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from typing import Any

DAY = 30.0  # seconds
LIMIT_USD = 50.0
WARNING_USD = 10.0
TIERS = ("cheap", "premium")


class Meter:
    """Counts what each reflection cost; the limit may be changed."""

    def __init__(self) -> None:
        self.limit = LIMIT_USD
        self._spent: deque[tuple[float, str, float]] = deque()
        self._lock = threading.Lock()

    def add(self, tier: str, usd: float) -> None:
        """One call of a model."""
        with self._lock:
            self._spent.append((time.monotonic(), tier, usd))

    def _day(self) -> list[tuple[float, str, float]]:
        with self._lock:
            while self._spent and self._spent[0][0] < time.monotonic() - DAY:
                self._spent.popleft()
            return list(self._spent)

    @property
    def cost(self) -> float:
        """USD of the day."""
        return sum(usd for _, _, usd in self._day())

    @property
    def blocked(self) -> bool:
        """Whether the premium tier is shut until the day is over."""
        return self.cost >= self.limit

    def budget(self) -> dict[str, Any]:
        """GET /admin/budget."""
        cost = self.cost
        return {
            "daily_cost_usd": round(cost, 4),
            "warning_threshold_usd": WARNING_USD,
            "limit_threshold_usd": self.limit,
            "budget_remaining_usd": round(max(0.0, self.limit - cost), 4),
            "premium_tier_blocked": cost >= self.limit,
        }

    def stats(self) -> dict[str, Any]:
        """GET /admin/reflection/stats."""
        day = self._day()
        number = Counter(tier for _, tier, _ in day)
        by_tier = {tier: sum(usd for _, t, usd in day if t == tier) for tier in TIERS}
        cost = sum(by_tier.values())
        return {
            "total_reflections": len(day),
            "count_by_tier": {tier: number[tier] for tier in TIERS},
            "percentage_by_tier": {t: round(100 * usd / cost, 2) if cost else 0.0 for t, usd in by_tier.items()},
            "cost_by_tier": {tier: round(usd, 4) for tier, usd in by_tier.items()},
        }
