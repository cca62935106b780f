"""A plan held against what is there now: what may go on, what is gone, what has become something else. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from opsctl.actions.model import Plan, Proposal, Scalar, Step
from opsctl.errors import Refused
from opsctl.remediation.limits import cap_of


class Rechecked(NamedTuple):
    """``go``: steps as they were planned; ``gone``: number -> why it is left out; ``moved``: sentences; ``refused``:
    preconditions that do not hold, with what lifts each; ``cap``: targets that the limit admits of the total now.
    """

    go: tuple[Step, ...]
    gone: dict[int, str]
    moved: tuple[str, ...]
    refused: tuple[str, ...]
    cap: int


def recheck(plan: Plan, now: Proposal, steps: Iterable[Step] | None = None) -> Rechecked:
    """The plan's steps (or those still to do) against a proposal made now."""
    found = {step.target.id: step for step in now.steps}
    excluded = {one.id: one.why for one in now.excluded}
    go: list[Step] = []
    gone: dict[int, str] = {}
    moved: list[str] = []
    for step in plan.proposal.steps if steps is None else steps:
        id = step.target.id
        other = found.get(id)
        if other is not None and other.target.pin == step.target.pin:
            go.append(step)
        elif other is not None:
            moved.append(f"{id} is another one now: {differences(step.target.pin, other.target.pin)}")
        elif id in excluded:
            gone[step.number] = f"it is no longer one to act on: {excluded[id]}"
        else:
            gone[step.number] = "it is gone, or no longer what was planned for"
    if now.scope != plan.proposal.scope:
        moved.insert(0, f"the plan is for {plan.proposal.scope}, and this is {now.scope}")
    return Rechecked(tuple(go), gone, tuple(moved), refusals(now), cap_of(plan.limit, now.of))


def refusals(proposal: Proposal) -> tuple[str, ...]:
    """The preconditions that do not hold, or could not be looked at, each with what lifts it."""
    return tuple(
        f"{check.says}{' (could not be looked at)' if check.ok is None else ''}"
        f"{f' (lifted with {check.lift})' if check.lift else ''}"
        for check in proposal.checks
        if check.ok is not True
    )


def insist(plan: Plan, again: Rechecked, now: Proposal) -> None:
    """Raises Refused (77) for a plan that may not be applied as it is: pins, preconditions, the limit."""
    if again.moved:
        says = f"the plan no longer fits: {'; '.join(again.moved[:5])}"
        raise Refused(says, remedy="Make it anew; nothing was changed.")
    if again.refused:
        raise Refused(f"not now: {'; '.join(again.refused)}", remedy="Nothing was changed.")
    if len(again.go) > again.cap:
        total = f"{now.of} {now.unit}"
        says = f"the plan has {len(again.go)} targets, and the limit admits {again.cap} of the {total} there are now"
        remedy = f"Make it anew, or with --max-targets {len(again.go)}; nothing was changed."
        raise Refused(says, remedy=remedy)


def differences(old: Mapping[str, Scalar], new: Mapping[str, Scalar]) -> str:
    """``backend_start 03:01 -> 03:09``."""
    changed = [key for key in {**old, **new} if old.get(key) != new.get(key) or (key in old) != (key in new)]
    return ", ".join(f"{key} {_shown(old, key)} -> {_shown(new, key)}" for key in changed)


def _shown(pin: Mapping[str, Scalar], key: str) -> str:
    return str(pin[key])[:80] if key in pin else "none"
