"""The last words of a run: what came of it, recorded where the ledger still takes it; and the exit code."""

from __future__ import annotations

import time

import msgspec

from opsctl.actions.model import Outcome, OutcomeWord
from opsctl.errors import OpsctlError
from opsctl.model import Finding
from opsctl.remediation.course import Course, Unrecorded
from opsctl.remediation.events import Ended, Warned
from opsctl.remediation.stepping import states

EXIT: dict[str, int] = {
    "fixed": 0,
    "verified": 0,
    "undone": 0,
    "improved": 1,
    "no-effect": 1,
    "worse": 1,
    "not-verified": 1,
    "nothing-done": 1,
    "failed": 2,
    "unknown": 3,
    "stopped": 77,
    "interrupted": 130,
}


def exit_code(outcome: Outcome) -> int:
    """The process' exit code for an outcome (design.md, "Output and exit")."""
    return EXIT[outcome.word]


def end(
    course: Course,
    word: OutcomeWord,
    says: str,
    began: float,
    findings: tuple[Finding, ...] = (),
    *,
    undo: bool = False,
) -> Outcome:
    """Record the outcome and say it. An outcome that cannot be recorded is said all the same."""
    outcome = outcome_of(course, word, says, began, findings, undo=undo)
    try:
        course.ledger.append(course.run, "outcome", msgspec.to_builtins(outcome))
    except OpsctlError as error:
        course.on_event(Warned(f"the outcome could not be recorded ({error.says}); every act is"))
        course.on_event(Ended(outcome, recorded=False))
        return outcome
    course.on_event(Ended(outcome))
    return outcome


def not_recorded(course: Course, lost: Unrecorded | None, began: float, verb: str = "resume") -> Outcome:
    """An act whose result is not in the ledger: it holds the intent, and ``ledger VERB`` looks what came of it."""
    resume = f"opsctl ledger {verb} {course.run}"
    if lost is not None:
        says = (
            f"{lost.step.target.id}: {lost.did.says} ({lost.did.state}), and this could NOT be recorded: "
            f"{lost.error.says}. Nothing more was done; when the ledger can be written again: {resume}"
        )
        outcome = outcome_of(course, "unknown", says, began)
    else:
        says = f"left while an act ran, so that its result is not recorded; what came of it: {resume}"
        outcome = outcome_of(course, "interrupted", says, began)
    course.on_event(Ended(outcome, recorded=False))
    return outcome


def outcome_of(
    course: Course,
    word: OutcomeWord,
    says: str,
    began: float,
    findings: tuple[Finding, ...] = (),
    *,
    undo: bool = False,
) -> Outcome:
    """What came of the run, in numbers; ``undoable``: at least one act has an inverse."""
    done, skipped, failed = states(course.dids)
    total = len(course.plan.proposal.steps)
    far = "" if undo or done + skipped == total else f"{done} of {total} steps are done"
    inverse = any(did.state == "acted" and did.inverse is not None for did in course.dids.values())
    return Outcome(
        run=course.run,
        word=word,
        says="; ".join(filter(None, (says, far))) or _nothing(course),
        done=done,
        skipped=skipped,
        failed=failed,
        seconds=round(time.monotonic() - began, 3),
        findings=findings,
        undoable=inverse and not undo and course.action.undo is not None,
    )


def _nothing(course: Course) -> str:
    whys = dict.fromkeys(did.says for did in course.dids.values())
    return f"no target was left: {'; '.join(list(whys)[:3])}" if whys else "no target was left"
