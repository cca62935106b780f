"""The Redis reader: its allow-list, its addresses, and servers that refuse, hang, lie or are no Redis."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from opsctl.clients import redis_url
from opsctl.clients.redis import ClientsFull, RedisReader
from opsctl.clients.redis_allowed import may_be_sent
from opsctl.clients.redis_pages import bulk, literal
from opsctl.config.endpoint import Endpoint
from opsctl.errors import Bug, CouldNotLook
from tests.fakes import rawserver
from tests.fakes.rawserver import Proxy, RawServer
from tests.servers.process import free_port
from tests.servers.redis import Redis, start_redis

SECRET = "p4ss-w0rd"


def endpoint(url: str) -> Endpoint:
    return Endpoint(name="redis", url=url, setting="env REDIS_URL")


def reader(url: str) -> RedisReader:
    return RedisReader(endpoint(url))


def failure_of(url: str, timeout: float = 3.0) -> CouldNotLook:
    here = reader(url)
    with pytest.raises(CouldNotLook) as caught:
        here.info(timeout=timeout)
    here.close()
    assert SECRET not in caught.value.says + caught.value.address + repr(here)
    assert caught.value.setting == "env REDIS_URL"
    return caught.value


def test_what_a_server_tells(redis_server: Redis) -> None:
    here = reader(redis_server.url)
    sample = here.info()
    assert sample.text("redis_mode") == "standalone"
    assert sample.number("maxmemory") == 0
    assert sample.number("no_such_field") is None
    assert sample.part("cmdstat_info", "calls") >= 0
    assert 0 < here.ping() < 5
    assert here.memory_stats()["total.allocated"] > 0
    assert here.config("maxclients") == "10000"
    assert isinstance(here.slowlog(), list)
    assert isinstance(here.latency_latest(), list)
    here.close()


@pytest.mark.parametrize(
    "command",
    [
        (("SET",), "a", "1"), (("DEL",), "a"), (("FLUSHALL",),), (("FLUSHDB",),), (("KEYS",), "*"), (("MONITOR",),),
        (("DEBUG", "SLEEP"), "1"), (("CONFIG", "SET"), "maxmemory", "1"), (("CONFIG", "RESETSTAT"),),
        (("CONFIG", "GET"), "*"), (("CONFIG", "GET"), "requirepass"), (("SLOWLOG", "RESET"),), (("LATENCY", "RESET"),),
        (("EVAL",), "return 1", "0"), (("CLIENT", "KILL"), "TYPE", "normal"), (("SHUTDOWN",),),
        (("INFO",), "all", "x"), (("INFO",), "a b"),
        (("SLOWLOG", "GET"), "10; DEL a"), (("PING",), "x"), (("info",), "all"),
    ],
)  # fmt: skip
def test_nothing_but_the_list_is_sent(command: tuple[tuple[str, ...], str]) -> None:
    with RawServer(rawserver.silent) as server:
        here = reader(f"redis://127.0.0.1:{server.port}")
        with pytest.raises(Bug, match="not on the list"):
            here._ask(*command, timeout=1)  # type: ignore[arg-type]
        assert server.accepted == 0  # refused before anything was sent


def test_the_reader_offers_no_way_to_send_a_command() -> None:
    offered = {name for name in dir(RedisReader) if not name.startswith("_")}
    assert offered == {
        "clients", "clock", "close", "config", "info", "keys", "latency_latest", "lifetimes", "may", "memory_stats",
        "page", "ping", "sizes", "slowlog", "tls_unverified", "two", "user", "whoami", "why_not",
    }  # fmt: skip


def test_only_reading_commands_reach_the_server(tmp_path: Path) -> None:
    server = start_redis(tmp_path, password=SECRET)
    try:
        with Proxy(server.port) as proxy:
            here = reader(f"redis://:{SECRET}@127.0.0.1:{proxy.port}/3")
            here.two(0.0)
            here.ping()
            here.slowlog()
            here.latency_latest()
            here.memory_stats()
            here.config("maxclients")
            here.clients()
            here.lifetimes(here.keys(10, 1.0).names or [b"k"], 1.0)
            here.close()
            words = re.sub(rb"\$\d+\r\n", b"", proxy.sent).split(b"*")[1:]
        commands = [b" ".join(word.split(b"\r\n")[1:-1]).decode() for word in words]
        assert commands == [
            f"AUTH {SECRET}", "INFO all", "INFO all", "PING", "SLOWLOG GET 32", "LATENCY LATEST", "MEMORY STATS",
            "CONFIG GET maxclients", "CLIENT LIST", "SELECT 3", "SCAN 0 COUNT 500", "SELECT 3", "PTTL k",
        ]  # fmt: skip
        assert proxy.accepted == 1
    finally:
        server.stop()


def test_a_large_database_is_sampled_and_not_walked(tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    try:
        client = server.client()
        client.execute_command("DEBUG", "POPULATE", "50000", "key")
        here = reader(server.url)
        some = here.keys(2000, 5.0)
        assert 2000 <= len(some.names) < 4000
        assert not some.complete
        client.flushall()
        client.set(b"a:\xff\x00 b", "1", px=50_000)
        client.set("a:2", "1")
        every = here.keys(2000, 5.0)
        assert every.complete
        assert set(every.names) == {b"a:\xff\x00 b", b"a:2"}
        times = dict(here.lifetimes([*every.names, b"gone", b"x" * 5000], 5.0))
        assert times[b"a:2"] == float("inf")
        assert 30 < times[b"a:\xff\x00 b"] <= 50
        assert len(times) == 2
        assert any(row["cmd"].startswith("client") for row in here.clients())
        here.close()
    finally:
        server.stop()


@pytest.mark.parametrize("pieces", [1, 7, 1 << 20], ids=["byte by byte", "in sevens", "at once"])
def test_a_page_is_read_as_it_comes_whatever_its_keys_hold(pieces: int) -> None:
    keys = [b"p:a", b"p:\r\n$3\r\nabc", b"p:", b"p:\xff\x00", b"p:" + b"x" * 3000]
    answer = b"*2\r\n$2\r\n17\r\n*5\r\n" + bulk(keys)

    def behave(sock: socket.socket) -> None:
        while sock.recv(65536):
            for at in range(0, len(answer), pieces):
                sock.sendall(answer[at : at + pieces])

    with RawServer(behave) as server:
        here = reader(f"redis://127.0.0.1:{server.port}")
        for _ in range(2):
            page = here.page(b"3", b"p:", timeout=10)
            assert (page.cursor, page.keys, page.wire) == (b"17", keys, bulk(keys))
        here.close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"*2\r\n$1\r\n0\r\n*-1\r\n", "bad-answer"),
        (b"*2\r\n$1\r\nx\r\n*0\r\n", "bad-answer"),
        (b"*2\r\n$1\r\n0\r\n*1\r\n:1\r\na\r\n", "bad-answer"),
        (b"*2\r\n$1\r\n0\r\n*0\r\n+OK\r\n", "bad-answer"),
        (b"+OK\r\n", "bad-answer"),
        (b"*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n", "timeout"),
        (b"-NOPERM this user has no permissions to run the 'scan' command\r\n", "forbidden"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "server-error"),
        (b"-ERR unknown command 'SCAN'\r\n", "unsupported"),
    ],
)
def test_what_is_no_page_is_a_failure(answer: bytes, reason: str) -> None:
    def behave(sock: socket.socket) -> None:
        while sock.recv(65536):
            sock.sendall(answer)

    with RawServer(behave) as server:
        here = reader(f"redis://127.0.0.1:{server.port}")
        with pytest.raises(CouldNotLook) as caught:
            here.page(b"3", b"p:", timeout=0.5)
        assert caught.value.reason == reason, caught.value.says
        here.close()


def test_a_pattern_is_the_prefix_and_no_wildcard() -> None:
    assert literal(b"a*b?[c]\\^-:") == b"a\\*b\\?\\[c\\]\\\\^-:*"


def test_keys_are_those_of_the_urls_database(tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    try:
        server.client().execute_command("SELECT", "0")
        client = server.client()
        with client.pipeline(transaction=False) as pipe:
            pipe.execute_command("SELECT", "2")
            pipe.set("second:1", "x")
            pipe.execute()
        assert reader(server.url).keys(10, 1.0).names == ()
        assert reader(server.url.removesuffix("/0") + "/2").keys(10, 1.0).names == (b"second:1",)
        assert reader(server.url.removesuffix("/0") + "?db=2").keys(10, 1.0).names == (b"second:1",)
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (("KEYS",), ("*",)), (("SCAN",), ("0", "COUNT", "100000")), (("SCAN",), ("0", "COUNT", "0")),
        (("SCAN",), ("0",)), (("SCAN",), ("x", "COUNT", "10")), (("PTTL",), ()), (("PTTL",), (b"x" * 5000,)),
        (("SELECT",), ("0; FLUSHALL",)), (("OBJECT", "FREQ"), (b"k",)), (("CLIENT", "KILL"), ("1",)),
        (("FLUSHDB",), ()), (("UNLINK",), (b"k",)),
    ],
)  # fmt: skip
def test_what_costs_or_changes_is_not_on_the_list(command: tuple[str, ...], arguments: tuple[str | bytes, ...]) -> None:
    assert not may_be_sent(command, arguments)


def test_one_connection_and_no_retries() -> None:
    with RawServer(rawserver.silent) as server:
        here = reader(f"redis://127.0.0.1:{server.port}")
        for _ in range(2):
            with pytest.raises(CouldNotLook):
                here.info(timeout=0.5)
        assert server.accepted <= 2


def test_a_hanging_login_costs_its_time_once() -> None:
    with RawServer(rawserver.silent) as server:
        here = reader(f"redis://:{SECRET}@127.0.0.1:{server.port}")
        for _ in range(5):
            with pytest.raises(CouldNotLook) as caught:
                here.info(timeout=1.0)
            assert caught.value.reason == "timeout"
        assert server.accepted == 1


def test_nothing_listens() -> None:
    port = free_port()
    failure = failure_of(f"redis://:{SECRET}@127.0.0.1:{port}/0")
    assert failure.reason == "refused"
    assert failure.address == f"127.0.0.1:{port}"


def test_the_name_cannot_be_resolved() -> None:
    assert failure_of("redis://no-such-host.invalid").reason == "unresolved"


def test_no_such_socket(tmp_path: Path) -> None:
    assert failure_of(f"unix://{tmp_path}/none.sock").reason == "refused"


def test_a_unix_socket(tmp_path: Path) -> None:
    server = start_redis(tmp_path, {"unixsocket": str(tmp_path / "r.sock")})
    try:
        here = reader(f"unix://{tmp_path}/r.sock")
        assert here.info().text("redis_version")
        assert here.address == f"{tmp_path}/r.sock"
        here.close()
    finally:
        server.stop()


def test_passwords(tmp_path: Path) -> None:
    server = start_redis(tmp_path, password="r1ght")
    try:
        good = reader(f"redis://:r1ght@127.0.0.1:{server.port}/3")
        assert good.info().text("redis_version")
        good.close()
        wrong = failure_of(f"redis://:{SECRET}@127.0.0.1:{server.port}")
        assert wrong.reason == "unauthorized"
        assert "refuses user default or the password" in wrong.says
        assert failure_of(f"redis://nobody:{SECRET}@127.0.0.1:{server.port}").reason == "unauthorized"
        assert failure_of(f"redis://127.0.0.1:{server.port}").reason == "unauthorized"
    finally:
        server.stop()


def test_an_acl_user_is_told_which_rule_it_lacks(redis_server: Redis) -> None:
    admin = redis_server.client()
    admin.execute_command("ACL", "SETUSER", "looker", "on", f">{SECRET}", "+ping", "+info", "-slowlog", "-config")
    try:
        here = reader(f"redis://looker:{SECRET}@127.0.0.1:{redis_server.port}")
        assert here.info().text("redis_version")
        with pytest.raises(CouldNotLook) as caught:
            here.slowlog()
        assert caught.value.reason == "forbidden"
        assert "grant it: ACL SETUSER looker +slowlog|get" in caught.value.says
        assert here.info().text("redis_version")  # the connection is still good
        here.close()
        admin.execute_command("ACL", "SETUSER", "looker", "-info")
        failure = failure_of(f"redis://looker:{SECRET}@127.0.0.1:{redis_server.port}")
        assert failure.reason == "forbidden"
        assert "ACL SETUSER looker +info" in failure.says
    finally:
        admin.execute_command("ACL", "DELUSER", "looker")


def test_a_managed_server_that_renamed_a_command(tmp_path: Path) -> None:
    server = start_redis(tmp_path, {"rename-command": 'SLOWLOG ""'})
    try:
        here = reader(server.url)
        with pytest.raises(CouldNotLook) as caught:
            here.slowlog()
        assert caught.value.reason == "unsupported"
        assert "does not offer SLOWLOG GET" in caught.value.says
        here.close()
    finally:
        server.stop()


@pytest.mark.parametrize("password", ["", "s3cret"])
def test_no_more_clients_are_let_in(tmp_path: Path, password: str) -> None:
    server = start_redis(tmp_path, {"maxclients": 5}, password=password)
    try:
        held = [server.client() for _ in range(5)]
        for client in held:
            client.ping()
        for _ in range(5):
            failure = failure_of(server.url)
            assert isinstance(failure, ClientsFull)
            assert "maxclients is reached" in failure.says
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", "server-error"),
        (
            b"-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n",
            "server-error",
        ),
        (
            b"-MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist\r\n",
            "server-error",
        ),
        (b"-MOVED 3999 127.0.0.1:6381\r\n", "server-error"),
        (b"-CLUSTERDOWN The cluster is down\r\n", "server-error"),
        (b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n", "server-error"),
        (b"-DENIED Redis is running in protected mode because protected mode is enabled\r\n", "forbidden"),
        (b"-NOAUTH Authentication required.\r\n", "unauthorized"),
        (b"-NOPERM this user has no permissions to run the 'info' command\r\n", "forbidden"),
        (b"-ERR unknown command 'INFO', with args beginning with: 'all'\r\n", "unsupported"),
        (b"-ERR something new\r\n", "server-error"),
        (b"+OK\r\n", "bad-answer"),
        (b":42\r\n", "bad-answer"),
        (b"$5\r\nhello\r\n", "bad-answer"),
        (b"$-1\r\n", "bad-answer"),
        (b"*2\r\n$1\r\na\r\n$1\r\nb\r\n", "bad-answer"),
        (b"$abc\r\n", "bad-answer"),
        (b"<html>\r\n", "bad-answer"),
    ],
)
def test_what_servers_say_instead(words: bytes, reason: str) -> None:
    def behave(sock: object) -> None:
        while sock.recv(65536):  # type: ignore[attr-defined]
            sock.sendall(words)  # type: ignore[attr-defined]

    with RawServer(behave) as server:
        failure = failure_of(f"redis://127.0.0.1:{server.port}")
    assert failure.reason == reason, failure.says
    assert "\r" not in failure.says


@pytest.mark.parametrize(
    ("behaviour", "reasons"),
    [
        (rawserver.silent, {"timeout"}),
        (rawserver.closing, {"closed"}),
        (rawserver.resetting, {"closed"}),
        (rawserver.http, {"bad-answer"}),
        (rawserver.garbage, {"bad-answer", "timeout", "closed"}),
        (rawserver.dripping(b"$5000\r\n"), {"timeout"}),
        (rawserver.dripping(b"*5000\r\n", b"$1\r\na\r\n"), {"timeout"}),
        (rawserver.dripping(b"", b"x"), {"timeout"}),
    ],
)
def test_servers_that_speak_no_redis(behaviour: Callable[..., None], reasons: set[str]) -> None:
    with RawServer(behaviour) as server:
        started = time.monotonic()
        failure = failure_of(f"redis://127.0.0.1:{server.port}", timeout=1.0)
        assert failure.reason in reasons, failure.says
        assert time.monotonic() - started < 1.0 + 3  # the slack is for a loaded machine


@pytest.mark.parametrize("start", [b"$209715200\r\n", b"*100000000\r\n"])
def test_an_answer_of_200_mb_is_not_read(start: bytes) -> None:
    sent = 0

    def behave(sock: socket.socket) -> None:
        nonlocal sent
        sock.recv(65536)
        sock.sendall(start)
        while True:
            sent += sock.send(b":1\r\n" * 16384)

    with RawServer(behave) as server:
        failure = failure_of(f"redis://127.0.0.1:{server.port}", timeout=10)
    assert failure.reason == "too-large"
    assert sent < 50_000_000  # what the kernel's buffers take


def test_tls_is_demanded_of_a_server_without(redis_server: Redis) -> None:
    failure = failure_of(f"rediss://:{SECRET}@127.0.0.1:{redis_server.port}", timeout=1.0)
    assert failure.reason in ("tls", "timeout", "closed")


def test_a_connection_that_is_cut_is_opened_again(redis_server: Redis) -> None:
    with Proxy(redis_server.port) as proxy:
        here = reader(f"redis://127.0.0.1:{proxy.port}")
        here.ping()
        proxy.cut()
        with pytest.raises(CouldNotLook) as caught:
            here.info()
        assert caught.value.reason == "closed"
        assert here.info().text("redis_version")
        proxy.freeze()
        started = time.monotonic()
        with pytest.raises(CouldNotLook) as caught:
            here.info(timeout=0.5)
        assert caught.value.reason == "timeout"
        assert time.monotonic() - started < 5
        here.close()


def test_two_samples_lie_a_pause_apart(redis_server: Redis) -> None:
    here = reader(redis_server.url)
    before, after = here.two(0.3)
    assert after.taken - before.taken >= 0.3
    again, _ = here.two(0.3)
    assert again is before  # the first of the diagnosis: nobody waits twice
    here.close()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://localhost", "localhost:6379"),
        ("redis://:p4ss-w0rd@cache:6380/2", "cache:6380"),
        ("rediss://user:p4ss-w0rd@cache:6380?ssl_cert_reqs=none", "cache:6380"),
        ("unix:///run/redis.sock?db=1&password=p4ss-w0rd", "/run/redis.sock"),
        ("cache:6380", "cache:6380"),
        ("redis://?password=p4ss-w0rd", "localhost:6379"),
        ("redis://[::1]:6379", "::1:6379"),
    ],
)
def test_the_ways_people_write_an_address(url: str, address: str) -> None:
    here = reader(url)
    assert here.address == address
    assert SECRET not in repr(here)
    assert here.tls_unverified == ("ssl_cert_reqs=none" in url)


@pytest.mark.parametrize(
    "url", ["http://:p4ss-w0rd@cache", "redis://:p4ss-w0rd@cache:port", "redis://u:p4ss-w0rd@:99999"]
)
def test_an_unreadable_address_is_not_repeated(url: str) -> None:
    with pytest.raises(CouldNotLook) as caught:
        reader(url)
    assert SECRET not in caught.value.says
    assert caught.value.reason == "not-configured"


def test_passwords_with_special_characters_are_decoded() -> None:
    chosen, _ = redis_url.options(endpoint("redis://us%40er:p%2Fa%3Ass@h"))
    assert (chosen["username"], chosen["password"]) == ("us@er", "p/a:ss")
