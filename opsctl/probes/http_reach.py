"""Is anybody there: nothing listens, or something listens and does not answer, or it answers and says what it lacks."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from opsctl.errors import CouldNotLook
from opsctl.model import Evidence, Finding, Seen, Value
from opsctl.probes.http import HealthParams, health
from opsctl.probes.look import Look
from opsctl.probes.registry import Params, probe
from opsctl.probes.severity import worst_severity
from opsctl.probes.signal_reading import read

REFUSED, HUNG = "http.refused", "http.no-answer"
COMPONENT, STARTING = "http.component-unhealthy", "http.starting"
ONLY = "http.scrape-only"
_STARTING = frozenset({"starting", "initializing", "initialising", "warming", "warming up", "loading"})
_WORDS = ("status", "status_word")


class ReachParams(Params, frozen=True, kw_only=True):
    """``endpoint``: of the profile; its health answer, or any page of it."""

    endpoint: str = "health"


class ScrapeParams(ReachParams, frozen=True, kw_only=True):
    """``signal``: 1 while Prometheus can scrape the service, 0 while not."""

    signal: str = "service_up"


@probe(
    "http.reach",
    emits={
        REFUSED: "Nothing listens at the service's address: its process is not there.",
        HUNG: "The service takes a connection and does not answer.",
        COMPONENT: "The health answer names a component that is not healthy.",
        STARTING: "The health answer says that the service is just starting.",
    },
    params=ReachParams,
    asks="GET of the endpoint, once",
    privilege="none, or what the endpoint asks for",
    cost="one HTTP request",
)
def reach(look: Look, params: ReachParams) -> Seen:
    """Any answer at all shows that a process is there. An address that cannot be reached from here tells nothing."""
    try:
        seen = health(look, HealthParams(endpoint=params.endpoint))
    except CouldNotLook as failed:
        return _without_answer(look, params, failed)
    silent = next((each.unknown for each in seen.evidence if each.unknown is not None), None)
    if silent is not None:
        late = CouldNotLook(silent.reason, silent.says, address=silent.address, setting=silent.setting)
        return _without_answer(look, params, late)
    values = seen.evidence[0].values
    told = next(finding for finding in seen.findings if finding.id == "http.unhealthy")
    answered = f"{params.endpoint} answers"
    words = {str(each.value).lower() for each in values if each.name in _WORDS}
    begins = bool(words & _STARTING) or ("starting" in told.says and told.state == "breach")
    parts = any(each.name == "component" for each in values)
    sick = told.state == "breach" and parts and "not healthy:" in told.says
    findings = (
        Finding(id=REFUSED, state="ok", says=answered),
        Finding(id=HUNG, state="ok", says=answered),
        Finding(id=COMPONENT, state="breach" if sick else "ok", says=told.says if sick else _fine(told, parts)),
        Finding(id=STARTING, state="breach" if begins else "ok", says=told.says if begins else answered),
    )
    return Seen(evidence=seen.evidence, findings=findings)


@probe(
    "http.scrape",
    emits={ONLY: "Prometheus calls the service down, and it answers."},
    params=ScrapeParams,
    asks="the signal that tells whether Prometheus can scrape the service, and GET of the endpoint",
    privilege="none, or what the endpoint asks for",
    cost="one query and one HTTP request",
)
def scrape(look: Look, params: ScrapeParams) -> Seen:
    """Raises NotConfigured where the service has no such signal or endpoint."""
    if look.at is not None:
        raise CouldNotLook("no-history", "whether a service answers can only be told of now")
    look.readers.endpoint(params.endpoint)
    reading = read(look, params.signal)
    if reading.unknown is not None:
        unknown = reading.unknown
        raise CouldNotLook(unknown.reason, unknown.says, address=unknown.address, setting=unknown.setting)
    lowest = min((row.value for row in reading.rows), default=1.0)
    reader = look.readers.http(params.endpoint)
    answer = reader.get(timeout=min(3.0, look.remaining()), accept=None, max_bytes=2**20)
    well = answer.status < 500
    called = "up" if lowest >= 1 else "down"
    says = f"{params.endpoint} answers HTTP {answer.status}, and Prometheus calls the service {called}"
    evidence = Evidence(
        subject=params.endpoint,
        source=f"http {reader.address}",
        setting=reader.setting,
        query=f"GET {answer.url}",
        sampled_at=datetime.now(UTC),
        values=(Value(name="status", value=answer.status), Value(name=params.signal, value=lowest, unit="count")),
    )
    found = Finding(id=ONLY, state="breach" if well and lowest < 1 else "ok", says=says)
    return Seen(evidence=(evidence,), findings=(found,))


def _without_answer(look: Look, params: ReachParams, failed: CouldNotLook) -> Seen:
    """What no answer means; raises what is not about the service itself (its name, its certificate, the network)."""
    answers = failed.reason in ("unauthorized", "forbidden", "not-found", "throttled", "unsupported", "bad-answer")
    refused = failed.reason == "refused" and "nothing listens" in failed.says
    hung = failed.reason == "closed" or (failed.reason == "timeout" and not failed.says.startswith("no connection"))
    if not (answers or refused or hung):
        raise failed
    severity, label = worst_severity(look)
    states = {REFUSED: refused, HUNG: hung}
    found = [Finding(id=id, state="breach" if holds else "ok", says=failed.says) for id, holds in states.items()]
    found = [
        msgspec.structs.replace(each, severity=severity, severity_label=label) if each.state == "breach" else each
        for each in found
    ]
    if answers:
        reason = failed.reason
        found += [Finding(id=id, state="unknown", says=failed.says, reason=reason) for id in (COMPONENT, STARTING)]
    else:
        says = f"{params.endpoint} gives no health answer that could name a component"
        found += [Finding(id=id, state="ok", says=says) for id in (COMPONENT, STARTING)]
    evidence = Evidence(
        subject=params.endpoint,
        source=f"http {failed.address}",
        setting=failed.setting,
        sampled_at=datetime.now(UTC),
        values=(Value(name="answer", value=f"none: {failed.reason}" if not answers else failed.reason),),
    )
    return Seen(evidence=(evidence,), findings=tuple(found))


def _fine(told: Finding, parts: bool) -> str:
    return "every component of the health answer is healthy" if parts else told.says
