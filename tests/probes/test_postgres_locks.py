"""Blocking trees made by real sessions: roots, victims, depth, idle holders, prepared transactions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.probes.looks import finding, looking, run, states, values
from tests.probes.sessions import Clients, clients_of
from tests.servers.postgres import Postgres, start_postgres


@pytest.fixture
def clients(postgres: Postgres) -> Iterator[Clients]:
    postgres.sql("CREATE TABLE IF NOT EXISTS public.word_state (id int PRIMARY KEY, n int)", role="app")
    postgres.sql("INSERT INTO public.word_state SELECT i, 0 FROM generate_series(1, 10) i ON CONFLICT DO NOTHING")
    with clients_of(postgres) as some:
        yield some


UPDATE = "UPDATE public.word_state SET n = n + 1 WHERE id = {}"


def test_nobody_waits(postgres: Postgres) -> None:
    with looking({"postgres": postgres.dsn()}) as look:
        seen = run(look, "postgres.locks")
        assert set(states(seen).values()) == {"ok"}
        assert seen.evidence[0].query == "get_lock_waits.sql"  # the dearer question was not asked
        assert states(run(look, "postgres.idle-in-transaction")) == {"postgres.idle-in-transaction": "ok"}


def test_a_forgotten_transaction_blocks_a_queue(postgres: Postgres, clients: Clients) -> None:
    root = clients.idle_in_transaction(UPDATE.format(1), application="api")
    for _ in range(3):
        clients.busy(UPDATE.format(1), application="worker")
    clients.waiting(3)
    with looking({"postgres": postgres.dsn()}) as look:
        seen = run(look, "postgres.locks", above="0s")
        assert states(seen) == {
            "postgres.lock-wait": "breach", "postgres.lock-root-idle": "breach", "postgres.wraparound-autovacuum": "ok",
        }  # fmt: skip
        says = finding(seen, "postgres.lock-wait").says
        assert says.startswith("3 sessions wait for a lock, the longest for ")
        assert f"pid {clients.pid(root)} (api, app), idle in transaction for" in says
        assert "blocks 3 of them" in says
        (tree,) = values(seen, "blocking session")
        assert tree.value == clients.pid(root)
        assert tree.labels["victims"] == "3"
        assert tree.labels["query"] == UPDATE.format(1)

        seen = run(look, "postgres.locks", above="1h")
        assert states(seen)["postgres.lock-wait"] == "ok"  # they wait, but not for long

        seen = run(look, "postgres.idle-in-transaction", blocking="0s")
        idle = finding(seen, "postgres.idle-in-transaction")
        assert idle.state == "breach"
        assert "blocks 3" in idle.says  # though only the first of them waits for the root itself
        (row,) = values(seen, "idle in transaction")
        assert (row.labels["application"], row.labels["wrote"]) == ("api", "yes")


def test_a_chain_has_one_root_and_a_depth(postgres: Postgres, clients: Clients) -> None:
    root = clients.idle_in_transaction(UPDATE.format(1))
    middle = clients.connect("middle")
    middle.execute("BEGIN")
    middle.execute(UPDATE.format(2).encode())
    import threading

    thread = threading.Thread(target=lambda: _quietly(middle, UPDATE.format(1)), daemon=True)
    thread.start()
    clients.waiting(1)
    clients.busy(UPDATE.format(2), application="last")
    clients.waiting(2)
    with looking({"postgres": postgres.dsn()}) as look:
        seen = run(look, "postgres.locks", above="0s")
    (tree,) = values(seen, "blocking session")
    assert tree.value == clients.pid(root)
    assert (tree.labels["victims"], tree.labels["depth"]) == ("2", "2")
    assert "blocks 2 of them through 2 steps" in finding(seen, "postgres.lock-wait").says


def test_a_long_queue_for_one_lock_is_followed_at_once(postgres: Postgres, clients: Clients) -> None:
    root = clients.idle_in_transaction("LOCK TABLE public.word_state")
    for _ in range(25):
        clients.busy("TRUNCATE public.word_state")
    clients.waiting(25)
    with looking({"postgres": postgres.dsn()}) as look:
        seen = run(look, "postgres.locks", above="0s")
    (tree,) = values(seen, "blocking session")
    assert (tree.value, tree.labels["victims"], tree.labels["depth"]) == (clients.pid(root), "25", "1")


def _quietly(connection: object, statement: str) -> None:
    import psycopg

    try:
        connection.execute(statement.encode())  # type: ignore[attr-defined]
    except psycopg.Error:
        return


def test_an_active_root_is_not_called_idle(postgres: Postgres, clients: Clients) -> None:
    holder = clients.connect("batch")
    clients.busy(
        "DO $$ BEGIN UPDATE public.word_state SET n = n WHERE id = 3; PERFORM pg_sleep(60); END $$", application="batch"
    )
    holder.close()
    clients.busy(UPDATE.format(3))
    clients.waiting(1)
    with looking({"postgres": postgres.dsn()}) as look:
        seen = run(look, "postgres.locks", above="0s")
    assert states(seen)["postgres.lock-wait"] == "breach"
    assert states(seen)["postgres.lock-root-idle"] == "ok"
    assert "(batch, app), active for" in finding(seen, "postgres.lock-wait").says


def test_idle_in_transaction_without_victims_counts_by_its_age(postgres: Postgres, clients: Clients) -> None:
    clients.idle_in_transaction("SELECT 1", application="etl")
    with looking({"postgres": postgres.dsn()}) as look:
        seen = run(look, "postgres.idle-in-transaction")
        assert states(seen) == {"postgres.idle-in-transaction": "ok"}
        assert "none blocks others" in finding(seen, "postgres.idle-in-transaction").says
        seen = run(look, "postgres.idle-in-transaction", above="0s")
        assert states(seen) == {"postgres.idle-in-transaction": "breach"}


def test_without_privileges_waits_are_seen_but_not_what_the_root_does(postgres: Postgres, clients: Clients) -> None:
    clients.idle_in_transaction(UPDATE.format(1))
    clients.busy(UPDATE.format(1))
    clients.waiting(1)
    postgres.sql("CREATE ROLE stranger LOGIN")
    try:
        with looking({"postgres": postgres.dsn("stranger")}) as look:
            seen = run(look, "postgres.locks", above="0s")
            assert states(seen) == {
                "postgres.lock-wait": "breach", "postgres.lock-root-idle": "unknown",
                "postgres.wraparound-autovacuum": "unknown",
            }  # fmt: skip
            assert "GRANT pg_read_all_stats TO stranger" in finding(seen, "postgres.lock-root-idle").says
            seen = run(look, "postgres.idle-in-transaction")
            assert states(seen) == {"postgres.idle-in-transaction": "unknown"}
            assert finding(seen, "postgres.idle-in-transaction").reason == "forbidden"
    finally:
        postgres.sql("DROP ROLE stranger")


def test_secrets_in_a_statement_are_not_shown(postgres: Postgres, clients: Clients) -> None:
    clients.idle_in_transaction("SELECT 'password=hunter2hunter2', 'sk-abcdefgh12345678'")
    with looking({"postgres": postgres.dsn()}) as look:
        seen = run(look, "postgres.idle-in-transaction", above="0s")
    (row,) = values(seen, "idle in transaction")
    assert "hunter2" not in row.labels["query"]
    assert "sk-abcdefgh" not in row.labels["query"]
    assert len(row.labels["query"]) <= 120


def test_a_prepared_transaction_blocks_as_pid_0(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = start_postgres(tmp_path_factory.mktemp("twophase"), {"max_prepared_transactions": 5})
    try:
        server.sql("CREATE TABLE public.t (id int PRIMARY KEY)", "INSERT INTO public.t VALUES (1)", role="app")
        with clients_of(server) as clients:
            connection = clients.idle_in_transaction("UPDATE public.t SET id = 1")
            connection.execute("PREPARE TRANSACTION 'orphan-7'")
            clients.busy("UPDATE public.t SET id = 1")
            clients.waiting(1)
            with looking({"postgres": server.dsn()}) as look:
                seen = run(look, "postgres.locks", above="0s")
                assert "a prepared transaction blocks 1 of them" in finding(seen, "postgres.lock-wait").says
                seen = run(look, "postgres.transactions", prepared="0s")
                prepared = finding(seen, "postgres.prepared-transaction")
                assert prepared.state == "breach"
                assert "orphan-7 of app in app" in prepared.says
            server.sql("ROLLBACK PREPARED 'orphan-7'")
    finally:
        server.close()
