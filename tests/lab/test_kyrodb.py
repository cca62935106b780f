"""The KyroDB double answers as the real server's Health does: states, codes, the HTTP port beside it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from opsctl.clients.kyrodb import KyrodbReader
from opsctl.config.endpoint import Endpoint
from opsctl.lab.identity import HOST, free_ports
from opsctl.lab.kyrodb import start
from opsctl.lab.part import Switches

grpc = pytest.importorskip("grpc")


@pytest.fixture(scope="module")
def double():
    port, http = free_ports(2)
    switches = Switches()
    start({"instance": "text", "port": port, "http_port": http}, switches)
    return port, http, switches


@pytest.fixture
def reader(double):
    port, _, switches = double
    reader = KyrodbReader(Endpoint(name="kyrodb-text", url=f"{HOST}:{port}", setting="test"))
    yield reader
    reader.close()
    switches.set(frozenset())


def page(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_healthy_with_all_components(double, reader):
    found = reader.health()
    assert found.status == "healthy"
    assert set(found.components) == {"cache", "hot_tier", "cold_tier", "wal"}
    assert page(double[1], "/ready") == (200, '{"ready": true}')
    assert "kyrodb_ready 1" in page(double[1], "/metrics")[1]


def test_slow_is_degraded_and_late(double, reader):
    double[2].set(frozenset({"kyrodb-slow"}))
    assert reader.health().status == "degraded"
    assert json.loads(page(double[1], "/health")[1])["status"] == "degraded"


def test_failing_is_unhealthy_with_a_broken_log_and_data_calls_are_unavailable(double, reader):
    double[2].set(frozenset({"kyrodb-errors"}))
    found = reader.health()
    assert found.status == "unhealthy"
    assert found.components["wal"].startswith("unhealthy")
    assert page(double[1], "/health")[0] == 503
    with grpc.insecure_channel(f"{HOST}:{double[0]}") as channel:
        call = channel.unary_unary("/kyrodb.v1.KyroDBService/Query")
        with pytest.raises(grpc.RpcError) as failure:
            call(b"", timeout=5)
    assert failure.value.code() is grpc.StatusCode.UNAVAILABLE


def test_an_unknown_component_and_an_unknown_service_are_told_apart(double):
    with grpc.insecure_channel(f"{HOST}:{double[0]}") as channel:
        health = channel.unary_unary("/kyrodb.v1.KyroDBService/Health")
        with pytest.raises(grpc.RpcError) as failure:
            health(b"\x0a\x03abc", timeout=5)
        assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(grpc.RpcError) as failure:
            channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=5)
        assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED
