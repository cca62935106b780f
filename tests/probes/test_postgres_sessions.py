"""Who holds connections, and long transactions and statements, on a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.probes.looks import finding, looking, run, states, values
from tests.probes.sessions import Clients, clients_of
from tests.servers.postgres import Postgres


@pytest.fixture
def clients(postgres: Postgres) -> Iterator[Clients]:
    with clients_of(postgres) as some:
        yield some


def test_a_quiet_server(postgres: Postgres, clients: Clients) -> None:
    with looking({"postgres": postgres.dsn()}) as look:
        assert set(states(run(look, "postgres.sessions")).values()) == {"ok"}
        assert set(states(run(look, "postgres.transactions")).values()) == {"ok"}


def test_leaked_idle_sessions(postgres: Postgres, clients: Clients) -> None:
    for _ in range(12):
        clients.connect("leaky-api").execute("SELECT 1")
    with looking({"postgres": postgres.dsn()}) as look:
        seen = run(look, "postgres.sessions", share="30%", idle="0s")
        leaked = finding(seen, "postgres.sessions-leaked")
        assert leaked.state == "breach"
        assert leaked.says.startswith("127.0.0.1 (leaky-api, app) holds 12 sessions of 37 slots; 12 are idle")
        row = values(seen, "sessions")[0]
        assert (row.value, row.labels["application"], row.labels["idle"]) == (12, "leaky-api", "12")
        # the same sessions are no leak when they are young, or when that is the pool's size
        assert states(run(look, "postgres.sessions", share="30%"))["postgres.sessions-leaked"] == "ok"
        assert states(run(look, "postgres.sessions", idle="0s", pool=12))["postgres.sessions-leaked"] == "ok"
        seen = run(look, "postgres.sessions", idle="0s", pool=10)
        assert "holds 12 sessions, its pool is 10" in finding(seen, "postgres.sessions-leaked").says
        assert states(seen)["postgres.sessions-active"] == "ok"


def test_sessions_at_work(postgres: Postgres, clients: Clients) -> None:
    for _ in range(5):
        clients.busy("SELECT pg_sleep(60)", application="report")
    with looking({"postgres": postgres.dsn()}) as look:
        seen = run(look, "postgres.sessions", share="10%")
        assert states(seen)["postgres.sessions-active"] == "breach"
        assert finding(seen, "postgres.sessions-active").says == "5 of 37 slots run a statement, 0 are idle"
        assert states(seen)["postgres.many-clients"] == "ok"  # one address


def test_long_queries_and_long_transactions_are_told_apart(postgres: Postgres, clients: Clients) -> None:
    old = clients.idle_in_transaction("SELECT 1", application="etl")
    running = clients.busy("SELECT pg_sleep(60)", application="report")
    with looking({"postgres": postgres.dsn()}) as look:
        seen = run(look, "postgres.transactions", above="0s", query="0s")
        transaction = finding(seen, "postgres.long-transaction")
        assert transaction.state == "breach"
        assert f"pid {clients.pid(old)} (etl, app)" in transaction.says
        query = finding(seen, "postgres.long-query")
        assert query.state == "breach"
        assert f"pid {clients.pid(running)} (report, app): statement for" in query.says
        assert "(Timeout/PgSleep)" in query.says
        assert states(run(look, "postgres.transactions")) == {
            "postgres.long-transaction": "ok", "postgres.long-query": "ok", "postgres.prepared-transaction": "ok",
            "postgres.replication-slot-inactive": "ok",
        }  # fmt: skip


def test_without_privileges_nothing_is_called_healthy(postgres: Postgres, clients: Clients) -> None:
    clients.busy("SELECT pg_sleep(60)", role="opsctl_read")
    with looking({"postgres": postgres.dsn("app")}) as look:
        seen = run(look, "postgres.sessions")
        assert set(states(seen).values()) == {"unknown"}
        seen = run(look, "postgres.transactions")
        assert states(seen)["postgres.long-query"] == "unknown"
        assert states(seen)["postgres.long-transaction"] == "unknown"
        assert "GRANT pg_read_all_stats TO app" in finding(seen, "postgres.long-query").says


def test_an_unused_replication_slot(postgres: Postgres, clients: Clients) -> None:
    postgres.sql("SELECT pg_create_physical_replication_slot('left_behind', true)")
    try:
        with looking({"postgres": postgres.dsn()}) as look:
            seen = run(look, "postgres.transactions", kept=0)
            slot = finding(seen, "postgres.replication-slot-inactive")
            assert slot.state == "breach"
            assert "slot left_behind is not used" in slot.says
            seen = run(look, "postgres.transactions")
            assert states(seen)["postgres.replication-slot-inactive"] == "ok"
    finally:
        postgres.sql("SELECT pg_drop_replication_slot('left_behind')")
