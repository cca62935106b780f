"""Who asks the simulated Vritti, how often, and how it says no."""

from __future__ import annotations

import threading
import time
from typing import Any, NamedTuple

LIMIT_PER_CUSTOMER = 14.0  # requests per second
BURST = 40.0


class Who(NamedTuple):
    """Who asks: the key, its customer, the customer's status."""

    key_id: str
    customer: str
    status: str


class Rejected(Exception):
    """A request that ends in an error: HTTP status and the error's type ("" = not counted as an error)."""

    def __init__(self, status: int, type: str, detail: Any, who: Who | None = None) -> None:
        super().__init__(str(detail))
        self.status, self.type, self.detail, self.who = status, type, detail, who


class Bucket:
    """A token bucket for one customer."""

    def __init__(self) -> None:
        self.tokens, self.at, self.lock = BURST, time.monotonic(), threading.Lock()

    def take(self) -> bool:
        """Whether one more request is within the limit."""
        with self.lock:
            now = time.monotonic()
            self.tokens = min(BURST, self.tokens + (now - self.at) * LIMIT_PER_CUSTOMER)
            self.at = now
            if self.tokens < 1:
                return False
            self.tokens -= 1
            return True
