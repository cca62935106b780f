"""A symptom in an HTTP answer: the answer as a whole, a field with its healthy value, or a number with bounds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from opsctl.clients.http_answer import what_came
from opsctl.durations import format_quantity
from opsctl.errors import CouldNotLook, Reason
from opsctl.model import Evidence, Finding, Seen, Unknown, Value
from opsctl.probes.look import Look
from opsctl.probes.symptom import SHOWN, name_of, origin
from opsctl.services.model import Symptom
from opsctl.signals.model import Objective, Reading, Row
from opsctl.signals.objective import falling, judge

_PATIENCE = 3.0  # seconds for an answer
_DOWN: tuple[Reason, ...] = ("refused", "timeout", "closed", "server-error")
_LARGE = 4 * 2**20


def by_answer(look: Look, symptom: Symptom) -> Seen:
    """One GET. Raises CouldNotLook when the answer tells nothing about the symptom.

    A service that does not answer its own health question shows that symptom; of a field of some other answer it
    only hides the value. 401, 403, 404 and 429 are answers to us, not about the service.
    """
    if look.at is not None:
        raise CouldNotLook("no-history", "an HTTP answer only tells about now")
    if not symptom.bands and symptom.field in ("", "status"):
        return _whole(look, symptom)
    reader = look.readers.http(symptom.endpoint)
    answer = reader.get(symptom.path, timeout=min(_PATIENCE, look.remaining()), accept=None, max_bytes=_LARGE)
    if not (answer.status < 300 or answer.status >= 500):
        raise reader.failure(answer)
    try:
        fields = msgspec.json.decode(answer.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        if answer.status >= 500:
            raise reader.failure(answer) from None
        says = f"{answer.url} answered with {what_came(answer)}, not JSON"
        raise CouldNotLook("bad-answer", says, address=reader.address, setting=reader.setting) from None
    found = list(_at(fields, symptom.field.split(".") if symptom.field else []))
    if not found and "*" not in symptom.field.split("."):
        if answer.status >= 500:
            raise reader.failure(answer)
        says = f"the answer of {answer.url} has no field {symptom.field}"
        raise CouldNotLook("bad-answer", says, address=reader.address, setting=reader.setting)
    values, finding = _number(look, symptom, found, answer.url) if symptom.bands else _word(symptom, found)
    evidence = Evidence(
        subject=f"{look.profile.service} {symptom.endpoint}",
        source=f"http {reader.address}",
        setting=reader.setting,
        query=f"GET {answer.url}",
        sampled_at=datetime.now(UTC),
        values=(Value(name="status", value=answer.status), *values),
    )
    return Seen(evidence=(evidence,), findings=(finding,))


def _whole(look: Look, symptom: Symptom) -> Seen:
    """The health answer as a whole, judged as http.health does; no answer at all shows the symptom, too."""
    from opsctl.probes.http import HealthParams, health

    expect = {symptom.field: symptom.expect} if symptom.field and symptom.expect else {}
    try:
        seen = health(look, HealthParams(endpoint=symptom.endpoint, path=symptom.path, expect=expect))
    except CouldNotLook as failed:
        if failed.reason not in _DOWN:
            raise
        unknown = Unknown(reason=failed.reason, says=failed.says, address=failed.address, setting=failed.setting)
        evidence = Evidence(
            subject=f"{look.profile.service} {symptom.endpoint}",
            source=f"http {failed.address}",
            setting=failed.setting,
            sampled_at=datetime.now(UTC),
            values=(Value(name="answer", value=f"none: {unknown.reason}"),),
        )
        return Seen(evidence=(evidence,), findings=(_judged(symptom, "breach", failed.says),))
    told = next(finding for finding in seen.findings if finding.id == "http.unhealthy")
    evidence_ = tuple(msgspec.structs.replace(one, unknown=None) for one in seen.evidence)
    if told.state == "unknown" and told.reason in _DOWN:
        return Seen(evidence=evidence_, findings=(_judged(symptom, "breach", told.says),))
    if told.state == "unknown":
        raise CouldNotLook(told.reason or "bad-answer", told.says, address=seen.evidence[0].source)
    return Seen(evidence=evidence_, findings=(_judged(symptom, told.state, told.says),))


def _word(symptom: Symptom, found: list[Any]) -> tuple[tuple[Value, ...], Finding]:
    """A field against its healthy value; without one, every value but nothing, 0 and false shows the symptom."""
    words = [_text(value) for value in found]
    values = tuple(Value(name=symptom.field, value=word) for word in words[:20])
    if symptom.expect:
        odd = [word for word in words if word.lower() != symptom.expect.lower()]
        says = f"{symptom.field} is {', '.join(odd or words)}, expected {symptom.expect}"
    else:
        odd = [word for value, word in zip(found, words, strict=True) if value not in (None, False, 0, "", [], {})]
        says = f"{symptom.field} is {', '.join(odd or words) or 'not there'}"
    return values, _judged(symptom, "breach" if odd else "ok", says[:300])


def _number(look: Look, symptom: Symptom, found: list[Any], url: str) -> tuple[tuple[Value, ...], Finding]:
    """The field's number, or the length of a list, against the bands; of several numbers the worst."""
    name = symptom.field or "entries"
    numbers = [_as_number(value) for value in found]
    if any(number is None for number in numbers):
        says = f"{name} of {url} is {_text(found[numbers.index(None)])}, not a number"
        raise CouldNotLook("bad-answer", says, address=url)
    # A bound in percent is a ratio here; a field that calls itself percent is one hundred times as large.
    percent = "percent" in symptom.field.lower() and any("%" in str(_bound(b)) for b in symptom.bands)
    rows = [(number or 0.0) / (100 if percent else 1) for number in numbers] or [0.0]
    unit = "ratio" if percent or any("%" in str(_bound(b)) for b in symptom.bands) else "count"
    objective = Objective(id=symptom.id, runbook=symptom.runbook, signal=name, bands=symptom.bands)
    reading = Reading(signal=name, unit=unit, rows=tuple(Row(value=row) for row in rows))
    verdict = judge(objective, reading, None, look.profile.severities)
    values = tuple(Value(name=name, value=row, unit=unit) for row in sorted(rows, reverse=True)[:20])
    if verdict.reason is not None:
        raise CouldNotLook(verdict.reason, verdict.says, address=url)
    least = " at least" if falling(objective) else ""
    bound = format_quantity(verdict.objective, unit)
    held = "" if verdict.band is None or verdict.band.for_ in ("0s", "") else ", how long is not known"
    says = f"{name} {format_quantity(verdict.value, unit, beside=verdict.objective)}, bound{least} {bound}{held}"
    finding = _judged(symptom, "ok" if verdict.band is None else "breach", says)
    return values, msgspec.structs.replace(
        finding,
        measured=verdict.value,
        threshold=verdict.objective,
        unit=unit,
        severity=verdict.severity,
        severity_label=verdict.band.severity if verdict.band is not None else "",
    )


def _judged(symptom: Symptom, state: Any, says: str) -> Finding:
    return Finding(id=SHOWN, state=state, says=f"{name_of(symptom)}: {says}", threshold_from=origin(symptom))


def _at(fields: Any, steps: list[str]) -> list[Any]:
    """The values under a dotted path; ``*`` goes into every entry of a list or object, a name to the entry so named."""
    if not steps:
        return [fields]
    step, rest = steps[0], steps[1:]
    if step == "*":
        inner = fields if isinstance(fields, list) else list(fields.values()) if isinstance(fields, dict) else []
        return [value for one in inner for value in _at(one, rest)]
    if isinstance(fields, dict):
        return _at(fields[step], rest) if step in fields else []
    if isinstance(fields, list) and not step.isdigit():  # a list of named parts, as some health answers have
        named = [one for one in fields if isinstance(one, dict) and one.get("name") == step]
        return [value for one in named for value in _at(one, rest)]
    if isinstance(fields, list) and step.isdigit() and int(step) < len(fields):
        return _at(fields[int(step)], rest)
    return []


def _as_number(value: Any) -> float | None:
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, list):
        return float(len(value))
    if isinstance(value, dict):
        # An envelope around one list: its entries are what is counted.
        lists = [inner for inner in value.values() if isinstance(inner, list)]
        return float(len(lists[0])) if len(lists) == 1 else None
    try:
        return float(str(value))
    except ValueError:
        return None


def _bound(band: Any) -> object:
    return next((b for b in (band.above, band.at_least, band.below) if b is not None), "")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:120]
