"""`opsctl cache stats|invalidate` on a real Redis, as an operator uses them."""

import json
import re
import threading

import pytest

from tests.cli.test_alerts import opsctl
from tests.servers.redis import start_redis

PREFIX = "decision_insight:"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    redis = start_redis(tmp_path_factory.mktemp("cache"))
    yield redis
    redis.stop()


@pytest.fixture
def client(server):
    made = server.client()
    made.flushall()
    yield made
    made.close()


@pytest.fixture
def home(tmp_path, server):
    """A home whose AMAS has this Redis."""
    context = {"services": {"amas": {"endpoints": {"redis": {"url": server.url}}}}}
    (tmp_path / "opsctl.yaml").write_text(json.dumps({"current-context": "x", "contexts": {"x": context}}))
    (tmp_path / "opsctl.yaml").chmod(0o600)
    return tmp_path


def fill(client, number, prefix=PREFIX, ex=300):
    with client.pipeline(transaction=False) as pipe:
        for one in range(number):
            pipe.set(f"{prefix}{one}", "x" * 100, ex=ex)
        pipe.execute()


def test_stats_tell_how_the_cache_works_now(home, client, server):
    fill(client, 900)
    fill(client, 100, "report:", None)
    fill(client, 20, "decision_insight:", 900)  # longer than the profile says
    stop = threading.Event()

    def ask():
        other = server.client()
        while not stop.wait(0.001):
            other.get(f"{PREFIX}1")
            other.get("nobody")
        other.close()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        done = opsctl(home, "cache", "stats", "-s", "amas", "--over", "1s", "-o", "json")
    finally:
        stop.set()
        asking.join()
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["schema"] == "opsctl.cache/1"
    assert told["lookups"] > 10
    assert 0.4 < told["hit_ratio"] < 0.6
    assert (told["keys"]["total"], told["keys"]["expiring"], told["keys"]["complete"]) == (1000, 900, True)
    first, second = told["prefixes"]
    assert (first["prefix"], first["keys_about"], first["configured_seconds"]) == (PREFIX, 900, 300)
    assert first["bytes_about"] > 900 * 100
    assert first["beyond_configured"] is True
    assert (second["prefix"], second["never_expire"], second["configured_seconds"]) == ("report:", 1.0, None)
    text = opsctl(home, "cache", "stats", "-s", "amas", "--over", "200ms").stdout
    assert "nobody asked for a key in " in text
    assert re.search(r"decision_insight: +900 +90 %", text)
    assert "longer than configured" in text
    assert "never expire 100 %" in text


def test_stats_of_an_empty_cache(home, client):
    done = opsctl(home, "cache", "stats", "-s", "amas", "--over", "200ms")
    assert done.returncode == 0, done.stderr
    assert "  keys     none" in done.stdout


def test_a_prefix_is_planned_removed_and_recorded(home, client):
    fill(client, 700)
    fill(client, 50, "session:")
    command = ("cache", "invalidate", PREFIX, "-s", "amas")
    done = opsctl(home, *command)
    assert "700 keys, 93.3 % of the 750 in db0" in done.stdout
    assert "the cache rebuilds itself" in done.stdout
    assert client.dbsize() == 750
    named = re.search(r"--plan-hash (\w+)", done.stdout + done.stderr)
    assert named, done.stdout + done.stderr
    done = opsctl(home, *command, "--yes", "--plan-hash", named[1], "--reason", "wrong insights")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "700 keys removed" in done.stdout
    assert client.dbsize() == 50
    assert "redis.invalidate-prefix" in opsctl(home, "ledger", "list").stdout


def test_a_backup_is_undone_by_the_ledger(home, client):
    fill(client, 30)
    command = ("cache", "invalidate", PREFIX, "-s", "amas", "--backup", str(home / "kept"))
    named = re.search(r"--plan-hash (\w+)", opsctl(home, *command).stdout)
    assert named
    done = opsctl(home, *command, "--yes", "--plan-hash", named[1])
    assert done.returncode == 0, done.stdout + done.stderr
    assert client.dbsize() == 0
    run = re.search(r"\b[0-9A-Z]{26}\b", done.stdout)
    assert run
    done = opsctl(home, "ledger", "undo", run[0], "--yes")
    assert client.dbsize() == 30, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("prefix", "code", "says"),
    [
        ("nobody:", 64, "nobody: is no cache prefix of amas"),
        ("decision_insight:*", 64, "Name the prefix as it is: decision_insight:"),
        ("USER_STATE", 77, "is the name of a setting and no prefix of keys"),
    ],
)
def test_what_is_no_cache_prefix_is_refused(home, client, prefix, code, says):
    done = opsctl(home, "cache", "invalidate", prefix, "-s", "amas")
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr


def test_too_many_keys_need_their_number(home, client):
    fill(client, 12_000)
    done = opsctl(home, "cache", "invalidate", PREFIX, "-s", "amas")
    assert done.returncode == 77, done.stdout + done.stderr
    assert "--max-keys 12000" in done.stdout + done.stderr
    assert client.dbsize() == 12_000
    done = opsctl(home, "cache", "invalidate", PREFIX, "-s", "amas", "--max-keys", "12000")
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_below_the_prefix_is_nothing_to_do(home, client):
    done = opsctl(home, "cache", "invalidate", PREFIX, "-s", "amas")
    assert done.returncode == 1
    assert "no key begins with decision_insight:" in done.stdout + done.stderr


def test_a_service_without_redis_and_one_that_is_away(tmp_path):
    done = opsctl(tmp_path, "cache", "stats", "-s", "vritti")
    assert (done.returncode, done.stdout) == (78, "")
    context = {"services": {"amas": {"endpoints": {"redis": {"url": "redis://127.0.0.1:1"}}}}}
    (tmp_path / "opsctl.yaml").write_text(json.dumps({"current-context": "x", "contexts": {"x": context}}))
    (tmp_path / "opsctl.yaml").chmod(0o600)
    for command in (("stats",), ("invalidate", PREFIX)):
        done = opsctl(tmp_path, "cache", *command, "-s", "amas")
        assert (done.returncode, done.stdout) == (69, ""), done.stderr
        assert "127.0.0.1:1 is not listening" in done.stderr
