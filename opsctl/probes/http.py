"""What a service's own health answer says: its status, its components, how long it took."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from opsctl.clients.http_answer import HttpAnswer, first_words, what_came
from opsctl.durations import format_quantity
from opsctl.errors import CouldNotLook
from opsctl.model import Evidence, Finding, Seen, Unknown, Value
from opsctl.probes.look import Look
from opsctl.probes.quantities import Quantities, judged
from opsctl.probes.registry import probe

_BAD = {"unhealthy", "degraded", "down", "fail", "failed", "failing", "error", "critical", "not ready", "starting",
        "warn", "warning", "unavailable", "red", "yellow", "false"}  # fmt: skip
_LISTS = ("components", "checks", "details", "services", "dependencies")
_CALM = 3.0  # seconds for a health answer; longer is a finding of its own


class HealthParams(Quantities, frozen=True, kw_only=True):
    """``endpoint``: of the profile; ``path`` under it. ``expect``: JSON field (dots go down) -> value, over the
    profile's own. ``slow``: an answer that takes longer is slow. ``fresh``: how old its ``timestamp`` may be."""

    durations = ("slow", "fresh")

    endpoint: str = "health"
    path: str = ""
    expect: dict[str, str] = {}
    slow: str | float = "1s"
    fresh: str | float = "2m"


@probe(
    "http.health",
    emits={
        "http.unhealthy": "The service's health answer is an error, or names a component that is not healthy.",
        "http.slow": "The health answer takes longer than the bound.",
    },
    params=HealthParams,
    asks="GET of the health endpoint, once",
    privilege="none, or what the endpoint asks for",
    cost="one HTTP request",
)
def health(look: Look, params: HealthParams) -> Seen:
    """One GET. Any answer of 2xx or 5xx is a measurement; 401, 403, 404, 429 and a dead port are not.

    The answer is the service's opinion: Vritti's counts KyroDB as up when it is not (domain-checks.md 2.7), which is
    why dependencies are also asked directly.
    """
    if look.at is not None:
        raise CouldNotLook("no-history", "a health endpoint only tells about now")
    reader = look.readers.http(params.endpoint)
    slow = params.number("slow")
    timeout = min(max(_CALM, slow * 2), look.remaining())
    source = f"http {reader.address}"
    try:
        answer = reader.get(params.path, timeout=timeout, accept=None, max_bytes=2**20)
    except CouldNotLook as failed:
        if failed.reason != "timeout" or timeout <= slow:
            raise
        return _hung(look, params, failed, timeout, slow, source)
    if not (answer.status < 300 or answer.status >= 500):
        raise reader.failure(answer)
    spec = look.profile.endpoints.get(params.endpoint)
    expect = {**(spec.expect if spec else {}), **params.expect}
    options = spec.options if spec else {}
    fields = _fields(answer)
    values: tuple[Value, ...] = ()
    try:
        says, values = _judged(answer, fields, expect, options.get("components", ""))
        unhealthy = Finding(id="http.unhealthy", state="breach" if says else "ok", says=says or _fine(answer, fields))
        if not says:
            unhealthy = _doubted(unhealthy, answer, fields, options.get("timestamp", "timestamp"), params, look.now)
    except CouldNotLook as strange:
        unhealthy = Finding(id="http.unhealthy", state="unknown", says=strange.says, reason=strange.reason)
    evidence = Evidence(
        subject=params.endpoint,
        source=source,
        setting=reader.setting,
        query=f"GET {answer.url}",
        sampled_at=datetime.now(UTC),
        values=(
            Value(name="status", value=answer.status),
            Value(name="answer_seconds", value=answer.seconds, unit="s"),
            *values,
        ),
    )
    took = format_quantity(answer.seconds, "s", beside=slow)
    quick = judged(
        "http.slow",
        answer.seconds > slow,
        f"{params.endpoint} answered in {took}, bound {format_quantity(slow, 's')}",
        measured=answer.seconds,
        threshold=slow,
        unit="s",
        parameter="slow",
    )
    return Seen(evidence=(evidence,), findings=(unhealthy, quick))


def opinion(answer: HttpAnswer, now: float) -> Finding:
    """``http.unhealthy`` of an answer at an address that no profile describes: its status word, components and age."""
    fields = _fields(answer)
    says, _ = _judged(answer, fields, {}, "")
    found = Finding(id="http.unhealthy", state="breach" if says else "ok", says=says or _fine(answer, fields))
    if says or _at(fields, "status") is _ABSENT:
        return found
    return _doubted(found, answer, fields, "timestamp", HealthParams(), now)


def component_words(answer: HttpAnswer, key: str = "") -> dict[str, str]:
    """Name and status word of each component that a health answer names; ``key``: the field that holds them."""
    return dict(_components(_fields(answer), key))


def _hung(look: Look, params: HealthParams, failed: CouldNotLook, timeout: float, slow: float, source: str) -> Seen:
    """No answer within more than the bound: slow is measured, healthy or not is unknown."""
    unknown = Unknown(reason=failed.reason, says=failed.says, address=failed.address, setting=failed.setting)
    evidence = Evidence(
        subject=params.endpoint,
        source=source,
        setting=failed.setting,
        sampled_at=datetime.now(UTC),
        values=(Value(name="answer_seconds", value=timeout, unit="s", at_least=True),),
        unknown=unknown,
    )
    waited = format_quantity(timeout, "s", at_least=True)
    return Seen(
        evidence=(evidence,),
        findings=(
            Finding(id="http.unhealthy", state="unknown", says=failed.says, reason=failed.reason),
            judged(
                "http.slow",
                True,
                f"{params.endpoint} gave no answer in {waited}, bound {format_quantity(slow, 's')}",
                measured=timeout,
                threshold=slow,
                unit="s",
                parameter="slow",
            ),
        ),
    )


def _fields(answer: HttpAnswer) -> Any:
    try:
        return msgspec.json.decode(answer.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _judged(answer: HttpAnswer, fields: Any, expect: dict[str, str], components: str) -> tuple[str, tuple[Value, ...]]:
    """What is wrong, as one sentence ("" = nothing), and what was seen."""
    parts = dict(_components(fields, components))
    values = tuple(Value(name="component", value=word, labels={"component": name}) for name, word in parts.items())
    sick = [f"{name} ({word})" for name, word in parts.items() if not _is_good(word)]
    named = f"not healthy: {', '.join(sick[:8])}" if sick else ""
    if answer.status >= 500:
        words = named or first_words(answer.body) or "without a word"
        return f"the health answer is HTTP {answer.status}: {words}", values
    if expect and fields is None:
        raise CouldNotLook("bad-answer", f"the health answer of {answer.url} is {what_came(answer)}, not JSON")
    wrong = []
    for path, wanted in expect.items():
        got = _at(fields, path)
        if got is _ABSENT:
            raise CouldNotLook("bad-answer", f"the health answer of {answer.url} has no field {path}")
        values += (Value(name=path, value=_text(got)),)
        if _text(got).lower() != wanted.lower():
            wrong.append(f"{path} is {_text(got)}, expected {wanted}")
    if wrong:
        return "; ".join(wrong) + (f"; {named}" if named else ""), values
    if named:
        return named, values
    word = _at(fields, "status")
    if not expect and word is not _ABSENT:
        values += (Value(name="status_word", value=_text(word)),)
        if _text(word).lower() in _BAD:
            return f"the service calls itself {_text(word)}", values
    return "", values


def _fine(answer: HttpAnswer, fields: Any) -> str:
    word = _at(fields, "status")
    told = f', status "{_text(word)}"' if word is not _ABSENT else ""
    return f"the health answer is HTTP {answer.status}{told}"


def _doubted(finding: Finding, answer: HttpAnswer, fields: Any, key: str, params: HealthParams, now: float) -> Finding:
    """A good answer is worth nothing when it is an old one. The server's own clock is used when it sends it."""
    written = _moment(_at(fields, key))
    if written is None:
        return finding
    clock = answer.date.timestamp() if answer.date else now
    age = clock - written
    if age <= params.number("fresh"):
        return finding
    says = (
        f"the health answer is {format_quantity(age, 's')} old by its own {key}: it is not made anew for each question"
    )
    return Finding(id=finding.id, state="unknown", says=says, reason="stale")


def _moment(value: object) -> float | None:
    if isinstance(value, bool) or value is _ABSENT:
        return None
    if isinstance(value, int | float):
        return value / 1000 if value > 1e11 else float(value)
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None


class _Absent:
    pass


_ABSENT = _Absent()


def _at(fields: Any, path: str) -> Any:
    for step in path.split("."):
        if not isinstance(fields, dict) or step not in fields:
            return _ABSENT
        fields = fields[step]
    return fields


def _components(fields: Any, key: str) -> Iterator[tuple[str, str]]:
    """Name and status of each component: a list of objects, or an object by name; statuses as words or objects."""
    found = _at(fields, key) if key else next((v for k in _LISTS if (v := _at(fields, k)) is not _ABSENT), None)
    if isinstance(found, list):
        rows = [(one.get("name") or one.get("component"), one) for one in found if isinstance(one, dict)]
    elif isinstance(found, dict):
        rows = list(found.items())
    else:
        return
    for name, one in rows[:50]:
        word = one.get("status", one.get("state", one.get("healthy"))) if isinstance(one, dict) else one
        if name and isinstance(word, str | bool):
            yield str(name), _text(word)


def _is_good(word: str) -> bool:
    """Only a known bad word is held against a component: the good ones are too many to list."""
    lower = word.lower()
    return lower not in _BAD and lower.partition(" ")[0] not in _BAD


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:120]


from opsctl.probes import http_meter, http_reach  # noqa: E402, F401 - they register themselves; the second judges by what stands above
