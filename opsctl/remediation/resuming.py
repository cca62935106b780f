"""Go on with a run that ended before its end: look what came of the open act, do what is left, look whether it helped.

An act that took effect is never repeated: what the record leaves open is settled by a look (``Action.settled``) first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from opsctl.actions import registry
from opsctl.actions.model import Did, Outcome, Plan
from opsctl.errors import BadData, Refused
from opsctl.remediation import recheck as pins
from opsctl.remediation import recorded, verifying
from opsctl.remediation.applying import acting, carry_out, proposed_again
from opsctl.remediation.course import Course, settle
from opsctl.remediation.ending import end
from opsctl.remediation.events import Began, OnEvent, StepDone, Warned, shielded, silent
from opsctl.remediation.holding import SECONDS, Holding
from opsctl.remediation.interrupts import Interrupts
from opsctl.remediation.recorded import Recorded, StepState, inverse_of
from opsctl.remediation.stopping import stop_files, stopped_by
from opsctl.remediation.workspace import Who

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.actions.registry import Action
    from opsctl.ledger.model import Ledger
    from opsctl.runbooks.load import Loaded

LEFT = ("stopped", "failed")  # outcomes after which there can be something left to do


def finished(run: Recorded) -> str:
    """Why there is nothing to resume, in one sentence; "" where there is."""
    outcome = run.outcome
    if run.undoing and (outcome is None or outcome.word != "undone"):
        return f"run {run.run.id} was being undone; opsctl ledger undo {run.run.id} goes on with that"
    if not run.undoing and (
        outcome is None or outcome.word == "interrupted" or (outcome.word in LEFT and run.to_do) or run.doubtful
    ):
        return ""
    assert outcome is not None  # every other case is above
    return f"run {run.run.id} is finished ({outcome.word}): nothing is left to do"


def resume(
    id: str,
    hands: Hands,
    ledger: Ledger,
    *,
    who: Who,
    on_event: OnEvent = silent,
    loaded: Loaded | None = None,
    clock: Callable[[], float] = time.time,
    lease_seconds: float = SECONDS,
) -> Outcome:
    """Settle what is open, do the steps that are left (pins and preconditions looked at again), verify.

    How old the plan is does not count: what is left is looked at anew. A finished run: its outcome as it is, nothing
    is done. Where the steps that are left no longer fit, they are not done, and the outcome (``stopped``) says why.
    What cannot be settled gives ``unknown``: nothing more is done.

    Raises UsageError without such a run, Refused (77) for the stop file or another service's hands, TryLater (75)
    while the run's process lives, CannotWrite (73), Unavailable (69).
    """
    known = recorded.read(ledger, id)
    if says := finished(known):
        outcome = known.outcome or Outcome(run=known.run.id, word="nothing-done", says=says)
        return msgspec.structs.replace(outcome, says=says)
    action = action_of(known.plan)
    fits(known.plan, hands)
    on_event = shielded(on_event)
    files = stop_files(hands.settings)
    if why := stopped_by(files):
        raise Refused(f"nothing may be changed: {why}")
    verifying.insist(loaded, known.plan)
    began = time.monotonic()
    with (
        Interrupts(lambda says: on_event(Warned(says))) as interrupts,
        Holding(ledger, known.plan.proposal.scope, who, lease_seconds) as holding,
    ):
        known = recorded.read(ledger, id)  # as it is now that nobody else goes on with it
        run, plan = known.run.id, known.plan
        ledger.append(run, "resumed", {"actor": who.actor, "host": who.host, "command": who.command})
        scope = plan.proposal.scope
        on_event(Began(run, plan.action, scope, who.actor, who.host, holding.lease.since, len(known.to_do), "resume"))
        course = Course(
            plan=plan,
            action=action,
            hands=hands,
            ledger=ledger,
            run=run,
            holding=holding,
            interrupts=interrupts,
            stop_files=files,
            on_event=on_event,
            dids=dict(known.dids),
        )
        acting(course, clock)
        for state in known.doubtful:
            did = settled(course, state)
            if did.state == "unknown":
                says = f"{state.step.target.id}: {did.says}. Look for yourself; nothing more was done"
                return end(course, "unknown", says, began)
        left = recorded.read(ledger, run).to_do
        held = pins.Rechecked((), {}, (), (), 0)
        if left:
            now = proposed_again(plan, action, hands, clock)
            held = pins.recheck(plan, now, left)
            try:
                pins.insist(plan, held, now)
            except Refused as refused:
                says = f"the {len(left)} steps left were not done: {refused.says}"
                return end(course, "stopped", says, began)
        for step in left:
            course.dids.pop(step.number, None)  # failed before, tried again
        return carry_out(course, held, began, loaded)


def settled(course: Course, state: StepState) -> Did:
    """Look what came of an act whose record ends with the intent, and record what was seen."""
    step = state.step
    did = settle(course.action, course.hands, step)
    if did.state == "acted":
        did = msgspec.structs.replace(did, inverse=inverse_of(step))
    effect = {"acted": "acted", "failed": "not-acted"}.get(did.state, "unknown")
    says = {"acted": "found to have taken effect", "failed": "found not to have taken effect"}.get(did.state, did.says)
    did = msgspec.structs.replace(did, says=says)
    course.ledger.append(course.run, "settled", {"effect": effect, "says": says}, step.number)
    if did.state != "failed":
        course.dids[step.number] = did
        course.on_event(StepDone(step, did))
    return did


def action_of(plan: Plan) -> Action:
    """The plan's action. Raises BadData where this opsctl has none of that name."""
    found = registry.get(plan.action)
    if found is None:
        raise BadData(f"this opsctl has no action {plan.action}")
    return found


def fits(plan: Plan, hands: Hands) -> None:
    """Raises Refused for hands of another service or context than the plan's."""
    if (plan.service, plan.context) != (hands.profile.service, hands.settings.context):
        here = f"{hands.profile.service} in context {hands.settings.context or 'none'}"
        raise Refused(f"the run is of {plan.service} in context {plan.context or 'none'}, and this is {here}")
