"""Making the silences what the schedules say. It may be run at any time, twice, at once, and after a crash."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal, NamedTuple

from opsctl.errors import CouldNotLook, Unavailable
from opsctl.silences.change import expire
from opsctl.silences.create import create
from opsctl.silences.members import Members
from opsctl.silences.schedule_plan import Step

_SEEN_WITHIN = 3.0
_PAUSE = 0.2


class Applied(NamedTuple):
    """A step and what came of it. ``unchanged``: it needed nothing, or another run had done it."""

    step: Step
    outcome: Literal["created", "expired", "unchanged", "refused", "failed", "unknown"]
    id: str = ""
    says: str = ""
    not_seen_on: tuple[str, ...] = ()


def apply(members: Members, steps: Sequence[Step], timeout: float = 10.0) -> list[Applied]:
    """Create what is missing, then end what is stale: never a moment without the silence that both agree on.

    A step that fails does not stop the rest. Raises Interrupted.
    """
    done = [_created(members, step, timeout) for step in steps if step.what == "create"]
    stale = {step.known.id: step for step in steps if step.what == "expire" and step.known is not None}
    if stale:
        for change in expire(members, [step.known for step in stale.values() if step.known], timeout):
            step = stale[change.known.id]
            if change.outcome in ("failed", "unknown"):
                outcome: Literal["failed", "unknown"] = "failed" if change.outcome == "failed" else "unknown"
                done.append(Applied(step, outcome, change.id, change.says))
            else:
                done.append(Applied(step, "expired", change.id, step.says, change.not_seen_on))
    for step in steps:
        if step.what not in ("create", "expire"):
            id = step.known.id if step.known else ""
            done.append(Applied(step, "refused" if step.what == "refused" else "unchanged", id, step.says))
    return sorted(done, key=lambda one: (one.step.start, one.step.id))


def _created(members: Members, step: Step, timeout: float) -> Applied:
    assert step.wanted is not None
    try:
        made = create(members, step.wanted, timeout)
        ends = time.monotonic() + _SEEN_WITHIN
        while made.outcome == "found" and made.not_seen_on and time.monotonic() < ends:
            # Another run made it a moment ago: the members tell each other, or it is a double that is taken back.
            time.sleep(_PAUSE)
            made = create(members, step.wanted, timeout)
    except CouldNotLook as error:
        return Applied(step, "failed", says=error.says)
    except Unavailable as error:
        return Applied(step, "failed", says=error.says)
    if made.outcome == "unknown":
        return Applied(step, "unknown", says=made.says)
    outcome: Literal["created", "unchanged"] = "created" if made.outcome == "created" else "unchanged"
    return Applied(step, outcome, made.id, made.says or step.says, made.not_seen_on)


def exit_code(done: Sequence[Applied]) -> int:
    """3 something is not known, 2 something failed, 77 a guard refused something, 1 not on every member, 0 done."""
    outcomes = {one.outcome for one in done}
    if "unknown" in outcomes:
        return 3
    if "failed" in outcomes:
        return 2
    if "refused" in outcomes:
        return 77
    return 1 if any(one.not_seen_on for one in done) else 0
