"""The acting Redis client: what it may send, and to which server alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from opsctl.clients.redis_write import MOST_KEYS, Kept, RedisWriter, page_of
from opsctl.config.endpoint import Endpoint
from opsctl.errors import Bug, CouldNotLook
from tests.fakes import rawserver
from tests.fakes.rawserver import Proxy, RawServer
from tests.servers.redis import Redis


def writer(url: str) -> RedisWriter:
    return RedisWriter(Endpoint(name="redis", url=url, setting="env REDIS_URL"))


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (("DEL",), (b"a",)), (("FLUSHALL",), ()), (("FLUSHDB",), ()), (("KEYS",), ("*",)), (("SET",), (b"a", b"1")),
        (("EVAL",), ("return 1", "0")), (("CONFIG", "SET"), ("maxmemory", "1")), (("SCRIPT", "FLUSH"), ()),
        (("UNLINK",), (b"a",)), (("RESTORE",), (b"a", "0", b"v", "REPLACE")), (("RESTORE",), (b"a", "0", b"v")),
        (("RESTORE",), (b"a", "-1", b"v", "ABSTTL")), (("RESTORE",), (b"", "0", b"v", "ABSTTL")), (("DUMP",), (b"",)),
        (("SHUTDOWN",), ()), (("CLIENT", "KILL"), ("TYPE", "normal")), (("MIGRATE",), ()), (("RENAME",), (b"a", b"b")),
    ],
)  # fmt: skip
def test_nothing_but_the_list_is_sent(command: tuple[str, ...], arguments: tuple[str | bytes, ...]) -> None:
    with RawServer(rawserver.silent) as server:
        here = writer(f"redis://127.0.0.1:{server.port}")
        with pytest.raises(Bug, match="not on the list"):
            here._ask(command, *arguments, timeout=1)
        assert server.accepted == 0


def test_it_offers_no_way_to_send_a_command() -> None:
    from opsctl.clients.redis import RedisReader

    offered = {name for name in dir(RedisWriter) if not name.startswith("_")} - set(dir(RedisReader))
    assert offered == {"dump", "pin", "restore", "unlink"}


def test_without_a_pin_nothing_is_sent() -> None:
    with RawServer(rawserver.silent) as server:
        here = writer(f"redis://127.0.0.1:{server.port}")
        with pytest.raises(Bug, match="not pinned"):
            here.unlink(page_of([b"a"]))


def test_every_connection_is_held_to_the_pin_first(redis_server: Redis) -> None:
    client = redis_server.client()
    client.set("k:1", "v", ex=50)
    run_id = client.info("server")["run_id"]
    with Proxy(redis_server.port) as proxy:
        here = writer(f"redis://127.0.0.1:{proxy.port}/0")
        here.pin(run_id, 3)
        proxy.cut()
        with pytest.raises(CouldNotLook):
            here.ping()
        assert here.unlink(page_of([b"k:1"])) == 0  # of database 3
        here.pin(run_id, 0)
        kept = here.dump(b"k:1", here.clock())
        assert kept is not None
        assert here.unlink(page_of([b"k:1"])) == 1
        assert here.restore(kept)
        assert not here.restore(Kept(b"k:1", kept.value, 0))
        here.close()
        words = re.sub(rb"\$\d+\r\n", b"", proxy.sent).split(b"*")[1:]
    commands = [b" ".join(word.split(b"\r\n")[1:3]).decode("latin-1").strip() for word in words]
    hold = ["INFO server", "INFO replication"]
    assert commands[:7] == [*hold, "SELECT 3", *hold, "SELECT 3", "UNLINK k:1"]
    assert [word for word in commands[7:] if word.startswith(("SELECT", "UNLINK", "DUMP", "RESTORE"))] == [
        "SELECT 0", "DUMP k:1", "UNLINK k:1", "RESTORE k:1", "RESTORE k:1"
    ]  # fmt: skip
    assert 40 < client.ttl("k:1") <= 50
    client.delete("k:1")


def test_an_unlink_is_bounded(redis_server: Redis, tmp_path: Path) -> None:
    here = writer(redis_server.url)
    for keys in ([], [b"k"] * (MOST_KEYS + 1)):
        with pytest.raises(Bug):
            here.unlink(page_of(keys))
