"""The diagnosis: run a runbook's probes, collect evidence and findings, judge the causes, give the report.

A probe that fails never stops the others. What could not be looked at becomes an answer "unknown" with its reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

import msgspec

from opsctl import __version__
from opsctl.clients.readers import Readers
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.model import CauseResult, Change, Evidence, Finding, Report, Seen, Struct, Unknown
from opsctl.probes.look import Look
from opsctl.probes.registry import Params, Probe, get
from opsctl.redact import printable, redact
from opsctl.runbooks import causes, verdict
from opsctl.runbooks.load import Loaded, bind, needs_of
from opsctl.runbooks.model import CauseSpec, ProbeUse
from opsctl.runbooks.narrate import next_steps, sentence
from opsctl.runbooks.schedule import Done, Job, run_all
from opsctl.services.model import Profile
from opsctl.signals.reader import SignalReader

S = TypeVar("S", bound=Struct)


class Plan(NamedTuple):
    """One probe use, ready to run."""

    use: ProbeUse
    probe: Probe
    params: Params


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


def plan(loaded: Loaded, profile: Profile, parameters: Mapping[str, object]) -> list[Plan]:
    """The probe uses that concern this service. Raises ConfigError for an unknown probe or parameter."""
    plans: list[Plan] = []
    for use in loaded.runbook.diagnosis:
        if not concerns(profile, use.needs):
            continue
        params = bind(use, parameters, str(loaded.path))
        probe = get(use.probe)
        assert probe is not None  # bind has looked it up
        plans.append(Plan(use, probe, params))
    return plans


def defines(profile: Profile, runbook: str) -> bool:
    """Whether the service's profile has anything that decides this runbook; if not, there is nothing to look at."""
    return any(o.runbook == runbook and o.kind == "alert" for o in profile.objectives) or any(
        s.runbook == runbook for s in profile.symptoms
    )


def concerns(profile: Profile, needs: str | tuple[str, ...]) -> bool:
    """Whether the service declares every dependency (by name or kind) that a probe or cause needs."""
    declared = set(profile.dependencies) | {d.kind for d in profile.dependencies.values()}
    return all(need in declared for need in needs_of(needs))


def emitted(item: Plan) -> tuple[str, ...]:
    """The finding ids that this use may emit."""
    ids = tuple(item.probe.emits)
    local = getattr(item.params, "finding", "") if item.probe.local else ""
    return (*ids, local) if local else ids


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
    plans = plan(loaded, profile, parameters) if defines(profile, runbook.runbook) else []

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
    collected = _collect(plans, answers, setting)
    findings = collected.findings
    known = causes.states(findings)
    evidence_of: dict[str, tuple[str, ...]] = {}
    for finding in findings:
        if finding.state == known[finding.id]:
            evidence_of[finding.id] = (*evidence_of.get(finding.id, ()), *finding.evidence)
    concerned = [c for c in runbook.causes if _cause_concerns(c, profile)]
    judged = [(spec, result) for spec in concerned if (result := causes.judge(spec, known, evidence_of)) is not None]
    word, deciding = verdict.decide(findings)
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
        says=sentence(profile.service, word, deciding, findings, collected.not_configured),
        started_at=datetime.fromtimestamp(setting.now if setting.at is None else time.time(), UTC),
        seconds=round(time.monotonic() - began, 3),
        at=None if setting.at is None else datetime.fromtimestamp(setting.at, UTC),
        measured=measured,
        findings=findings,
        causes=ranked,
        unknown=collected.unknown,
        not_configured=collected.not_configured,
        changes=_relevant(collected.changes, setting, onset),
        next=tuple(dict.fromkeys(step for c in ranked if c.status == "confirmed" for step in c.next)),
        notes=tuple(dict.fromkeys((*setting.notes, *setting.signals.notes(), *setting.readers.notes()))),
        escalation=_escalation(profile, broken),
        evidence=collected.evidence,
        parameters={k: str(v) for k, v in parameters.items() if v is not None},
    )


def _unconfirmed(result: CauseResult) -> CauseResult:
    return msgspec.structs.replace(result, status="possible") if result.status == "confirmed" else result


class _Collected(NamedTuple):
    evidence: tuple[Evidence, ...]
    findings: tuple[Finding, ...]
    changes: tuple[Change, ...]
    unknown: tuple[Unknown, ...]
    not_configured: tuple[Unknown, ...]


def _undefined(setting: Setting) -> str:
    others = [name for name in setting.runbooks if defines(setting.profile, name)]
    there = f"; of the runbooks here it defines {', '.join(others)}" if others else ""
    return f"{setting.profile.service} does not define this runbook{there}"


def _lane(item: Plan) -> str:
    """The server that a probe burdens: its system, and the endpoint where it names one."""
    system = item.probe.id.partition(".")[0]
    endpoint = getattr(item.params, "endpoint", "")
    return f"{system}:{endpoint}" if endpoint else system


def _collect(plans: Sequence[Plan], answers: Sequence[Done[Seen]], setting: Setting) -> _Collected:
    evidence: list[Evidence] = []
    findings: list[Finding] = []
    changes: list[Change] = []
    unknown: list[Unknown] = []
    absent: list[Unknown] = []
    for item, answer in zip(plans, answers, strict=True):
        seen = answer.value if answer.value is not None else _failed(item, answer, setting)
        if isinstance(answer.error, NotConfigured):
            absent.append(_unknown_of(item, answer.error))
            continue
        ids: list[str] = []
        for raw in seen.evidence:
            number = f"e{len(evidence) + 1}"
            ids.append(number)
            evidence.append(
                clean(
                    msgspec.structs.replace(
                        raw, id=number, probe=item.probe.id, seconds=raw.seconds or round(answer.seconds, 3)
                    )
                )
            )
            if raw.unknown is not None:
                unknown.append(clean(msgspec.structs.replace(raw.unknown, probe=item.probe.id)))
        for told in seen.findings:
            own = told.evidence or tuple(ids)
            finding = clean(msgspec.structs.replace(told, probe=item.probe.id, evidence=own))
            findings.append(finding)
            if finding.state == "unknown" and not any(e.unknown for e in seen.evidence):
                unknown.append(_unknown_in(finding, evidence))
        changes.extend(clean(change) for change in seen.changes)
    if not plans:
        absent.append(Unknown(reason="not-configured", says=_undefined(setting)))
    return _Collected(tuple(evidence), tuple(findings), tuple(changes), _once(unknown), _once(absent))


def _unknown_in(finding: Finding, evidence: Sequence[Evidence]) -> Unknown:
    """What could not be told although something answered: with where it was looked for."""
    source = next((e for e in evidence if e.id in finding.evidence), None)
    return Unknown(
        reason=finding.reason or "no-data",
        says=finding.says,
        probe=finding.probe,
        address=source.source if source is not None else "",
        setting=source.setting if source is not None else "",
    )


def _once(items: Sequence[Unknown]) -> tuple[Unknown, ...]:
    """The same failure of several probes is told once, under the first probe."""
    seen: dict[tuple[str, str], Unknown] = {}
    for item in items:
        seen.setdefault((item.reason, item.says), item)
    return tuple(seen.values())


def _failed(item: Plan, answer: Done[Seen], setting: Setting) -> Seen:
    """What a probe that gave no answer leaves behind: the reason, and each of its findings unknown."""
    if isinstance(answer.error, CouldNotLook):
        failure = _unknown_of(item, answer.error)
    elif answer.error is not None:
        kind = type(answer.error).__name__
        failure = Unknown(
            reason="bug", says=f"{item.probe.id} failed inside opsctl ({kind}: {answer.error})", probe=item.probe.id
        )
    elif answer.started:
        failure = Unknown(
            reason="timeout", says=f"{item.probe.id} gave no answer within {answer.seconds:.0f} s", probe=item.probe.id
        )
    else:
        failure = Unknown(
            reason="skipped",
            says=f"{item.probe.id} was not asked: the {setting.total:.0f} s of this diagnosis were over",
            probe=item.probe.id,
        )
    subject = item.probe.id.partition(".")[0]
    return Seen(
        evidence=(
            Evidence(subject=subject, source=failure.address or subject, setting=failure.setting, unknown=failure),
        ),
        findings=tuple(
            Finding(id=id, state="unknown", says=failure.says, reason=failure.reason) for id in emitted(item)
        ),
    )


def _unknown_of(item: Plan, error: CouldNotLook) -> Unknown:
    return clean(
        Unknown(reason=error.reason, says=error.says, probe=item.probe.id, address=error.address, setting=error.setting)
    )


def clean(item: S) -> S:
    """A struct whose texts hold no secret and no control character: done once, when evidence is taken."""
    return msgspec.convert(_clean(msgspec.to_builtins(item, builtin_types=(datetime,))), type(item))


def _clean(value: object) -> object:
    if isinstance(value, str):
        return redact(printable(value))
    if isinstance(value, list | tuple):
        if value and isinstance(value[0], float | int):
            return value
        return [_clean(v) for v in value]
    if isinstance(value, dict):
        return {k: _clean(v) for k, v in value.items()}
    return value


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
