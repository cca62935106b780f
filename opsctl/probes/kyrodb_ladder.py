"""kyrodb.ladder: every instance rung by rung, so that what fails first is named (domain-checks.md R3)."""

from __future__ import annotations

from datetime import UTC, datetime

from opsctl.durations import format_duration, format_quantity
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.model import Evidence, Finding, Seen, Severity, Unknown, Value
from opsctl.probes.kyrodb_rungs import Climb, climb
from opsctl.probes.look import Look
from opsctl.probes.quantities import Quantities
from opsctl.probes.registry import probe
from opsctl.probes.severity import worst_severity
from opsctl.signals.once import side_by_side

_CALL = 3.0  # seconds one Health call may take

UNRESOLVED, NO_CONNECTION, NOT_LISTENING = "kyrodb.unresolved", "kyrodb.no-connection", "kyrodb.not-listening"
TLS, KEY, OTHER = "kyrodb.tls-mismatch", "kyrodb.wants-credentials", "kyrodb.other-product"
HUNG, OVERLOADED, STARTING = "kyrodb.hung", "kyrodb.overloaded", "kyrodb.starting"
WRITES, OBJECTIVES, ONE = "kyrodb.writes-failing", "kyrodb.objectives-broken", "kyrodb.one-instance"

EMITS = {
    UNRESOLVED: "The name of KyroDB's host is not known to DNS here.",
    NO_CONNECTION: "No connection to KyroDB comes about: nothing answers, not even with a refusal.",
    NOT_LISTENING: "KyroDB's host says that nothing listens at its port: the process is not there.",
    TLS: "KyroDB and we do not agree about TLS.",
    KEY: "KyroDB is up and wants other credentials.",
    OTHER: "What answers at KyroDB's address is another product or version.",
    HUNG: "KyroDB takes connections and answers neither by gRPC nor by HTTP.",
    OVERLOADED: "KyroDB is up and answers too late, or refuses calls for its load.",
    STARTING: "KyroDB loads its snapshot or replays its log.",
    WRITES: "KyroDB fails to write its log, which is not inconsistent yet: mostly a full or failing disk.",
    OBJECTIVES: "KyroDB calls itself degraded or unhealthy by its own objectives alone; it works.",
    ONE: "The process of one instance of KyroDB is not there, and another instance serves.",
}
# Findings that are measured once the rung is reached.
_REACHED: dict[str, tuple[str, ...]] = {
    "dns": (UNRESOLVED,),
    "tcp": (UNRESOLVED, NO_CONNECTION, NOT_LISTENING),
    "tls": (UNRESOLVED, NO_CONNECTION, NOT_LISTENING, TLS),
    "grpc": (UNRESOLVED, NO_CONNECTION, NOT_LISTENING, TLS, KEY, OTHER, HUNG, OVERLOADED),
    "top": tuple(id for id in EMITS if id != ONE),
}


class LadderParams(Quantities, frozen=True, kw_only=True):
    """``slow``: bound for KyroDB's own 99th percentile."""

    durations = ("slow",)

    slow: str | float = "500ms"


@probe(
    "kyrodb.ladder",
    emits=EMITS,
    params=LadderParams,
    asks="per instance: the name, a connection, KyroDBService/Health, GET /health and /metrics of its HTTP port",
    privilege="the API key where authentication is on",
    cost="one connection, one gRPC call, two GETs per instance",
    minimum="KyroDB with kyrodb.v1",
)
def ladder(look: Look, params: LadderParams) -> Seen:
    """All instances of the profile, at the same time. Raises NotConfigured when there is none, or none has a place."""
    if look.at is not None:
        raise CouldNotLook("no-history", "whether KyroDB answers can only be told of now")
    endpoints = look.profile.endpoints
    names = [name for name, spec in endpoints.items() if spec.kind == "kyrodb"]
    if not names:
        raise NotConfigured(f"{look.profile.service} declares no KyroDB", setting=f"profile {look.profile.service}")
    limit = min(_CALL, max(0.5, look.remaining() - 3.0))

    def one(name: str) -> Climb | CouldNotLook:
        try:
            http = f"{name}-http" if f"{name}-http" in endpoints else ""
            return climb(look.readers, name, http, limit)
        except CouldNotLook as failed:
            return failed

    found = side_by_side([lambda n=name: one(n) for name in names])  # type: ignore[misc]
    climbs = [each for each in found if isinstance(each, Climb)]
    if not climbs:
        raise next(each for each in found if isinstance(each, CouldNotLook))
    severity = worst_severity(look)
    slow = params.number("slow")
    findings = [finding for each in climbs for finding in _findings(each, slow, severity)]
    findings.append(_one(climbs, severity))
    return Seen(evidence=tuple(_evidence(each) for each in climbs), findings=tuple(findings))


def _findings(one: Climb, slow: float, severity: tuple[Severity | None, str]) -> list[Finding]:
    holds = _holds(one, slow)
    reached = _REACHED[one.rung]
    told: list[Finding] = []
    for id in EMITS:
        if id == ONE:
            continue
        if says := holds.get(id):
            told.append(_breach(id, f"KyroDB {one.endpoint}: {says}", severity))
        elif id in reached or (id == STARTING and one.http is not None):
            told.append(Finding(id=id, state="ok", says=f"KyroDB {one.endpoint}: {_fine(one)}"))
        else:
            says = f"KyroDB {one.endpoint} was not asked further: {one.failed.says if one.failed else _fine(one)}"
            told.append(
                Finding(id=id, state="unknown", says=says, reason=one.failed.reason if one.failed else "no-data")
            )
    return told


def _holds(one: Climb, slow: float) -> dict[str, str]:
    """Finding id -> sentence, of what holds."""
    failed, says = one.failed, one.failed.says if one.failed is not None else ""
    found: dict[str, str] = {}
    if failed is not None:
        if one.rung == "dns":
            found[UNRESOLVED] = says
        elif one.rung == "tcp":
            found[NOT_LISTENING if failed.reason == "refused" else NO_CONNECTION] = says
        elif one.rung == "tls":
            found[TLS] = says
        elif failed.reason in ("unauthorized", "forbidden"):
            found[KEY] = says
        elif failed.reason == "unsupported":
            found[OTHER] = says
        elif failed.reason == "throttled":
            found[OVERLOADED] = says
        elif failed.reason in ("timeout", "closed") and not one.starting:
            found[HUNG if one.http is None else OVERLOADED] = says
    p99 = one.metrics.get("kyrodb_query_latency_ns.99", 0.0) / 1e9
    if p99 > slow:
        bound = format_quantity(slow, "s")
        found.setdefault(OVERLOADED, f"its own p99 {format_quantity(p99, 's', beside=slow)}, bound {bound}")
    if one.starting:
        up = f", up {format_duration(one.health.uptime_seconds)}" if one.health is not None else ""
        found[STARTING] = f"starting (HTTP {one.http} {one.word}{up}): it loads its snapshot or replays its log"
    if one.wal.startswith("degraded") or one.metrics.get("kyrodb_wal_circuit_breaker_state", 0.0) > 0:
        failures = one.metrics.get("kyrodb_wal_writes_failed")
        count = f", {failures:g} writes of the log failed" if failures else ""
        found[WRITES] = f"write-ahead log {one.wal or 'not told'}{count}"
    if one.health is not None and one.health.status in ("degraded", "unhealthy") and not one.sick and not one.starting:
        found[OBJECTIVES] = f"{one.health.status}, and every component is healthy: only its own objectives are broken"
    return found


def _fine(one: Climb) -> str:
    if one.health is not None:
        return f"{one.health.status}, up {format_duration(one.health.uptime_seconds)}, wal {one.wal or 'not told'}"
    return one.failed.says if one.failed is not None else "answers"


def _one(climbs: list[Climb], severity: tuple[Severity | None, str]) -> Finding:
    """Down on one instance alone: not the host, not the network, not a setting that both have."""
    answer = [one for one in climbs if one.serves]
    down = [one for one in climbs if one.dead]
    if answer and down:
        says = f"{', '.join(one.endpoint for one in down)} is not there, {', '.join(o.endpoint for o in answer)} serves"
        return _breach(ONE, f"KyroDB: {says}", severity)
    says = ", ".join(f"{one.endpoint} {_fine(one)}" for one in climbs)
    return Finding(id=ONE, state="ok", says=f"KyroDB: {says}"[:400])


def _breach(id: str, says: str, severity: tuple[Severity | None, str]) -> Finding:
    return Finding(id=id, state="breach", says=says, severity=severity[0], severity_label=severity[1])


def _evidence(one: Climb) -> Evidence:
    values: list[Value] = [Value(name="reached", value={"top": "health"}.get(one.rung, f"failed at {one.rung}"))]
    if one.health is not None:
        values.append(Value(name="status", value=one.health.status))
        values.append(Value(name="uptime", value=one.health.uptime_seconds, unit="s"))
        values.append(Value(name="wal", value=one.wal or "not told"))
    if one.http is not None:
        values.append(Value(name="http_health", value=one.http, note=one.word))
    shown = {
        "kyrodb_ready": ("ready", ""),
        "kyrodb_wal_writes_failed": ("wal_writes_failed", "count"),
        "kyrodb_disk_used_bytes": ("disk_used", "bytes"),
        "kyrodb_memory_used_bytes": ("memory_used", "bytes"),
    }
    values += [
        Value(name=name, value=one.metrics[metric], unit=unit)
        for metric, (name, unit) in shown.items()
        if metric in one.metrics
    ]
    if "kyrodb_query_latency_ns.99" in one.metrics:
        values.append(Value(name="p99", value=one.metrics["kyrodb_query_latency_ns.99"] / 1e9, unit="s"))
    failed = one.failed
    unknown = (
        None
        if failed is None
        else Unknown(reason=failed.reason, says=failed.says, address=failed.address, setting=failed.setting)
    )
    return Evidence(
        subject=one.endpoint,
        source=f"kyrodb {one.address}",
        setting=one.setting,
        query="name, connection, TLS, Health, GET /health, GET /metrics",
        sampled_at=datetime.now(UTC),
        values=tuple(values),
        unknown=unknown,
    )
