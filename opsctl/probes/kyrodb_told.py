"""kyrodb.told: what the service says of KyroDB beside what KyroDB says itself (domain-checks.md 2.7: it may lie)."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from opsctl.durations import format_duration
from opsctl.errors import CouldNotLook
from opsctl.model import Evidence, Finding, Seen, Value
from opsctl.probes.http import component_words
from opsctl.probes.kyrodb_rungs import Climb, climb
from opsctl.probes.look import Look
from opsctl.probes.quantities import Quantities
from opsctl.probes.registry import probe
from opsctl.probes.severity import worst_severity

STUCK, HIDES = "kyrodb.service-stuck", "kyrodb.service-hides"
_CALL = 2.0


class ToldParams(Quantities, frozen=True, kw_only=True):
    """``endpoint``: the service's health answer. ``again``: time until the second look, longer than it keeps one.

    ``settle``: KyroDB must be up for so long before a service that calls it down is stuck.
    """

    durations = ("again", "settle")

    endpoint: str = "health"
    component: str = "kyrodb"
    again: str | float = "6s"
    settle: str | float = "60s"


@probe(
    "kyrodb.told",
    emits={
        STUCK: "The service calls KyroDB down, and KyroDB answers well, for longer than a reconnect takes.",
        HIDES: "The service calls KyroDB healthy, and it is not.",
    },
    params=ToldParams,
    asks="GET of the service's health answer and one Health call per instance; twice if they disagree",
    privilege="what the endpoint asks for; KyroDB's API key where authentication is on",
    cost="one GET and one gRPC call per instance, at most twice",
)
def told(look: Look, params: ToldParams) -> Seen:
    """Raises CouldNotLook where the service does not tell, NotConfigured where it has no KyroDB."""
    if look.at is not None:
        raise CouldNotLook("no-history", "what the service and KyroDB say can only be told of now")
    names = [name for name, spec in look.profile.endpoints.items() if spec.kind == "kyrodb"]
    word = _word(look, params)
    climbs = [climb(look.readers, name, _http(look, name), _CALL) for name in names]
    well = all(one.serves for one in climbs)
    says_well = _good(word)
    if well and not says_well and look.remaining() > params.number("again") + 2 * _CALL:
        time.sleep(params.number("again"))
        word = _word(look, params)
        climbs = [climb(look.readers, name, _http(look, name), _CALL) for name in names]
        well, says_well = all(one.serves for one in climbs), _good(word)
    return _judged(look, params, word, climbs, well, says_well)


def _judged(look: Look, params: ToldParams, word: str, climbs: list[Climb], well: bool, says_well: bool) -> Seen:
    up = min((one.health.uptime_seconds for one in climbs if one.health is not None), default=0)
    settled = up >= params.number("settle")
    directly = ", ".join(f"{one.endpoint} {_state(one)}" for one in climbs)
    says = f"{look.profile.service} says that KyroDB is {word}; asked directly: {directly}"
    severity, label = worst_severity(look)

    def finding(id: str, holds: bool, more: str = "") -> Finding:
        if not holds:
            return Finding(id=id, state="ok", says=says + more)
        return Finding(id=id, state="breach", says=says + more, severity=severity, severity_label=label)

    stuck = well and not says_well
    more = f" (up {format_duration(up)}: it may still be reconnecting)" if stuck and not settled else ""
    evidence = Evidence(
        subject=params.endpoint,
        source=f"http {look.readers.http(params.endpoint).address}",
        setting=look.readers.http(params.endpoint).setting,
        query="GET health answer; kyrodb.v1.KyroDBService/Health",
        sampled_at=datetime.now(UTC),
        values=(
            Value(name="told", value=word),
            *(Value(name=one.endpoint, value=_state(one)) for one in climbs),
        ),
    )
    return Seen(
        evidence=(evidence,),
        findings=(finding(STUCK, stuck and settled, more), finding(HIDES, says_well and not well)),
    )


def _http(look: Look, name: str) -> str:
    return f"{name}-http" if f"{name}-http" in look.profile.endpoints else ""


def _state(one: Climb) -> str:
    if one.health is None:
        return "does not answer" if one.rung != "grpc" else "answers with an error"
    return "starting" if one.starting else one.health.status + (", writes disabled" if one.wal_broken else "")


def _good(word: str) -> bool:
    return word.lower() in ("healthy", "ok", "up", "connected", "degraded", "true")


def _word(look: Look, params: ToldParams) -> str:
    """The component's word in the health answer, which may come with 503. Raises CouldNotLook."""
    reader = look.readers.http(params.endpoint)
    answer = reader.get(timeout=min(3.0, look.remaining()), accept=None, max_bytes=2**20)
    if 300 <= answer.status < 500:
        raise reader.failure(answer)
    spec = look.profile.endpoints.get(params.endpoint)
    parts = component_words(answer, spec.options.get("components", "") if spec is not None else "")
    if params.component not in parts:
        says = f"the health answer of {answer.url} names no component {params.component}"
        raise CouldNotLook("bad-answer", says, address=reader.address, setting=reader.setting)
    return parts[params.component]
