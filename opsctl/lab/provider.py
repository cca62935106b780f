"""The outside world of the lab: a language-model provider (for Vritti) and an order system (for INSA's agents)."""

from __future__ import annotations

import itertools
import random
import time
from typing import Any

from opsctl.lab.part import Switches
from opsctl.lab.web import Answer, Request, serve

MODEL_SECONDS = 0.004
SLOW_MODEL_SECONDS = 0.4
ORDER_SECONDS = (0.012, 0.03)  # from, to
HANG = 20.0  # longer than any client's deadline


class Outside:
    """Answers quickly and well, until a fault says otherwise."""

    def __init__(self, switches: Switches) -> None:
        self._on = switches
        self._orders = itertools.count()

    def complete(self, request: Request) -> Answer:
        """A chat completion; 503 while the provider fails."""
        if "llm-errors" in self._on:
            return Answer(503, {"error": {"code": 503, "message": "No provider available for this model"}})
        time.sleep(SLOW_MODEL_SECONDS if "llm-slow" in self._on else MODEL_SECONDS)
        model = request.json().get("model", "")
        usage = {"prompt_tokens": 320, "completion_tokens": 60}
        return Answer(200, {"model": model, "choices": [{"message": {"content": "ok"}}], "usage": usage})

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
            ("POST", "/orders"): outside.order,
            ("GET", "/api/v2/status.json"): lambda _: Answer(200, {"status": {"indicator": "none"}}),
        },
    )
    return {}
