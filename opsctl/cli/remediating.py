"""From ``opsctl remediate`` to a plan: the diagnosis that calls for it, the actions that would help, the one chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opsctl.cli.acting_options import Consent
from opsctl.cli.result import Result
from opsctl.errors import BadData, Refused, UsageError

if TYPE_CHECKING:
    from opsctl.cli.options import Root
    from opsctl.model import Report
    from opsctl.remediation.candidates import Candidate
    from opsctl.report.style import Style
    from opsctl.runbooks.load import Loaded
    from opsctl.runbooks.model import Mitigation

_PLAN_ONLY = "plan only; changes nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One ``opsctl remediate RUNBOOK ACTION``. ``parameters``: the action's, those that were given."""

    root: Root
    loaded: Loaded
    mitigation: Mitigation
    service: str | None
    parameters: Mapping[str, Any]
    runbook_parameters: Sequence[str]
    report: str | None
    anyway: bool
    consent: Consent


def propose_actions(
    root: Root, loaded: Loaded, service: str | None, parameters: Sequence[str], saved: str | None, shape: str
) -> Result:
    """Which actions would help, the smallest first; exit 0 when there is one, 1 when there is none."""
    from opsctl.cli.looking import prepare
    from opsctl.cli.request import Request
    from opsctl.remediation.candidates import candidates

    request = Request(root=root, service=service, parameters=_parameters(loaded, parameters), output=shape)
    report = _report(loaded, request, saved)
    profile = prepare(request).profile
    found = candidates(loaded, report, profile)
    where = f" -s {profile.service}"
    commands = [f"opsctl remediate {report.runbook} {one.name}{where}" for one in found if one.applies]
    data = {
        "schema": "opsctl.proposals/1",
        "runbook": report.runbook,
        "service": report.service,
        "verdict": report.verdict,
        "says": report.says,
        "actions": [_data(one) for one in found],
        "next": commands,
    }

    def text(style: Style) -> str:
        return "\n".join(_lines(report, found, commands, style))

    return Result(data, text, shape, exit=0 if commands else 1)


def act_on(asked: Asked) -> Result:
    """Plan one action, and go on as every command that acts."""
    from opsctl.cli.telling import answered

    return answered(asked.consent.output, lambda: _acted(asked))


def _acted(asked: Asked) -> Result:
    from opsctl.cli.acting import agreed, carry_out, known_action, opened, seconds
    from opsctl.cli.request import Request
    from opsctl.remediation.candidates import held
    from opsctl.remediation.planner import make_plan

    action = known_action(asked.mitigation.action)
    consent = asked.consent
    with opened(asked.root, asked.service, consent) as work:
        plan = agreed(work, consent, action, asked.parameters, asked.loaded.runbook.runbook)
        if plan is None:
            given = _parameters(asked.loaded, asked.runbook_parameters)
            report = _report(
                asked.loaded, Request(root=asked.root, service=work.profile.service, parameters=given), asked.report
            )
            candidate = held(asked.mitigation, report, work.profile)
            if not candidate.applies and not asked.anyway:
                raise Refused(
                    f"the diagnosis does not call for {candidate.name}: {candidate.why}",
                    remedy=f"See opsctl remediate {report.runbook} -s {report.service}; lifted with --anyway.",
                )
            plan = make_plan(
                action,
                asked.parameters,
                work.hands(),
                mitigation=asked.mitigation,
                report=report,
                max_targets=consent.max_targets,
                verify_for=seconds(consent.verify_for),
            )
        return carry_out(work, plan, consent)


def _parameters(loaded: Loaded, given: Sequence[str]) -> dict[str, object]:
    """``--param NAME=VALUE`` by name. Raises UsageError."""
    known = {p.name.replace("_", "-"): p.name for p in loaded.runbook.parameters}
    values: dict[str, object] = {}
    for word in given:
        name, sign, value = word.partition("=")
        key = known.get(name.strip().replace("_", "-"))
        if not sign or key is None:
            names = ", ".join(known) or "none"
            raise UsageError(
                f"--param {word!r} is no NAME=VALUE of {loaded.runbook.runbook}", remedy=f"It has {names}."
            )
        values[key] = value.strip()
    return values


def _report(loaded: Loaded, request: Any, saved: str | None) -> Report:
    """A fresh diagnosis, kept as any other, or the saved report that was named. Raises UsageError, Refused."""
    from opsctl.cli.looking import keep, look_once, prepare, progress_line
    from opsctl.cli.output import note

    if saved is not None:
        return _saved_report(loaded, request, saved)
    report = look_once(loaded, prepare(request), request, progress=progress_line())
    for line in keep(report)[1]:
        note(line)
    return report


def _saved_report(loaded: Loaded, request: Any, saved: str) -> Report:
    from opsctl.report.read import read_report
    from opsctl.report.store import folder_of_reports

    kept = read_report(saved, folder_of_reports())
    report = kept.report
    if not kept.whole:
        raise BadData(f"{saved} is not whole, and nothing is changed by it", remedy="Leave --report out.")
    if report.runbook != loaded.runbook.runbook:
        raise UsageError(f"{saved} is a report of {report.runbook}, not of {loaded.runbook.runbook}")
    if request.service is not None and report.service != request.service:
        raise UsageError(f"{saved} is a report on {report.service}, not on {request.service}")
    return report


def _data(one: Candidate) -> dict[str, Any]:
    return {
        "action": one.mitigation.action,
        "name": one.name,
        "applies": one.applies,
        "why": one.why,
        "cause": one.cause,
        "status": one.status,
        "says": " ".join(one.mitigation.says.split()),
        "weight": None if one.action is None else one.action.weight,
        "undo": None if one.action is None else one.action.undo is not None,
    }


def _lines(report: Report, found: Sequence[Candidate], commands: Sequence[str], style: Style) -> list[str]:
    """The verdict, what would help and why, what would not and why not, the command to go on with."""
    from opsctl.cli.plan_text import told, wrapped
    from opsctl.remediation.action_page import reach

    severity = f"  {report.severity}" if report.severity else ""
    lines = [f"{style.verdict(report.verdict)}{severity}  {told(report.says)}"]
    helpful = [one for one in found if one.applies]
    if helpful:
        lines += ["", style.paint("What would help, the smallest first", "bold")]
    for number, one in enumerate(helpful, 1):
        assert one.action is not None
        undo = "can be undone" if one.action.undo is not None else "cannot be undone"
        lines.append(f" {number}  {style.paint(one.name, 'bold')}  ({reach(one.action)}; {undo})")
        lines += wrapped(" " * 4, told(one.mitigation.says or one.action.title), 4, style)
        lines += wrapped(" " * 4, told(f"Why: {one.why}"), 4, style)
    if not helpful:
        lines += _without_an_action(report, style)
    others = [one for one in found if not one.applies]
    elsewhere = [one for one in others if one.elsewhere]
    if len(elsewhere) < len(others):
        lines += ["", style.paint("What does not apply", "bold")]
        width = max(len(one.name) for one in others if not one.elsewhere)
        for one in others:
            if not one.elsewhere:
                lines += wrapped(f"    {one.name:<{width}}  ", told(one.why), 6 + width, style)
    if elsewhere:
        names = ", ".join(one.name for one in elsewhere)
        lines += ["", *wrapped("Not for this service: ", names, 4, style)]
    if not found:
        lines.append(f"The runbook {report.runbook} names no action.")
    lines.append("")
    shown = [f"{command}     {_PLAN_ONLY}" for command in commands[:3]]
    if any(len(line) + 6 > style.width for line in shown):
        shown = [*commands[:3], f"({_PLAN_ONLY})"]
    if not commands:
        further = [step for step in report.next if step.startswith("opsctl ")]
        shown = [*further[:2], f"opsctl diagnose {report.runbook} -s {report.service}"]
    return [*lines, *(("Next  " if n == 0 else "      ") + command for n, command in enumerate(shown))]


def _without_an_action(report: Report, style: Style) -> list[str]:
    """What was found, and what a person can do about it, where no action of the runbook answers it."""
    from opsctl.cli.plan_text import told, wrapped

    confirmed = [cause for cause in report.causes if cause.status == "confirmed"]
    lines: list[str] = (
        ["", style.paint("No action of this runbook answers what was found", "bold")] if confirmed else []
    )
    for cause in confirmed:
        advice = [step for step in cause.next if not step.startswith("opsctl ")]
        lines += wrapped("    ", told(" ".join([cause.says, *advice])), 4, style)
    return lines
