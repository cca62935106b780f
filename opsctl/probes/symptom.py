"""The profile's symptoms of a runbook: what tells of its condition besides an objective (requirements.md part A).

A log line, a field of an answer or a signal with bounds decides the verdict; what is said in words only, or without a
bound, is shown as evidence.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.model import Evidence, Finding, Seen, Severity, Unknown, Value
from opsctl.probes.look import Look
from opsctl.probes.registry import NoParams, probe
from opsctl.services.model import Profile, Symptom
from opsctl.signals.once import side_by_side

SHOWN = "symptom.shown"
_ANSWERS = ("http", "kyrodb-http", "metrics")  # kinds of endpoints that a GET asks


@probe(
    SHOWN,
    emits={SHOWN: "A symptom of this runbook's condition, as the service's profile defines it, shows."},
    params=NoParams,
    asks="per symptom: the lines of a log's window, one GET, or one signal with its history",
    privilege="read permission on the log; what the endpoint asks for",
    cost="one GET, one log window or three queries per symptom",
)
def shown(look: Look, params: NoParams) -> Seen:
    """One finding per symptom that can be looked at. Raises NotConfigured when nothing at all decides the runbook."""
    symptoms = [symptom for symptom in look.profile.symptoms if symptom.runbook == look.runbook]
    if not symptoms:
        if any(o.runbook == look.runbook for o in look.profile.objectives):
            return Seen()
        says = f"{look.profile.service} defines no symptom of {look.runbook}"
        raise NotConfigured(says, setting=f"profile {look.profile.service}")
    found = side_by_side([lambda s=s: _looked_at(look, s) for s in symptoms])  # type: ignore[misc]
    return Seen(
        evidence=tuple(one for seen in found for one in seen.evidence),
        findings=tuple(one for seen in found for one in seen.findings),
    )


def _looked_at(look: Look, symptom: Symptom) -> Seen:
    try:
        seen = _seen(look, symptom)
    except CouldNotLook as failed:
        return _unknown(look, symptom, failed)
    return msgspec.structs.replace(seen, findings=tuple(_with_severity(look, symptom, f) for f in seen.findings))


def _seen(look: Look, symptom: Symptom) -> Seen:
    way = way_of(look.profile, symptom)
    if way == "signal":
        from opsctl.probes.symptom_signal import by_signal

        return by_signal(look, symptom)
    if way == "log":
        from opsctl.probes.symptom_log import by_log

        return by_log(look, symptom)
    if way == "answer":
        from opsctl.probes.symptom_answer import by_answer

        return by_answer(look, symptom)
    return _in_words(look, symptom)


def way_of(profile: Profile, symptom: Symptom) -> Literal["signal", "log", "answer", "words"]:
    """By what the symptom can be looked at: its signal before its endpoint, since a signal has a past."""
    if symptom.signal:
        return "signal"
    if symptom.log and (symptom.pattern or symptom.bands):
        return "log"
    spec = profile.endpoints.get(symptom.endpoint)
    answers = spec is not None and spec.kind in _ANSWERS and not _entries_in_time(symptom)
    return "answer" if answers else "words"


def _entries_in_time(symptom: Symptom) -> bool:
    """Whether entries of a stretch of time are to be counted: which of their fields is their time is not said."""
    return bool(symptom.bands and symptom.within and not symptom.field)


def _in_words(look: Look, symptom: Symptom) -> Seen:
    """A symptom that only a person, or another probe of the runbook, can look at."""
    where = symptom.endpoint or symptom.log
    told = symptom.title or (f"see {where}" if where else symptom.id)
    evidence = Evidence(
        subject=f"{look.profile.service} symptom {symptom.id}",
        source=f"profile {look.profile.service}",
        setting=setting(look, symptom),
        values=(Value(name="symptom", value=told), Value(name="note", value="said in words: it decides nothing here")),
        sampled_at=look.moment,
    )
    return Seen(evidence=(evidence,))


def _unknown(look: Look, symptom: Symptom, failed: CouldNotLook) -> Seen:
    says = f"{name_of(symptom)}: {failed.says}"
    unknown = Unknown(
        reason=failed.reason,
        says=says,
        address=failed.address,
        setting=failed.setting or setting(look, symptom),
    )
    evidence = Evidence(
        subject=f"{look.profile.service} symptom {symptom.id}",
        source=failed.address or symptom.endpoint or symptom.log or symptom.signal,
        setting=unknown.setting,
        sampled_at=look.moment,
        unknown=unknown,
    )
    found = Finding(id=SHOWN, state="unknown", says=says, reason=failed.reason, threshold_from=origin(symptom))
    return Seen(evidence=(evidence,), findings=(found,))


def _with_severity(look: Look, symptom: Symptom, finding: Finding) -> Finding:
    """The symptom's own word where its band has none; only what shows has a severity."""
    if finding.state != "breach":
        return finding
    from opsctl.signals.objective import severity_of

    label = finding.severity_label or symptom.severity
    severity: Severity | None = finding.severity or severity_of(label, look.profile.severities)
    return msgspec.structs.replace(finding, severity=severity, severity_label=label)


def name_of(symptom: Symptom) -> str:
    """How sentences call the symptom."""
    return symptom.title or symptom.id.replace("-", " ")


def setting(look: Look, symptom: Symptom) -> str:
    """Where the symptom is set."""
    return f"profile {look.profile.service}, symptoms.{symptom.id}"


def origin(symptom: Symptom) -> str:
    """The requirement row that the bound is from, else the symptom."""
    return symptom.row or f"symptom {symptom.id}"
