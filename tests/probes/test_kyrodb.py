"""kyrodb.health against a double over real gRPC: domain-checks.md 2.7, case by case."""

from __future__ import annotations

import grpc
import pytest

from opsctl.errors import CouldNotLook
from opsctl.model import Seen
from opsctl.probes.kyrodb import HealthParams, health
from opsctl.services.model import EndpointSpec, Profile
from tests.fakes import badserver as bad
from tests.fakes import kyrodb as double
from tests.fakes.endpoints import endpoint, look_at, says, states, values
from tests.fakes.kyrodb import Kyrodb
from tests.fakes.recording import Recorder

FINE = {
    "kyrodb.unreachable": "ok",
    "kyrodb.unhealthy": "ok",
    "kyrodb.degraded": "ok",
    "kyrodb.slow": "ok",
    "kyrodb.wal-broken": "ok",
}


def ask(server: Kyrodb, *, seconds: float = 30.0, slow: str = "1m", pause: str = "0s", **options: str) -> Seen:
    at = endpoint(server.address, name="kyrodb-text", options=options)
    params = HealthParams(endpoint="kyrodb-text", slow=slow, pause=pause)
    return health(look_at({"kyrodb-text": at}, seconds=seconds), params)


def test_healthy() -> None:
    with Kyrodb() as server:
        seen = ask(server)
        assert len(server.asked) == 3
    assert states(seen) == FINE
    assert seen.evidence[0].source == f"kyrodb {server.address}"
    assert values(seen)["status"] == "healthy"
    assert values(seen)["component wal"] == "healthy"
    assert values(seen)["uptime"] == 86_400


def test_degraded_names_the_component() -> None:
    with Kyrodb() as server:
        server.status = double.DEGRADED
        server.components["cold_tier"] = "degraded (compacting)"
        seen = ask(server)
    assert states(seen) == {**FINE, "kyrodb.degraded": "breach"}
    assert says(seen, "kyrodb.degraded") == f"KyroDB {server.address} is degraded (cold_tier: degraded (compacting))"


def test_unhealthy_by_its_objectives_is_not_a_broken_log() -> None:
    with Kyrodb() as server:
        server.status = double.UNHEALTHY
        seen = ask(server)
    assert states(seen) == {**FINE, "kyrodb.unhealthy": "breach"}


def test_broken_write_ahead_log() -> None:
    with Kyrodb() as server:
        server.status = double.UNHEALTHY
        server.components["wal"] = "unhealthy: inconsistent"
        seen = ask(server)
    assert states(seen) == {**FINE, "kyrodb.unhealthy": "breach", "kyrodb.wal-broken": "breach"}
    assert "writes are disabled" in says(seen, "kyrodb.wal-broken")


def test_failed_writes_are_a_disk_in_trouble_not_a_broken_log() -> None:
    with Kyrodb() as server:
        server.status = double.DEGRADED
        server.components["wal"] = "degraded (7 failed WAL writes)"
        seen = ask(server)
    assert states(seen) == {**FINE, "kyrodb.degraded": "breach"}
    assert "7 failed WAL writes" in says(seen, "kyrodb.wal-broken")


def test_no_word_about_the_log() -> None:
    with Kyrodb() as server:
        server.components = {"cache": "healthy"}
        assert states(ask(server)) == {**FINE, "kyrodb.wal-broken": "unknown no-data"}


def test_a_young_degraded_server_is_starting() -> None:
    with Kyrodb() as server:
        server.status, server.uptime = double.DEGRADED, 12
        seen = ask(server)
        assert states(seen)["kyrodb.degraded"] == "breach"
        assert says(seen, "kyrodb.degraded").endswith("is degraded, starting (up 12s)")
        server.components["cold_tier"] = "degraded (compacting)"
        assert "starting" not in says(ask(server), "kyrodb.degraded")


def test_its_http_port_tells_starting_from_degraded() -> None:
    profile = Profile(service="vritti", endpoints={"kyrodb-text-http": EndpointSpec(kind="kyrodb-http")})
    with Kyrodb() as server, Recorder({"/health": (503, "application/json", b"{}")}) as http:
        server.status = double.DEGRADED
        look = look_at({"kyrodb-text": server.address, "kyrodb-text-http": http.url}, profile, seconds=30)
        seen = health(look, HealthParams(endpoint="kyrodb-text", slow="1m", pause="0s"))
        assert "starting" in says(seen, "kyrodb.degraded")
        assert values(seen)["http_health"] == 503
        http.pages["/health"] = "{}"
        seen = health(look, HealthParams(endpoint="kyrodb-text", slow="1m", pause="0s"))
        assert "starting" not in says(seen, "kyrodb.degraded")


def test_status_unknown_is_not_healthy() -> None:
    with Kyrodb() as server:
        server.status = double.UNKNOWN
        seen = ask(server)
    assert states(seen) == {**FINE, "kyrodb.unhealthy": "unknown no-data", "kyrodb.degraded": "unknown no-data"}


def test_slow_is_the_median_of_three() -> None:
    with Kyrodb() as server:
        server.delay = 0.2
        seen = ask(server, slow="150ms")
        finding = next(each for each in seen.findings if each.id == "kyrodb.slow")
        assert finding.state == "breach"
        assert finding.measured is not None
        assert finding.measured >= 0.2
        assert "median of 3 Health calls" in finding.says
        # One slow call of three is not slow.
        server.each = lambda number: setattr(server, "delay", 0.4 if number == 4 else 0.0)
        assert states(ask(server, slow="350ms"))["kyrodb.slow"] == "ok"


def test_the_pause_is_left_out_when_time_is_short() -> None:
    with Kyrodb() as server:
        seen = ask(server, seconds=1.0, pause="5s")
        assert len(server.asked) == 1
    assert states(seen) == FINE
    assert "one Health call" in says(seen, "kyrodb.slow")


def test_one_call_that_hangs_among_good_ones_counts_as_slow_only() -> None:
    with Kyrodb() as server:
        server.each = lambda number: setattr(server, "delay", 60.0 if number == 2 else 0.0)
        seen = ask(server, slow="1m")
    assert states(seen) == FINE
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, "unauthorized"),
        (grpc.StatusCode.UNIMPLEMENTED, "unsupported"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "throttled"),
    ],
)
def test_an_error_of_the_server_proves_that_it_is_up(code: grpc.StatusCode, reason: str) -> None:
    with Kyrodb() as server:
        server.fails = code
        seen = ask(server)
        assert len(server.asked) == 1
    assert states(seen) == {id: "ok" if id == "kyrodb.unreachable" else f"unknown {reason}" for id in FINE}
    assert " is up, but " in says(seen, "kyrodb.unreachable")
    assert seen.evidence[0].unknown is not None


def test_nothing_listens() -> None:
    address = f"127.0.0.1:{bad.refusing_port()}"
    seen = health(look_at({"kyrodb": address}), HealthParams())
    assert states(seen) == {id: "breach" if id == "kyrodb.unreachable" else "unknown refused" for id in FINE}
    assert says(seen, "kyrodb.unreachable") == f"connection refused at {address}: nothing listens there"


def test_it_hangs() -> None:
    with Kyrodb() as server:
        server.delay = 60
        seen = ask(server, seconds=0.5)
    assert states(seen) == {id: "breach" if id == "kyrodb.unreachable" else "unknown timeout" for id in FINE}


def test_what_says_nothing_about_kyrodb_is_unknown() -> None:
    with bad.BadServer(bad.html) as server, pytest.raises(CouldNotLook) as caught:
        health(look_at({"kyrodb": server.netloc}, seconds=20), HealthParams())
    assert caught.value.reason == "bad-answer"
    with pytest.raises(CouldNotLook) as caught:
        health(look_at({"kyrodb": "no-such-host.invalid:50051"}, seconds=20), HealthParams())
    assert caught.value.reason == "unresolved"
    with pytest.raises(CouldNotLook) as caught:
        health(look_at({"kyrodb": "127.0.0.1:1"}, at=1.0), HealthParams())
    assert caught.value.reason == "no-history"
