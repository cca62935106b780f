"""Looking never writes: recording servers, a statement log and MONITOR see every request of whole diagnoses, of plans
and of the operator's commands that look."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import psycopg
import pytest

from opsctl.services.load import load_profile
from tests.acceptance.session import Session
from tests.fakes.recording import Recorder
from tests.servers.postgres import start_postgres
from tests.servers.redis import start_redis

BOOKS = Path(__file__).resolve().parents[2] / "runbooks"
AMAS = load_profile("amas", [BOOKS])
DEFINED = {one.runbook for one in (*AMAS.objectives, *AMAS.symptoms)}
RUNBOOKS = sorted(path.stem for path in BOOKS.glob("*.yaml") if path.stem in DEFINED)

# What a read-only session may say: its own settings, and queries.
READS = re.compile(r"^\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*(?:SELECT|WITH|SHOW|SET|BEGIN|COMMIT|ROLLBACK)\b", re.I | re.S)
ACTS = re.compile(
    r"\b(?:INSERT|UPDATE|DELETE|TRUNCATE|CREATE|ALTER|DROP|GRANT|REVOKE|VACUUM|ANALYZE|COPY|LOCK|REINDEX|CALL|DO)\s"
    r"|pg_(?:terminate|cancel)_backend|_reset\s*\(|nextval|setval|pg_reload_conf|lo_import|dblink",
    re.I,
)
REDIS_READS = {
    "info", "ping", "slowlog", "latency", "memory", "config", "client", "hello", "auth", "select", "command", "scan",
    "pttl",
}  # fmt: skip
REDIS_SUBCOMMANDS = {
    "slowlog": {"get", "len"},
    "latency": {"latest", "history", "histogram"},
    "memory": {"stats", "usage", "doctor"},
    "config": {"get"},
    "client": {"setname", "setinfo", "list", "info", "id"},
}


def statements(log: str) -> list[str]:
    """The statements of opsctl's sessions in a Postgres log whose lines begin with the application's name."""
    found = []
    for block in re.split(r"\n(?=app=)", "\n" + log):
        match = re.match(r"\s*app=(\S*) .*?(?:statement|execute [^:]*): (.*)", block, re.S)
        if match and match.group(1).startswith("opsctl"):
            found.append(match.group(2).strip())
    return found


def comments_off(sql: str) -> str:
    """The statement without comments and string literals, which may name anything."""
    return re.sub(r"'(?:[^']|'')*'", "''", re.sub(r"--[^\n]*|/\*.*?\*/", " ", sql, flags=re.S))


@pytest.fixture
def stack(tmp_path, prometheus, alertmanagers):
    """A whole AMAS: recorded HTTP, a Postgres that logs every statement, a Redis that is watched."""
    postgres = start_postgres(
        tmp_path / "postgres", {"log_statement": "all", "log_line_prefix": "app=%a ", "log_min_duration_statement": -1}
    )
    redis = start_redis(tmp_path / "redis")
    with (
        Recorder(upstream=prometheus.url) as prom,
        Recorder(upstream=alertmanagers[0].url) as alerts,
        Recorder({"/metrics": b"http_requests_total 5\n", "/health": '{"status":"ok"}'}) as app,
    ):
        yield {"postgres": postgres, "redis": redis, "prometheus": prom, "alertmanager": alerts, "app": app}
    redis.stop()
    postgres.close()


def watch(redis, seen: list[list[str]], ready: threading.Event, stop: threading.Event) -> None:
    client = redis.client()
    with client.monitor() as monitor:
        ready.set()
        while not stop.is_set():
            try:
                command = monitor.next_command()
            except Exception:
                return
            seen.append(str(command["command"]).split())


@pytest.fixture
def user(stack, tmp_path):
    """Somebody whose context is that stack."""
    (tmp_path / "opsctl.yaml").write_text(
        f"""
current-context: test
contexts:
  test:
    prometheus: {stack["prometheus"].url}
    alertmanager: {stack["alertmanager"].url}
    postgres: {stack["postgres"].dsn("opsctl_read", "danci")}
    redis: {stack["redis"].url}
    services:
      amas:
        direct_pause: 1s
        endpoints:
          metrics: {stack["app"].url}/metrics
          health: {stack["app"].url}/health
          app: {stack["app"].url}
"""
    )
    return Session(tmp_path)


class Told:
    """What Redis is told while the test runs."""

    def __init__(self, redis) -> None:
        self._redis = redis
        self._seen: list[list[str]] = []
        self._over = threading.Event()
        ready = threading.Event()
        threading.Thread(target=watch, args=(redis, self._seen, ready, self._over), daemon=True).start()
        assert ready.wait(10)

    def forget(self) -> None:
        self._seen.clear()

    def end(self) -> list[list[str]]:
        self._over.set()
        self._redis.client().ping()
        return [words for words in self._seen if words and words[0].lower() != "monitor"]


@pytest.fixture
def told(stack):
    return Told(stack["redis"])


def assert_only_queries(log: str, at_least: int) -> None:
    """Of Postgres, opsctl's sessions asked something, and nothing that acts."""
    asked = statements(log)
    assert len(asked) > at_least, log[-2000:]
    for statement in asked:
        assert READS.match(statement), statement
        assert not ACTS.search(comments_off(statement)), statement


def assert_only_looks(commands: list[list[str]]) -> None:
    """Of Redis, the same."""
    assert commands
    for words in commands:
        name = words[0].lower()
        assert name in REDIS_READS, words
        if name in REDIS_SUBCOMMANDS:
            assert words[1].lower() in REDIS_SUBCOMMANDS[name], words


@pytest.mark.parametrize("runbook", RUNBOOKS)
def test_a_whole_diagnosis_changes_nothing_anywhere(runbook, stack, user, told, tmp_path):
    _, report = user.diagnose(runbook, "amas")
    commands = told.end()
    book = (BOOKS / f"{runbook}.yaml").read_text()
    for name in ("prometheus", "alertmanager", "app"):
        stack[name].assert_only_reads(some=f"- probe: {name}." in book)  # not every runbook reads signals or alerts
    # of monitoring-stale only the probes beside it ask: what changed
    assert_only_queries((tmp_path / "postgres" / "postgres.log").read_text(), 3)
    assert_only_looks(commands)
    asked_systems = {f["id"].partition(".")[0] for f in report["findings"] if f["state"] != "unknown"}
    stores = {system for system in ("postgres", "redis") if f"- probe: {system}." in book}
    wanted = {"prometheus", "alertmanager", "metrics"} if runbook == "monitoring-stale" else stores
    assert wanted <= asked_systems, report["unknown"]


# The commands of an operator that look, and plans from the diagnosis to what would be done.
LOOKING = [
    ["db", "ping"],
    ["db", "activity"],
    ["db", "locks"],
    ["db", "pool"],
    ["db", "size"],
    ["cache", "stats"],
    ["remediate", "db-pool-exhaustion"],
    [
        "remediate",
        "db-pool-exhaustion",
        "terminate-idle",
        "--allow-free",
        "--older-than",
        "10ms",
        "--keep",
        "0",
        "--anyway",
    ],
    ["remediate", "low-cache-hit-rate", "invalidate-prefix", "--prefix", "decision_insight:", "--anyway"],
    ["cache", "invalidate", "decision_insight:"],
]


def test_commands_that_look_and_plans_change_nothing_either(stack, user, told, tmp_path):
    with psycopg.connect(stack["postgres"].dsn("app", "danci"), autocommit=True, application_name="leaks") as leak:
        leak.execute("SELECT 1")
        stack["postgres"].sql("GRANT pg_signal_backend TO opsctl_read")  # so that it could
        stack["redis"].client().set("decision_insight:1", "x", ex=300)
        ours = ["SET", "decision_insight:1", "x", "EX", "300"]  # the server may tell of it a moment later
        told.forget()
        shown = {tuple(words[:3]): user.opsctl(*words, "-s", "amas") for words in LOOKING}
        assert leak.execute("SELECT 2").fetchone() == (2,)
    for words, done in shown.items():
        assert done.code in (0, 1, 2, 77), (words, done)
    planned = shown["remediate", "db-pool-exhaustion", "terminate-idle"]
    assert "pg_terminate_backend" in planned.out, planned
    for name in ("prometheus", "alertmanager", "app"):
        stack[name].assert_only_reads(some=name == "prometheus")
    assert_only_queries((tmp_path / "postgres" / "postgres.log").read_text(), 10)
    assert_only_looks([words for words in told.end() if words != ours])
    assert stack["redis"].client().exists("decision_insight:1")
