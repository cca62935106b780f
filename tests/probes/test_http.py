"""http.health against health answers of every make."""

from __future__ import annotations

import json
import time

import pytest

from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.model import Seen
from opsctl.probes.http import HealthParams, health
from opsctl.services.model import EndpointSpec, Profile
from tests.fakes import badserver as bad
from tests.fakes.endpoints import look_at, says, states, values
from tests.fakes.recording import Recorder

VRITTI = {
    "status": "unhealthy",
    "components": [
        {"name": "kyrodb", "status": "unhealthy", "latency_ms": 12},
        {"name": "embedding", "status": "healthy"},
        {"name": "llm", "status": "degraded"},
    ],
}


def ask(
    body: object, *, status: int = 200, expect: dict[str, str] | None = None, options: dict[str, str] | None = None,
    **params: object,
) -> Seen:  # fmt: skip
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    spec = EndpointSpec(kind="http", expect=expect or {}, options=options or {})
    profile = Profile(service="mine", endpoints={"health": spec})
    with Recorder({"/health": (status, "application/json", text)}) as server:
        seen = health(look_at({"health": f"{server.url}/health"}, profile), HealthParams(slow="1m", **params))  # type: ignore[arg-type]
        server.assert_only_reads()
    return seen


def test_components_that_are_not_healthy_are_named() -> None:
    seen = ask(VRITTI, options={"components": "components"})
    assert states(seen) == {"http.unhealthy": "breach", "http.slow": "ok"}
    assert says(seen, "http.unhealthy") == "not healthy: kyrodb (unhealthy), llm (degraded)"
    assert values(seen)["component embedding"] == "healthy"


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ({"status": "healthy", "components": [{"name": "a", "status": "ok"}]}, "ok"),
        ({"status": "UP", "components": {"db": {"status": "UP"}, "disk": {"status": "UP"}}}, "ok"),
        ({"status": "DOWN", "components": {"db": {"status": "DOWN"}}}, "breach"),
        ({"status": "ok", "checks": {"db": "fail"}}, "breach"),
        ({"status": "ok", "services": {"db": False}}, "breach"),
        ({"status": "warn"}, "breach"),
        ({"status": "pass"}, "ok"),
        ({"anything": 1}, "ok"),
        (b"OK", "ok"),
        (b"", "ok"),
        ([1, 2], "ok"),
    ],
)
def test_without_expectations_known_words_decide(body: object, state: str) -> None:
    assert states(ask(body))["http.unhealthy"] == state


def test_expectations_of_the_profile_and_of_the_runbook() -> None:
    assert states(ask({"status": "ok"}, expect={"status": "OK"}))["http.unhealthy"] == "ok"
    seen = ask({"status": "ko", "db": {"up": True}}, expect={"status": "ok"})
    assert says(seen, "http.unhealthy") == "status is ko, expected ok"
    spec = EndpointSpec(kind="http", expect={"status": "ok"})
    profile = Profile(service="mine", endpoints={"health": spec})
    with Recorder({"/": '{"status": "ok", "db": {"up": false}}'}) as server:
        seen = health(look_at({"health": server.url}, profile), HealthParams(expect={"db.up": "true"}))
    assert says(seen, "http.unhealthy") == "db.up is false, expected true"


@pytest.mark.parametrize("body", [{"state": "ok"}, b"<html><title>Sign in</title>", b"", b"{"])
def test_an_answer_that_does_not_tell_is_unknown(body: object) -> None:
    seen = ask(body, expect={"status": "ok"})
    assert states(seen) == {"http.unhealthy": "unknown bad-answer", "http.slow": "ok"}


@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_error_is_a_measurement(status: int) -> None:
    seen = ask(VRITTI, status=status)
    assert states(seen)["http.unhealthy"] == "breach"
    assert says(seen, "http.unhealthy") == (
        f"the health answer is HTTP {status}: not healthy: kyrodb (unhealthy), llm (degraded)"
    )
    assert (
        says(ask(b"no upstream", status=status), "http.unhealthy") == f"the health answer is HTTP {status}: no upstream"
    )


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "unauthorized"), (403, "forbidden"), (404, "not-found"), (429, "throttled")]
)
def test_being_kept_out_is_not_a_measurement(status: int, reason: str) -> None:
    with pytest.raises(CouldNotLook) as caught:
        ask({}, status=status)
    assert caught.value.reason == reason


@pytest.mark.parametrize(("age", "state"), [(0, "ok"), (100, "ok"), (600, "unknown stale")])
@pytest.mark.parametrize("form", ["iso", "seconds", "milliseconds"])
def test_an_old_answer_is_not_believed(age: float, state: str, form: str) -> None:
    written = time.time() - age
    stamp: object = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(written))
    if form != "iso":
        stamp = written if form == "seconds" else int(written * 1000)
    assert states(ask({"status": "ok", "timestamp": stamp}))["http.unhealthy"] == state


def test_a_timestamp_nobody_understands_says_nothing() -> None:
    assert states(ask({"status": "ok", "timestamp": "yesterday"}))["http.unhealthy"] == "ok"


def test_slow() -> None:
    def late(talk: bad.Talk) -> None:
        talk.wait(0.3)
        bad.answer(200, b"{}")(talk)

    with bad.BadServer(late) as server:
        seen = health(look_at({"health": server.url}), HealthParams(slow="100ms"))
    assert states(seen) == {"http.unhealthy": "ok", "http.slow": "breach"}
    slow = seen.findings[1]
    assert slow.measured is not None
    assert slow.measured > 0.3
    assert (slow.threshold, slow.unit) == (0.1, "s")
    assert "bound 100 ms" in slow.says


def test_no_answer_is_slow_and_nothing_else_is_known() -> None:
    with bad.BadServer(bad.hangs) as server:
        seen = health(look_at({"health": server.url}, seconds=0.5), HealthParams(slow="200ms"))
    assert states(seen) == {"http.unhealthy": "unknown timeout", "http.slow": "breach"}
    assert seen.evidence[0].unknown is not None
    assert seen.evidence[0].unknown.setting == "test"


def test_no_answer_within_less_than_the_bound_says_nothing() -> None:
    with bad.BadServer(bad.hangs) as server, pytest.raises(CouldNotLook) as caught:
        health(look_at({"health": server.url}, seconds=0.3), HealthParams(slow="2s"))
    assert caught.value.reason == "timeout"


def test_nothing_there() -> None:
    with pytest.raises(CouldNotLook) as caught:
        health(look_at({"health": f"http://127.0.0.1:{bad.refusing_port()}"}), HealthParams())
    assert caught.value.reason == "refused"
    with pytest.raises(NotConfigured):
        health(look_at({}), HealthParams())
    with pytest.raises(CouldNotLook) as caught:
        health(look_at({"health": "http://127.0.0.1:1"}, at=1.0), HealthParams())
    assert caught.value.reason == "no-history"


def test_evidence() -> None:
    with Recorder({"/health/readiness": "{}"}) as server:
        seen = health(
            look_at({"health": f"http://ana:pw@127.0.0.1:{server.port}/health"}), HealthParams(path="readiness")
        )
    (evidence,) = seen.evidence
    assert evidence.source == f"http {server.url}/health"
    assert evidence.query == f"GET {server.url}/health/readiness"
    assert evidence.setting == "test"
    assert evidence.sampled_at is not None
    assert "pw" not in repr(seen)
