"""The outside world of the lab: a language-model provider (for Vritti) and an order system (for INSA's agents)."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import deque
from typing import Any

from opsctl.lab.part import Switches
from opsctl.lab.web import Answer, Request, serve

MODEL_SECONDS = 0.004
SLOW_MODEL_SECONDS = 0.4
ORDER_SECONDS = (0.012, 0.03)  # from, to
ANSWER_TOKENS = 60
HANG = 20.0  # longer than any client's deadline
USD_PER_TOKEN = {"anthropic/claude-3-haiku": 0.00039, "openai/gpt-4o": 0.00117}  # dear, so that a short day fills
DEARER = 4.0
DAY = 30.0  # seconds of the lab's day


class Outside:
    """Answers quickly and well, until a fault says otherwise."""

    def __init__(self, switches: Switches) -> None:
        self._on = switches
        self._orders = itertools.count()
        self._billed: deque[tuple[float, float]] = deque()
        self._all = 0.0
        self._lock = threading.Lock()

    def complete(self, request: Request) -> Answer:
        """A chat completion; 503 while the provider fails."""
        if "llm-errors" in self._on:
            return Answer(503, {"error": {"code": 503, "message": "No provider available for this model"}})
        time.sleep(SLOW_MODEL_SECONDS if "llm-slow" in self._on else MODEL_SECONDS)
        asked = request.json()
        model = str(asked.get("model", ""))
        prompt = sum(len(str(one.get("content", ""))) for one in asked.get("messages", ())) // 4 + 80
        price = USD_PER_TOKEN.get(model, 0.0) * (DEARER if "price-change" in self._on else 1.0)
        cost = (prompt + ANSWER_TOKENS) * price
        with self._lock:
            self._billed.append((time.monotonic(), cost))
            self._all += cost
        usage = {"prompt_tokens": prompt, "completion_tokens": ANSWER_TOKENS, "cost": cost}
        sure = 0.3 if "low-confidence" in self._on else 0.9
        choices = [{"message": {"content": "ok"}}]
        return Answer(200, {"model": model, "choices": choices, "usage": usage, "confidence": sure})

    def meter(self, _: Request) -> Answer:
        """GET /api/v1/key: what was billed, as OpenRouter tells it."""
        with self._lock:
            while self._billed and self._billed[0][0] < time.monotonic() - DAY:
                self._billed.popleft()
            day = sum(cost for _, cost in self._billed)
        return Answer(200, {"data": {"label": "sk-or-…", "usage": round(self._all, 4), "usage_daily": round(day, 4),
                                     "limit": None, "limit_remaining": None}})  # fmt: skip

    def order(self, _: Request) -> Answer:
        """An order looked up; fails or hangs with the faults of the agents."""
        if "circuit-breaker-open" in self._on or "breaker-detour" in self._on:
            return Answer(503, {"error": "order system is down for maintenance"})
        if "timeouts" in self._on and next(self._orders) % 3 == 0:
            time.sleep(HANG)
        time.sleep(random.uniform(*ORDER_SECONDS))  # noqa: S311 - not for secrets
        return Answer(200, {"order": "ok"})


def start(settings: dict[str, Any], switches: Switches) -> dict[str, Any]:
    """Serve both on ``port``."""
    outside = Outside(switches)
    serve(
        settings["port"],
        {
            ("POST", "/api/v1/chat/completions"): outside.complete,
            ("GET", "/api/v1/key"): outside.meter,
            ("POST", "/orders"): outside.order,
            ("GET", "/api/v2/status.json"): lambda _: Answer(200, {"status": {"indicator": "none"}}),
        },
    )
    return {}
