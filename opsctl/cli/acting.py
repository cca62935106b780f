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

import msgspec

from opsctl.cli import output
from opsctl.cli.acting_options import Consent
from opsctl.cli.result import Result
from opsctl.cli.telling import answered
from opsctl.errors import CannotWrite, Interrupted, OpsctlError, Refused, UsageError

if TYPE_CHECKING:
    from opsctl.actions.model import Plan
    from opsctl.actions.registry import Action
    from opsctl.cli.options import Root
    from opsctl.cli.telling import Teller
    from opsctl.remediation.workspace import Workspace

_NOTHING = "Nothing was changed."


def act(root: Root, service: str | None, action: str, parameters: Mapping[str, Any], consent: Consent) -> Result:
    """An operator's command: plan ``action`` with the parameters that were given, and go on as ``carry_out`` does.

    Raises OpsctlError of any kind (exit codes: design.md, "Output and exit").
    """
    from opsctl.remediation.planner import make_plan

    found = known_action(action)

    def go() -> Result:
        with opened(root, service, consent) as work:
            plan = agreed(work, consent, found, parameters)
            if plan is None:
                within = seconds(consent.verify_for)
                plan = make_plan(found, parameters, work.hands(), max_targets=consent.max_targets, verify_for=within)
            return carry_out(work, plan, consent)

    return answered(consent.output, go)


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


def agreed(
    work: Workspace, consent: Consent, action: Action, parameters: Mapping[str, Any], runbook: str = ""
) -> Plan | None:
    """The plan that ``--plan`` or ``--plan-hash`` names; None where neither is given.

    Raises UsageError, BadData, Refused: no such plan, edited, over, of another command or with other parameters.
    """
    from opsctl.remediation import planfile

    if consent.plan is not None and consent.plan_hash is not None:
        raise UsageError("--plan and --plan-hash exclude each other", remedy="Leave one of them out.")
    for name, file in (("--plan", consent.plan), ("--save-plan", consent.save_plan)):
        if file is not None and not Path(file).name:
            raise UsageError(f"{name} names no file")
    seconds(consent.verify_for)  # a mistake is told before anything is looked at
    if consent.plan is None and consent.plan_hash is None:
        if consent.yes and not consent.dry_run and consent.save_plan is None:
            says = "--yes agrees to a plan that was shown, and none is named"
            raise UsageError(says, remedy="Add --plan-hash with the hash that the plan was shown with, or --plan FILE.")
        return None
    if consent.save_plan is not None:
        raise UsageError("--save-plan writes a new plan", remedy="Leave --plan and --plan-hash out.")
    if consent.plan is not None:
        plan = planfile.read(Path(consent.plan), service=work.profile.service, context=work.context)
    else:
        plan = planfile.kept(str(consent.plan_hash), environ=work.environ)
        planfile.check(plan, service=work.profile.service, context=work.context)
    if plan.action != action.id or plan.runbook != runbook:
        what = f"remediate {plan.runbook} " if plan.runbook else ""
        raise Refused(f"the plan is one of opsctl {what}{plan.action}", remedy="Apply it with that command.")
    _insist_on_the_same(plan, action, parameters, consent)
    return plan


def _insist_on_the_same(plan: Plan, action: Action, parameters: Mapping[str, Any], consent: Consent) -> None:
    """A plan is applied as it is: what is given beside it must be what it was made with. Raises UsageError."""
    from opsctl.cli.action_flags import flag
    from opsctl.durations import format_duration, parse_duration
    from opsctl.remediation.planner import bound

    asked: dict[str, Any] = msgspec.to_builtins(bound(action, {**plan.parameters, **parameters}))
    differs = [(flag(name), plan.parameters.get(name), asked.get(name)) for name in parameters]
    if consent.max_targets is not None:
        differs.append(("--max-targets", plan.limit.targets, consent.max_targets))
    if consent.verify_for is not None:
        made = format_duration(plan.verification.deadline)
        differs.append(("--verify-for", made, format_duration(parse_duration(consent.verify_for))))
    for name, before, now in differs:
        if msgspec.json.encode(before) != msgspec.json.encode(now):
            says = f"the plan was made with {name} {_value(before)}, not {_value(now)}"
            raise UsageError(says, remedy=f"Leave {name} out, or make the plan anew.")


def _value(value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return (text if len(text) <= 80 else text[:77] + "...") or "''"


def carry_out(work: Workspace, plan: Plan, consent: Consent) -> Result:
    """Show the plan; then, as far as that was agreed to, apply it and say what came of it."""
    from opsctl.cli.telling import Teller

    teller = Teller(plan, consent.output)
    return answered(consent.output, lambda: _carried_out(teller, work, plan, consent), teller)


def _carried_out(teller: Teller, work: Workspace, plan: Plan, consent: Consent) -> Result:
    from opsctl.remediation.planner import nothing_to_do

    try:
        teller.show_plan()
    except BrokenPipeError:
        if not consent.yes:
            raise
        raise CannotWrite("nobody reads the plan, so it is not applied; nothing was changed") from None
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
    """Whether to go on: the named plan with --yes, or the terminal's answer. Raises Interrupted."""
    if consent.dry_run:
        return False
    if consent.yes:
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
    says = f"Nothing was changed; {error.sentence()}"
    return teller.result(exit=error.code, text=says, notes=(f"opsctl: {says}",) if teller.silent else ())


def _saved(teller: Teller, plan: Plan, file: str) -> Result:
    from opsctl.remediation.planfile import save

    save(plan, Path(file))
    again = _again("--plan", file, "--yes")
    says = f"{_NOTHING} Wrote {file}, good until {plan.expires:%H:%M:%S} UTC."
    return teller.result(exit=0, text=f"{says}\nNext  {again}", says=says, following=[again])


def _not_applied(teller: Teller, work: Workspace, plan: Plan, consent: Consent) -> Result:
    from opsctl.cli.plan_text import HASH
    from opsctl.remediation.planfile import keep

    if consent.plan is not None:
        again = _again("--plan", consent.plan, "--yes")
        return teller.result(exit=0, text=f"{_NOTHING} To apply it:\n  {again}", says=_NOTHING, following=[again])
    try:
        keep(plan, work.environ)
    except OpsctlError as error:  # then only a file or a terminal can agree to it
        return teller.result(exit=0, text=_NOTHING, notes=(error.sentence(),))
    again = _again("--yes", "--plan-hash", plan.hash[:HASH])
    return teller.result(exit=0, text=f"{_NOTHING} To apply this plan:\n  {again}", says=_NOTHING, following=[again])


_NAMING = ("--save-plan", "--plan", "--plan-hash")  # each with a value
_SAYING = ("--dry-run", "--yes", "-y")


def _again(*more: str) -> str:
    """This command line with another consent at its end."""
    from opsctl.redact import printable

    words: list[str] = []
    skip = False
    for word in sys.argv[1:]:
        if skip:
            skip = False
        elif word in _NAMING:
            skip = True
        elif word not in _SAYING and word.partition("=")[0] not in _NAMING:
            words.append(word)
    return printable(shlex.join(["opsctl", *words, *more]))
