"""Reflections of the simulated Vritti: a tier is chosen, a model is called, and called again when it is not sure."""

from __future__ import annotations

import itertools
import time
from typing import Any

from opsctl.lab.metrics import Registry
from opsctl.lab.part import Switches
from opsctl.lab.vritti_budget import Meter
from opsctl.lab.vritti_outside import Model

PREFIX = "episodic_memory_"
PREMIUM_OF = 33  # one of so many reflections is worth the premium tier
MOSTLY_PREMIUM = 10  # all but one of so many, when too many error classes are
SURE = 0.6  # a model less sure than this is asked again
MOST_CALLS = 4
EPISODE = "An earlier episode: the deployment timed out because the pool was full. " * 2
EPISODES, ALL_EPISODES = 6, 45


class Reflections:
    """Counts tokens and cost as the provider's answers tell them."""

    def __init__(self, model: Model, meter: Meter, switches: Switches, one: Registry, edges: tuple[float, ...]) -> None:
        self._model, self._meter, self._on = model, meter, switches
        self._count = itertools.count(1)
        self._calls = one.counter(PREFIX + "llm_call_total", "Calls of language models.", "model_name", "success")
        self._seconds = one.histogram(
            PREFIX + "llm_call_duration_seconds", "Duration of model calls in seconds.", ("model_name",), edges
        )
        self._tokens = one.counter(PREFIX + "llm_tokens_total", "Tokens, in and out.", "model_name")
        self._cost = one.counter(PREFIX + "reflection_cost_by_tier_usd_total", "Cost in USD.", "tier", "customer_id")
        self._failures = one.counter(PREFIX + "reflection_failure_total", "Failed reflections.", "reason")
        self._fallbacks = one.counter(PREFIX + "tier_quality_fallback_total", "Calls repeated for want of confidence.")
        day = one.gauge(PREFIX + "daily_cost_usd", "Cost of the day in USD.")
        one.before.append(lambda: day.set(meter.cost))

    def run(self, customer: str) -> dict[str, Any]:
        """One reflection. Raises ConnectionError when the provider fails."""
        tier = self._tier()
        prompt = EPISODE * (ALL_EPISODES if "prompt-bloat" in self._on else EPISODES)
        for number in range(MOST_CALLS):
            answer = self._call(tier, prompt, customer)
            if answer.get("confidence", 1.0) >= SURE:
                break
            if number:
                self._fallbacks.add()
        return {"reflection": "ok", "tier": tier}

    def _tier(self) -> str:
        number = next(self._count)
        rare = number % MOSTLY_PREMIUM != 0 if "premium-shift" in self._on else number % PREMIUM_OF == 0
        return "premium" if rare and not self._meter.blocked else "cheap"

    def _call(self, tier: str, prompt: str, customer: str) -> dict[str, Any]:
        name = self._model.names[tier]
        begun = time.perf_counter()
        try:
            answer = self._model.complete(name, prompt)
        except ConnectionError:
            self._calls.add(name, "false")
            self._failures.add("llm_error")
            raise
        finally:
            self._seconds.observe(time.perf_counter() - begun, name)
        self._calls.add(name, "true")
        usage = answer["usage"]
        self._tokens.add(name, by=usage["prompt_tokens"] + usage["completion_tokens"])
        self._cost.add(tier, customer, by=usage["cost"])
        self._meter.add(tier, usage["cost"])
        return answer
