"""The judgement of a diagnosis: from findings and evidence to the report. Pure: asks nothing and nobody, has no clock.

A replay judges what a report recorded with the same code.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from opsctl import __version__
from opsctl.model import CauseResult, Finding, Override, Report, Unknown
from opsctl.runbooks import causes, verdict
from opsctl.runbooks.changes import ranked as ranked_changes
from opsctl.runbooks.chosen import concerns, defines
from opsctl.runbooks.collected import Collected
from opsctl.runbooks.load import Loaded
from opsctl.runbooks.model import CauseSpec, Runbook
from opsctl.runbooks.narrate import next_steps, remedies, sentence
from opsctl.services.model import Profile


class Circumstances(NamedTuple):
    """When and how it was looked. ``now``: unix time looked at; ``told_at``: unix time the report is made."""

    started_at: datetime
    now: float
    told_at: float
    at: float | None = None
    since: float = 1800.0  # seconds
    seconds: float = 0.0
    context: str = ""
    notes: tuple[str, ...] = ()
    runbooks: tuple[str, ...] = ()  # names that exist, for what to run next
    override: Override = Override()


def judge(
    loaded: Loaded,
    profile: Profile,
    collected: Collected,
    how: Circumstances,
    parameters: Mapping[str, object],
) -> Report:
    """The report that follows from what was collected. It holds no recorded signals and no seal yet."""
    runbook = loaded.runbook
    findings = collected.findings
    absent = collected.not_configured if defines(profile, runbook.runbook) else (undefined(runbook, profile, how),)
    known = causes.states(findings)
    evidence_of: dict[str, tuple[str, ...]] = {}
    for finding in findings:
        if finding.state == known[finding.id]:
            evidence_of[finding.id] = (*evidence_of.get(finding.id, ()), *finding.evidence)
    concerned = [c for c in runbook.causes if _cause_concerns(c, profile)]
    judged = [(spec, result) for spec in concerned if (result := causes.judge(spec, known, evidence_of)) is not None]
    word, deciding = verdict.decide(findings, runbook.decides)
    if word == "ok":  # nothing to explain: what speaks for a cause is kept, but confirms nothing
        judged = [(spec, _unconfirmed(result)) for spec, result in judged]
    ranked = causes.rank(
        msgspec.structs.replace(
            result, next=next_steps(spec, profile.service, how.runbooks, remedies(runbook, profile, spec.cause))
        )
        for spec, result in judged
    )
    measured = verdict.headline(deciding, collected.evidence)
    onset = measured.since if measured is not None else None
    broken = deciding if deciding is not None and deciding.state == "breach" else None
    return Report(
        opsctl=__version__,
        runbook=runbook.runbook,
        runbook_digest=loaded.digest,
        service=profile.service,
        context=how.context,
        verdict=word,
        severity=broken.severity if broken is not None else None,
        severity_label=broken.severity_label if broken is not None else "",
        says=sentence(profile.service, word, deciding, findings, absent),
        started_at=how.started_at,
        seconds=how.seconds,
        at=None if how.at is None else datetime.fromtimestamp(how.at, UTC),
        measured=measured,
        findings=findings,
        causes=ranked,
        unknown=collected.unknown,
        not_configured=absent,
        changes=ranked_changes(collected.changes, now=how.now, since=how.since, onset=onset),
        next=tuple(dict.fromkeys(step for c in ranked if c.status == "confirmed" for step in c.next)),
        notes=tuple(dict.fromkeys(how.notes)),
        escalation=_escalation(profile, broken, how.told_at),
        evidence=collected.evidence,
        parameters={k: str(v) for k, v in parameters.items() if v is not None},
        decides=runbook.decides,
        chosen=_chosen(runbook, parameters),
        looks_back=how.since,
        override=how.override,
        probes=collected.runs,
    )


def undefined(runbook: Runbook, profile: Profile, how: Circumstances) -> Unknown:
    """Why a service that does not define the runbook was not looked at, and what it defines instead."""
    others = [name for name in how.runbooks if defines(profile, name)]
    there = f"; of the runbooks here it defines {', '.join(others)}" if others else ""
    return Unknown(reason="not-configured", says=f"{profile.service} does not define this runbook{there}")


def _chosen(runbook: Runbook, parameters: Mapping[str, object]) -> tuple[str, ...]:
    """Parameters with another value than the runbook's own."""
    defaults = {p.name: p.default for p in runbook.parameters}
    return tuple(n for n, value in parameters.items() if value is not None and str(value) != str(defaults.get(n)))


def _unconfirmed(result: CauseResult) -> CauseResult:
    return msgspec.structs.replace(result, status="possible") if result.status == "confirmed" else result


def _cause_concerns(spec: CauseSpec, profile: Profile) -> bool:
    if spec.services and profile.service not in spec.services:
        return False
    return concerns(profile, spec.needs)


def _escalation(profile: Profile, finding: Finding | None, told_at: float) -> str:
    """Who is called next, by the profile's escalation and the time the objective has been broken."""
    if finding is None or finding.since is None:
        return ""
    from opsctl.durations import parse_duration

    steps = [s for s in profile.escalation if s.severity in ("", finding.severity_label)]
    for step in sorted(steps, key=lambda s: parse_duration(s.after)):
        due = finding.since.timestamp() + parse_duration(step.after)
        if due > told_at:
            return f"{step.to} at {datetime.fromtimestamp(due, UTC):%H:%M} UTC"
    return ""
