"""The diagnosis: run a runbook's probes, collect evidence and findings, judge the causes, give the report.

A probe that fails never stops the others. What could not be looked at becomes an answer "unknown" with its reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from opsctl import __version__
from opsctl.clients.readers import Readers
from opsctl.model import CauseResult, Change, Finding, Report, Seen, Unknown
from opsctl.probes.look import Look
from opsctl.runbooks import causes, verdict
from opsctl.runbooks.chosen import Plan, concerns, defines, plan
from opsctl.runbooks.collected import collect
from opsctl.runbooks.load import Loaded
from opsctl.runbooks.model import CauseSpec
from opsctl.runbooks.narrate import next_steps, sentence
from opsctl.runbooks.schedule import Job, run_all
from opsctl.services.model import Profile
from opsctl.signals.reader import SignalReader


class Setting(NamedTuple):
    """Where and when a diagnosis looks. Times are unix seconds; ``since`` and the timeouts are seconds."""

    profile: Profile
    readers: Readers
    signals: SignalReader
    context: str = ""
    now: float = 0.0
    at: float | None = None
    since: float = 1800.0
    total: float = 30.0
    each: float = 5.0
    notes: tuple[str, ...] = ()
    runbooks: tuple[str, ...] = ()  # names that exist, for what to run next


def diagnose(
    loaded: Loaded,
    setting: Setting,
    parameters: Mapping[str, object],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Run the runbook against the service. Reads only; always returns a report (design.md, "How data flows")."""
    runbook, profile = loaded.runbook, setting.profile
    began = time.monotonic()
    defined = defines(profile, runbook.runbook)
    plans = plan(loaded, profile, parameters) if defined else []

    def call(item: Plan) -> Callable[[float], Seen]:
        def run(deadline: float) -> Seen:
            look = Look(
                runbook=runbook.runbook,
                profile=profile,
                readers=setting.readers,
                signals=setting.signals,
                now=setting.now,
                at=setting.at,
                since=setting.since,
                deadline=deadline,
                parameters=parameters,
            )
            return item.probe.run(look, item.params)

        return run

    jobs = [Job(_lane(item), setting.each, call(item)) for item in plans]
    answers = run_all(jobs, total=setting.total, progress=progress)
    collected = collect(plans, answers, setting.total, setting.readers.where)
    findings = collected.findings
    absent = collected.not_configured if defined else (_undefined(setting),)
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
        msgspec.structs.replace(result, next=next_steps(spec, profile.service, setting.runbooks))
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
        context=setting.context,
        verdict=word,
        severity=broken.severity if broken is not None else None,
        severity_label=broken.severity_label if broken is not None else "",
        says=sentence(profile.service, word, deciding, findings, absent),
        started_at=datetime.fromtimestamp(setting.now if setting.at is None else time.time(), UTC),
        seconds=round(time.monotonic() - began, 3),
        at=None if setting.at is None else datetime.fromtimestamp(setting.at, UTC),
        measured=measured,
        findings=findings,
        causes=ranked,
        unknown=collected.unknown,
        not_configured=absent,
        changes=_relevant(collected.changes, setting, onset),
        next=tuple(dict.fromkeys(step for c in ranked if c.status == "confirmed" for step in c.next)),
        notes=tuple(dict.fromkeys((*setting.notes, *setting.signals.notes(), *setting.readers.notes()))),
        escalation=_escalation(profile, broken),
        evidence=collected.evidence,
        parameters={k: str(v) for k, v in parameters.items() if v is not None},
    )


def _unconfirmed(result: CauseResult) -> CauseResult:
    return msgspec.structs.replace(result, status="possible") if result.status == "confirmed" else result


def _undefined(setting: Setting) -> Unknown:
    others = [name for name in setting.runbooks if defines(setting.profile, name)]
    there = f"; of the runbooks here it defines {', '.join(others)}" if others else ""
    return Unknown(reason="not-configured", says=f"{setting.profile.service} does not define this runbook{there}")


def _lane(item: Plan) -> str:
    """The server that a probe burdens: its system, and the endpoint where it names one."""
    system = item.probe.id.partition(".")[0]
    endpoint = getattr(item.params, "endpoint", "")
    return f"{system}:{endpoint}" if endpoint else system


def _cause_concerns(spec: CauseSpec, profile: Profile) -> bool:
    if spec.services and profile.service not in spec.services:
        return False
    return concerns(profile, spec.needs)


def _relevant(changes: Sequence[Change], setting: Setting, onset: datetime | None) -> tuple[Change, ...]:
    """Changes of the time looked at, those closest to the onset (or else the newest) first."""
    end = setting.now
    start = min(end, onset.timestamp() if onset is not None else end) - setting.since
    inside = [c for c in changes if start <= c.at.timestamp() <= end]
    reference = onset.timestamp() if onset is not None else end
    unique = {(c.system, c.subject, c.says, c.at): c for c in inside}
    return tuple(sorted(unique.values(), key=lambda c: abs(c.at.timestamp() - reference)))


def _escalation(profile: Profile, finding: Finding | None) -> str:
    """Who is called next, by the profile's escalation and the time the objective has been broken."""
    if finding is None or finding.since is None:
        return ""
    from opsctl.durations import parse_duration

    steps = [s for s in profile.escalation if s.severity in ("", finding.severity_label)]
    for step in sorted(steps, key=lambda s: parse_duration(s.after)):
        due = finding.since.timestamp() + parse_duration(step.after)
        if due > time.time():
            return f"{step.to} at {datetime.fromtimestamp(due, UTC):%H:%M} UTC"
    return ""
