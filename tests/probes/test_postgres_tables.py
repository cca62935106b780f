"""Tables read whole, partitions read all, on a real server; the counters begin with an earlier probe."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.probes.looks import finding, looking, run, states, values
from tests.servers.postgres import Postgres

BIG = "SELECT count(*) FROM scans.big WHERE id = 17"


@pytest.fixture(scope="module")
def tables(postgres: Postgres) -> Iterator[Postgres]:
    postgres.sql(
        "CREATE SCHEMA scans",
        "CREATE TABLE scans.big AS SELECT g AS id, g % 7 AS kind FROM generate_series(1, 50000) g",
        "CREATE TABLE scans.log (day int, n int) PARTITION BY RANGE (day)",
        *(
            f"CREATE TABLE scans.log_{day} PARTITION OF scans.log FOR VALUES FROM ({day}) TO ({day + 1})"
            for day in range(10)
        ),
        "INSERT INTO scans.log SELECT g % 10, g FROM generate_series(1, 5000) g",
        "ANALYZE scans.big, scans.log",
    )
    yield postgres
    postgres.sql("DROP SCHEMA scans CASCADE")


@contextmanager
def asking(postgres: Postgres, statement: str) -> Iterator[None]:
    """Ask one statement again and again; its counts come at least once a second."""
    stop = threading.Event()

    def work() -> None:
        with psycopg.connect(postgres.superuser_dsn, autocommit=True) as link:
            while not stop.wait(0.005):
                link.execute(statement.encode())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_quiet_database(tables: Postgres) -> None:
    with looking({"postgres": tables.dsn()}) as look:
        assert set(states(run(look, "postgres.tables", pause="200ms")).values()) == {"ok"}


def test_a_large_table_is_read_whole(tables: Postgres) -> None:
    with asking(tables, BIG), looking({"postgres": tables.dsn()}) as look:
        seen = run(look, "postgres.tables", pause="2500ms", read=100_000)
    found = finding(seen, "postgres.big-scans")
    assert found.state == "breach"
    assert found.says.startswith("scans.big was read whole ")
    assert "50,000 rows each time" in found.says
    assert states(seen)["postgres.scans-all-partitions"] == "ok"
    assert values(seen, "table")[0].labels["table"] == "scans.big"


def test_the_same_by_an_index_is_none(tables: Postgres) -> None:
    tables.sql("CREATE INDEX big_id ON scans.big (id)")
    try:
        with asking(tables, BIG), looking({"postgres": tables.dsn()}) as look:
            seen = run(look, "postgres.tables", pause="2s")
    finally:
        tables.sql("DROP INDEX scans.big_id")
    assert states(seen)["postgres.big-scans"] == "ok"


def test_a_small_table_is_best_read_whole(tables: Postgres) -> None:
    with asking(tables, "SELECT count(*) FROM scans.log_3"), looking({"postgres": tables.dsn()}) as look:
        seen = run(look, "postgres.tables", pause="2s", read=1)
    assert set(states(seen).values()) == {"ok"}


def test_all_partitions_are_read(tables: Postgres) -> None:
    with asking(tables, "SELECT sum(n) FROM scans.log"), looking({"postgres": tables.dsn()}) as look:
        seen = run(look, "postgres.tables", pause="2500ms", scans=20)
    found = finding(seen, "postgres.scans-all-partitions")
    assert found.state == "breach"
    assert found.says.startswith("10 of 10 partitions of scans.log were read in ")
    assert states(seen)["postgres.big-scans"] == "ok"


def test_one_partition_is_read(tables: Postgres) -> None:
    with asking(tables, "SELECT sum(n) FROM scans.log WHERE day = 3"), looking({"postgres": tables.dsn()}) as look:
        seen = run(look, "postgres.tables", pause="2s", scans=20)
    assert states(seen)["postgres.scans-all-partitions"] == "ok"
    assert values(seen, "partitions read")[0].value == 1


def test_a_role_without_privileges_sees_the_counters_too(tables: Postgres) -> None:
    with asking(tables, BIG), looking({"postgres": tables.dsn("app")}) as look:
        seen = run(look, "postgres.tables", pause="2500ms", read=100_000)
    assert states(seen)["postgres.big-scans"] == "breach"


def test_what_an_earlier_probe_began_is_compared_without_a_pause(tables: Postgres) -> None:
    with looking({"postgres": tables.dsn()}) as look:
        run(look, "postgres.slow-statements", samples=2, pause="50ms")
        reader = look.readers.postgres()
        assert set(reader.first) == {"get_table_scans", "get_database_counters"}
        began = reader.first["get_table_scans"][0]
        reader.first["get_table_scans"] = (began - 60, reader.first["get_table_scans"][1])
        seen = run(look, "postgres.tables", pause="30s")
    assert seen.evidence[0].window.startswith(("1 min", "60", "61"))
