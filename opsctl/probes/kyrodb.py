"""KyroDB asked directly. Services may count an instance as up that is not (domain-checks.md 2.7)."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from opsctl.clients.kyrodb import KyrodbAnswered, KyrodbHealth, KyrodbReader
from opsctl.clients.kyrodb_message import STATUS
from opsctl.durations import format_duration, format_quantity
from opsctl.errors import CouldNotLook
from opsctl.model import Evidence, Finding, Seen, Unknown, Value
from opsctl.probes.look import Look
from opsctl.probes.quantities import Quantities, judged
from opsctl.probes.registry import probe

_CALL = 3.0  # seconds one Health call may take
_YOUNG = 120  # seconds of uptime within which DEGRADED is what a starting server says

_EMITS = {
    "kyrodb.unreachable": "Nothing answers at KyroDB's gRPC address.",
    "kyrodb.unhealthy": "KyroDB calls itself UNHEALTHY.",
    "kyrodb.degraded": "KyroDB calls itself DEGRADED.",
    "kyrodb.slow": "KyroDB's Health call takes longer than the bound.",
    "kyrodb.wal-broken": "KyroDB's write-ahead log is inconsistent: writes are disabled.",
}


class HealthParams(Quantities, frozen=True, kw_only=True):
    """``endpoint``: one instance. ``slow``: bound for the median of ``samples`` calls, ``pause`` apart.

    ``http``: the endpoint of its HTTP port, asked when the status is not healthy (default: ``endpoint``-http).
    """

    durations = ("slow", "pause")

    endpoint: str = "kyrodb"
    slow: str | float = "100ms"
    samples: int = 3
    pause: str | float = "1s"  # the server logs each call: at most one a second
    http: str = ""


@probe(
    "kyrodb.health",
    emits=_EMITS,
    params=HealthParams,
    asks="kyrodb.v1.KyroDBService/Health, three times, a second apart",
    privilege="the API key where authentication is on",
    cost="three gRPC calls",
    minimum="KyroDB with kyrodb.v1",
)
def health(look: Look, params: HealthParams) -> Seen:
    """Status, components and the time of the Health call of one instance."""
    if look.at is not None:
        raise CouldNotLook("no-history", "KyroDB's Health call only tells about now")
    reader = look.readers.kyrodb(params.endpoint)
    answers: list[KyrodbHealth] = []
    times: list[float] = []
    failed: CouldNotLook | None = None
    pause = params.number("pause")
    for number in range(max(1, params.samples)):
        begun = time.monotonic()
        limit = min(_CALL, look.remaining())
        try:
            answers.append(reader.health(timeout=limit))
            times.append(answers[-1].seconds)
        except KyrodbAnswered as refused:
            return _answered(params, reader, refused)
        except CouldNotLook as error:
            failed = error
            if not answers:
                break
            times.append(time.monotonic() - begun)
        rest = pause - (time.monotonic() - begun)
        if number + 1 == params.samples or look.remaining() < max(0.0, rest) + 0.5:
            break
        time.sleep(max(0.0, rest))
    if not answers:
        if failed is None or failed.reason not in ("refused", "timeout"):
            raise failed or CouldNotLook("timeout", f"no time was left to ask {reader.address}")
        return _unreachable(params, reader, failed)
    return _judged(look, params, reader, answers, times)


def _judged(
    look: Look, params: HealthParams, reader: KyrodbReader, answers: list[KyrodbHealth], times: list[float]
) -> Seen:
    worst = max(answers, key=lambda answer: STATUS.index(answer.status))
    from statistics import median as middle_of

    median = middle_of(times)
    slow = params.number("slow")
    name = f"KyroDB {reader.address}"
    values = [
        Value(name="status", value=worst.status),
        Value(name="health_call_median", value=median, unit="s", note=f"{len(times)} calls"),
        Value(name="uptime", value=worst.uptime_seconds, unit="s"),
        Value(name="version", value=worst.version),
        *(Value(name="component", value=word, labels={"component": key}) for key, word in worst.components.items()),
    ]
    told = _http_health(look, params) if worst.status != "healthy" else None
    values += [Value(name="http_health", value=told)] if told is not None else []
    sick = [f"{key}: {word}" for key, word in worst.components.items() if not word.startswith("healthy")]
    # A server that is not ready yet says DEGRADED and blames no component; only its HTTP port says it plainly (503).
    young = worst.uptime_seconds < _YOUNG and not sick if told is None else told == 503
    starting = worst.status == "degraded" and young
    because = f" ({', '.join(sick)})" if sick else ""
    since = f", starting (up {format_duration(worst.uptime_seconds)})" if starting else ""
    told_nothing = worst.status == "unknown"
    findings = [Finding(id="kyrodb.unreachable", state="ok", says=f"{name} answers: {worst.status}{because}{since}")]
    for word in ("unhealthy", "degraded"):
        if told_nothing:
            says = f"{name} answers that its status is unknown"
            findings.append(Finding(id=f"kyrodb.{word}", state="unknown", says=says, reason="no-data"))
        else:
            says = f"{name} is {worst.status}{because}{since if word == 'degraded' else ''}"
            findings.append(judged(f"kyrodb.{word}", worst.status == word, says))
    took = format_quantity(median, "s", beside=slow)
    calls = f"median of {len(times)} Health calls" if len(times) > 1 else "one Health call"
    findings.append(
        judged(
            "kyrodb.slow",
            median > slow,
            f"{name}: {calls} {took}, bound {format_quantity(slow, 's')}",
            measured=median,
            threshold=slow,
            unit="s",
            parameter="slow",
        )
    )
    findings.append(_wal(worst, name))
    return Seen(evidence=(_evidence(params, reader, tuple(values)),), findings=tuple(findings))


def _wal(answer: KyrodbHealth, name: str) -> Finding:
    """Only the prefix means something; "degraded (n failed writes)" is a disk in trouble, not a broken log."""
    word = answer.components.get("wal")
    if word is None:
        says = f"{name} says nothing about its write-ahead log"
        return Finding(id="kyrodb.wal-broken", state="unknown", says=says, reason="no-data")
    broken = word.startswith("unhealthy")
    says = f"{name}: write-ahead log {word}" + ("; writes are disabled, reads go on" if broken else "")
    return judged("kyrodb.wal-broken", broken, says)


def _http_health(look: Look, params: HealthParams) -> int | None:
    """Status of GET /health on the HTTP port: 503 while starting, where gRPC says DEGRADED. None: not to be had."""
    endpoint = params.http or f"{params.endpoint}-http"
    if not params.http and endpoint not in look.profile.endpoints:
        return None
    try:
        reader = look.readers.http(endpoint)
        return reader.get("/health", timeout=min(1.0, look.remaining()), accept=None, max_bytes=2**16).status
    except CouldNotLook:
        return None  # the gRPC answer stands by itself; this one only tells starting from degraded


def _answered(params: HealthParams, reader: KyrodbReader, refused: KyrodbAnswered) -> Seen:
    """Up, but without a health answer: reachable is measured, the rest is not."""
    findings = [Finding(id="kyrodb.unreachable", state="ok", says=refused.says)]
    findings += _unknown(refused, skip="kyrodb.unreachable")
    return Seen(evidence=(_evidence(params, reader, (), refused),), findings=tuple(findings))


def _unreachable(params: HealthParams, reader: KyrodbReader, failed: CouldNotLook) -> Seen:
    findings = [Finding(id="kyrodb.unreachable", state="breach", says=failed.says)]
    findings += _unknown(failed, skip="kyrodb.unreachable")
    return Seen(evidence=(_evidence(params, reader, (), failed),), findings=tuple(findings))


def _unknown(failed: CouldNotLook, *, skip: str) -> list[Finding]:
    return [Finding(id=id, state="unknown", says=failed.says, reason=failed.reason) for id in _EMITS if id != skip]


def _evidence(
    params: HealthParams,
    reader: KyrodbReader,
    values: tuple[Value, ...],
    failed: CouldNotLook | None = None,
) -> Evidence:
    unknown = None
    if failed is not None:
        unknown = Unknown(reason=failed.reason, says=failed.says, address=failed.address, setting=failed.setting)
    return Evidence(
        subject=params.endpoint,
        source=f"kyrodb {reader.address}",
        setting=reader.setting,
        query="kyrodb.v1.KyroDBService/Health",
        sampled_at=datetime.now(UTC),
        values=values,
        unknown=unknown,
    )


from opsctl.probes import kyrodb_ladder, kyrodb_told  # noqa: E402, F401 - they register themselves
