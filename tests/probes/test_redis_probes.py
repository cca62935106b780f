"""The redis probes on a real server: healthy, and with each trouble really made."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import redis.exceptions

from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.probes import registry
from tests.fakes import rawserver
from tests.fakes.rawserver import RawServer
from tests.probes.looks import finding, looking, run, states, values
from tests.servers.process import free_port
from tests.servers.redis import Redis, start_redis

IDS = [
    "redis.reachable", "redis.memory", "redis.hits", "redis.slowlog", "redis.latency", "redis.clients",
    "redis.persistence", "redis.restarted", "redis.churn", "redis.keys", "redis.connections",
]  # fmt: skip


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Redis]:
    """A Redis of one test's own: its settings and counters may be changed."""
    started = start_redis(tmp_path)
    yield started
    started.stop()


class during:
    """Do something again and again while a probe looks."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.work)

    def work(self) -> None:
        while not self.stop.is_set():
            self.act()
            time.sleep(0.01)

    def __enter__(self) -> during:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()


def test_all_probes_are_registered_with_their_findings() -> None:
    for id in IDS:
        probe = registry.get(id)
        assert probe is not None
        assert probe.emits
        assert probe.asks


def test_a_healthy_server(server: Redis) -> None:
    client = server.client()
    client.config_set("latency-monitor-threshold", 100)
    client.set("a", "1")
    with looking({"redis": server.url}) as look, during(lambda: client.get("a")):
        for id in IDS:
            paused = {"pause": "400ms"} if id in ("redis.memory", "redis.hits", "redis.clients") else {}
            seen = run(look, id, **paused, **({"lookups": 1} if id == "redis.hits" else {}))
            expected = {"redis.restarted": "breach"} if id == "redis.restarted" else dict.fromkeys(states(seen), "ok")
            if id == "redis.keys":
                expected = dict.fromkeys(states(seen), "unknown")  # one key is too few
            assert states(seen) == expected, seen.findings
            assert seen.evidence[0].source == f"redis 127.0.0.1:{server.port}"


def test_no_endpoint_is_its_own_answer() -> None:
    with looking({}) as look, pytest.raises(NotConfigured):
        run(look, "redis.memory")


def test_the_past_cannot_be_looked_at(redis_server: Redis) -> None:
    with looking({"redis": redis_server.url}, at=1_700_000_000.0) as look, pytest.raises(CouldNotLook) as caught:
        run(look, "redis.memory")
    assert caught.value.reason == "no-history"


def test_nothing_listens_is_a_breach_seen_from_here() -> None:
    with looking({"redis": f"redis://:hidden@127.0.0.1:{free_port()}/0"}) as look:
        seen = run(look, "redis.reachable")
        assert states(seen) == {
            "redis.unreachable": "breach", "redis.slow": "unknown", "redis.loading": "unknown",
            "redis.replica": "unknown",
        }  # fmt: skip
        assert "hidden" not in msgspec.json.encode(seen).decode()
        for id in IDS[1:]:
            with pytest.raises(CouldNotLook) as caught:
                run(look, id)
            assert caught.value.reason == "refused"


def test_a_wrong_password_is_an_answer(tmp_path: Path) -> None:
    started = start_redis(tmp_path, password="r1ght")
    try:
        with looking({"redis": f"redis://:wrong@127.0.0.1:{started.port}"}) as look:
            seen = run(look, "redis.reachable")
            assert states(seen)["redis.unreachable"] == "ok"
            assert finding(seen, "redis.slow").reason == "unauthorized"
            with pytest.raises(CouldNotLook):
                run(look, "redis.memory")
    finally:
        started.stop()


def test_a_blocked_server_is_unreachable(server: Redis) -> None:
    with looking({"redis": server.url}, seconds=1.5) as look:
        look.readers.redis().ping()
        sleeper = threading.Thread(target=lambda: _quietly(server, "DEBUG", "SLEEP", "4"))
        sleeper.start()
        time.sleep(0.3)
        seen = run(look, "redis.reachable")
        sleeper.join()
    assert states(seen)["redis.unreachable"] == "breach"
    assert "did not answer INFO" in finding(seen, "redis.unreachable").says


def _quietly(server: Redis, *command: str) -> None:
    server.client().execute_command(*command)


def test_a_loading_server_says_so() -> None:
    def behave(sock: object) -> None:
        while sock.recv(65536):  # type: ignore[attr-defined]
            body = b"redis_version:7.0.15\r\nrole:master\r\nloading:1\r\n"
            sock.sendall(b"$%d\r\n%s\r\n" % (len(body), body))  # type: ignore[attr-defined]

    with RawServer(behave) as fake, looking({"redis": f"redis://127.0.0.1:{fake.port}"}) as look:
        seen = run(look, "redis.reachable")
    assert states(seen)["redis.loading"] == "breach"
    assert states(seen)["redis.slow"] == "unknown"  # PING is answered with something else


def test_memory_is_full_and_writes_are_refused(server: Redis) -> None:
    client = server.client()
    client.config_set("maxmemory", 3_000_000)
    client.config_set("maxmemory-policy", "noeviction")

    def write() -> None:
        with contextlib.suppress(redis.exceptions.OutOfMemoryError):
            client.set(f"k:{time.monotonic_ns()}", "x" * 100_000)

    for _ in range(60):
        write()
    with looking({"redis": server.url}) as look, during(write):
        seen = run(look, "redis.memory", pause="400ms")
    assert states(seen) == {"redis.memory-full": "breach", "redis.evicting": "ok", "redis.writes-refused": "breach"}
    assert "policy noeviction" in finding(seen, "redis.memory-full").says
    assert "failed with OOM" in finding(seen, "redis.writes-refused").says
    assert finding(seen, "redis.memory-full").threshold == 0.95


def test_keys_are_evicted(server: Redis) -> None:
    client = server.client()
    client.config_set("maxmemory", 3_000_000)
    client.config_set("maxmemory-policy", "allkeys-lru")
    with looking({"redis": server.url}) as look, during(lambda: client.set(f"k:{time.monotonic_ns()}", "x" * 100_000)):
        time.sleep(0.6)
        seen = run(look, "redis.memory", pause="500ms", full="50%")
    assert states(seen) == {"redis.memory-full": "breach", "redis.evicting": "breach", "redis.writes-refused": "ok"}
    evicting = finding(seen, "redis.evicting")
    assert evicting.unit == "per_second"
    assert evicting.measured is not None
    assert evicting.measured > 0


def test_the_hit_ratio_is_of_now_and_not_of_ever(server: Redis) -> None:
    client = server.client()
    client.set("a", "1")
    for _ in range(2000):
        client.get("a")
    with looking({"redis": server.url}) as look, during(lambda: client.get("missing")):
        seen = run(look, "redis.hits", pause="600ms", lookups=5)
    low = finding(seen, "redis.hit-ratio-low")
    assert low.state == "breach"
    assert low.measured == 0
    assert "% since the start" in low.says
    assert values(seen, "hit ratio since the start")[0].note == "context only"


def test_few_lookups_are_not_judged(server: Redis) -> None:
    with looking({"redis": server.url}) as look:
        seen = run(look, "redis.hits", pause="100ms")
    assert finding(seen, "redis.hit-ratio-low").reason == "too-few"


def test_a_reset_between_the_samples_is_not_judged(server: Redis) -> None:
    client = server.client()
    client.get("a")
    with looking({"redis": server.url}) as look:
        look.readers.redis().info()
        client.config_resetstat()
        assert finding(run(look, "redis.hits", pause="100ms"), "redis.hit-ratio-low").state == "unknown"


def test_slow_commands_are_named_without_users_data(server: Redis) -> None:
    client = server.client()
    client.config_set("slowlog-log-slower-than", 1000)
    client.execute_command("DEBUG", "SLEEP", "1")
    client.eval("local t = redis.call('TIME') local n = 0 while n < 300000 do n = n + 1 end return 1", 1, "k:private")
    client.rpush("session:ana@example.org", *range(300_000))
    client.lrange("session:ana@example.org", 0, -1)
    with looking({"redis": server.url}) as look:
        seen = run(look, "redis.slowlog", above="2ms")
        slow = finding(seen, "redis.slow-commands")
        assert slow.state == "breach"
        assert "DEBUG SLEEP with" in slow.says
        text = msgspec.json.encode(seen).decode()
        assert "ana@example.org" not in text
        assert "private" not in text
        named = {value.name: value for value in seen.evidence[0].values}
        assert "DEBUG SLEEP" in named
        if "LRANGE" in named:
            assert named["LRANGE"].labels["key"] == "session:…"
        assert states(run(look, "redis.slowlog", above="5s")) == {"redis.slow-commands": "ok"}


def test_a_single_late_command_makes_no_slow_server(server: Redis) -> None:
    server.client().execute_command("DEBUG", "SLEEP", "0.03")
    with looking({"redis": server.url}) as look:
        found = finding(run(look, "redis.slowlog"), "redis.slow-commands")
        assert found.state == "ok"
        assert found.says.startswith("1 command of 10 ms or more")
        assert states(run(look, "redis.slowlog", total="20ms"))["redis.slow-commands"] == "breach"


def test_old_slow_commands_do_not_count(server: Redis) -> None:
    client = server.client()
    client.execute_command("DEBUG", "SLEEP", "0.05")
    time.sleep(2.1)
    with looking({"redis": server.url}, since=1.0) as look:
        assert states(run(look, "redis.slowlog")) == {"redis.slow-commands": "ok"}


def test_an_empty_slow_log_that_logs_nothing_proves_nothing(server: Redis) -> None:
    client = server.client()
    with looking({"redis": server.url}) as look:
        client.config_set("slowlog-log-slower-than", -1)
        assert "the slow log is off" in finding(run(look, "redis.slowlog"), "redis.slow-commands").says
        client.config_set("slowlog-log-slower-than", 1_000_000)
        seen = run(look, "redis.slowlog")
        assert finding(seen, "redis.slow-commands").reason == "unsupported"
        assert "begins at 1 s" in finding(seen, "redis.slow-commands").says


def test_latency_events(server: Redis) -> None:
    client = server.client()
    with looking({"redis": server.url}) as look:
        seen = run(look, "redis.latency")
        assert set(states(seen).values()) == {"unknown"}
        assert "CONFIG SET latency-monitor-threshold 100" in finding(seen, "redis.latency-spike").says
        client.config_set("latency-monitor-threshold", 10)
        assert set(states(run(look, "redis.latency")).values()) == {"ok"}
        client.execute_command("DEBUG", "SLEEP", "0.15")
        seen = run(look, "redis.latency")
        assert states(seen) == {"redis.latency-spike": "breach", "redis.fork-stall": "ok"}
        assert finding(seen, "redis.latency-spike").says.startswith("command took ")


def test_clients_are_turned_away(tmp_path: Path) -> None:
    started = start_redis(tmp_path, {"maxclients": 6})
    try:
        with looking({"redis": started.url}) as look:
            look.readers.redis().info()  # our connection is there before they run out
            held = [started.client() for _ in range(5)]
            for client in held:
                client.ping()
            with pytest.raises(Exception, match="max number of clients"):
                started.client().ping()
            seen = run(look, "redis.clients", pause="100ms")
            assert states(seen) == {"redis.rejecting": "breach", "redis.clients-near-limit": "breach"}
            assert finding(seen, "redis.clients-near-limit").says == "6 clients, 6 allowed"
            with looking({"redis": started.url}) as outside:
                seen = run(outside, "redis.clients")
                assert states(seen) == {"redis.rejecting": "breach", "redis.clients-near-limit": "breach"}
                assert states(run(outside, "redis.reachable"))["redis.unreachable"] == "ok"
            del held
    finally:
        started.stop()


def test_an_acl_user_without_info(server: Redis) -> None:
    server.client().execute_command("ACL", "SETUSER", "looker", "on", ">pw", "+@all", "-info")
    with looking({"redis": f"redis://looker:pw@127.0.0.1:{server.port}"}) as look:
        with pytest.raises(CouldNotLook) as caught:
            run(look, "redis.memory")
        assert caught.value.reason == "forbidden"
        assert "ACL SETUSER looker +info" in caught.value.says
        assert states(run(look, "redis.reachable"))["redis.unreachable"] == "ok"
        assert states(run(look, "redis.slowlog"))["redis.slow-commands"] == "ok"  # it may ask that


def test_persistence_fails(tmp_path: Path) -> None:
    started = start_redis(tmp_path)
    try:
        client = started.client()
        client.set("a", "1")
        (tmp_path / "dump.rdb").mkdir()  # a folder in its place: the save cannot replace it
        (tmp_path / "dump.rdb" / "x").touch()
        with looking({"redis": started.url}) as look:
            assert set(states(run(look, "redis.persistence")).values()) == {"ok"}
            client.bgsave()
            until = time.monotonic() + 60
            while states(seen := run(look, "redis.persistence"))["redis.persistence-failing"] == "ok":
                assert time.monotonic() < until
                time.sleep(0.1)
            assert "rdb_last_bgsave_status is err" in finding(seen, "redis.persistence-failing").says
    finally:
        started.stop()


def test_a_replica_that_lost_its_primary(server: Redis) -> None:
    server.client().execute_command("REPLICAOF", "127.0.0.1", free_port())
    with looking({"redis": server.url}) as look:
        seen = run(look, "redis.persistence")
        assert states(seen)["redis.replica-link-down"] == "breach"
        assert "the link to the primary is down" in finding(seen, "redis.replica-link-down").says
        seen = run(look, "redis.reachable")
        assert states(seen)["redis.replica"] == "breach"
        assert finding(seen, "redis.replica").says == "role replica"


def test_a_restart_is_a_change(server: Redis) -> None:
    with looking({"redis": server.url}, since=1800) as look:
        seen = run(look, "redis.restarted")
        assert states(seen) == {"redis.restarted": "breach"}
        (change,) = seen.changes
        assert (change.system, change.says) == ("redis", "started")
        assert abs(change.at.timestamp() - time.time()) < 600
    time.sleep(2.1)
    with looking({"redis": server.url}, since=1) as look:
        seen = run(look, "redis.restarted", within="1s")
        assert states(seen) == {"redis.restarted": "ok"}


@pytest.mark.parametrize("behaviour", [rawserver.silent, rawserver.closing, rawserver.http, rawserver.garbage])
def test_no_probe_ever_fails_otherwise(behaviour: Callable[..., None]) -> None:
    with RawServer(behaviour) as fake, looking({"redis": f"redis://127.0.0.1:{fake.port}"}, seconds=2) as look:
        for id in IDS:
            with contextlib.suppress(CouldNotLook):
                run(look, id)
