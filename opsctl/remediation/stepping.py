"""The steps of a run in order: the first alone, then in batches with pauses, guards read in between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from opsctl.actions.model import Did, Step
from opsctl.durations import format_duration
from opsctl.errors import OpsctlError
from opsctl.remediation.course import Course, Halt, batches
from opsctl.remediation.events import GuardBroken, Paused, Warned
from opsctl.remediation.guards import Watch

PATIENCE = 3  # times the pause between batches that a broken guard is given before the second look


def take(course: Course, steps: Sequence[Step], gone: Mapping[int, str]) -> None:
    """Record the steps that are gone (number -> why), then do the others.

    Raises Halt where the rest is not done; the ledger's error, naming how far it got; Unrecorded. A step that failed,
    or of which it is not known whether it acted, ends it.
    """
    acted = 0
    try:
        for step in course.plan.proposal.steps:
            if step.number in gone:
                course.skip(step, gone[step.number])
        for _ in _taken(course, steps):
            acted += 1
    except OpsctlError as error:
        raise _at(error, acted, len(steps)) from error


def _taken(course: Course, steps: Sequence[Step]) -> Iterator[Did]:
    watch = Watch(course.plan.guards, course.hands) if course.plan.guards and steps else None
    for note in watch.notes if watch is not None else ():
        course.on_event(Warned(note))
        course.note(note)
    breaches = 0
    for number, batch in enumerate(batches(steps, course.plan.pace.batch)):
        if number:
            pause = course.plan.pace.pause
            if pause > 0:
                course.on_event(Paused(pause, "before the next steps"))
                course.interrupts.wait(pause)
            if watch is not None:
                breaches = _watched(course, watch, breaches)
        for step in batch:
            course.ready()
            did = course.act(step, len(steps))
            if course.stopped:
                raise Halt("interrupted" if course.interrupts.pending else "stopped", f"{step.target.id}: {did.says}")
            if did.state in ("failed", "unknown"):
                raise Halt("failed" if did.state == "failed" else "unknown", f"{step.target.id}: {did.says}")
            yield did


def _at(error: OpsctlError, done: int, of: int) -> OpsctlError:
    """The ledger's error before an act, with how far it got: that is all recorded, and nothing else was done."""
    far = "nothing was done" if not done else f"{done} of {of} steps are done and recorded, the next was not begun"
    return type(error)(f"{error.says}; {far}", place=error.place, remedy=error.remedy)


def _watched(course: Course, watch: Watch, breaches: int) -> int:
    """Read the guards; the first breach pauses and looks again, the second stops. Returns the breaches so far."""
    while broken := watch.look():
        breaches += 1
        last = breaches > 1
        for signal, says in broken:
            course.on_event(GuardBroken(signal, says, "stop" if last else "pause"))
            body = {"signal": signal, "says": says, "action": "stop" if last else "pause"}
            course.ledger.append(course.run, "guard", body)
        why = "; ".join(says for _, says in broken)
        if last:
            raise Halt("stopped", f"a guard signal is broken: {why}")
        wait = max(course.plan.pace.pause, 0.1) * PATIENCE
        course.on_event(Paused(wait, f"a guard signal is broken, looked at again in {format_duration(round(wait, 1))}"))
        course.interrupts.wait(wait)
        course.ready()
    return breaches


def states(dids: dict[int, Did]) -> tuple[int, int, int]:
    """How many acted, were skipped, failed."""
    found = [did.state for did in dids.values()]
    return found.count("acted"), found.count("skipped") + found.count("unchanged"), found.count("failed")
