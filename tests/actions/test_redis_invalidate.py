"""redis.invalidate-prefix on a real Redis: exactly the prefix goes, gently, and what cannot be done is said."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opsctl.actions import redis_invalidate as action
from opsctl.actions.hands import Hands, Stopped
from opsctl.actions.model import Check
from opsctl.actions.redis_invalidate_plan import InvalidateParams, Seen
from opsctl.actions.registry import get
from opsctl.clients.redis_write import Moved
from opsctl.errors import CouldNotLook, Refused, UsageError
from opsctl.services.model import Profile
from tests.actions.redis_acting import PROFILE, digest, hands_on, numbered, plan_of
from tests.servers.redis import Redis, start_redis

PREFIX = "decision_insight:"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for hits to be counted."""
    monkeypatch.setattr(action, "_WINDOW", 0.0)


@pytest.fixture
def client(redis_server: Redis) -> Iterator[Any]:
    """The session's Redis, empty before and after."""
    made = redis_server.client()
    made.flushall()
    yield made
    made.flushall()
    made.close()


def params(**given: Any) -> InvalidateParams:
    return InvalidateParams(**{"prefix": PREFIX, **given})


def planned(hands: Hands, **given: Any) -> tuple[Any, Any]:
    wanted = params(**given)
    proposal = action.propose(action.observe(hands, wanted), wanted)
    return proposal, numbered(proposal)


def refused(checks: tuple[Check, ...]) -> dict[str, Check]:
    return {check.id: check for check in checks if not check.ok}


def fill(client: Any, number: int, prefix: str = PREFIX, ex: int | None = 300) -> None:
    with client.pipeline(transaction=False) as pipe:
        for one in range(number):
            pipe.set(f"{prefix}{one}", "x" * 50, ex=ex)
        pipe.execute()


STRANGE = (
    b"a b", b"quo\"te'", b"line\nend", b"carriage\r\nreturn", b"\x00\xff\xfe", b"*", b"[a-z]?", b"\\", b"", b"\xc3\xa4",
    b"$3\r\nabc\r\n", b"x" * 3000,
)  # fmt: skip


def test_keys_of_any_bytes_go_and_nothing_else_does(redis_server: Redis, client: Any) -> None:
    for rest in STRANGE:
        client.set(PREFIX.encode() + rest, "v", ex=300)
        client.set(b"decision" + rest, "v", ex=300)
        client.set(b"x" + PREFIX.encode() + rest, "v")
    client.rpush(PREFIX + "list", *range(100))
    client.expire(PREFIX + "list", 300)
    before = digest(client, PREFIX.encode())
    with hands_on(redis_server.url) as hands:
        proposal, step = planned(hands)
        assert not refused(proposal.checks)
        assert step.before["keys"] == len(STRANGE) + 1
        shown = "\n".join(step.shows)
        assert shown.isprintable() or set(shown) - set("\n") == {c for c in shown if c.isprintable()}
        assert "decision_insight:line\\nend" in shown or "for instance" in shown
        did = action.apply(hands, step)
        assert (did.state, did.after["removed"], did.inverse) == ("acted", len(STRANGE) + 1, None)
        assert action.verify(hands, plan_of(step, proposal), (1,)).ok
        assert action.settled(hands, step) == "acted"
        assert action.apply(hands, step).state == "unchanged"
    assert digest(client) == before


def test_a_plan_says_what_it_would_cost(redis_server: Redis, client: Any) -> None:
    fill(client, 900)
    fill(client, 3000, "report:", None)
    with hands_on(redis_server.url) as hands:
        proposal, step = planned(hands)
    assert proposal.scope == f"redis 127.0.0.1:{redis_server.port}/0"
    assert proposal.subject.endswith("as default")
    assert step.target.pin["run_id"] == client.info("server")["run_id"]
    assert step.shows[0].startswith("900 keys, 23.1 % of the 3,900 in db0, about 1")
    assert "under 5 min" in step.shows[1]
    assert len([line for line in step.shows if PREFIX in line]) == 10
    assert "up to 900 lookups miss" in proposal.impact
    assert proposal.confirm == PREFIX
    assert (proposal.undo, proposal.lost != "") == ("", True)
    assert step.calls[0] == "redis-cli -n 0 SCAN 0 MATCH 'decision_insight:*' COUNT 1000   and so on with each cursor"
    registered = get("redis.invalidate-prefix")
    assert registered is not None


def test_nothing_there_is_nothing_to_do(redis_server: Redis, client: Any) -> None:
    fill(client, 3, "report:")
    with hands_on(redis_server.url) as hands:
        proposal = action.propose(action.observe(hands, params()), params())
    assert proposal.steps == ()
    assert proposal.notes == ("no key begins with decision_insight: in database 0 (3 keys)",)


@pytest.mark.parametrize(
    ("prefix", "error", "says"),
    [
        (
            "nobody:",
            UsageError,
            "nobody: is no cache prefix of amas. They are: decision_insight:, page:, session:",
        ),
        ("decision_insight:*", UsageError, "is a pattern. Name the prefix as it is: decision_insight:"),
        ("USER_STATE", Refused, "is the name of a setting and no prefix of keys"),
        ("session:", Refused, "session: looks like session data, which is no cache"),
        ("app:locks:", Refused, "looks like lock data"),
        ("cart:", Refused, "looks like cart data"),
        ("p:", Refused, "shorter than 4 characters"),
        ("", UsageError, "nothing is no cache prefix"),
    ],
)
def test_only_a_cache_prefix_of_the_profile_may_go(prefix: str, error: type[Exception], says: str) -> None:
    names = ("decision_insight:", "page:", "session:", "p:", "app:locks:", "cart:", "USER_STATE")
    profile = Profile(service="amas", cache=dict.fromkeys(names, "60s"), settings={"cache.protected": "cart, basket"})
    with hands_on("redis://127.0.0.1:1", profile=profile) as hands, pytest.raises(error) as caught:
        action.observe(hands, params(prefix=prefix))
    assert says in caught.value.sentence()  # type: ignore[attr-defined]


def test_wildcards_in_a_prefix_are_characters(redis_server: Redis, client: Any) -> None:
    prefix = "pa*[g]?\\:"
    client.set(prefix + "1", "v", ex=60)
    for other in ("paXg:1", "pa*[g]x\\:1", "pag1:", "page:1"):
        client.set(other, "v", ex=60)
    profile = Profile(service="amas", cache={prefix: "60s"})
    with hands_on(redis_server.url, profile=profile) as hands:
        _, step = planned(hands, prefix=prefix)
        assert action.apply(hands, step).after["removed"] == 1
    assert client.dbsize() == 4


def test_a_longer_prefix_and_protected_keys_below_are_left_alone(redis_server: Redis, client: Any) -> None:
    profile = Profile(service="amas", cache={"user:": "60s", "user:card:": "60s", "USER": "1s"})
    for number in range(50):
        client.set(f"user:{number}", "v", ex=60)
        client.set(f"user:card:{number}", "v", ex=60)
    client.set("user:Session:7", "v", ex=60)
    client.set("user:lock-3", "v", ex=60)
    with hands_on(redis_server.url, profile=profile) as hands:
        proposal, step = planned(hands, prefix="user:")
        said = {one.id: (one.why, one.refused) for one in proposal.excluded}
        assert said["prefix user:card:"] == ("another prefix of the profile", False)
        assert said["session data"] == said["lock data"] == ("no cache, by its name", True)
        assert action.apply(hands, step).after["removed"] == 50
        assert action.verify(hands, plan_of(step, proposal), (1,)).ok
    assert client.dbsize() == 52


@pytest.mark.parametrize(
    ("keys", "others", "given", "missing"),
    [
        (900, 100, {}, set()),  # few keys, whatever their share
        (3000, 1000, {}, {"share"}),
        (3000, 1000, {"max_keys": 2999}, {"keys"}),
        (3000, 1000, {"max_keys": 3000}, set()),
        (10_001, 90_000, {}, {"keys"}),
    ],
)
def test_caps_are_lifted_only_by_naming_the_number(
    keys: int, others: int, given: dict[str, int], missing: set[str]
) -> None:
    seen = Seen(
        address="r:1", user="default", run_id="a", database=0, other_database=0, role="master", mode="standalone",
        saving=False, prefix=PREFIX, leave=(), words=(), keys=keys, exact=True, total=keys + others, kept={}, sample=(),
        sizes=(), left=(), hits=0.0, may=True, configured="300s", backup="", backup_problem="",
    )  # fmt: skip
    proposal = action.propose(seen, params(**given))
    assert set(refused(proposal.checks)) == missing
    for check in refused(proposal.checks).values():
        assert check.lift == f"--max-keys {keys}"


def test_keys_that_never_expire_may_be_data(redis_server: Redis, client: Any) -> None:
    fill(client, 30, ex=None)
    with hands_on(redis_server.url) as hands:
        proposal, _ = planned(hands)
        assert refused(proposal.checks)["expires"].lift == "--allow-no-expiry"
        proposal, _ = planned(hands, allow_no_expiry=True)
        assert not refused(proposal.checks)


def test_a_key_written_meanwhile_is_named_and_no_failure(redis_server: Redis, client: Any) -> None:
    fill(client, 20_000)
    stop = threading.Event()

    def write() -> None:
        other, number = redis_server.client(), 0
        while not stop.is_set():
            other.set(f"{PREFIX}0", "new", ex=300)
            number += 1
        other.close()

    with hands_on(redis_server.url) as hands:
        proposal, step = planned(hands, max_keys=1_000_000)
        writer = threading.Thread(target=write)
        writer.start()
        try:
            did = action.apply(hands, step)
            assert did.state == "acted"
            assert did.after["removed"] >= 20_000
            deadline = time.monotonic() + 30
            while not client.exists(f"{PREFIX}0") and time.monotonic() < deadline:
                time.sleep(0.01)
        finally:
            stop.set()
            writer.join()
        looked = action.verify(hands, plan_of(step, proposal), (1,))
        assert looked.ok
        assert looked.says == f"1 keys {PREFIX} were written since: {PREFIX}0"
        assert action.verify(hands, plan_of(step, proposal), ()).ok is False


def test_no_more_keys_go_than_were_agreed_on(redis_server: Redis, client: Any) -> None:
    fill(client, 2000)
    with hands_on(redis_server.url) as hands:
        _, step = planned(hands, max_keys=2500)
        fill(client, 6000)
        did = action.apply(hands, step)
    assert did.state == "failed"
    assert "more than the 2,500 keys that were agreed on are there" in did.says
    assert client.dbsize() >= 6000 - 2500


def test_the_stop_file_ends_it_between_two_pages(redis_server: Redis, client: Any) -> None:
    fill(client, 8000)
    asked = iter(range(10**6))

    def stop() -> None:
        if next(asked) >= 2:
            raise Stopped("the stop file is there")

    with hands_on(redis_server.url, check_stop=stop) as hands:
        _, step = planned(hands, max_keys=8000)
        with pytest.raises(Stopped) as caught:
            action.apply(hands, step)
        left = client.dbsize()
        assert 0 < left < 8000
        assert caught.value.says == f"{8000 - left:,} keys were removed before the stop file is there"
        assert action.settled(hands, step) == "not-acted"
        with pytest.raises(Stopped):  # before the first key: nothing was done
            action.apply(hands, step)


def test_another_run_of_the_server_is_refused(tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    try:
        fill(server.client(), 100)
        with hands_on(server.url) as hands:
            _, step = planned(hands)
            server.stop()
            server.start()
            fill(server.client(), 100)
            with pytest.raises(Moved, match="another one than the plan's, or it was restarted"):
                action.apply(hands, step)
            assert action.settled(hands, step) == "unknown"
        assert server.client().dbsize() == 100
    finally:
        server.stop()


def test_a_restart_in_the_middle_ends_it(tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    try:
        fill(server.client(), 5000)
        asked = iter(range(10**6))

        def restart() -> None:
            if next(asked) == 2:
                server.stop()
                server.start()
                fill(server.client(), 5000)

        with hands_on(server.url, check_stop=restart) as hands:
            _, step = planned(hands, max_keys=5000)
            did = action.apply(hands, step)
        assert did.state == "failed"
        assert "closed the connection" in did.says or "did not answer" in did.says
        assert server.client().dbsize() == 5000  # the new run lost nothing
    finally:
        server.stop()


def test_a_replica_is_refused_in_the_plan_and_at_the_act(tmp_path: Path, redis_server: Redis, client: Any) -> None:
    client.config_set("repl-diskless-sync-delay", 0)
    replica = start_redis(tmp_path, {"replicaof": f"127.0.0.1 {redis_server.port}"})
    try:
        fill(client, 10)
        deadline = time.monotonic() + 60
        while replica.client().dbsize() != 10 and time.monotonic() < deadline:
            time.sleep(0.1)
        with hands_on(replica.url) as hands:
            proposal, step = planned(hands)
            assert set(refused(proposal.checks)) == {"primary"}
            with pytest.raises(Moved, match="no longer the primary"):
                action.apply(hands, step)
    finally:
        replica.stop()
    assert client.dbsize() == 10


def test_a_permission_that_is_missing_is_one_sentence(redis_server: Redis, client: Any) -> None:
    fill(client, 10)
    rules = ("on", ">s3cret", "~*", "+ping", "+info", "+select", "+scan", "+pttl", "+memory|usage")
    client.execute_command("ACL", "SETUSER", "actor", *rules)
    act = redis_server.url.replace("redis://", "redis://actor:s3cret@")
    try:
        with hands_on(redis_server.url, act=act) as hands:
            proposal, step = planned(hands)
            assert proposal.subject.endswith(" as actor")
            says = "user actor may not run UNLINK; grant it: ACL SETUSER actor +unlink"
            assert refused(proposal.checks)["permitted"].says == says
            with pytest.raises(CouldNotLook, match=r"grant it: ACL SETUSER actor \+unlink$"):
                action.apply(hands, step)
            client.execute_command("ACL", "SETUSER", "actor", "+unlink", "resetkeys", "~page:*", "%R~*")
            with pytest.raises(CouldNotLook, match="the beginning of the keys"):
                action.apply(hands, step)
            assert client.dbsize() == 10
            client.execute_command("ACL", "SETUSER", "actor", f"~{PREFIX}*")
            assert action.apply(hands, step).state == "acted"
    finally:
        client.execute_command("ACL", "DELUSER", "actor")


def test_the_database_of_the_url_is_the_only_one(redis_server: Redis, client: Any) -> None:
    fill(client, 5)
    url = redis_server.url.removesuffix("/0") + "/2"
    with client.pipeline(transaction=False) as pipe:
        pipe.execute_command("SELECT", 2)
        for number in range(7):
            pipe.set(f"{PREFIX}{number}", "v", ex=60)
        pipe.execute_command("SELECT", 0)
        pipe.execute()
    with hands_on(url) as hands:
        _, step = planned(hands)
        assert action.apply(hands, step).after["removed"] == 7
    assert client.dbsize() == 5
    with hands_on(redis_server.url, act=url) as hands:
        proposal, _ = planned(hands)
        assert set(refused(proposal.checks)) == {"database"}


def test_a_small_prefix_comes_back_from_its_backup(redis_server: Redis, client: Any, tmp_path: Path) -> None:
    for rest in STRANGE:
        client.set(PREFIX.encode() + rest, b"\x00\xff\r\nvalue" + rest, ex=300)
    client.hset(PREFIX + "hash", mapping={f"f{n}": n for n in range(500)})
    client.set("page:1", "other")
    before = digest(client)
    file = tmp_path / "kept.jsonl"
    with hands_on(redis_server.url) as hands:
        proposal, step = planned(hands, backup=str(file))
        assert proposal.undo
        assert proposal.confirm == ""
        did = action.apply(hands, step)
        assert (did.state, client.dbsize()) == ("acted", 1)
        assert did.inverse is not None
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        again, _ = planned_with_keys(hands, client, backup=str(file))
        assert set(refused(again.checks)) == {"backup-file"}  # never overwritten
        client.delete(PREFIX + "new")
        back = action.undo(hands, step, did.inverse)
        assert (back.state, back.after["restored"]) == ("acted", len(STRANGE) + 1)
        assert digest(client) == before
        assert 200 < client.ttl(PREFIX.encode() + STRANGE[0]) <= 300
        client.set(PREFIX + "hash", "newer")  # written since: stays
        again_did = action.undo(hands, step, did.inverse)
        assert again_did.state == "unchanged"
        assert f"{len(STRANGE) + 1} had been written anew" in again_did.says
        assert client.get(PREFIX + "hash") == b"newer"
        file.write_bytes(file.read_bytes() + b"{}\n")
        assert action.undo(hands, step, did.inverse).says.endswith("is not as it was written")


def planned_with_keys(hands: Hands, client: Any, **given: Any) -> tuple[Any, Any]:
    client.set(PREFIX + "new", "v", ex=60)
    return planned(hands, **given)


def test_a_backup_is_refused_before_anything_is_removed(redis_server: Redis, client: Any, tmp_path: Path) -> None:
    fill(client, 1001)
    with hands_on(redis_server.url) as hands:
        proposal, step = planned(hands, backup=str(tmp_path / "no" / "kept"), max_keys=2000)
        assert set(refused(proposal.checks)) == {"backup-size", "backup-file"}
        assert action.apply(hands, step).state == "failed"
        proposal, step = planned(hands, backup=str(tmp_path / "kept"), max_keys=2000)
        did = action.apply(hands, step)
        assert "which no backup holds" in did.says
    assert client.dbsize() == 1001


CHILD = """
import sys, time
from opsctl.actions import redis_invalidate as action
from tests.actions.redis_acting import hands_on
from tests.actions.test_redis_invalidate import planned
asked = iter(range(10**6))
def stop():
    if next(asked) == 3:
        print("in the middle", flush=True)
        time.sleep(60)
with hands_on(sys.argv[1], check_stop=stop) as hands:
    _, step = planned(hands, max_keys=20000)
    action.apply(hands, step)
"""


def test_killed_in_the_middle_it_is_gone_on_with(redis_server: Redis, client: Any) -> None:
    fill(client, 8000)
    fill(client, 500, "page:")
    before = digest(client, PREFIX.encode())
    with hands_on(redis_server.url) as hands:
        proposal, step = planned(hands, max_keys=20_000)
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, redis_server.url], stdout=subprocess.PIPE, cwd=Path.cwd()
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"in the middle\n"
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        assert 500 < client.dbsize() < 8500
        assert action.settled(hands, step) == "not-acted"
        assert action.apply(hands, step).state == "acted"
        assert action.settled(hands, step) == "acted"
        assert action.verify(hands, plan_of(step, proposal), (1,)).ok
    assert digest(client) == before


def test_a_backup_that_was_cut_off_is_gone_on_with(redis_server: Redis, client: Any, tmp_path: Path) -> None:
    """Killed after the backup was written, and then after the keys were removed: nothing that was kept is lost."""
    fill(client, 20)
    before = digest(client)
    file = tmp_path / "kept.jsonl"
    with hands_on(redis_server.url) as hands:
        _, step = planned(hands, backup=str(file))
        did = action.apply(hands, step)
        client.set(PREFIX + "late", "v", ex=60)
        assert action.settled(hands, step) == "not-acted"  # what is left was written since; it is kept too
        assert action.apply(hands, step).state == "acted"
        assert did.inverse == step.before["inverse"]
        assert action.undo(hands, step, step.before["inverse"]).after["restored"] == 21
    client.delete(PREFIX + "late")
    assert digest(client) == before


def test_an_answer_that_never_came_is_not_called_nothing(redis_server: Redis, client: Any, tmp_path: Path) -> None:
    from opsctl.clients.redis_write import RedisWriter

    fill(client, 20)
    with hands_on(redis_server.url) as hands, pytest.MonkeyPatch.context() as patch:
        _, step = planned(hands)
        whole = RedisWriter.unlink

        def cut(self: RedisWriter, page: Any) -> int:
            whole(self, page)
            raise CouldNotLook("timeout", "no answer in time")

        patch.setattr(RedisWriter, "unlink", cut)
        did = action.apply(hands, step)
        assert (did.state, did.says) == ("unknown", "at least 0 keys were removed, then it ended: no answer in time")
        assert action.settled(hands, step) == "acted"


def test_a_server_that_becomes_slow_is_spared(
    redis_server: Redis, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opsctl.actions import redis_sweep
    from opsctl.clients.redis_write import RedisWriter

    fill(client, 6000)
    asked = iter(range(10**6))
    ping = RedisWriter.ping
    monkeypatch.setattr(redis_sweep, "_LOOK_EVERY", 0.0)
    monkeypatch.setattr(redis_sweep, "_WAITS", (0.01, 0.02))
    monkeypatch.setattr(RedisWriter, "ping", lambda self: ping(self) if next(asked) < 6 else 0.5)
    with hands_on(redis_server.url) as hands:
        _, step = planned(hands, max_keys=6000)
        did = action.apply(hands, step)
    assert did.state == "failed"
    assert "the server has become slow: PING takes 500 ms" in did.says
    assert client.dbsize() == 6000 - did.after["removed"]
    assert did.after["removed"] > 0


def test_the_cache_profile_has_a_prefix_that_may_go() -> None:
    from opsctl.actions.redis_prefixes import usable

    assert usable(PROFILE) == ("decision_insight:", "page:")
