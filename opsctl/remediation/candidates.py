"""Which of a runbook's mitigations answer what was found, the smallest first, and why the others do not. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from opsctl.actions import registry
from opsctl.model import Finding, Report
from opsctl.report.page import mitigation_name
from opsctl.runbooks.causes import states
from opsctl.runbooks.chosen import concerns
from opsctl.runbooks.load import Loaded, needs_of
from opsctl.runbooks.model import Mitigation

if TYPE_CHECKING:
    from opsctl.actions.registry import Action
    from opsctl.services.model import Profile

_STATUS = {"confirmed": 0, "possible": 1}


class Candidate(NamedTuple):
    """One mitigation held against a report. ``why``: why it applies, or why not. ``name``: of its command."""

    mitigation: Mitigation
    action: Action | None  # None: there is no such action (lint says so)
    name: str
    applies: bool
    why: str
    cause: str = ""  # the cause it answers, "" for any
    status: str = ""  # of that cause: confirmed or possible
    broken: tuple[str, ...] = ()  # finding ids that call for it
    elsewhere: bool = False  # it is for services of another kind


def candidates(loaded: Loaded, report: Report, profile: Profile) -> tuple[Candidate, ...]:
    """Every mitigation of the runbook: those that apply first, confirmed causes before possible ones, then by weight.

    The order of the file breaks ties. Loads the modules of the actions named, not their drivers.
    """
    found = [_held(mitigation, report, profile) for mitigation in loaded.runbook.mitigation]
    return tuple(sorted(found, key=_rank))


def held(mitigation: Mitigation, report: Report, profile: Profile) -> Candidate:
    """One mitigation held against the report."""
    return _held(mitigation, report, profile)


def _rank(candidate: Candidate) -> tuple[bool, int, int]:
    weight = candidate.action.weight if candidate.action is not None else 99
    return not candidate.applies, _STATUS.get(candidate.status, 1), weight


def _held(mitigation: Mitigation, report: Report, profile: Profile) -> Candidate:
    action = registry.get(mitigation.action)
    none = Candidate(mitigation, action, mitigation_name(mitigation), False, "")
    if action is None:
        return none._replace(why=f"there is no action {mitigation.action}")
    if mitigation.services and profile.service not in mitigation.services:
        return none._replace(why=f"it is for {', '.join(mitigation.services)}", elsewhere=True)
    if not concerns(profile, mitigation.needs):
        why = f"{profile.service} does not depend on {', '.join(needs_of(mitigation.needs))}"
        return none._replace(why=why, elsewhere=True)
    if report.verdict == "ok":
        return none._replace(why="nothing is broken")
    live = [c for c in report.causes if c.cause in mitigation.causes and c.status in _STATUS]
    live.sort(key=lambda c: _STATUS[c.status])
    if mitigation.causes and not live:
        return none._replace(why=_not_live(mitigation, report))
    wanted = mitigation.when or tuple(dict.fromkeys(id for cause in live for id in cause.confirmed))
    broken = broken_of(report, wanted)
    if wanted and not broken:
        return none._replace(why=f"not broken: {', '.join(_not_broken(report, wanted))}")
    cause = live[0] if live else None
    return none._replace(
        applies=True,
        why=_why(report, cause.says if cause is not None else "", cause.status if cause is not None else "", broken),
        cause=cause.cause if cause is not None else "",
        status=cause.status if cause is not None else "",
        broken=broken,
    )


def broken_of(report: Report, ids: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the ids that are in breach."""
    known = states(report.findings)
    return tuple(id for id in ids if known.get(id) == "breach")


def worst(report: Report, id: str) -> Finding | None:
    """The finding of that id which says that it is broken."""
    return next((f for f in report.findings if f.id == id and f.state == "breach"), None)


def _why(report: Report, says: str, status: str, broken: tuple[str, ...]) -> str:
    finding = worst(report, broken[0]) if broken else None
    seen = finding.says if finding is not None else ""
    if not says:
        return seen or "it helps whatever the cause"
    return f"{says.rstrip('.')} ({status})" + (f": {seen}" if seen else "")


def _not_live(mitigation: Mitigation, report: Report) -> str:
    told = {cause.cause: cause.status for cause in report.causes}
    words = {"refuted": "refuted", "not-measured": "not measured"}
    return "; ".join(f"{name} is {words.get(told.get(name, ''), 'not looked at here')}" for name in mitigation.causes)


def _not_broken(report: Report, ids: tuple[str, ...]) -> list[str]:
    known = states(report.findings)
    said = {"ok": "", "unknown": " (could not be told)"}
    return [f"{id}{said.get(known.get(id, ''), ' (not looked at)')}" for id in ids]
