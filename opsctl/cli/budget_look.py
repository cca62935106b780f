"""What `opsctl budget status` asks and shows: the limits, the budget page, what the cost is made of."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from opsctl.errors import CouldNotLook, NotConfigured, UsageError
from opsctl.runbooks.chosen import defines
from opsctl.runbooks.verdict import decide

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.model import Finding, Seen
    from opsctl.probes.look import Look

SCHEMA = "opsctl.budget/1"
RUNBOOK = "budget-exceeded"
EXIT = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}


def look(hands: Hands) -> dict[str, Any]:
    """Plain data. Raises UsageError for a service without a budget. What cannot be asked is unknown, and said."""
    from opsctl.probes.http_meter import BudgetParams, MeterParams, budget, meter
    from opsctl.probes.look import Look
    from opsctl.probes.registry import NoParams
    from opsctl.probes.signal_factors import COST, factors
    from opsctl.probes.signal_objectives import objectives
    from opsctl.probes.symptom import shown

    profile = hands.profile
    if not defines(profile, RUNBOOK):
        raise UsageError(f"{profile.service} defines no budget", remedy="Services that do: opsctl service list.")
    one = Look(
        runbook=RUNBOOK,
        profile=profile,
        readers=hands.readers,
        signals=hands.signals,
        now=hands.now,
        at=None,
        since=1800.0,
        deadline=time.monotonic() + 25.0,
    )
    asked: dict[str, Callable[[Look], Seen]] = {
        "objectives": lambda at: objectives(at, NoParams()),
        "symptoms": lambda at: shown(at, NoParams()),
        "page": lambda at: budget(at, BudgetParams()),
        "factors": lambda at: factors(at, COST),
        "meter": lambda at: meter(at, MeterParams(finding="local.meter-above")),
    }
    found: dict[str, list[Finding]] = {}
    unknown: list[str] = []
    for name, ask in asked.items():
        try:
            found[name] = list(ask(one).findings)
        except NotConfigured:
            found[name] = []
        except CouldNotLook as failed:
            found[name] = []
            unknown.append(failed.says)
    verdict, _ = decide([f for findings in found.values() for f in findings], ("local.meter-above",))
    return {
        "schema": SCHEMA,
        "service": profile.service,
        "verdict": "unknown" if unknown and verdict == "ok" else verdict,
        **{name: [_plain(one) for one in findings] for name, findings in found.items()},
        "unknown": unknown,
    }


def _plain(finding: Finding) -> dict[str, Any]:
    told = {"id": finding.id, "state": finding.state, "says": finding.says, "severity": finding.severity}
    return {**told, "measured": finding.measured, "threshold": finding.threshold, "unit": finding.unit}


def render(data: dict[str, Any]) -> str:
    """As text."""
    heads = {"objectives": "Limits", "symptoms": "Told by the service", "page": "Breaker", "factors": "Made of",
             "meter": "Billed"}  # fmt: skip
    lines = [f"{data['verdict'].upper()}  {data['service']} budget"]
    for name, head in heads.items():
        if data[name]:
            lines += ["", head, *(f"    {_word(one)}{one['says']}" for one in data[name])]
    if data["unknown"]:
        lines += ["", "Could not be looked at (not the same as healthy)", *(f"    {says}" for says in data["unknown"])]
    return "\n".join(lines)


def _word(one: dict[str, Any]) -> str:
    return {"breach": "over     ", "ok": "ok       ", "unknown": "unknown  "}[one["state"]]
