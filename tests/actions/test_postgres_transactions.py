"""Sessions idle in a transaction, blockers and long statements, ended on a real server (PG-4, PG-5, PG-14)."""

from __future__ import annotations

import time

import psycopg
import pytest

from tests.actions.postgres_server import act_role, applied, hands_on, plan_of, proposed, refused, whys
from tests.probes.sessions import clients_of

pytestmark = pytest.mark.needs("postgres")

IDLE = "postgres.terminate-idle-in-transaction"
BLOCKER = "postgres.terminate-blocker"
CANCEL = "postgres.cancel-query"


@pytest.fixture
def clients(postgres):
    postgres.sql("CREATE TABLE IF NOT EXISTS stock (id int PRIMARY KEY, left_over int)", role="app")
    postgres.sql("INSERT INTO stock SELECT g, 0 FROM generate_series(1, 5) g ON CONFLICT DO NOTHING", role="app")
    with clients_of(postgres) as clients:
        yield clients
    postgres.sql("DROP TABLE stock", role="app")


@pytest.fixture
def hands(postgres):
    with hands_on({"postgres": postgres.dsn(), "postgres-act": act_role(postgres)}) as hands:
        yield hands


def pids(proposal) -> list[int]:
    return [step.target.pin["pid"] for step in proposal.steps]


def test_what_others_wait_for_comes_first_and_a_young_harmless_one_is_left(postgres, clients, hands):
    forgotten = clients.idle_in_transaction("UPDATE stock SET left_over = 1 WHERE id = 1")
    clients.busy("UPDATE stock SET left_over = 2 WHERE id = 1", application="waits")
    harmless = clients.idle_in_transaction()
    superuser = clients.idle_in_transaction(role="postgres")
    clients.waiting(1)
    time.sleep(0.3)
    plan = proposed(hands, IDLE, blocking="200ms")
    assert pids(plan) == [clients.pid(forgotten)]
    assert "blocks 1 session" in plan.steps[0].why
    assert plan.steps[0].why.endswith("has written")
    assert plan.steps[0].calls[0].startswith("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ")
    assert whys(plan)[f"pid {clients.pid(superuser)}"] == "postgres is a superuser"
    assert whys(plan)["1 session"] == "idle for less than 5m"
    assert refused(plan) == []
    assert pids(proposed(hands, IDLE, blocking="200ms", older_than="200ms")) == [
        clients.pid(forgotten),
        clients.pid(harmless),
    ]

    did = applied(hands, IDLE, plan.steps[0])
    assert did.state == "acted"
    clients.until(lambda: postgres.sql("SELECT left_over FROM stock WHERE id = 1") == [(2,)])  # the victim went on
    from opsctl.actions.postgres_idle_transaction import settled, verify

    assert settled(hands, plan.steps[0]) == "acted"
    seen = verify(hands, plan_of(IDLE, plan), (1,))
    assert seen.ok is True
    assert "slots are free" in seen.says
    with pytest.raises(psycopg.Error):
        forgotten.execute("COMMIT")


def test_a_transaction_that_went_on_is_skipped(clients, hands):
    slow = clients.idle_in_transaction()
    time.sleep(0.2)
    (step,) = proposed(hands, IDLE, older_than="100ms").steps
    slow.execute("SELECT 2")
    did = applied(hands, IDLE, step)
    assert did.state == "skipped"
    assert "it has worked since it was seen (idle in transaction now)" in did.says
    assert slow.execute("SELECT 3").fetchone() == (3,)


def test_a_session_of_the_pooler_needs_to_be_named(postgres, pgbouncer, clients):
    endpoints = {
        "postgres": postgres.dsn(),
        "postgres-act": act_role(postgres),
        "pgbouncer": pgbouncer.dsn("opsctl_read"),
    }
    with (
        psycopg.connect(pgbouncer.dsn(), autocommit=True, prepare_threshold=None) as link,
        hands_on(endpoints) as hands,
    ):
        link.execute("BEGIN")
        (behind,) = link.execute("SELECT pg_backend_pid()").fetchone()
        time.sleep(0.2)
        plan = proposed(hands, IDLE, older_than="100ms")
        assert pids(plan) == []
        (excluded,) = (one for one in plan.excluded if one.id == f"pid {behind}")
        assert excluded.lift == "--allow-pooler"
        assert pids(proposed(hands, IDLE, older_than="100ms", allow_pooler=True)) == [behind]
        link.execute("ROLLBACK")


def test_the_root_of_the_tree_is_ended_and_those_behind_it_go_on(postgres, clients, hands):
    root = clients.idle_in_transaction("UPDATE stock SET left_over = 1 WHERE id = 1")
    middle = clients.connect("middle")
    middle.execute("BEGIN")
    middle.execute("UPDATE stock SET left_over = 5 WHERE id = 2")
    import threading

    def wait() -> None:
        middle.execute("UPDATE stock SET left_over = 5 WHERE id = 1")
        middle.execute("COMMIT")

    thread = threading.Thread(target=wait)
    thread.start()
    clients.waiting(1)
    clients.busy("UPDATE stock SET left_over = 7 WHERE id = 2", application="leaf")
    clients.waiting(2)
    time.sleep(0.3)
    plan = proposed(hands, BLOCKER, waited="200ms")
    assert pids(plan) == [clients.pid(root)]
    assert plan.steps[0].why.startswith("2 sessions wait for its locks; idle in transaction")
    assert refused(plan) == []
    root.execute("SELECT 1")  # a blocker that does something else in the same transaction still blocks
    did = applied(hands, BLOCKER, plan.steps[0])
    assert did.state == "acted", did.says
    thread.join(20)
    clients.until(lambda: postgres.sql("SELECT left_over FROM stock WHERE id = 2") == [(7,)])
    again = proposed(hands, BLOCKER)
    assert (again.steps, refused(again), again.notes) == ((), ["somebody-waits"], ("no session waits for a lock",))


def test_a_blocker_that_has_let_go_is_skipped(clients, hands):
    root = clients.idle_in_transaction("UPDATE stock SET left_over = 1 WHERE id = 1")
    clients.busy("UPDATE stock SET left_over = 2 WHERE id = 1")
    clients.waiting(1)
    time.sleep(0.3)
    (step,) = proposed(hands, BLOCKER, waited="200ms").steps
    root.execute("COMMIT")
    did = applied(hands, BLOCKER, step)
    assert did.state == "skipped"
    assert "that transaction has ended, or nobody waits" in did.says
    assert root.execute("SELECT 1").fetchone() == (1,)


def test_a_prepared_transaction_is_never_ended_and_what_to_do_is_said(tmp_path):
    from tests.servers.postgres import start_postgres

    postgres = start_postgres(tmp_path / "prepared", {"max_prepared_transactions": 2})
    try:
        postgres.sql("CREATE TABLE stock (id int PRIMARY KEY)", "INSERT INTO stock VALUES (1)", role="app")
        with psycopg.connect(postgres.dsn("app")) as link:
            link.execute("UPDATE stock SET id = 1")
            link.execute("PREPARE TRANSACTION 'order 17'")
        with (
            clients_of(postgres) as clients,
            hands_on({"postgres": postgres.dsn(), "postgres-act": act_role(postgres)}) as hands,
        ):
            clients.busy("UPDATE stock SET id = 1")
            clients.waiting(1)
            plan = proposed(hands, BLOCKER, waited="0s")
            assert plan.steps == ()
            (one,) = plan.excluded
            assert one.refused
            assert one.id == "prepared transaction order 17"
            assert "ask app what it is, then in app: ROLLBACK PREPARED 'order 17'" in one.why
        postgres.sql("ROLLBACK PREPARED 'order 17'", role="app")
    finally:
        postgres.close()


def test_an_autovacuum_against_wraparound_is_let_finish():
    from opsctl.actions.postgres_blocker import BlockerParams, propose
    from opsctl.actions.postgres_client import Client, Sessions

    def client(**more) -> Client:
        plain = {"pid": 1, "own": False, "kind": "autovacuum worker", "helper": False, "state": "active", "wait": "",
                 "role": "", "superuser": False, "replication": False, "database": "app", "application": "",
                 "address": "local", "port": -1, "backend_start": "t", "state_change": "t", "xact_start": "t",
                 "query_start": "t", "state_seconds": 60.0, "xact_seconds": 60.0, "query_seconds": 60.0, "wrote": False,
                 "advisory": False, "member": False, "query": ""}  # fmt: skip
        return Client(**{**plain, **more})

    worker = client(query="autovacuum: VACUUM public.stock (to prevent wraparound)")
    plain = client(pid=2, query="autovacuum: VACUUM public.stock")
    seen = Sessions(clients=(worker, plain), address="app@db:5432", database="app", started_at=0.0, server_time=0.0,
                    sees_all=True, read_as="look", acting="act", acting_exists=True, acting_superuser=False,
                    acting_signals=True, edges={7: frozenset({1}), 8: frozenset({2})}, waited=9.0)  # fmt: skip
    plan = propose(seen, BlockerParams())
    assert plan.steps == ()
    why = whys(plan)
    assert why["pid 1"].startswith("autovacuum against wraparound: let it finish, and stop the DDL")
    assert why["pid 2"] == "autovacuum: Postgres cancels it by itself when somebody waits"


def test_a_long_statement_is_cancelled_and_its_session_stays(postgres, clients, hands):
    slow = clients.busy("SELECT pg_sleep(60)", application="report")
    waits = clients.idle_in_transaction("UPDATE stock SET left_over = 1 WHERE id = 1")
    victim = clients.busy("UPDATE stock SET left_over = 2 WHERE id = 1", application="waits")
    time.sleep(0.3)
    plan = proposed(hands, CANCEL, older_than="200ms")
    assert pids(plan) == [clients.pid(slow)]
    assert whys(plan)[f"pid {clients.pid(victim)}"] == "it waits for a lock: see who holds it"
    assert plan.steps[0].target.pin.keys() == {"pid", "backend_start", "query_start"}
    did = applied(hands, CANCEL, plan.steps[0])
    assert (did.state, did.inverse) == ("acted", None)
    assert did.says.startswith("cancelled after")
    clients.until(
        lambda: postgres.sql(f"SELECT state FROM pg_stat_activity WHERE pid = {clients.pid(slow)}") == [("idle",)]
    )
    again = applied(hands, CANCEL, plan.steps[0])
    assert again.state == "skipped"
    assert "that statement has ended (idle now)" in again.says
    waits.execute("ROLLBACK")


@pytest.mark.parametrize(
    "statement", ["VACUUM stock", "create unique index concurrently x on stock (id)", " COPY stock TO STDOUT"]
)
def test_maintenance_is_cancelled_only_when_it_is_named(statement):
    from opsctl.actions.postgres_cancel import _MAINTENANCE

    assert _MAINTENANCE.match(statement)
    assert not _MAINTENANCE.match("SELECT * FROM copy_of_stock")


def test_a_role_that_sees_nothing_refuses_before_anything(postgres, clients):
    with hands_on(
        {"postgres": postgres.dsn("app"), "postgres-act": "postgresql://nobody_there@127.0.0.1:1/app"}
    ) as hands:
        clients.idle_in_transaction(role="postgres")
        plan = proposed(hands, IDLE, older_than="0s")
        assert refused(plan) == ["sees-all", "acting-role"]
        says = " ".join(check.says for check in plan.checks)
        assert "GRANT pg_read_all_stats TO app" in says
        assert "there is no role nobody_there" in says
