"""PgBouncer's console commands, on a real one: pool size within the server's room, reload, reconnect, resume."""

from __future__ import annotations

import time

import psycopg
import pytest

from opsctl.actions import registry
from opsctl.clients.pgbouncer_write import PgbouncerWriter, quoted
from opsctl.errors import Bug
from tests.actions.postgres_server import applied, hands_on, plan_of, proposed, refused, whys
from tests.servers.pgbouncer import start_pgbouncer

pytestmark = pytest.mark.needs("postgres", "pgbouncer")

SIZE = "pgbouncer.set-pool-size"


@pytest.fixture
def pooler(postgres, tmp_path):
    server = start_pgbouncer(tmp_path / "pooler", postgres, {"query_wait_timeout": 60})
    yield server
    server.stop()


@pytest.fixture
def hands(postgres, pooler):
    endpoints = {
        "postgres": postgres.dsn(),
        "pgbouncer": pooler.dsn("opsctl_read"),
        "pgbouncer-act": pooler.dsn("postgres"),
    }
    with hands_on(endpoints) as hands:
        yield hands


def size(pooler) -> dict[str, int]:
    with psycopg.connect(pooler.admin_dsn, autocommit=True, cursor_factory=psycopg.ClientCursor) as link:
        cursor = link.execute("SHOW DATABASES")
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor]
    return {row["name"]: row["pool_size"] for row in rows}


def console(pooler, text: str) -> None:
    with psycopg.connect(pooler.admin_dsn, autocommit=True, cursor_factory=psycopg.ClientCursor) as link:
        link.execute(text.encode())


def test_a_larger_pool_lets_the_waiting_go_on_and_undo_gives_the_old_size_back(pooler, hands):
    held = [psycopg.connect(pooler.dsn(), autocommit=True, prepare_threshold=None) for _ in range(7)]
    for link in held[:5]:
        link.execute("BEGIN")
        link.execute("SELECT 1")
    import threading

    waits = threading.Thread(target=lambda: held[5].execute("SELECT 1"))
    waits.start()
    plan = proposed(hands, SIZE, size=8)
    assert refused(plan) == []
    (step,) = plan.steps
    assert step.calls == ("SET default_pool_size = '8'",)
    assert plan.undo == "SET default_pool_size = '5'"
    assert "write 8 there, too" in plan.notes[0]
    did = applied(hands, SIZE, step)
    assert did.state == "acted", did.says
    waits.join(20)
    assert not waits.is_alive()
    assert size(pooler) == {"app": 8, "danci": 8, "pgbouncer": 2}
    action = registry.get(SIZE)
    assert action.settled(hands, step) == "acted"
    assert action.verify(hands, plan_of(SIZE, plan), (1,)).ok is True
    again = applied(hands, SIZE, step)
    assert (again.state, again.inverse) == ("skipped", None)  # the configuration is not the one of the plan
    assert action.undo(hands, step, did.inverse).state == "acted"
    assert size(pooler) == {"app": 5, "danci": 5, "pgbouncer": 2}
    assert action.undo(hands, step, did.inverse).state == "unchanged"
    for link in held:
        link.close()


def test_a_pool_that_the_server_has_no_room_for_is_refused(hands):
    plan = proposed(hands, SIZE, size=33)
    assert refused(plan) == ["room"]
    (room,) = (check for check in plan.checks if check.id == "room")
    assert "may open" in room.says
    assert "10 stay free" in room.says
    assert room.lift == "--keep-free N"
    assert whys(proposed(hands, SIZE, size=5)) == {"default_pool_size": "it is 5 already"}


def test_a_server_that_cannot_be_asked_refuses_it(pooler):
    endpoints = {"pgbouncer": pooler.dsn("opsctl_read"), "pgbouncer-act": pooler.dsn("postgres")}
    with hands_on(endpoints) as hands:
        (room,) = (check for check in proposed(hands, SIZE, size=6).checks if check.id == "room")
        assert room.ok is None


def test_who_may_only_look_is_told_before_and_fails_when_it_is_tried(pooler, postgres):
    with hands_on({"postgres": postgres.dsn(), "pgbouncer": pooler.dsn("opsctl_read")}) as hands:
        plan = proposed(hands, SIZE, size=6)
        assert refused(plan) == ["may-control"]
        did = applied(hands, SIZE, plan.steps[0])
        assert (did.state, did.inverse) == ("failed", None)
        assert size(pooler)["app"] == 5


def test_a_reload_says_what_is_different_and_loses_what_was_only_set(pooler, hands):
    console(pooler, "SET default_pool_size = '9'")
    plan = proposed(hands, "pgbouncer.reload")
    did = applied(hands, "pgbouncer.reload", plan.steps[0])
    assert did.state == "acted", did.says
    assert did.after["changed"]["default_pool_size"] == "9 -> 5"
    assert plan.lost


def test_reconnect_replaces_the_server_connections(pooler, hands):
    with psycopg.connect(pooler.dsn(), autocommit=True, prepare_threshold=None) as link:
        (before,) = link.execute("SELECT pg_backend_pid()").fetchone()
        plan = proposed(hands, "pgbouncer.reconnect", database="app")
        assert [step.calls for step in plan.steps] == [("RECONNECT app",)]
        assert whys(plan)["database danci"] == "another database"
        assert applied(hands, "pgbouncer.reconnect", plan.steps[0]).state == "acted"
        until = time.monotonic() + 20
        while link.execute("SELECT pg_backend_pid()").fetchone() == (before,):
            assert time.monotonic() < until
            time.sleep(0.05)
    assert proposed(hands, "pgbouncer.reconnect", database="danci").steps == ()


def test_a_database_that_somebody_left_paused_goes_on(pooler, hands):
    assert proposed(hands, "pgbouncer.resume").notes == ("no database is paused or disabled",)
    console(pooler, "PAUSE app")
    console(pooler, "DISABLE danci")
    plan = proposed(hands, "pgbouncer.resume")
    assert [step.calls for step in plan.steps] == [("RESUME app",), ("ENABLE danci",)]
    assert [applied(hands, "pgbouncer.resume", step).state for step in plan.steps] == ["acted", "acted"]
    assert applied(hands, "pgbouncer.resume", plan.steps[0]).state == "unchanged"
    action = registry.get("pgbouncer.resume")
    assert action.settled(hands, plan.steps[0]) == "acted"
    assert action.verify(hands, plan_of("pgbouncer.resume", plan), (1, 2)).ok is True
    for db in ("app", "danci"):
        with psycopg.connect(pooler.dsn(db=db), autocommit=True, prepare_threshold=None) as link:
            assert link.execute("SELECT 1").fetchone() == (1,)


def test_nothing_that_stops_everybody_can_be_sent(hands):
    writer = hands.writers.pgbouncer()
    assert isinstance(writer, PgbouncerWriter)
    for command, database in (("PAUSE", ""), ("KILL", "app"), ("SHUTDOWN", ""), ("SUSPEND", ""), ("RELOAD", "app")):
        with pytest.raises(Bug):
            writer.command(command, database)
    with pytest.raises(Bug):
        writer.set("auth_type", 1)


def test_a_database_name_is_quoted():
    assert (quoted("app"), quoted("My DB"), quoted('a"b')) == ("app", '"My DB"', '"a""b"')
