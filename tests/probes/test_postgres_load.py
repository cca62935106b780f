"""Waits and statements under real load, and leaving a busy server alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from opsctl.errors import CouldNotLook
from tests.probes.looks import finding, looking, run, states, values
from tests.probes.sessions import Clients, clients_of
from tests.servers.postgres import Postgres, start_postgres

SPIN = "DO $$ DECLARE n bigint := 0; BEGIN LOOP n := n + 1; END LOOP; END $$"


@pytest.fixture
def clients(postgres: Postgres) -> Iterator[Clients]:
    postgres.sql("CREATE TABLE IF NOT EXISTS public.hot (id int PRIMARY KEY, n int)", role="app")
    postgres.sql("INSERT INTO public.hot VALUES (1, 0) ON CONFLICT DO NOTHING")
    with clients_of(postgres) as some:
        yield some


def test_nobody_is_active(postgres: Postgres) -> None:
    with looking({"postgres": postgres.dsn()}) as look:
        seen = run(look, "postgres.waits", pause="50ms")
        assert set(states(seen).values()) == {"ok"}
        assert finding(seen, "postgres.waits-lock").says == "no session was active in 5 samples"


def test_sessions_wait_for_locks(postgres: Postgres, clients: Clients) -> None:
    clients.idle_in_transaction("UPDATE public.hot SET n = 1")
    for _ in range(4):
        clients.busy("UPDATE public.hot SET n = n + 1")
    clients.waiting(4)
    with looking({"postgres": postgres.dsn()}) as look:
        seen = run(look, "postgres.waits", pause="50ms")
    assert states(seen) == {
        "postgres.waits-lock": "breach", "postgres.waits-io": "ok", "postgres.waits-cpu": "ok",
    }  # fmt: skip
    assert (
        finding(seen, "postgres.waits-lock").says
        == ("100 % of 4 active sessions waited for locks, mostly transactionid (5 samples)")
        or "mostly tuple" in finding(seen, "postgres.waits-lock").says
    )
    assert values(seen, "active sessions")[0].value == 4


def test_sessions_compute(postgres: Postgres, clients: Clients) -> None:
    for _ in range(2):
        clients.busy(SPIN)
    with looking({"postgres": postgres.dsn()}) as look:
        seen = run(look, "postgres.waits", pause="50ms")
    assert states(seen) == {
        "postgres.waits-lock": "ok", "postgres.waits-io": "ok", "postgres.waits-cpu": "breach",
    }  # fmt: skip


def test_waits_of_others_are_unknown_without_privileges(postgres: Postgres) -> None:
    with looking({"postgres": postgres.dsn("app")}) as look:
        seen = run(look, "postgres.waits")
    assert set(states(seen).values()) == {"unknown"}
    assert finding(seen, "postgres.waits-cpu").reason == "forbidden"


def test_a_busy_server_is_spared(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = start_postgres(tmp_path_factory.mktemp("busy"), {"max_connections": 7})
    try:
        with clients_of(server) as clients, looking({"postgres": server.dsn()}) as look:
            run(look, "postgres.capacity")
            for _ in range(3):
                clients.busy("SELECT pg_sleep(60)")
            for id in ("postgres.waits", "postgres.statements"):
                with pytest.raises(CouldNotLook) as caught:
                    run(look, id)
                assert caught.value.reason == "skipped"
                assert "3 of 4 slots are at work, limit 70%" in caught.value.says
            assert states(run(look, "postgres.locks"))["postgres.lock-wait"] == "ok"  # cheap ones are still asked
    finally:
        server.close()


def test_a_server_that_was_slow_to_answer_is_spared(postgres: Postgres) -> None:
    with looking({"postgres": postgres.dsn()}) as look:
        run(look, "postgres.capacity")
        look.readers.postgres().last_seconds = 1.5
        with pytest.raises(CouldNotLook) as caught:
            run(look, "postgres.waits")
        assert caught.value.reason == "skipped"
        assert "took 1.5 s, limit 1 s" in caught.value.says


def test_one_statement_dominates(postgres: Postgres, clients: Clients) -> None:
    stop = threading.Event()
    connections = [clients.connect("api") for _ in range(2)]

    def work(connection: object) -> None:
        while not stop.is_set():
            connection.execute("SELECT pg_sleep(0.05), 'slow one'")  # type: ignore[attr-defined]

    threads = [threading.Thread(target=work, args=(connection,)) for connection in connections]
    for thread in threads:
        thread.start()
    try:
        with looking({"postgres": postgres.dsn()}) as look:
            seen = run(look, "postgres.statements", pause="1s")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    dominates = finding(seen, "postgres.statement-dominates")
    assert dominates.state == "breach"
    assert "SELECT pg_sleep($1), $2" in dominates.says
    top = values(seen, "statement")[0]
    assert top.labels["query"] == "SELECT pg_sleep($1), $2"
    assert top.labels["role"] == "app"
    assert float(top.value) > 0.5


def test_a_statement_that_has_not_ended_counts_too(postgres: Postgres, clients: Clients) -> None:
    clients.busy("SELECT pg_sleep(120), 'endless'")
    with looking({"postgres": postgres.dsn()}) as look:
        seen = run(look, "postgres.statements", pause="500ms")
    dominates = finding(seen, "postgres.statement-dominates")
    assert dominates.state == "breach"
    assert "1 still run" in dominates.says
    assert "pg_sleep" in dominates.says


def test_a_statement_that_became_slow(postgres: Postgres, clients: Clients) -> None:
    client = clients.connect("api")
    postgres.sql("SELECT public.pg_stat_statements_reset()", db="app")
    for _ in range(40):
        client.execute("SELECT pg_sleep(0.0), 'once quick'")
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            client.execute("SELECT pg_sleep(0.1), 'once quick'")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        with looking({"postgres": postgres.dsn("opsctl_read", "app")}) as look:
            seen = run(look, "postgres.statements", pause="1s", slower=3)
    finally:
        stop.set()
        thread.join()
    assert finding(seen, "postgres.statement-regressed").state == "breach"


def test_a_quiet_server_has_no_dominating_statement(postgres: Postgres) -> None:
    with looking({"postgres": postgres.dsn()}) as look:
        seen = run(look, "postgres.statements", pause="300ms")
    assert states(seen)["postgres.statement-dominates"] == "ok"


def test_without_the_extension_samples_tell_and_the_remedy_is_named(postgres: Postgres, clients: Clients) -> None:
    clients.busy("SELECT pg_sleep(120), 'endless 1'", db="postgres", role="postgres")
    clients.busy("SELECT pg_sleep(121), 'endless 2'", db="postgres", role="postgres")
    with looking({"postgres": postgres.dsn("opsctl_read", "postgres")}) as look:
        seen = run(look, "postgres.statements")
    dominates = finding(seen, "postgres.statement-dominates")
    assert dominates.state == "breach"
    assert "SELECT pg_sleep" in dominates.says
    assert "in database postgres: CREATE EXTENSION pg_stat_statements" in dominates.says
    assert finding(seen, "postgres.statement-regressed").reason == "unsupported"


def test_without_the_extension_a_quiet_server_has_no_dominating_statement(postgres: Postgres) -> None:
    with looking({"postgres": postgres.dsn("opsctl_read", "postgres")}) as look:
        assert states(run(look, "postgres.statements"))["postgres.statement-dominates"] == "ok"


def test_an_extension_that_is_not_preloaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = start_postgres(tmp_path_factory.mktemp("plain"), {"shared_preload_libraries": ""})
    try:
        with clients_of(server) as clients, looking({"postgres": server.dsn()}) as look:
            regressed = finding(run(look, "postgres.statements"), "postgres.statement-regressed")
            assert "shared_preload_libraries (restart)" in regressed.says
            server.sql("CREATE SCHEMA extensions", "CREATE EXTENSION pg_stat_statements SCHEMA extensions")
            clients.busy("SELECT pg_sleep(120), 'endless 1'")  # without the library no statement has an id
            clients.busy("SELECT pg_sleep(121), 'endless 2'")
            seen = run(look, "postgres.statements")
            assert states(seen) == {
                "postgres.statement-dominates": "breach", "postgres.statement-regressed": "unknown",
            }  # fmt: skip
            assert finding(seen, "postgres.statement-dominates").measured == 1.0
    finally:
        server.close()


def test_an_extension_in_a_schema_of_its_own(postgres: Postgres) -> None:
    postgres.sql('CREATE SCHEMA "Odd one"', 'ALTER EXTENSION pg_stat_statements SET SCHEMA "Odd one"', db="danci")
    try:
        with looking({"postgres": postgres.dsn("opsctl_read", "danci")}) as look:
            with pytest.raises(CouldNotLook) as caught:
                run(look, "postgres.statements", pause="200ms")
            assert caught.value.reason == "forbidden"
            postgres.sql('GRANT USAGE ON SCHEMA "Odd one" TO opsctl_read', db="danci")
            assert states(run(look, "postgres.statements", pause="200ms"))["postgres.statement-dominates"] == "ok"
    finally:
        postgres.sql(
            "ALTER EXTENSION pg_stat_statements SET SCHEMA public",
            'REVOKE USAGE ON SCHEMA "Odd one" FROM opsctl_read',
            'DROP SCHEMA "Odd one"',
            db="danci",
        )


def test_a_reset_between_the_snapshots_is_not_judged(postgres: Postgres) -> None:
    timer = threading.Timer(0.6, lambda: postgres.sql("SELECT public.pg_stat_statements_reset()"))
    with looking({"postgres": postgres.dsn()}) as look:
        run(look, "postgres.capacity")
        timer.start()
        seen = run(look, "postgres.statements", pause="2s")
    timer.join()
    assert set(states(seen).values()) == {"unknown"}
    assert finding(seen, "postgres.statement-dominates").reason == "too-few"
