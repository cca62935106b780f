"""How long ago the same was done to the same target, by anybody who shares the ledger (domain-checks 1.2, point 7)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from opsctl.durations import format_duration
from opsctl.errors import Refused

if TYPE_CHECKING:
    from opsctl.actions.model import Plan, Step
    from opsctl.actions.registry import Action
    from opsctl.ledger.model import Ledger

LIFT = "--again"


def too_soon(
    ledger: Ledger, action: Action, plan: Plan, now: datetime, steps: Sequence[Step] | None = None
) -> tuple[str, ...]:
    """A sentence for each target that the same action hit less than its cool-down ago.

    A time that lies in the future counts as now: a clock was put back, and how long ago it was is not known.
    """
    wanted = plan.proposal.steps if steps is None else steps
    if not wanted or action.cooldown <= 0:
        return ()
    last = ledger.last_act(action.id, [step.target.id for step in wanted], plan.proposal.scope)
    said = []
    for id, moment in last.items():
        age = (now - moment).total_seconds()
        if age < action.cooldown:
            ago = "in the future, by this clock" if age < 0 else f"{format_duration(float(round(age)))} ago"
            said.append(f"{id}: {action.id} acted on it at {moment:%H:%M:%S} UTC, {ago}")
    return tuple(said)


def insist(ledger: Ledger, action: Action, plan: Plan, now: datetime) -> None:
    """Raises Refused (77) while a target's cool-down lasts."""
    said = too_soon(ledger, action, plan, now)
    if said:
        wait = format_duration(action.cooldown)
        raise Refused(
            f"too soon, {wait} must pass between two: {'; '.join(said[:5])}",
            remedy=f"Look first whether it helped; {LIFT} acts all the same. Nothing was changed.",
        )
