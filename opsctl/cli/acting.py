"""From a plan to its outcome on the command line: show it, ask, apply it, tell each step, and give the exit code.

Every command that acts ends here: ``opsctl remediate``, ``opsctl restart``, ``opsctl cache invalidate`` and the others.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsctl.cli import output
from opsctl.cli.acting_options import Consent
from opsctl.cli.result import Result
from opsctl.errors import Interrupted, OpsctlError, Refused, UsageError

if TYPE_CHECKING:
    from opsctl.actions.model import Plan
    from opsctl.actions.registry import Action
    from opsctl.cli.options import Root
    from opsctl.cli.telling import Teller
    from opsctl.remediation.workspace import Workspace


def act(root: Root, service: str | None, action: str, parameters: Mapping[str, Any], consent: Consent) -> Result:
    """An operator's command: plan ``action`` with the parameters that were given, and go on as ``carry_out`` does.

    Raises OpsctlError of any kind (exit codes: design.md, "Output and exit").
    """
    from opsctl.remediation.planner import make_plan

    found = known_action(action)
    with opened(root, service, consent) as work:
        plan = agreed(work, consent, found.id)
        if plan is None:
            plan = make_plan(
                found, parameters, work.hands(), max_targets=consent.max_targets, verify_for=seconds(consent.verify_for)
            )
        return carry_out(work, plan, consent)


def known_action(id: str) -> Action:
    """The action of that id. Raises UsageError."""
    from opsctl.actions.registry import all_actions, get
    from opsctl.nearest import unknown_name

    found = get(id)
    if found is None:
        raise unknown_name("action", id, list(all_actions()))
    return found


@contextmanager
def opened(root: Root, service: str | None, consent: Consent) -> Iterator[Workspace]:
    """The workspace of this command line. Raises UsageError, ConfigError."""
    from opsctl.cli.looking import prepare
    from opsctl.cli.request import Request
    from opsctl.remediation.workspace import open_workspace

    prepared = prepare(Request(root=root, service=service))
    command = ["opsctl", *sys.argv[1:]]
    with open_workspace(
        prepared.settings,
        prepared.profile,
        prepared.dirs,
        command=command,
        reason=consent.reason,
        ticket=consent.ticket,
    ) as work:
        yield work


def seconds(text: str | None) -> float | None:
    """A duration that may be left out. Raises UsageError."""
    from opsctl.durations import parse_duration

    return None if text is None else parse_duration(text)


def agreed(work: Workspace, consent: Consent, action: str, runbook: str = "") -> Plan | None:
    """The plan that ``--plan`` or ``--plan-hash`` names; None where neither is given.

    Raises UsageError, BadData, Refused: no such plan, edited, over, or of another command.
    """
    from opsctl.remediation import planfile

    if consent.plan is not None and consent.plan_hash is not None:
        raise UsageError("--plan and --plan-hash exclude each other", remedy="Leave one of them out.")
    if consent.plan is None and consent.plan_hash is None:
        return None
    if consent.save_plan is not None:
        raise UsageError("--save-plan writes a new plan", remedy="Leave --plan and --plan-hash out.")
    if consent.plan is not None:
        plan = planfile.read(Path(consent.plan), service=work.profile.service, context=work.context)
    else:
        plan = planfile.kept(str(consent.plan_hash), environ=work.environ)
        planfile.check(plan, service=work.profile.service, context=work.context)
    if plan.action != action or plan.runbook != runbook:
        what = f"remediate {plan.runbook} " if plan.runbook else ""
        raise Refused(f"the plan is one of opsctl {what}{plan.action}", remedy="Apply it with that command.")
    return plan


def carry_out(work: Workspace, plan: Plan, consent: Consent) -> Result:
    """Show the plan; then, as far as that was agreed to, apply it and say what came of it."""
    from opsctl.cli.telling import Teller
    from opsctl.remediation.planner import nothing_to_do

    teller = Teller(plan, consent.output)
    teller.show_plan()
    if not plan.proposal.steps:
        raise nothing_to_do(plan)
    against = [check for check in plan.proposal.checks if not check.ok]
    if against:
        return _refused(teller, plan)
    if consent.save_plan is not None:
        return _saved(teller, plan, consent.save_plan)
    if not _consented(plan, consent):
        return _not_applied(teller, work, plan, consent)
    return teller.apply(work, again=consent.again)


def _consented(plan: Plan, consent: Consent) -> bool:
    """Whether to go on: the named plan with --yes, or the terminal's answer. Raises UsageError."""
    if consent.dry_run:
        return False
    named = consent.plan is not None or consent.plan_hash is not None
    if consent.yes:
        if not named:
            says = "--yes agrees to a plan that was shown, and none is named"
            raise UsageError(says, remedy="Add --plan-hash with the hash that the plan was shown with, or --plan FILE.")
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()) or consent.output == "json":
        return False
    import typer

    try:
        return ask_for(plan)
    except (typer.Abort, KeyboardInterrupt):
        raise Interrupted("interrupted at the question; nothing was changed") from None


def ask_for(plan: Plan) -> bool:
    """Ask on the terminal; what cannot be undone wants the name typed."""
    import typer

    from opsctl.cli.plan_text import told
    from opsctl.remediation.applying import asks

    wanted = asks(plan)
    if not wanted.type:
        return typer.confirm(f"{told(wanted.question)}. Go on?", default=False, err=True)
    question = f"{told(wanted.question)}. This cannot be undone. Type {told(wanted.type)} to go on"
    answer: str = typer.prompt(question, default="", show_default=False, err=True)
    if answer.strip() == wanted.type:
        return True
    if answer.strip():
        output.note(f"{answer.strip()!r} is not {wanted.type}.")
    return False


def _refused(teller: Teller, plan: Plan) -> Result:
    against = [check for check in plan.proposal.checks if not check.ok]
    lifts = list(dict.fromkeys(check.lift for check in against if check.lift))
    says = "; ".join(check.says for check in against)
    error = Refused(f"refused: {says}", remedy=f"Lifted with {', '.join(lifts)}." if lifts else "")
    return teller.result(exit=Refused.code, text=f"Nothing was changed; {error.sentence()}")


def _saved(teller: Teller, plan: Plan, file: str) -> Result:
    from opsctl.remediation.planfile import save

    save(plan, Path(file))
    again = _again(["--plan", file, "--yes"], drop=("--save-plan",))
    lines = [f"Nothing was changed. Wrote {file}, good until {plan.expires:%H:%M:%S} UTC.", f"Next  {again}"]
    return teller.result(exit=0, text="\n".join(lines))


def _not_applied(teller: Teller, work: Workspace, plan: Plan, consent: Consent) -> Result:
    from opsctl.cli.plan_text import HASH
    from opsctl.remediation.planfile import keep

    try:
        keep(plan, work.environ)
    except OpsctlError as error:  # then only a file or a terminal can agree to it
        return teller.result(exit=0, text="Nothing was changed.", notes=(error.sentence(),))
    again = _again(["--yes", "--plan-hash", plan.hash[:HASH]], drop=("--dry-run", "--yes", "-y"))
    return teller.result(exit=0, text=f"Nothing was changed. To apply this plan:\n  {again}")


def _again(more: list[str], drop: tuple[str, ...]) -> str:
    """This command line with other options at its end; those of ``drop`` and their values are left out."""
    words: list[str] = []
    skip = False
    for word in sys.argv[1:]:
        if skip:
            skip = False
        elif word in drop:
            skip = word == "--save-plan"
        elif not word.startswith("--save-plan="):
            words.append(word)
    return shlex.join(["opsctl", *words, *more])
