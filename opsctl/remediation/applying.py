"""Apply a plan: every guard first, then act by act between two entries of the ledger, then look whether it helped.

Consent is the caller's: ``apply`` takes it as given to exactly this plan (its hash).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from opsctl.actions import registry
from opsctl.actions.model import Outcome, OutcomeWord, Plan, Proposal
from opsctl.errors import BadData, Interrupted, OpsctlError, Refused
from opsctl.ledger.model import NewRun
from opsctl.model import Finding
from opsctl.remediation import cooldown, planfile, verifying
from opsctl.remediation import recheck as pins
from opsctl.remediation.course import Course, Halt, Unrecorded, told
from opsctl.remediation.digest import as_data, hash_of
from opsctl.remediation.ending import end, not_recorded
from opsctl.remediation.events import Began, OnEvent, Warned, shielded, silent
from opsctl.remediation.holding import SECONDS, Holding
from opsctl.remediation.interrupts import Interrupts
from opsctl.remediation.planner import bound, nothing_to_do, proposed
from opsctl.remediation.stepping import take
from opsctl.remediation.stopping import stop_files, stopped_by
from opsctl.remediation.workspace import Who

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.actions.registry import Action
    from opsctl.ledger.model import Ledger
    from opsctl.runbooks.load import Loaded


class Asks(NamedTuple):
    """What a terminal must ask before a plan is applied. ``type``: the name to type; "" = yes or no is enough."""

    question: str
    type: str = ""


def asks(plan: Plan) -> Asks:
    """A plan that cannot be undone needs the name of what is acted on (domain-checks 1.2, point 5)."""
    count, unit = len(plan.proposal.steps), plan.proposal.unit
    what = plan.action.partition(".")[2].replace("-", " ")
    question = f"{what} on {plan.proposal.subject}: {count} of {plan.proposal.of} {unit}"
    return Asks(question, "" if plan.proposal.undo else plan.proposal.confirm or plan.service)


def apply(
    plan: Plan,
    hands: Hands,
    ledger: Ledger,
    *,
    who: Who,
    on_event: OnEvent = silent,
    loaded: Loaded | None = None,
    recheck: bool = True,
    again: bool = False,
    clock: Callable[[], float] = time.time,
    lease_seconds: float = SECONDS,
) -> Outcome:
    """Apply the plan and say what came of it.

    ``loaded``: the plan's runbook, whose probes tell whether it helped. ``recheck`` False leaves out the second look
    at targets and preconditions, for a plan that was made in this very moment; pins still hold at each act.
    ``again``: act although a target's cool-down lasts.

    Nothing has been done when it raises: NothingToDo (1), BadData (65) for an edited plan, Refused (77) by the stop
    file, an expired plan, a cool-down, a pin that moved or a precondition; TryLater (75) while somebody else holds the
    lease; CannotWrite (73) or Unavailable (69) by the ledger; Interrupted (130). The ledger's errors can also come
    between two acts: their sentence then says how far it got, and all of that is recorded.
    """
    action = _action(plan)
    if hash_of(as_data(plan)) != plan.hash:
        raise BadData("the plan was changed after it was made (its hash does not fit)", remedy="Make it anew.")
    on_event = shielded(on_event)
    files = stop_files(hands.settings)
    if why := stopped_by(files):
        raise Refused(f"nothing may be changed: {why}")
    planfile.check(plan, now=clock(), service=hands.profile.service, context=hands.settings.context)
    if not plan.proposal.steps:
        raise nothing_to_do(plan)
    verifying.insist(loaded, plan)
    began = time.monotonic()
    with (
        Interrupts(lambda says: on_event(Warned(says))) as interrupts,
        Holding(ledger, plan.proposal.scope, who, lease_seconds) as holding,
    ):
        if not again:
            cooldown.insist(ledger, action, plan, datetime.fromtimestamp(clock(), UTC))
        now = proposed_again(plan, action, hands, clock) if recheck else plan.proposal
        held = pins.recheck(plan, now)
        pins.insist(plan, held, now)
        if interrupts.pending:
            raise Interrupted(f"{interrupts.pending}: nothing was changed")
        if why := stopped_by(files):
            raise Refused(f"nothing may be changed: {why}")
        run = ledger.begin(_new_run(plan, who))
        on_event(
            Began(run.id, plan.action, plan.proposal.scope, who.actor, who.host, holding.lease.since, len(held.go))
        )
        course = Course(
            plan=plan,
            action=action,
            hands=hands,
            ledger=ledger,
            run=run.id,
            holding=holding,
            interrupts=interrupts,
            stop_files=files,
            on_event=on_event,
        )
        acting(course, clock)
        return carry_out(course, held, began, loaded)


def carry_out(course: Course, held: pins.Rechecked, began: float, loaded: Loaded | None) -> Outcome:
    """The steps that are left, then the look whether it helped; always an outcome, recorded where that is possible."""
    word: OutcomeWord = "nothing-done"
    says = ""
    findings: tuple[Finding, ...] = ()
    try:
        take(course, held.go, held.gone)
        verdict = verified(course, loaded)
        if verdict is not None:
            word, says, findings = verdict
        if course.interrupts.pending and word not in ("fixed", "verified"):
            word, says = "interrupted", f"every step is done; {course.interrupts.pending} while it was looked: {says}"
    except Halt as halt:
        word, says = halt.word, halt.says
    except Unrecorded as lost:
        return not_recorded(course, lost, began)
    except KeyboardInterrupt:
        if course.open is not None:
            return not_recorded(course, None, began)
        word, says = "interrupted", "by Ctrl-C"
    return end(course, word, says, began, findings)


def verified(course: Course, loaded: Loaded | None) -> verifying.Verdict | None:
    """Look whether it helped, and record it; None where nothing acted."""
    done = tuple(number for number, did in sorted(course.dids.items()) if did.state == "acted")
    if not done:
        return None
    verdict = verifying.verify(
        course.plan,
        course.action,
        dataclasses.replace(course.hands, check_stop=lambda: None),
        done,
        loaded=loaded,
        interrupts=course.interrupts,
        on_event=course.on_event,
    )
    body = {"says": verdict.says, "findings": msgspec.to_builtins(verdict.findings), "ok": verdict.ok}
    try:
        course.ledger.append(course.run, "verified", body)
    except OpsctlError as error:
        course.on_event(Warned(f"what was seen could not be recorded ({error.says}); every act is"))
    return verdict


def acting(course: Course, clock: Callable[[], float]) -> None:
    """Give it hands that know their run, can be stopped, and whose signals have not been read yet."""
    course.hands = dataclasses.replace(
        course.hands,
        signals=course.hands.signals.fresh(),
        now=clock(),
        run=course.run,
        check_stop=course.check_stop,
        tell=told(course.on_event),
    )


def _action(plan: Plan) -> Action:
    found = registry.get(plan.action)
    if found is None:
        raise BadData(f"this opsctl has no action {plan.action}")
    return found


def proposed_again(plan: Plan, action: Action, hands: Hands, clock: Callable[[], float]) -> Proposal:
    """The proposal as it would be made now."""
    fresh = dataclasses.replace(hands, signals=hands.signals.fresh(), now=clock())
    return proposed(action, bound(action, plan.parameters), fresh)


def _new_run(plan: Plan, who: Who) -> NewRun:
    return NewRun(
        actor=who.actor,
        host=who.host,
        command=who.command,
        reason=who.reason,
        ticket=who.ticket,
        service=plan.service,
        context=plan.context,
        runbook=plan.runbook,
        action=plan.action,
        scope=plan.proposal.scope,
        plan_hash=plan.hash,
        plan=as_data(plan),
    )
