"""What a command that acts tells while it acts: text as it happens, or one JSON object at the end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from opsctl.cli import output
from opsctl.cli.result import Result
from opsctl.errors import CouldNotLook, OpsctlError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from opsctl.actions.model import Did, Outcome, Plan, Step
    from opsctl.remediation.events import Event
    from opsctl.remediation.workspace import Workspace
    from opsctl.runbooks.load import Loaded

EXIT = {
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
SCHEMA = "opsctl.run/1"


def answered(shape: str, do: Callable[[], Result], teller: Teller | None = None) -> Result:
    """What ``do`` returns. In JSON an error becomes its one object too, with the error's exit code and its sentence.

    ``teller``: knows the plan and what was done, where there is a plan. Raises OpsctlError in every other shape.
    """
    try:
        return do()
    except (OpsctlError, CouldNotLook) as failure:
        error = failure if isinstance(failure, OpsctlError) else Unavailable(f"could not look: {failure.says}")
        if shape != "json":
            raise error from None
        says = error.sentence()
        return (teller or Teller(None, shape)).result(exit=error.code, text=says, notes=(f"opsctl: {says}",))


class Teller:
    """Shows one plan and what comes of it. ``shape``: text or json."""

    def __init__(self, plan: Plan | None, shape: str) -> None:
        from opsctl.report.style import stdout_style

        self._plan, self._shape, self._style = plan, shape, stdout_style()
        self._steps: list[tuple[Step, Did]] = []
        self._run = ""
        self._began = False
        self._waiting = False

    @property
    def silent(self) -> bool:
        """Whether nothing is shown before the one object at the end."""
        return self._shape == "json"

    def line(self, text: str) -> None:
        """A line of text on stdout, at once; nothing in JSON."""
        if self._shape != "json":
            self._wipe()
            output.write(text)

    def show_plan(self) -> None:
        """The plan, before anything is asked."""
        from opsctl.cli.plan_text import plan_lines

        if self._plan is not None and self._shape != "json":
            output.write("\n".join(plan_lines(self._plan, self._style)) + "\n")

    def apply(self, work: Workspace, *, again: bool) -> Result:
        """Apply the plan. Raises what the engine raises before the first act: nothing was changed then."""
        from opsctl.ledger.opened import open_ledger
        from opsctl.remediation.applying import apply

        assert self._plan is not None
        loaded = self.runbook(work)
        ledger = open_ledger(work.settings, work.environ)
        try:
            hands = work.hands()
            outcome = apply(self._plan, hands, ledger, who=work.who, on_event=self.event, loaded=loaded, again=again)
        finally:
            self._wipe()
            ledger.close()
        return self.ended(outcome)

    def runbook(self, work: Workspace) -> Loaded | None:
        """The plan's runbook, whose probes tell whether it helped. Raises UsageError, ConfigError."""
        from opsctl.runbooks.load import load

        assert self._plan is not None
        return load(self._plan.runbook, list(work.dirs)) if self._plan.runbook else None

    def resumes(self, run: str) -> None:
        """The run that is gone on with."""
        self._run = run

    def event(self, event: Event) -> None:
        """Tell what happens."""
        from opsctl.cli.plan_text import step_line
        from opsctl.remediation import events

        if isinstance(event, events.Began):
            self._run, self._began = event.run, True
            word = self._style.paint(event.what.upper(), "bold")
            self.line(f"{word} run {event.run}  lease {event.scope} held by {event.actor}")
        elif isinstance(event, events.StepDone):
            self._steps.append((event.step, event.did))
            self.line(step_line(event.step, event.did, self._style))
        elif isinstance(event, events.Warned):
            self._wipe()
            output.note(event.text)
        elif isinstance(event, events.GuardBroken):
            self.line(f" {self._style.paint('WATCHED', 'bold', 'red')}    {event.says}; {event.action}")
        elif isinstance(event, events.Verifying):
            self._progress(f"looking whether it helped, up to {event.left:.0f} s more: {event.says}")
        elif isinstance(event, events.Paused):
            self._progress(f"waiting {event.seconds:.0f} s: {event.why}")
        elif isinstance(event, events.Told):
            self._progress(event.text)

    def ended(self, outcome: Outcome) -> Result:
        """The outcome as a result, with what to run next."""
        from opsctl.cli.plan_text import outcome_line

        following = [f"opsctl ledger show {outcome.run}"] if outcome.run else []
        if outcome.undoable and outcome.word in ("worse", "no-effect", "failed", "stopped", "interrupted"):
            following.insert(0, f"opsctl ledger undo {outcome.run}")
        if outcome.word in ("unknown", "interrupted") and outcome.run:
            following.insert(0, f"opsctl ledger resume {outcome.run}")
        lines = [outcome_line(outcome, self._style)]
        lines += [("Next  " if n == 0 else "      ") + command for n, command in enumerate(following)]
        return self.result(exit=EXIT[outcome.word], text="\n".join(lines), outcome=outcome, following=following)

    def result(
        self,
        *,
        exit: int,
        text: str,
        outcome: Outcome | None = None,
        says: str = "",
        following: list[str] | None = None,
        notes: tuple[str, ...] = (),
    ) -> Result:
        """What the command returns. The text is what was not shown yet."""
        data: dict[str, Any] = {
            "schema": SCHEMA,
            "plan": self._plan,
            "applied": outcome is not None or self._began,
            "run": self._run or None,
            "outcome": outcome,
            "steps": [{"target": step.target.id, **_did(did)} for step, did in self._steps],
            "says": outcome.says if outcome is not None else says or text,
            "next": following or [],
        }
        return Result(data, text, self._shape, exit=exit, notes=notes)

    def _progress(self, text: str) -> None:
        """On one line of stderr, on a terminal only."""
        from opsctl.redact import printable

        if sys.stderr.isatty():
            self._waiting = True
            sys.stderr.write(f"\r\x1b[K{printable(text)[: max(20, self._style.width - 1)]}")
            sys.stderr.flush()

    def _wipe(self) -> None:
        if self._waiting:
            self._waiting = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _did(did: Did) -> dict[str, Any]:
    return {"state": did.state, "says": did.says, "seconds": did.seconds, "undoable": did.inverse is not None}
