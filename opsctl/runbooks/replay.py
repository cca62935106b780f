"""A saved report judged anew: today's runbook and today's profile on the evidence of then, without any server.

What the signals gave was recorded, so the probes on signals run again: changed bounds, bands and parameters count.
What other probes found is taken over where today's runbook asks the same; what the report does not hold is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from opsctl.clients.readers import Readers
from opsctl.errors import CouldNotLook, UsageError
from opsctl.model import Evidence, Finding, ProbeRun, ReplayedFrom, Report, Seen
from opsctl.probes.look import Look
from opsctl.runbooks.chosen import Plan, defines, emitted, plan
from opsctl.runbooks.collected import asked, clean, collect
from opsctl.runbooks.judge import Circumstances, judge
from opsctl.runbooks.load import Loaded, parameters_of
from opsctl.runbooks.model import Runbook
from opsctl.runbooks.replayed import absent, no_server, replayed
from opsctl.runbooks.schedule import Done
from opsctl.runbooks.seal import sealed
from opsctl.runbooks.verdict import SYMPTOM
from opsctl.services.model import Profile

FIRST = "opsctl.report/1"  # the schema that recorded neither signals nor which probe found what


def replay(
    loaded: Loaded,
    profile: Profile,
    report: Report,
    parameters: Mapping[str, object],
    runbooks: tuple[str, ...],
    *,
    name: str = "",
) -> Report:
    """The report that today's runbook and profile make of the evidence in ``report``.

    ``parameters``: bound values, see ``parameters_for``. ``runbooks``: names that exist. ``name``: the saved
    report's, for the record. The time is the report's own. Raises UsageError (64) for another service's profile,
    ConfigError (78) for a runbook that cannot be bound.
    """
    if profile.service != report.service:
        says = f"this report is about {report.service}, not {profile.service}"
        raise UsageError(says, remedy=f"Leave out -s, or give a report about {profile.service}.")
    runbook = loaded.runbook
    started = report.started_at.timestamp()
    moment = report.at.timestamp() if report.at is not None else started
    signals = replayed(report, profile)
    look = Look(
        runbook=runbook.runbook,
        profile=profile,
        readers=Readers(no_server),
        signals=signals,
        now=moment,
        at=report.at.timestamp() if report.at is not None else None,
        since=report.looks_back,
        deadline=math.inf,
        parameters=parameters,
    )
    plans = plan(loaded, profile, parameters) if defines(profile, runbook.runbook) else []
    held = Held(report)
    answers = [_answer(item, look, held, asked(item, parameters)) for item in plans]
    collected = collect(plans, answers, 0.0, lambda endpoint: ("", ""), parameters)
    collected = collected._replace(changes=(*report.changes, *collected.changes))
    how = Circumstances(
        started_at=report.started_at,
        now=moment,
        told_at=started + report.seconds,
        at=report.at.timestamp() if report.at is not None else None,
        since=report.looks_back,
        seconds=report.seconds,
        context=report.context,
        notes=(*_notes(loaded, report, name), *report.notes, *signals.notes()),
        runbooks=runbooks,
        override=report.override,
    )
    judged = judge(loaded, profile, collected, how, parameters)
    origin = ReplayedFrom(
        runbook_digest=report.runbook_digest,
        verdict=report.verdict,
        opsctl=report.opsctl,
        name=name,
        seal=report.seal,
    )
    return sealed(
        msgspec.structs.replace(judged, replayed_from=origin, readings=report.readings, histories=report.histories)
    )


def parameters_for(runbook: Runbook, given: Mapping[str, object], report: Report) -> dict[str, object]:
    """Bound parameters of a replay: what is given now, else what the user chose then, else the runbook's defaults.

    Raises UsageError for a value of the wrong type.
    """
    then = {key: report.parameters.get(key) for key in report.chosen}
    return parameters_of(runbook, {**then, **{key: value for key, value in given.items() if value is not None}})


class Held:
    """What a report holds of its probes."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self._evidence = {e.id: e for e in report.evidence}
        self._runs: dict[str, list[ProbeRun]] = {}
        for run in report.probes:
            self._runs.setdefault(run.probe, []).append(run)

    def run(self, item: Plan, with_: Mapping[str, object]) -> ProbeRun | None:
        """The same use of the same probe then; None if there was none. Defaults that a runbook spells out are equal."""
        runs = self.others(item)
        for run in runs:
            if run.with_ == with_:
                return run
        for run in runs:
            try:
                if msgspec.convert(run.with_, item.probe.params) == item.params:
                    return run
            except (msgspec.ValidationError, TypeError, ValueError):  # it has other parameters by now
                continue
        safe = clean(ProbeRun(probe=item.probe.id, with_=dict(with_))).with_  # as it is written down
        return next((run for run in runs if run.with_ == safe), None)

    def others(self, item: Plan) -> list[ProbeRun]:
        """Uses of the probe with whatever parameters."""
        return self._runs.get(item.probe.id, [])

    def seen(self, run: ProbeRun) -> Seen:
        """What the probe saw and found then."""
        evidence = tuple(self._evidence[id] for id in run.evidence if id in self._evidence)
        told = self.report.findings
        findings = tuple(_unlinked(told[place]) for place in run.findings if 0 <= place < len(told))
        return Seen(evidence=evidence, findings=findings)

    def by_ids(self, item: Plan) -> Seen | None:
        """What a report of the first schema holds of a probe: known by the probe's name and its findings' ids."""
        ids = emitted(item)
        findings = [f for f in self.report.findings if f.probe == item.probe.id and f.id in ids]
        evidence = {id: self._evidence[id] for f in findings for id in f.evidence if id in self._evidence}
        if not findings:
            return None
        return Seen(evidence=tuple(evidence.values()), findings=tuple(_unlinked(f) for f in findings))


def _answer(item: Plan, look: Look, held: Held, with_: Mapping[str, object]) -> Done[Seen]:
    """What a probe of today's runbook sees in the report; failures as the engine has them."""
    system = item.probe.id.partition(".")[0]
    if item.beside and held.run(item, with_) is None:  # the changes of then are taken over from the report as they are
        return Done(Seen(), None, 0.0, True)
    try:
        if held.report.schema == FIRST:
            seen = held.by_ids(item)
            if seen is None:
                raise CouldNotLook("not-recorded", f"{item.probe.id}: the report holds no finding of it")
        elif system == "signal":
            seen = item.probe.run(look, item.params)
        elif item.probe.id == SYMPTOM:
            seen = _symptoms(item, look, held.run(item, with_), held)
        else:
            seen = _taken_over(item, held, with_)
    except Exception as error:  # noqa: BLE001 - collect types and shows it, as in a diagnosis
        return Done(None, error, 0.0, True)
    return Done(seen, None, 0.0, True)


def _taken_over(item: Plan, held: Held, with_: Mapping[str, object]) -> Seen:
    run = held.run(item, with_)
    if run is None:
        raise CouldNotLook("not-recorded", _why_not(item, held, with_))
    if run.absent is not None:
        absent(run.absent)
    return held.seen(run)


def _why_not(item: Plan, held: Held, with_: Mapping[str, object]) -> str:
    others = held.others(item)
    if not others:
        return f"{item.probe.id} was not recorded: it was not asked when the report was written"
    then = others[0].with_
    differing = [key for key in {**then, **with_} if then.get(key) != with_.get(key)]
    told = ", ".join(f"{key}={then.get(key, 'not set')} then, {with_.get(key, 'not set')} now" for key in differing)
    return f"{item.probe.id} was recorded with other parameters ({told}), so what it would find now is not known"


def _symptoms(item: Plan, look: Look, run: ProbeRun | None, held: Held) -> Seen:
    """Symptoms in signals are judged again; those in logs and answers are what they were then."""
    from opsctl.probes.symptom import name_of, origin, way_of

    mine = [s for s in look.profile.symptoms if s.runbook == look.runbook]
    if run is not None and run.absent is not None and not mine:
        absent(run.absent)
    fresh = Seen()
    if not mine or any(s.signal for s in mine):
        again = tuple(s for s in look.profile.symptoms if s.signal or s.runbook != look.runbook)
        fresh = item.probe.run(_with_profile(look, msgspec.structs.replace(look.profile, symptoms=again)), item.params)
    then = held.seen(run) if run is not None else Seen()
    left = [f for f in then.findings if f.id == SYMPTOM]
    findings: list[Finding] = []
    for symptom in mine:
        if symptom.signal:
            continue
        same = [f for f in left if f.threshold_from == origin(symptom)]
        named = [f for f in same if f.says.startswith(name_of(symptom))] or same
        if named:
            left.remove(named[0])
            findings.append(named[0])
        elif way_of(look.profile, symptom) != "words" and (symptom.bands or symptom.pattern or symptom.expect):
            says = f"{name_of(symptom)}: it was not recorded when the report was written"
            findings.append(Finding(id=SYMPTOM, state="unknown", says=says, reason="not-recorded"))
    again_seen = {e.subject for e in fresh.evidence}
    kept: Sequence[Evidence] = [e for e in then.evidence if e.subject not in again_seen]
    return Seen(evidence=(*fresh.evidence, *kept), findings=(*fresh.findings, *findings))


def _with_profile(look: Look, profile: Profile) -> Look:
    import dataclasses

    return dataclasses.replace(look, profile=profile)


def _unlinked(finding: Finding) -> Finding:
    """A finding without the numbers of its evidence: it is linked anew to what its probe saw."""
    return msgspec.structs.replace(finding, evidence=())


def _notes(loaded: Loaded, report: Report, name: str) -> tuple[str, ...]:
    """That this is a replay, of what, and which runbook judged then."""
    which = f"{name}, " if name else ""
    notes = [
        f"Replayed from {which}a report of {report.started_at:%Y-%m-%d %H:%M:%S} UTC: no system was asked. "
        f"The verdict then was {report.verdict}"
    ]
    if report.runbook != loaded.runbook.runbook:
        notes.append(
            f"The report is from the runbook {report.runbook}: what only {loaded.runbook.runbook} asks was not recorded"
        )
    elif report.runbook_digest != loaded.digest:
        notes.append(f"The runbook has changed since: {report.runbook_digest or 'not known'} then, {loaded.digest} now")
    if report.schema == FIRST:
        notes.append(
            "Reports of schema opsctl.report/1 keep no readings: findings are those of then, with the bounds of then"
        )
    return tuple(notes)
