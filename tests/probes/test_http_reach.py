"""http.reach and http.scrape: nobody there, somebody who does not answer, somebody who says what is missing."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from typing import Any, cast

import pytest

from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.model import Seen
from opsctl.probes.http_reach import ReachParams, ScrapeParams, reach, scrape
from opsctl.services.model import EndpointSpec, Profile, Symptom
from opsctl.signals.model import Reading, Row, Signal
from tests.fakes.endpoints import look_at, says, states
from tests.servers.process import free_port
from tests.servers.web import Web

CALM = {"http.refused": "ok", "http.no-answer": "ok", "http.component-unhealthy": "ok", "http.starting": "ok"}
PROFILE = Profile(
    service="mine",
    endpoints={"health": EndpointSpec(kind="http")},
    severities={"P1": "sev1"},
    symptoms=(Symptom(id="answer", runbook="high-latency", endpoint="health", severity="P1"),),
)


def ask(body: object, status: int = 200) -> Seen:
    web = Web({"/health": lambda: (status, json.dumps(body))})
    try:
        return reach(look_at({"health": f"{web.url}/health"}, PROFILE), ReachParams())
    finally:
        web.stop()


def test_any_answer_shows_that_somebody_is_there() -> None:
    assert states(ask({"status": "ok"})) == CALM
    assert states(ask({"status": "unhealthy"}, 503)) == CALM
    gone = ask("nothing here", 404)
    assert (states(gone)["http.refused"], states(gone)["http.starting"]) == ("ok", "unknown not-found")


def test_nothing_listens() -> None:
    seen = reach(look_at({"health": f"http://127.0.0.1:{free_port()}/health"}, PROFILE), ReachParams())
    assert states(seen) == {**CALM, "http.refused": "breach"}
    refused = seen.findings[0]
    assert (refused.severity, refused.severity_label) == ("sev1", "P1")
    assert refused.says.endswith("nothing listens there")


def test_it_takes_connections_and_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/health"
        seen = reach(look_at({"health": url}, PROFILE, seconds=2.0), ReachParams())
    assert states(seen) == {**CALM, "http.no-answer": "breach"}
    assert "connected to" in says(seen, "http.no-answer")


def test_a_name_that_does_not_exist_tells_nothing_of_the_service() -> None:
    with pytest.raises(CouldNotLook) as failure:
        reach(look_at({"health": "http://no-such-host.invalid/health"}, PROFILE), ReachParams())
    assert failure.value.reason == "unresolved"
    with pytest.raises(NotConfigured):
        reach(look_at({}, PROFILE), ReachParams())


def test_what_it_lacks_and_that_it_is_starting() -> None:
    sick = ask({"status": "degraded", "components": [{"name": "kyrodb", "status": "unhealthy"}]})
    assert states(sick) == {**CALM, "http.component-unhealthy": "breach"}
    assert says(sick, "http.component-unhealthy") == "not healthy: kyrodb (unhealthy)"
    assert states(ask({"status": "starting"})) == {**CALM, "http.starting": "breach"}


class Up:
    """Signals that say whether Prometheus can scrape."""

    def __init__(self, value: float) -> None:
        self.value = value

    def read(self, name: str, signal: Signal, **how: Any) -> Reading:
        return Reading(signal=name, unit="count", rows=(Row(value=self.value),))


@pytest.mark.parametrize(("up", "status", "state"), [(0.0, 200, "breach"), (1.0, 200, "ok"), (0.0, 503, "ok")])
def test_only_the_scraping_fails(up: float, status: int, state: str) -> None:
    signal = cast(Signal, Signal(gauge="up"))
    profile = Profile(service="mine", endpoints={"app": EndpointSpec(kind="http")}, signals={"service_up": signal})
    web = Web({"/": lambda: (status, "hello")})
    try:
        look = replace(look_at({"app": f"{web.url}/"}, profile), signals=cast(Any, Up(up)))
        seen = scrape(look, ScrapeParams(endpoint="app"))
    finally:
        web.stop()
    assert states(seen) == {"http.scrape-only": state}
    assert f"app answers HTTP {status}, and Prometheus calls the service {'up' if up else 'down'}" == says(
        seen, "http.scrape-only"
    )
