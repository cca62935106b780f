"""``opsctl runbook run RUNBOOK``: diagnose, choose, agree, apply and verify in one sitting, each step with its command.

It only joins what ``opsctl diagnose``, ``opsctl remediate`` and ``opsctl ledger note`` do; leaving at a question leaves
nothing half done, because between two questions every act is whole and in the ledger.
"""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from opsctl.cli import output
from opsctl.cli.result import Result
from opsctl.errors import OpsctlError, UsageError

if TYPE_CHECKING:
    from opsctl.actions.model import Plan
    from opsctl.cli.acting_options import Consent
    from opsctl.cli.options import Root
    from opsctl.model import Report
    from opsctl.remediation.candidates import Candidate
    from opsctl.remediation.workspace import Workspace
    from opsctl.report.style import Style
    from opsctl.runbooks.load import Loaded

SCHEMA = "opsctl.guided/1"


class Left(Exception):
    """The engineer leaves."""


def run_guided(root: Root, loaded: Loaded, service: str | None, consent: Consent) -> Result:
    """The whole sitting; exit code of the last act, else of the diagnosis. Raises UsageError without a terminal."""
    import typer

    from opsctl.cli.acting import opened

    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        name = loaded.runbook.runbook
        raise UsageError(
            "a guided run asks questions, and there is no terminal",
            remedy=f"Run opsctl diagnose {name}, then opsctl remediate {name} ACTION.",
        )
    with opened(root, service, consent) as work:
        sitting = Sitting(root, loaded, work, consent)
        try:
            return sitting.go()
        except (Left, EOFError):
            return sitting.left()
        except (KeyboardInterrupt, typer.Abort):  # the latter is Ctrl-C or Ctrl-D at a question
            return sitting.left(interrupted=True)


class Sitting:
    """What was done so far, and the questions."""

    def __init__(self, root: Root, loaded: Loaded, work: Workspace, consent: Consent) -> None:
        from opsctl.report.style import stdout_style

        self._root, self._loaded, self._work, self._consent = root, loaded, work, consent
        self._style: Style = stdout_style()
        self._outcomes: list[Any] = []
        self._exit = 0
        self._where = f"-s {shlex.quote(work.profile.service)}"

    def go(self) -> Result:
        """Diagnose and act until nothing is broken, no action applies, or the engineer has had enough."""
        from opsctl.remediation.candidates import candidates

        name = self._loaded.runbook.runbook
        while True:
            self._command(f"opsctl diagnose {name} {self._where}")
            report = self._look()
            if report.verdict == "ok":
                return self._end("Nothing is broken any more." if self._outcomes else "Nothing is broken.")
            found = candidates(self._loaded, report, self._work.profile)
            able = [one for one in found if one.applies]
            if not able:
                return self._end("No action of this runbook applies; the next steps are above.")
            if not self._one_action(report, able):
                return self._end("")

    def _look(self) -> Report:
        from opsctl.cli.looking import keep, look_once, prepare, progress_line, text_of
        from opsctl.cli.request import Request
        from opsctl.runbooks.verdict import EXIT

        request = Request(root=self._root, service=self._work.profile.service)
        report = look_once(self._loaded, prepare(request), request, progress=progress_line())
        saved, notes = keep(report)
        output.write(text_of(report, "text", saved)(self._style))
        for line in notes:
            output.note(line)
        self._exit = EXIT[report.verdict]
        return report

    def _one_action(self, report: Report, able: list[Candidate]) -> bool:
        """Offer the actions until one was applied. Returns whether to look again."""
        while True:
            chosen = self._choose(able)
            plan = self._plan(report, chosen)
            if plan is not None and self._agreed(plan):
                return self._apply(plan)

    def _choose(self, able: list[Candidate]) -> Candidate:
        from opsctl.cli.plan_text import told, wrapped
        from opsctl.remediation.action_page import reach

        lines = ["", self._style.paint("What would help, the smallest first", "bold")]
        for number, one in enumerate(able, 1):
            assert one.action is not None
            undo = "can be undone" if one.action.undo is not None else "cannot be undone"
            lines.append(f" {number}  {self._style.paint(one.name, 'bold')}  ({reach(one.action)}; {undo})")
            lines += wrapped(" " * 4, told(f"{one.mitigation.says or one.action.title} Why: {one.why}"), 4, self._style)
        output.write("\n".join(lines))
        while True:
            answer = self._ask(f"Plan which one? 1-{len(able)}, or q to leave")
            if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(able):
                return able[int(answer) - 1]
            output.note(f"{answer!r} is none of them.")

    def _plan(self, report: Report, chosen: Candidate) -> Plan | None:
        """The plan, shown; None with the reason where there can be none."""
        from opsctl.cli.telling import Teller
        from opsctl.remediation.planner import make_plan, nothing_to_do

        assert chosen.action is not None
        parameters = self._missing(chosen)
        flags = "".join(f" --{k.replace('_', '-')} {shlex.quote(str(v))}" for k, v in parameters.items())
        self._command(f"opsctl remediate {report.runbook} {chosen.name} {self._where}{flags}")
        try:
            plan = make_plan(chosen.action, parameters, self._work.hands(), mitigation=chosen.mitigation, report=report)
            Teller(plan, "text").show_plan()
            if not plan.proposal.steps:
                raise nothing_to_do(plan)
        except OpsctlError as error:
            output.error(error.sentence())
            return None
        against = [check.says for check in plan.proposal.checks if not check.ok]
        if against:
            output.error(f"refused: {'; '.join(against)}")
            return None
        return plan

    def _missing(self, chosen: Candidate) -> dict[str, str]:
        """Ask for the parameters that the action needs and the runbook does not give."""
        assert chosen.action is not None
        values: dict[str, str] = {}
        for field in msgspec.structs.fields(chosen.action.params):
            if field.required and field.name not in chosen.mitigation.with_:
                values[field.name] = self._ask(f"{chosen.action.help[field.name].rstrip('.')}")
        return values

    def _agreed(self, plan: Plan) -> bool:
        from opsctl.cli.acting import ask_for
        from opsctl.remediation.planfile import keep

        try:
            keep(plan, self._work.environ)
        except OpsctlError as error:
            output.note(error.sentence())
        yes = ask_for(plan)
        if not yes:
            output.note("Nothing was changed.")
        return yes

    def _apply(self, plan: Plan) -> bool:
        """Apply, tell, take a note. Returns whether to look again."""
        from opsctl.cli.telling import Teller

        self._command(f"opsctl remediate {plan.runbook} … --yes --plan-hash {plan.hash[:8]}")
        teller = Teller(plan, "text")
        try:
            result = teller.apply(self._work, again=False)
        except OpsctlError as error:
            output.error(error.sentence())
            self._exit = error.code
            return self._more()
        output.write(result.text if isinstance(result.text, str) else result.text(self._style))
        self._exit = result.exit
        data: Any = result.data
        self._outcomes.append(data["outcome"])
        self._note(data["outcome"].run)
        return self._more() if result.exit != 130 else False

    def _note(self, run: str) -> None:
        """What the engineer wants to remember, in the ledger."""
        from opsctl.ledger.opened import open_ledger

        text = self._ask("A note for the ledger (empty: none)", leave=False)
        if not text or not run:
            return
        self._command(f"opsctl ledger note {run} {shlex.quote(text)}")
        ledger = open_ledger(self._work.settings, self._work.environ)
        try:
            ledger.append(run, "note", {"text": text, "actor": self._work.who.actor})
        finally:
            ledger.close()

    def _more(self) -> bool:
        return self._ask("Look again? y or q").lower().startswith("y")

    def _ask(self, question: str, *, leave: bool = True) -> str:
        import typer

        answer: str = typer.prompt(question, default="", show_default=False, err=True).strip()
        if leave and answer.lower() in ("q", "quit", "exit"):
            raise Left
        return answer

    def _command(self, command: str) -> None:
        """The step as one would do it by hand."""
        output.write(self._style.paint(f"$ {command}", "dim"))

    def left(self, *, interrupted: bool = False) -> Result:
        """The engineer has left, by q or by Ctrl-C."""
        if interrupted:
            self._exit = 130
        done = len(self._outcomes)
        said = (
            f"{done} action{'' if done == 1 else 's'} applied; see opsctl ledger list."
            if done
            else "Nothing was changed."
        )
        return self._end(f"Left. {said}")

    def _end(self, text: str) -> Result:
        data = {"schema": SCHEMA, "runbook": self._loaded.runbook.runbook, "outcomes": self._outcomes, "says": text}
        return Result(data, text, exit=self._exit)
