"""Undo a run: the inverses of its acts, last first. What never acted is never undone; what has no inverse is said."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from opsctl.actions.model import Did, Outcome, OutcomeWord, Plan, Step
from opsctl.errors import OpsctlError, Refused
from opsctl.remediation import recorded
from opsctl.remediation.applying import acting
from opsctl.remediation.course import Course, Halt, Unrecorded, settle
from opsctl.remediation.ending import end, not_recorded
from opsctl.remediation.events import Began, OnEvent, Warned, shielded, silent
from opsctl.remediation.failed import NothingToDo
from opsctl.remediation.holding import SECONDS, Holding
from opsctl.remediation.interrupts import Interrupts
from opsctl.remediation.recorded import Recorded
from opsctl.remediation.resuming import action_of, fits
from opsctl.remediation.stopping import stop_files, stopped_by
from opsctl.remediation.workspace import Who

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.ledger.model import Ledger


class Inverse(NamedTuple):
    """One act to take back. ``open``: an undo of it was begun, and its end is not recorded."""

    step: Step
    inverse: dict[str, Any]
    says: str
    open: bool = False


class Stays(NamedTuple):
    """One act that is not taken back, and why."""

    step: Step
    why: str


class UndoPlan(NamedTuple):
    """What undo would do, last act first, and what stays. ``done``: acts that were taken back already."""

    run: str
    plan: Plan
    inverses: tuple[Inverse, ...]
    stays: tuple[Stays, ...]
    done: tuple[Step, ...] = ()


def plan_undo(ledger: Ledger, id: str) -> UndoPlan:
    """What can be undone of a run. Changes nothing; asks only the ledger.

    Raises UsageError without such a run, Refused (77) while it is not known what came of an act of it.
    """
    known = recorded.read(ledger, id)
    if known.open:
        ids = ", ".join(state.step.target.id for state in known.open)
        raise Refused(
            f"run {known.run.id} ended while it acted on {ids}: whether that took effect is not recorded",
            remedy=f"First opsctl ledger resume {known.run.id}; if the run is still going on, wait for its end.",
        )
    return _planned(known)


def _planned(known: Recorded) -> UndoPlan:
    undo = action_of(known.plan).undo
    inverses: list[Inverse] = []
    stays: list[Stays] = []
    done: list[Step] = []
    for number in sorted(known.steps, reverse=True):
        step, did, undone = known.steps[number].step, known.steps[number].did, known.steps[number].undone
        if did is None or did.state in ("skipped", "unchanged", "failed"):
            continue
        if undone == "yes":
            done.append(step)
        elif did.state == "unknown":
            stays.append(Stays(step, "it is not known whether it acted"))
        elif undo is None or did.inverse is None:
            stays.append(Stays(step, known.plan.proposal.lost or "this act has no inverse"))
        else:
            inverses.append(Inverse(step, did.inverse, did.says, undone == "open"))
    return UndoPlan(known.run.id, known.plan, tuple(inverses), tuple(stays), tuple(done))


def undo(
    id: str,
    hands: Hands,
    ledger: Ledger,
    *,
    who: Who,
    on_event: OnEvent = silent,
    clock: Callable[[], float] = time.time,
    lease_seconds: float = SECONDS,
) -> Outcome:
    """Take back what a run did, one act after the other, each between two entries; stops at the first that fails.

    Called again it goes on where it ended: an inverse of which the end is not recorded is settled by a look first.

    Raises NothingToDo (1) where nothing can be taken back, UsageError without such a run, Refused (77) for the stop
    file, an unsettled act or another service's hands; TryLater (75), CannotWrite (73), Unavailable (69).
    """
    first = plan_undo(ledger, id)
    action = action_of(first.plan)
    fits(first.plan, hands)
    on_event = shielded(on_event)
    files = stop_files(hands.settings)
    if why := stopped_by(files):
        raise Refused(f"nothing may be changed: {why}")
    began = time.monotonic()
    with (
        Interrupts(lambda says: on_event(Warned(says))) as interrupts,
        Holding(ledger, first.plan.proposal.scope, who, lease_seconds) as holding,
    ):
        planned = plan_undo(ledger, id)
        if not planned.inverses:
            raise nothing_to_undo(planned)
        scope, count = planned.plan.proposal.scope, len(planned.inverses)
        on_event(Began(planned.run, action.id, scope, who.actor, who.host, holding.lease.since, count, "undo"))
        course = Course(
            plan=planned.plan,
            action=action,
            hands=hands,
            ledger=ledger,
            run=planned.run,
            holding=holding,
            interrupts=interrupts,
            stop_files=files,
            on_event=on_event,
        )
        acting(course, clock)
        return _undone(course, planned, who, began)


def nothing_to_undo(planned: UndoPlan) -> NothingToDo:
    """The error of a run of which nothing can be taken back, and why."""
    if planned.done and not planned.stays:
        return NothingToDo(f"run {planned.run} is undone already: {len(planned.done)} acts were taken back")
    why = "; ".join(f"{stay.step.target.id}: {stay.why}" for stay in planned.stays[:3])
    return NothingToDo(f"nothing of run {planned.run} can be undone" + (f" ({why})" if why else ": nothing was done"))


def _undone(course: Course, planned: UndoPlan, who: Who, began: float) -> Outcome:
    word: OutcomeWord = "undone"
    says = ""
    back = len(planned.done)
    whole = back + len(planned.inverses) + len(planned.stays)
    try:
        for one in planned.inverses:
            course.ready()
            if one.open and _seen_undone(course, one):
                back += 1
                continue
            did = course.undo(one.step, one.inverse, len(planned.inverses))
            if did.state not in ("acted", "unchanged"):
                raise Halt("unknown" if did.state == "unknown" else "failed", f"{one.step.target.id}: {did.says}")
            back += 1
    except Halt as halt:
        word, says = halt.word, halt.says
    except Unrecorded as lost:
        return not_recorded(course, lost, began, "undo")
    except KeyboardInterrupt:
        if course.open is not None:
            return not_recorded(course, None, began, "undo")
        word, says = "interrupted", "by Ctrl-C"
    except OpsctlError as error:
        far = f"{back} of {whole} acts are taken back" if back else "nothing was taken back"
        raise type(error)(f"{error.says}; {far}", place=error.place, remedy=error.remedy) from error
    parts = [says, f"{back} of {whole} acts taken back by {who.actor}"]
    parts += [f"{stay.step.target.id} stays: {stay.why}" for stay in planned.stays]
    return end(course, word, "; ".join(filter(None, parts)), began, undo=True)


def _seen_undone(course: Course, one: Inverse) -> bool:
    """Whether an inverse whose end is not recorded took effect: then it is not applied again. Raises Halt."""
    did: Did = settle(course.action, course.hands, one.step)
    effect = {"acted": "not-acted", "failed": "acted"}.get(did.state, "unknown")
    says = {"acted": "found to be undone", "not-acted": "found not to be undone"}.get(effect, did.says)
    course.ledger.append(course.run, "settled", {"effect": effect, "says": says, "undo": True}, one.step.number)
    if effect == "unknown":
        raise Halt("unknown", f"{one.step.target.id}: {says}. Look for yourself; nothing more was done")
    return effect == "acted"
