"""Why a cache misses, on a real Redis: expired, deleted, cold, renamed, without an end."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opsctl.errors import CouldNotLook
from opsctl.probes.redis_keys import prefix_of
from opsctl.services.model import Profile
from tests.probes.looks import finding, looking, run, states, values
from tests.probes.test_redis_probes import during
from tests.servers.redis import Redis, start_redis

AMAS = Profile(service="amas", cache={"decision_insight:": "300s", "USER_STATE": "1800s"})


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    started = start_redis(tmp_path_factory.mktemp("redis"))
    yield started
    started.stop()


@pytest.fixture
def server(shared: Redis) -> Redis:
    shared.client().flushall()
    return shared


def churn(server: Redis, act: Callable[[], object]) -> Any:
    with looking({"redis": server.url}) as look, during(act):
        return run(look, "redis.churn", pause="1s")


def missing(client: Any, **kept: Any) -> Callable[[], None]:
    """A reader that finds nothing and stores what it missed."""
    numbers = itertools.count()

    def act() -> None:
        for _ in range(5):
            key = f"decision_insight:{next(numbers)}"
            if client.get(key) is None and kept is not None:
                client.set(key, "x", **kept)

    return act


def test_nothing_happens(server: Redis) -> None:
    with looking({"redis": server.url}) as look:
        assert set(states(run(look, "redis.churn", pause="200ms")).values()) == {"ok"}


def test_keys_expire_before_they_are_read_again(server: Redis) -> None:
    seen = churn(server, missing(server.client(), px=1))
    assert states(seen) == {
        "redis.expiring": "breach", "redis.invalidated": "ok", "redis.refilling": "ok",
    }  # fmt: skip
    assert "keys expired in" in finding(seen, "redis.expiring").says


def test_a_cold_cache_fills_again(server: Redis) -> None:
    seen = churn(server, missing(server.client(), ex=300))
    assert states(seen) == {
        "redis.expiring": "ok", "redis.invalidated": "ok", "redis.refilling": "breach",
    }  # fmt: skip


def test_a_whole_prefix_is_deleted_again_and_again_by_few_commands(server: Redis) -> None:
    client, admin = server.client(), server.client()
    admin.client_setname("cleaner")
    fill = missing(client, ex=300)

    def act() -> None:
        fill()
        keys = list(client.scan_iter("decision_insight:*"))
        if keys:
            admin.unlink(*keys)

    seen = churn(server, act)
    assert states(seen)["redis.invalidated"] == "breach"
    assert states(seen)["redis.refilling"] == "ok"
    assert values(seen, "DEL and UNLINK calls")[0].value > 0
    assert [value.labels["client"] for value in values(seen, "last command")] == ["cleaner"]


def test_a_flush_counts_at_once(server: Redis) -> None:
    client = server.client()
    seen = churn(server, client.flushdb)
    assert states(seen)["redis.invalidated"] == "breach"
    assert "flushes in" in finding(seen, "redis.invalidated").says


def test_few_misses_prove_nothing(server: Redis) -> None:
    client = server.client()
    with looking({"redis": server.url}) as look:
        look.readers.redis().info()
        for number in range(3):
            client.get(f"absent:{number}")
            client.delete("absent:0")
        seen = run(look, "redis.churn", pause="100ms")
    assert states(seen) == {
        "redis.expiring": "ok", "redis.invalidated": "unknown", "redis.refilling": "unknown",
    }  # fmt: skip


def fill(server: Redis, prefix: str, count: int, seconds: int | None) -> None:
    with server.client().pipeline(transaction=False) as pipe:
        for number in range(count):
            pipe.set(f"{prefix}{number}", "x", ex=seconds)
        pipe.execute()


def test_the_keys_are_as_configured(server: Redis) -> None:
    fill(server, "decision_insight:", 300, 300)
    fill(server, "user_state:", 50, 1800)
    with looking({"redis": server.url}, profile=AMAS) as look:
        seen = run(look, "redis.keys")
    assert set(states(seen).values()) == {"ok"}
    assert {value.labels["prefix"]: value.labels["configured"] for value in values(seen, "prefix")} == {
        "decision_insight:": "5 min", "user_state:": "30 min",
    }  # fmt: skip


def test_keys_live_much_shorter_than_configured(server: Redis) -> None:
    fill(server, "decision_insight:", 300, 20)
    with looking({"redis": server.url}, profile=AMAS) as look:
        seen = run(look, "redis.keys")
    assert states(seen)["redis.ttl-short"] == "breach"
    assert "5 min are configured" in finding(seen, "redis.ttl-short").says


def test_keys_are_written_under_another_prefix(server: Redis) -> None:
    fill(server, "decision_insight:v2:", 1500, 300)
    fill(server, "user_state:", 300, 1800)
    with looking({"redis": server.url}, profile=AMAS) as look:
        seen = run(look, "redis.keys")
    assert states(seen) == {
        "redis.ttl-short": "ok", "redis.no-expiry": "ok", "redis.prefix-missing": "breach",
        "redis.prefix-new": "breach",
    }  # fmt: skip
    assert "decision_insight:v2:" in finding(seen, "redis.prefix-new").says


def test_a_session_store_beside_the_cache_is_no_change_of_names(server: Redis) -> None:
    fill(server, "decision_insight:", 300, 300)
    fill(server, "session:", 600, 1800)
    with looking({"redis": server.url}, profile=AMAS) as look:
        assert states(run(look, "redis.keys"))["redis.prefix-new"] == "ok"


def test_keys_without_an_end(server: Redis) -> None:
    fill(server, "report:", 300, None)
    with looking({"redis": server.url}) as look:
        seen = run(look, "redis.keys")
    assert states(seen)["redis.no-expiry"] == "breach"
    assert "report:" in finding(seen, "redis.no-expiry").says
    assert finding(seen, "redis.prefix-new").reason == "not-configured"
    assert finding(seen, "redis.prefix-missing").reason == "not-configured"


def test_an_empty_database_is_too_few(server: Redis) -> None:
    with looking({"redis": server.url}, profile=AMAS) as look:
        seen = run(look, "redis.keys")
    assert set(states(seen).values()) == {"unknown"}
    assert finding(seen, "redis.prefix-new").reason == "too-few"


def test_a_user_without_scan_gets_the_rule_to_grant(server: Redis) -> None:
    server.client().execute_command("ACL", "SETUSER", "looker", "on", ">pw", "~*", "+@all", "-scan")
    with (
        looking({"redis": f"redis://looker:pw@127.0.0.1:{server.port}"}) as look,
        pytest.raises(CouldNotLook) as caught,
    ):
        run(look, "redis.keys")
    assert caught.value.reason == "forbidden"
    assert "ACL SETUSER looker +scan" in caught.value.says


@pytest.mark.parametrize(
    ("key", "prefix"),
    [
        (b"user_state:17", "user_state:"), (b"decision_insight:v2:9", "decision_insight:v2:"), (b"lonely", ""),
        (b"cart:17:items", "cart:"), (b"\xff\xfe:1", "\ufffd\ufffd:"), (b"a:\x1b[31m:1", "a:"),
    ],
)  # fmt: skip
def test_only_the_part_of_a_key_that_names_no_user_is_shown(key: bytes, prefix: str) -> None:
    assert prefix_of(key) == prefix


def test_who_is_connected(server: Redis, tmp_path: Path) -> None:
    clients = [server.client() for _ in range(5)]
    for client in clients:
        client.client_setname("danci-backend")
    with looking({"redis": server.url}) as look:
        seen = run(look, "redis.connections")
        assert set(states(seen).values()) == {"ok"}
        assert {(value.labels["client"], value.value) for value in values(seen, "connections")} >= {
            ("danci-backend", 5)
        }
        with pytest.raises(CouldNotLook) as caught:
            run(look, "redis.connections", most=2)
        assert caught.value.reason == "skipped"
