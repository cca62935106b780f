"""kyrodb.ladder and kyrodb.told: which rung fails, over real connections; what the service says beside it."""

from __future__ import annotations

import socket

import grpc
import msgspec
import pytest

from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.lab.identity import free_ports
from opsctl.lab.web import Answer, serve
from opsctl.probes.kyrodb_ladder import EMITS, LadderParams, ladder
from opsctl.probes.kyrodb_told import HIDES, STUCK, ToldParams, told
from opsctl.services.model import EndpointSpec, Profile
from tests.fakes import badserver as bad
from tests.fakes import rawserver as raw
from tests.fakes.endpoints import look_at, says, states
from tests.fakes.kyrodb import DEGRADED, UNHEALTHY, Kyrodb
from tests.fakes.tls import Authority

HOST = "127.0.0.1"


def shop(**kinds):
    return Profile(service="shop", endpoints={name: EndpointSpec(kind=kind) for name, kind in kinds.items()})


def climbed(address, http="", seconds=4.2):
    urls = {"text": address, **({"text-http": http} if http else {})}
    profile = shop(text="kyrodb", **({"text-http": "kyrodb-http"} if http else {}))
    return ladder(look_at(urls, profile, seconds=seconds), LadderParams())


def broken(seen):
    return {finding.id for finding in seen.findings if finding.state == "breach"}


@pytest.fixture
def http():
    """The HTTP port beside it: ``pages`` may be changed."""
    (port,) = free_ports(1)
    pages = {"/health": Answer(200, {"status": "healthy"}), "/metrics": Answer(200, "kyrodb_ready 1\n", "text/plain")}
    server = serve(port, {("GET", path): (lambda _, path=path: pages[path]) for path in pages})
    yield pages, f"http://{HOST}:{port}"
    server.shutdown()
    server.server_close()


def test_all_is_well(http):
    with Kyrodb() as server:
        seen = climbed(server.address, http[1])
    assert states(seen) == dict.fromkeys(EMITS, "ok")


def test_the_name_is_not_known():
    assert broken(climbed("no-such-host.invalid:50051")) == {"kyrodb.unresolved"}


def test_nothing_listens():
    seen = climbed(f"{HOST}:{bad.refusing_port()}")
    assert broken(seen) == {"kyrodb.not-listening"}
    assert states(seen)["kyrodb.hung"] == "unknown refused"


def test_packets_are_dropped():
    """A listener whose queue is full drops what comes, as a firewall does."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex((HOST, port))
        seen = climbed(f"{HOST}:{port}", seconds=4.0)
        for one in waiting:
            one.close()
    assert broken(seen) == {"kyrodb.no-connection"}
    assert "firewall" in says(seen, "kyrodb.no-connection")


def test_it_takes_connections_and_says_nothing():
    with raw.RawServer(raw.silent) as server:
        seen = climbed(f"{HOST}:{server.port}", seconds=4.0)
    assert broken(seen) == {"kyrodb.hung"}


def test_late_by_grpc_while_http_answers_is_overload(http):
    with Kyrodb() as server:
        server.delay = 20.0
        seen = climbed(server.address, http[1], seconds=4.0)
    assert broken(seen) == {"kyrodb.overloaded"}


def test_tls_where_none_is_expected(tmp_path):
    pair = Authority(tmp_path).make("server")
    with Kyrodb(tls=pair) as server:
        seen = climbed(server.address)
    assert broken(seen) == {"kyrodb.tls-mismatch"}
    assert "set tls: true" in says(seen, "kyrodb.tls-mismatch")


@pytest.mark.parametrize(
    ("code", "id"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, "kyrodb.wants-credentials"),
        (grpc.StatusCode.PERMISSION_DENIED, "kyrodb.wants-credentials"),
        (grpc.StatusCode.UNIMPLEMENTED, "kyrodb.other-product"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "kyrodb.overloaded"),
    ],
)
def test_up_but_no_health(code, id):
    with Kyrodb() as server:
        server.fails = code
        assert broken(climbed(server.address)) == {id}


def test_loading_is_told_by_http_alone(http):
    pages, url = http
    pages["/health"] = Answer(503, {"status": "starting"})
    with Kyrodb() as server:
        server.status, server.uptime = DEGRADED, 9000
        assert broken(climbed(server.address, url)) == {"kyrodb.starting"}
        server.delay = 20.0
        assert broken(climbed(server.address, url, seconds=4.0)) == {"kyrodb.starting"}


def test_a_young_degraded_one_without_its_http_port():
    with Kyrodb() as server:
        server.status, server.uptime = DEGRADED, 12
        assert broken(climbed(server.address)) == {"kyrodb.starting"}


def test_failed_writes_and_own_objectives_and_latency(http):
    pages, url = http
    page = 'kyrodb_wal_writes_failed 7\nkyrodb_query_latency_ns{percentile="99"} 9.5e8\n'
    with Kyrodb() as server:
        server.status = DEGRADED
        server.components["wal"] = "degraded (7 failed WAL writes)"
        pages["/metrics"] = Answer(200, page, "text/plain")
        seen = climbed(server.address, url)
        assert broken(seen) == {"kyrodb.writes-failing", "kyrodb.overloaded"}
        assert "7 writes of the log failed" in says(seen, "kyrodb.writes-failing")
    with Kyrodb() as server:
        server.status = UNHEALTHY
        assert broken(climbed(server.address)) == {"kyrodb.objectives-broken"}


def test_one_of_two():
    with Kyrodb() as server:
        urls = {"text": f"{HOST}:{bad.refusing_port()}", "image": server.address}
        seen = ladder(look_at(urls, shop(text="kyrodb", image="kyrodb")), LadderParams())
        assert broken(seen) == {"kyrodb.not-listening", "kyrodb.one-instance"}
        urls["image"] = urls["text"]
        seen = ladder(look_at(urls, shop(text="kyrodb", image="kyrodb")), LadderParams())
    assert broken(seen) == {"kyrodb.not-listening"}


def test_no_kyrodb_or_none_that_has_a_place():
    with pytest.raises(NotConfigured):
        ladder(look_at({}, shop(app="http")), LadderParams())
    with pytest.raises(NotConfigured):
        ladder(look_at({}, shop(text="kyrodb")), LadderParams())
    with pytest.raises(CouldNotLook, match="now"):
        ladder(look_at({"text": "x:1"}, shop(text="kyrodb"), at=1.0), LadderParams())


def service(word, *, as_list=True):
    parts = [{"name": "kyrodb", "status": word}] if as_list else {"kyrodb": {"status": word}}
    return bad.answer(200, msgspec.json.encode({"status": word, "components": parts}))


@pytest.mark.parametrize(
    ("word", "status", "uptime", "found"),
    [
        ("healthy", 1, 9000, set()),
        ("unhealthy", 1, 9000, {STUCK}),
        ("unhealthy", 1, 20, set()),  # it may still be reconnecting
        ("unhealthy", 3, 9000, {STUCK}),  # by its objectives alone: it serves
        ("healthy", 3, 9000, set()),
    ],
)
def test_what_the_service_says_beside_kyrodb(word, status, uptime, found):
    profile = shop(health="http", text="kyrodb")
    with bad.BadServer(service(word, as_list=status == 1)) as page, Kyrodb() as server:
        server.status, server.uptime = status, uptime
        look = look_at({"health": page.url, "text": server.address}, profile, seconds=20)
        assert broken(told(look, ToldParams(again="0s"))) == found


def test_a_service_that_calls_a_broken_one_healthy():
    profile = shop(health="http", text="kyrodb")
    with bad.BadServer(service("healthy")) as page, Kyrodb() as server:
        server.components["wal"] = "unhealthy: inconsistent"
        look = look_at({"health": page.url, "text": server.address}, profile)
        seen = told(look, ToldParams())
    assert broken(seen) == {HIDES}
    assert "writes disabled" in says(seen, HIDES)


def test_a_service_that_says_nothing_of_it():
    profile = shop(health="http", text="kyrodb")
    with bad.BadServer(bad.answer(200, b'{"status": "ok"}')) as page:
        look = look_at({"health": page.url, "text": f"{HOST}:1"}, profile)
        with pytest.raises(CouldNotLook, match="names no component kyrodb"):
            told(look, ToldParams())
