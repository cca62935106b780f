"""KyrodbReader against a double over real gRPC, and against ports that are something else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from opsctl.clients.kyrodb import KyrodbAnswered, KyrodbReader
from opsctl.clients.kyrodb_message import decode_response, encode_request
from opsctl.errors import CouldNotLook
from tests.fakes import badserver as bad
from tests.fakes import kyrodb as double
from tests.fakes.endpoints import endpoint
from tests.fakes.kyrodb import Kyrodb
from tests.fakes.tls import Authority


def reader_of(address: str, **options: str) -> KyrodbReader:
    return KyrodbReader(endpoint(address, name="kyrodb-text", options=options))


def failure_of(address: str, *, timeout: float = 20.0, **options: str) -> CouldNotLook:
    reader = reader_of(address, **options)
    with pytest.raises(CouldNotLook) as caught:
        reader.health(timeout=timeout)
    reader.close()
    return caught.value


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (double.UNKNOWN, "unknown"),
        (double.HEALTHY, "healthy"),
        (double.DEGRADED, "degraded"),
        (double.UNHEALTHY, "unhealthy"),
    ],
)
def test_health(status: int, word: str) -> None:
    with Kyrodb() as server:
        server.status = status
        reader = reader_of(server.address)
        health = reader.health(timeout=20)
        reader.close()
    assert health.status == word
    assert health.components == double.COMPONENTS
    assert (health.version, health.git_commit, health.uptime_seconds) == ("0.9.2", "abc1234", 86_400)
    assert health.seconds > 0


def test_one_component() -> None:
    with Kyrodb() as server:
        reader = reader_of(server.address)
        reader.health("wal", timeout=20)
        assert server.asked == [b"\x0a\x03wal"]
        with pytest.raises(KyrodbAnswered) as caught:
            reader.health("disk", timeout=20)
        reader.close()
    assert caught.value.reason == "bad-query"
    assert caught.value.says == (
        f"KyroDB at {server.address} is up, but knows no such component: unknown component: disk"
    )


def test_api_key() -> None:
    with Kyrodb(key="s3cret-key") as server:
        failed = failure_of(server.address, api_key="wrong-key")
        reader = reader_of(server.address, api_key="s3cret-key")
        assert reader.health(timeout=20).status == "healthy"
        reader.close()
        bearer = KyrodbReader(endpoint(server.address, headers=(("Authorization", "Bearer abc"),)))
        with pytest.raises(KyrodbAnswered):
            bearer.health(timeout=20)
        bearer.close()
        assert server.metadata["authorization"] == "Bearer abc"
    assert isinstance(failed, KyrodbAnswered)
    assert failed.reason == "unauthorized"
    assert "is up, but wants other credentials" in failed.says
    assert "wrong-key" not in failed.says


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, "forbidden"),
        (grpc.StatusCode.UNIMPLEMENTED, "unsupported"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "throttled"),
        (grpc.StatusCode.INTERNAL, "server-error"),
        (grpc.StatusCode.UNKNOWN, "server-error"),
    ],
)
def test_codes_of_a_server_that_is_up(code: grpc.StatusCode, reason: str) -> None:
    with Kyrodb() as server:
        server.fails = code
        failed = failure_of(server.address)
    assert isinstance(failed, KyrodbAnswered)
    assert failed.reason == reason
    assert " is up, but " in failed.says
    assert (failed.address, failed.setting) == (server.address, "test")


def test_another_grpc_server_is_up_too() -> None:
    with Kyrodb(offers=False) as server:
        failed = failure_of(server.address)
    assert isinstance(failed, KyrodbAnswered)
    assert failed.reason == "unsupported"


def test_a_server_that_hangs() -> None:
    with Kyrodb() as server:
        server.delay = 60
        seconds, error = bad.elapsed(lambda: reader_of(server.address).health(timeout=0.5))
    assert isinstance(error, CouldNotLook)
    assert not isinstance(error, KyrodbAnswered)
    assert error.reason == "timeout"
    assert "no answer from" in error.says
    assert seconds < 6


def test_nothing_listens() -> None:
    port = bad.refusing_port()
    failed = failure_of(f"localhost:{port}")
    assert failed.reason == "refused"
    assert failed.says == f"connection refused at localhost:{port}: nothing listens there"


def test_a_name_nobody_knows() -> None:
    assert failure_of("no-such-host.invalid:50051").reason == "unresolved"


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [(bad.closes, "closed"), (bad.html, "bad-answer"), (bad.not_http, "bad-answer"), (bad.hangs, "timeout")],
)
def test_a_port_that_is_something_else(behaviour: bad.Behaviour, reason: str) -> None:
    with bad.BadServer(behaviour) as server:
        failed = failure_of(server.netloc, timeout=1.0 if reason == "timeout" else 20.0)
    assert failed.reason == reason
    assert not isinstance(failed, KyrodbAnswered)


def test_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    with Kyrodb(tls=authority.make("server")) as server:
        good = KyrodbReader(endpoint(server.address, options={"tls": "true"}, ca_file=str(authority.ca)))
        assert good.health(timeout=20).status == "healthy"
        good.close()
        assert failure_of(server.address, tls="true").reason == "tls"
        # A TLS server closes on plain text: all that gRPC can tell is that the connection went.
        assert failure_of(server.address).reason in ("closed", "tls", "bad-answer")
        skipped = KyrodbReader(endpoint(server.address, options={"tls": "true"}, insecure_skip_verify=True))
        with pytest.raises(CouldNotLook) as caught:
            skipped.health()
        assert caught.value.reason == "unsupported"
    with Kyrodb() as server:
        failed = failure_of(server.address, tls="yes")
    assert failed.reason == "tls"
    assert "not in TLS" in failed.says


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("localhost", "localhost:50051"),
        ("127.0.0.1:50052", "127.0.0.1:50052"),
        ("grpc://ana:pw@db1:7", "db1:7"),
        ("http://db1:50051/x", "db1:50051"),
        ("[::1]:50051", "[::1]:50051"),
    ],
)
def test_addresses(url: str, address: str) -> None:
    assert reader_of(url).address == address


@pytest.mark.parametrize("url", ["", "db1:port", "db1:99999", ":50051"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(CouldNotLook) as caught:
        reader_of(url)
    assert caught.value.reason == "unresolved"


# The message, byte by byte: https://protobuf.dev/programming-guides/encoding


def test_fields_that_are_not_known_are_skipped() -> None:
    more = b"\x30\x05" + b"\x39" + b"12345678" + b"\x45" + b"1234" + b"\x7a\x03abc" + b"\xf8\x7f\x01"
    assert decode_response(b"\x08\x02" + more + b"\x12\x01v").status == "degraded"
    assert decode_response(b"\x08\x02" + more + b"\x12\x01v").version == "v"


def test_defaults_and_large_numbers() -> None:
    assert decode_response(b"").status == "unknown"
    assert decode_response(b"\x08\x63").status == "unknown"  # a status of a later version
    assert decode_response(b"\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").uptime_seconds == 2**64 - 1
    assert decode_response(b"\x1a\x00").components == {"": ""}


@pytest.mark.parametrize(
    "data",
    [
        b"\x08",  # no value
        b"\x12\x05ab",  # shorter than told
        b"\x12\x02\xff\xfe",  # not UTF-8
        b"\x0a\x01x",  # status as text
        b"\x10\x01",  # version as a number
        b"\x18\x01",  # components as a number
        b"\x1a\x02\x08\x01",  # a component's name as a number
        b"\x0b",  # a group: not in this protocol
        b"\x00\x01",  # field 0
        b"\x08" + b"\xff" * 11,  # a number that does not end
        b"HTTP/1.1 400 Bad Request",
        b"{}",
    ],
)
def test_garbage_is_a_bad_answer(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode_response(data)
    with Kyrodb() as server:
        server.answer = data
        failed = failure_of(server.address)
    assert failed.reason == "bad-answer"
    assert "something else" in failed.says


def test_a_huge_answer() -> None:
    with Kyrodb() as server:
        server.answer = b"\x12" + b"\x80\x80\x80\x01" + b"a" * 2**21
        assert failure_of(server.address).reason == "too-large"


def test_many_components_are_cut() -> None:
    with Kyrodb() as server:
        server.components = {f"c{number}": "healthy" for number in range(1000)}
        reader = reader_of(server.address)
        assert len(reader.health(timeout=20).components) == 64
        reader.close()


def test_request() -> None:
    assert encode_request() == b""
    assert encode_request("cold_tier") == b"\x0a\x09cold_tier"


# The library


def test_without_grpcio_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    failed = failure_of("127.0.0.1:1")
    assert failed.reason == "missing-library"
    assert "pip install 'opsctl[kyrodb]'" in failed.says


def test_nothing_on_stderr_and_the_environment_is_left_alone(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    script = """
import os
from opsctl.clients.kyrodb import KyrodbReader
from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook
import sys
before = dict(os.environ)
assert "grpc" not in sys.modules
for address, options in (("127.0.0.1:1", {}), (sys.argv[1], {"tls": "true"}), (sys.argv[1], {})):
    try:
        reader = KyrodbReader(Endpoint(name="k", url=address, setting="s", options=options))
        reader.health(timeout=20)
    except CouldNotLook as failed:
        print(failed.reason)
    reader.close()
assert dict(os.environ) == before
"""
    with Kyrodb(tls=authority.make("server")) as server:
        run = subprocess.run(
            [sys.executable, "-c", script, server.address], capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )  # fmt: skip
    assert run.stderr == ""
    assert run.stdout.split()[:2] == ["refused", "tls"]
    assert run.returncode == 0
