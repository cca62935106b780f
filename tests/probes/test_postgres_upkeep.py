"""Counters, vacuum and statistics, settings and restarts, on a real server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from tests.probes.looks import finding, looking, run, states, values
from tests.probes.sessions import Clients, clients_of
from tests.servers.postgres import Postgres, start_postgres


@pytest.fixture
def clients(postgres: Postgres) -> Iterator[Clients]:
    with clients_of(postgres) as some:
        yield some


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A Postgres whose settings and start the tests may change."""
    server = start_postgres(tmp_path_factory.mktemp("fresh"), {"autovacuum": "off"})
    yield server
    server.close()


def test_few_transactions_are_not_judged(postgres: Postgres) -> None:
    with looking({"postgres": postgres.dsn("opsctl_read", "danci")}) as look:
        seen = run(look, "postgres.counters", pause="100ms", transactions=1000, blocks=10**9)
    assert states(seen) == {
        "postgres.rollbacks": "unknown", "postgres.deadlocks": "ok", "postgres.cache-misses": "unknown",
        "postgres.temp-spill": "ok",
    }  # fmt: skip
    assert finding(seen, "postgres.rollbacks").reason == "too-few"


def test_rollbacks_and_deadlocks_and_spills(postgres: Postgres, clients: Clients) -> None:
    postgres.sql("CREATE TABLE IF NOT EXISTS public.pair (id int PRIMARY KEY, n int)", role="app")
    postgres.sql("INSERT INTO public.pair VALUES (1, 0), (2, 0) ON CONFLICT DO NOTHING")
    stop = threading.Event()

    def fail() -> None:
        connection = clients.connect("failing")
        connection.execute("SET work_mem = '64kB'")
        while not stop.is_set():
            for _ in range(5):
                with pytest.raises(psycopg.Error):
                    connection.execute("SELECT 1 / 0")
            connection.execute("SELECT count(*) FROM (SELECT i FROM generate_series(1, 100000) i ORDER BY -i) s")

    def lock(first: int, second: int) -> None:
        connection = clients.connect("locking")
        while not stop.is_set():
            try:
                with connection.transaction():
                    connection.execute(f"UPDATE public.pair SET n = 0 WHERE id = {first}".encode())
                    time.sleep(0.1)
                    connection.execute(f"UPDATE public.pair SET n = 0 WHERE id = {second}".encode())
            except psycopg.errors.DeadlockDetected:
                continue

    threads = [
        threading.Thread(target=fail),
        threading.Thread(target=lock, args=(1, 2)),
        threading.Thread(target=lock, args=(2, 1)),
    ]
    for thread in threads:
        thread.start()
    try:
        with looking({"postgres": postgres.dsn("opsctl_read", "app")}, seconds=60) as look:
            seen = run(look, "postgres.counters", pause="8s", temp=1000, transactions=5)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert states(seen)["postgres.rollbacks"] == "breach"
    assert states(seen)["postgres.deadlocks"] == "breach"
    assert states(seen)["postgres.temp-spill"] == "breach"
    assert values(seen, "deadlocks")[0].value >= 1


def test_dead_rows_and_stale_statistics(fresh: Postgres) -> None:
    for statement in (  # a session each: its counts are reported when it ends
        "CREATE TABLE public.bloated (id int, n int)",
        "INSERT INTO public.bloated SELECT i, 0 FROM generate_series(1, 20000) i",
        "VACUUM ANALYZE public.bloated",
        "UPDATE public.bloated SET n = 1",
    ):
        fresh.sql(statement)
    question = "SELECT n_dead_tup, n_mod_since_analyze FROM pg_stat_user_tables WHERE relname = 'bloated'"
    until = time.monotonic() + 60
    while fresh.sql(question)[0][1] < 20000:
        assert time.monotonic() < until
        time.sleep(0.1)
    with looking({"postgres": fresh.dsn()}) as look:
        seen = run(look, "postgres.vacuum")
        assert states(seen) == {
            "postgres.wraparound-near": "ok", "postgres.dead-rows": "breach", "postgres.stats-stale": "breach",
        }  # fmt: skip
        assert "public.bloated has 20000 rows changed" in finding(seen, "postgres.stats-stale").says
        assert values(seen, "table")[0].labels["table"] == "public.bloated"
        fresh.sql("VACUUM ANALYZE public.bloated")
        until = time.monotonic() + 60
        while set(states(run(look, "postgres.vacuum")).values()) != {"ok"}:
            assert time.monotonic() < until
            time.sleep(0.1)
        seen = run(look, "postgres.vacuum", wraparound=0)
        assert states(seen)["postgres.wraparound-near"] == "breach"


def test_a_restart_and_a_configuration_load_are_changes(fresh: Postgres) -> None:
    with looking({"postgres": fresh.dsn()}, since=3600) as look:
        seen = run(look, "postgres.settings")
    assert states(seen) == {
        "postgres.restart-pending": "ok", "postgres.restarted": "breach", "postgres.settings-loaded": "ok",
    }  # fmt: skip
    assert [change.says for change in seen.changes] == ["started"]
    assert seen.changes[0].system == "postgres"
    assert abs(seen.changes[0].at.timestamp() - time.time()) < 600
    with looking({"postgres": fresh.dsn()}, since=0) as look:
        seen = run(look, "postgres.settings", within="0s")
        assert states(seen)["postgres.restarted"] == "ok"


def test_a_changed_setting_that_waits_for_a_restart(fresh: Postgres) -> None:
    time.sleep(max(0.0, 6.0 - fresh.sql("SELECT extract(epoch FROM now() - pg_postmaster_start_time())::float8")[0][0]))
    fresh.sql(
        "ALTER SYSTEM SET max_connections = 50",
        "ALTER ROLE app SET statement_timeout = '30s'",
        "SELECT pg_reload_conf()",
    )
    until = time.monotonic() + 60
    with looking({"postgres": fresh.dsn()}, since=3600) as look:
        while finding(seen := run(look, "postgres.settings"), "postgres.restart-pending").state != "breach":
            assert time.monotonic() < until
            time.sleep(0.1)
    assert finding(seen, "postgres.restart-pending").says == "max_connections take effect after a restart"
    assert states(seen)["postgres.settings-loaded"] == "breach"
    assert "read its configuration" in [change.says for change in seen.changes]
    (override,) = values(seen, "override")
    assert (override.value, override.labels) == ("statement_timeout=30s", {"role": "app"})
