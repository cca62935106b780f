"""``opsctl db`` on a real server: what one asks first, and nothing that changes anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import psycopg
import pytest

from opsctl.cli import db_look, db_text
from opsctl.probes.postgres_session import PostgresParams, session
from tests.probes.looks import looking
from tests.probes.sessions import clients_of

pytestmark = pytest.mark.needs("postgres")


@pytest.fixture
def clients(postgres):
    with clients_of(postgres) as clients:
        yield clients


@pytest.fixture
def asked(postgres):
    with looking({"postgres": postgres.dsn()}) as look:
        yield db_look.Asked(session(look, PostgresParams()), look, ())


def run(postgres, tmp_path, *argv: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DATABASE_URL": postgres.dsn()}
    command = [sys.executable, "-m", "opsctl", "db", *argv, "-s", "amas"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ, cwd=tmp_path)


def test_ping_says_where_and_as_whom(postgres, tmp_path):
    done = run(postgres, tmp_path, "ping")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"app@127.0.0.1:{postgres.port} answers: connected in ")
    assert "as opsctl_read, which sees all sessions" in done.stdout
    data = json.loads(run(postgres, tmp_path, "ping", "-o", "json").stdout)
    assert (data["schema"], data["role"], data["standby"]) == ("opsctl.db/1", "opsctl_read", False)


def test_a_server_that_does_not_answer_is_69_and_a_bad_timeout_64(tmp_path):
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DATABASE_URL": "postgresql://x@127.0.0.1:1/app"}
    for argv, code in ((["ping"], 69), (["pool", "--timeout", "0s"], 64)):
        command = [sys.executable, "-m", "opsctl", "db", *argv, "-s", "amas"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        assert done.stdout == ""


def test_activity_shows_what_works_and_the_idle_when_asked(clients, asked):
    busy = clients.busy("SELECT pg_sleep(60) /* token=abc123def */", application="report")
    idle = clients.connect("api")
    data = db_look.activity(asked, idle=False, limit=5)
    assert [one["pid"] for one in data["sessions"]] == [clients.pid(busy)]
    assert data["states"]["idle"] == 1
    assert "abc123def" not in json.dumps(data)
    text = db_text.activity(data)
    assert "report" in text
    assert str(clients.pid(idle)) not in text
    assert str(clients.pid(idle)) in db_text.activity(db_look.activity(asked, idle=True, limit=5))
    assert "and 1 more" in db_text.activity(db_look.activity(asked, idle=True, limit=1))


def test_locks_are_a_tree_with_the_one_who_holds_all_up_at_its_root(postgres, clients, asked):
    postgres.sql(
        "CREATE TABLE seats (id int PRIMARY KEY, free int)", "INSERT INTO seats VALUES (1, 0), (2, 0)", role="app"
    )
    try:
        root = clients.idle_in_transaction("UPDATE seats SET free = 1 WHERE id = 1", application="root")
        middle = clients.connect("middle")
        middle.execute("BEGIN")
        middle.execute("UPDATE seats SET free = 5 WHERE id = 2")
        thread = threading.Thread(target=_quietly, args=(middle, "UPDATE seats SET free = 5 WHERE id = 1"))
        thread.start()
        clients.waiting(1)
        clients.busy("UPDATE seats SET free = 7 WHERE id = 2", application="leaf")
        clients.waiting(2)
        data = db_look.locks(asked)
        assert data["roots"] == [{"pid": clients.pid(root), "victims": 2, "depth": 2}]
        lines = db_text.locks(data).splitlines()
        assert "2 sessions wait for a lock" in lines[0]
        assert [len(line) - len(line.lstrip()) for line in lines[2:]] == [0, 2, 4]
        assert [word in line for word, line in zip(("root", "middle", "leaf"), lines[2:], strict=True)] == [True] * 3
        assert lines[2].endswith("blocks 2")
        root.execute("ROLLBACK")
        thread.join(20)
        middle.execute("ROLLBACK")
        assert db_text.locks(db_look.locks(asked)).endswith("no session waits for a lock")
    finally:
        clients.end()
        postgres.sql("DROP TABLE seats", role="app")


def _quietly(link, statement: str) -> None:
    try:
        link.execute(statement)
    except psycopg.Error:
        return


def test_pool_shows_slots_holders_and_the_pooler(postgres, pgbouncer, clients):
    clients.connect("api")
    with looking({"postgres": postgres.dsn(), "pgbouncer": pgbouncer.dsn("opsctl_read")}) as look:
        with psycopg.connect(pgbouncer.dsn(), autocommit=True, prepare_threshold=None) as link:
            link.execute("SELECT 1")
            data = db_look.pool(db_look.Asked(session(look, PostgresParams()), look, ()))
        text = db_text.pool(data)
    assert "of 37 slots for applications are used" in text
    assert any(row["application"] == "api" for row in data["holders"])
    (pool,) = (row for row in data["pgbouncer"]["pools"] if row["user"] == "app")
    assert (pool["pool_size"], pool["cl_waiting"]) == (5, 0)
    assert "app as app" in text


def test_size_names_databases_and_tables_and_what_it_had_no_time_for(postgres, asked):
    postgres.sql("CREATE TABLE big AS SELECT g AS id, repeat('x', 100) AS text FROM generate_series(1, 5000) g",
                 "ANALYZE big", role="app")  # fmt: skip
    try:
        data = db_look.size(asked, tables=1)
    finally:
        postgres.sql("DROP TABLE big", role="app")
    assert data["databases"][0]["database"] == "app"
    assert data["databases"][0]["bytes"] > 1e6
    assert [row["name"] for row in data["tables"]] == ["big"]
    assert "public.big" in db_text.size(data)
    with looking({"postgres": postgres.dsn()}, seconds=0.4) as look:
        short = db_look.size(db_look.Asked(session(look, PostgresParams()), look, ()), tables=1)
    assert {one["says"] for one in short["databases"]} == {"no time was left for it"}
