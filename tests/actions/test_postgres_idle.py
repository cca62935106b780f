"""The safe session kill (PG-13, PG-14, B-18), on a real server that has everything that must be left alone."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import ExitStack

import msgspec
import psycopg
import pytest

from tests.actions.postgres_server import ACT, act_role, applied, hands_on, plan_of, proposed, refused, whys
from tests.probes.looks import finding, looking, run, states
from tests.probes.sessions import Clients, clients_of

pytestmark = pytest.mark.needs("postgres")

IDLE = "postgres.terminate-idle"


@pytest.fixture
def clients(postgres):
    with clients_of(postgres) as clients:
        yield clients


@pytest.fixture
def hands(postgres):
    with hands_on({"postgres": postgres.dsn(), "postgres-act": act_role(postgres)}) as hands:
        yield hands


def alive(postgres, *pids: int) -> set[int]:
    rows = postgres.sql("SELECT pid FROM pg_stat_activity")
    return {pid for (pid,) in rows} & set(pids)


def old(seconds: float = 0.3) -> str:
    """Let idle sessions get older than the limit; returns the limit."""
    time.sleep(seconds)
    return "250ms"


def walsender(postgres, stack: ExitStack) -> int:
    """A physical replication connection that has asked something and waits: state idle, backend_type walsender."""
    link = stack.enter_context(socket.create_connection(("127.0.0.1", postgres.port)))
    words = b"".join(f"{k}\0{v}\0".encode() for k, v in (("user", "postgres"), ("database", "app"),
                                                         ("replication", "database"),
                                                         ("application_name", "standby1")))  # fmt: skip
    body = struct.pack("!i", 196608) + words + b"\0"
    link.sendall(struct.pack("!i", len(body) + 4) + body)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        found = postgres.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walsender'")
        if found:
            return int(found[0][0])
        time.sleep(0.05)
    raise AssertionError("no walsender came up")


def test_it_leaves_all_alone_that_are_not_leaked_sessions_of_this_database(postgres, pgbouncer, clients):
    postgres.sql("CREATE ROLE backup_user LOGIN REPLICATION", "CREATE ROLE etl LOGIN")
    endpoints = {
        "postgres": postgres.dsn(),
        "postgres-act": act_role(postgres),
        "pgbouncer": pgbouncer.dsn("opsctl_read"),
    }
    with ExitStack() as stack, hands_on(endpoints) as hands:
        sender = walsender(postgres, stack)
        leaked = [clients.pid(clients.connect("api")) for _ in range(6)]
        superuser = clients.pid(clients.connect("api", role="postgres"))
        replication = clients.pid(clients.connect("api", role="backup_user"))
        listener = clients.connect("api")
        listener.execute("LISTEN jobs")
        holder = clients.connect("api")
        holder.execute("SELECT pg_advisory_lock(7)")
        holder.execute("SELECT 1")
        elsewhere = clients.pid(clients.connect("api", db="danci"))
        dump = clients.pid(clients.connect("pg_dump"))
        etl = clients.pid(clients.connect("api", role="etl"))
        pooled = psycopg.connect(pgbouncer.dsn(), autocommit=True, prepare_threshold=None)
        stack.callback(pooled.close)
        (behind,) = pooled.execute("SELECT pg_backend_pid()").fetchone()
        own = psycopg.connect(postgres.dsn(), application_name="opsctl:diagnose", autocommit=True)
        stack.callback(own.close)
        busy = clients.busy("SELECT pg_sleep(60)", application="api")
        limit = old()

        plan = proposed(hands, IDLE, older_than=limit, keep=0, allow_free=True, protect_user=["etl"])
        assert {step.target.pin["pid"] for step in plan.steps} == set(leaked)
        why = whys(plan)
        spared = {
            sender: "walsender",
            superuser: "superuser",
            replication: "replication role",
            clients.pid(listener): "listens",
            clients.pid(holder): "advisory lock",
            elsewhere: "in database danci",
            dump: "protected application",
            etl: "protected role",
            behind: "pooler",
            own.info.backend_pid: "opsctl",
        }
        for pid, reason in spared.items():
            assert reason in why[f"pid {pid}"]
        lifts = {one.id: one.lift for one in plan.excluded if one.lift}
        assert lifts[f"pid {dump}"] == "--allow-app pg_dump"
        assert lifts[f"pid {etl}"] == "--allow-user etl"
        assert plan.scope == f"postgres app@127.0.0.1:{postgres.port}"
        assert plan.subject.endswith(f"as {ACT}")
        assert plan.of == 9  # all that api holds as app: six leaked, one at work, the listener, the holder of the lock
        assert refused(plan) == []

        dids = [applied(hands, IDLE, step) for step in plan.steps]
        assert [did.state for did in dids] == ["acted"] * 6
        assert alive(postgres, *spared, *leaked, clients.pid(busy)) == {*spared, clients.pid(busy)}
        assert pooled.execute("SELECT 1").fetchone() == (1,)


def test_a_lifted_protection_admits_the_session(postgres, clients, hands):
    dump = clients.pid(clients.connect("pg_dump"))
    limit = old()
    plan = proposed(hands, IDLE, older_than=limit, keep=0, allow_free=True, allow_app=["pg_dump"])
    assert [step.target.pin["pid"] for step in plan.steps] == [dump]


def test_free_slots_refuse_it_and_say_the_flag(clients, hands):
    clients.connect("api")
    plan = proposed(hands, IDLE, older_than=old(), keep=0)
    assert refused(plan) == ["slots-scarce"]
    (check,) = (c for c in plan.checks if c.id == "slots-scarce")
    assert "of 37 slots are used" in check.says
    assert check.lift == "--allow-free"


def test_the_applications_pool_is_left_to_it_per_address(postgres, clients):
    from opsctl.services.model import Profile

    profile = Profile(service="shop", capacity={"database_connections": 4.0})
    with hands_on({"postgres": postgres.dsn(), "postgres-act": act_role(postgres)}, profile) as hands:
        for _ in range(6):
            clients.connect("api")
        limit = old()
        plan = proposed(hands, IDLE, older_than=limit, allow_free=True)
        assert len(plan.steps) == 2
        assert "4 sessions are left to api" in whys(plan).values()
        assert len(proposed(hands, IDLE, older_than=limit, allow_free=True, keep=5).steps) == 1


def test_a_session_that_worked_since_is_skipped_and_so_is_one_of_another_start(postgres, clients, hands):
    one, other = clients.connect("api"), clients.connect("api")
    plan = proposed(hands, IDLE, older_than=old(), keep=0, allow_free=True)
    one.execute("SELECT 1")
    steps = {step.target.pin["pid"]: step for step in plan.steps}
    did = applied(hands, IDLE, steps[clients.pid(one)])
    assert (did.state, did.inverse) == ("skipped", None)
    assert "it has worked since it was seen (idle now)" in did.says
    step = steps[clients.pid(other)]
    pin = {**step.target.pin, "backend_start": "2020-01-01T00:00:00.000000Z"}
    reused = msgspec.structs.replace(step, target=msgspec.structs.replace(step.target, pin=pin))
    assert "that session has ended" in applied(hands, IDLE, reused).says
    assert alive(postgres, *steps) == set(steps)
    assert applied(hands, IDLE, step).state == "acted"
    assert "that session has ended" in applied(hands, IDLE, step).says  # a second time does nothing


def test_a_plan_of_another_server_is_skipped(clients, hands):
    clients.connect("api")
    (step,) = proposed(hands, IDLE, older_than=old(), keep=0, allow_free=True).steps
    for change, says in (({"server_started": 1.0}, "was restarted, or is another server"),
                         ({"database": "danci"}, "in database app, the plan was made for danci")):  # fmt: skip
        did = applied(hands, IDLE, msgspec.structs.replace(step, before={**step.before, **change}))
        assert did.state == "skipped"
        assert says in did.says


def test_one_target_of_five_that_may_not_be_ended_is_left_out_and_fails_alone_when_it_is_tried(postgres, clients):
    postgres.sql("CREATE ROLE weak LOGIN", "GRANT pg_read_all_stats, app TO weak", "CREATE ROLE other LOGIN")
    mine = [clients.pid(clients.connect("api")) for _ in range(4)]
    theirs = clients.pid(clients.connect("api", role="other"))
    limit = old()
    with hands_on({"postgres": postgres.dsn(), "postgres-act": act_role(postgres)}) as strong:
        (forbidden,) = proposed(strong, IDLE, older_than=limit, keep=0, allow_free=True, protect_user=["app"]).steps
    with hands_on({"postgres": postgres.dsn(), "postgres-act": postgres.dsn("weak")}) as hands:
        plan = proposed(hands, IDLE, older_than=limit, keep=0, allow_free=True)
        assert [step.target.pin["pid"] for step in plan.steps] == mine
        assert "weak may not end sessions of other" in whys(plan)[f"pid {theirs}"]
        assert "GRANT pg_signal_backend TO weak" in whys(plan)[f"pid {theirs}"]
        steps = [*plan.steps[:2], forbidden, *plan.steps[2:]]
        dids = [applied(hands, IDLE, one) for one in steps]
        assert [did.state for did in dids] == ["acted", "acted", "failed", "acted", "acted"]
        assert "as a superuser: GRANT pg_signal_backend TO weak" in dids[2].says
    assert alive(postgres, theirs, *mine) == {theirs}


def test_new_sessions_in_the_place_of_the_old_ones_stop_it(postgres, clients, hands):
    for _ in range(8):
        clients.connect("api")
    plan = proposed(hands, IDLE, older_than=old(), keep=0, allow_free=True)
    first = [applied(hands, IDLE, step) for step in plan.steps[:5]]
    assert [did.state for did in first] == ["acted"] * 5
    for _ in range(5):
        clients.connect("api")
    did = applied(hands, IDLE, plan.steps[5])
    assert did.state == "skipped"
    assert "api has opened 5 new sessions since" in did.says
    from opsctl.actions.postgres_idle import verify

    seen = verify(hands, plan_of(IDLE, plan), (1, 2, 3, 4, 5))
    assert seen.ok is False
    assert "this is its pool, or the leak goes on" in seen.says


def test_a_hundred_leaked_sessions_end_over_one_connection_that_holds_no_lock(tmp_path):
    from tests.servers.postgres import start_postgres

    postgres = start_postgres(tmp_path / "many", {"max_connections": 130})
    try:
        _hundred(postgres)
    finally:
        postgres.close()


def _hundred(postgres) -> None:
    seen: list[tuple[int, int]] = []
    ended = threading.Event()

    def watch() -> None:
        with psycopg.connect(postgres.superuser_dsn, autocommit=True) as link:
            while not ended.is_set():
                row = link.execute(
                    "SELECT (SELECT count(*) FROM pg_stat_activity WHERE application_name = 'opsctl:remediate'),"
                    " (SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.application_name ="
                    " 'opsctl:remediate' AND l.mode NOT IN ('AccessShareLock', 'ExclusiveLock'))"
                    # its own virtual transaction is the one ExclusiveLock that every running statement has
                ).fetchone()
                seen.append(row)

    endpoints = {"postgres": postgres.dsn(), "postgres-act": act_role(postgres)}
    with clients_of(postgres) as clients, hands_on(endpoints) as hands:
        for _ in range(100):
            clients.connect("api")
        limit = old()
        plan = proposed(hands, IDLE, older_than=limit, keep=0, allow_free=True)
        assert len(plan.steps) == 100
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            dids = []
            for number, step in enumerate(plan.steps):
                dids.append(applied(hands, IDLE, step))
                if number % 5 == 4:  # between batches, the acting session holds nothing at all
                    held = postgres.sql("SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
                                        " WHERE a.application_name = 'opsctl:remediate'")  # fmt: skip
                    assert held == [(0,)]
        finally:
            ended.set()
            watcher.join()
        assert {did.state for did in dids} == {"acted"}
        assert max(count for count, _ in seen) == 1
        assert max(strong for _, strong in seen) == 0
        assert postgres.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'api'") == [(0,)]


def full(clients: Clients, leave: int) -> list[int]:
    """Take slots as an application until it is refused, then ``leave`` that many reserved ones to superusers."""
    pids: list[int] = []
    while True:
        try:
            pids.append(clients.pid(clients.connect("api")))
        except psycopg.OperationalError:
            break
    for _ in range(3 - leave):
        clients.connect("dba", role="postgres")
    return pids


def test_with_only_the_one_reserved_connection_left_it_still_looks_and_acts(postgres, clients):
    endpoints = {
        "postgres": postgres.dsn(),
        "postgres-act": act_role(postgres),
        "postgres-superuser": postgres.superuser_dsn,
    }
    pids = full(clients, leave=1)
    limit = old()
    with looking(endpoints) as look:
        seen = run(look, "postgres.capacity")
        assert states(seen) == {"postgres.slots-low": "breach", "postgres.slots-full": "breach"}
        assert seen.evidence[0].values[-1].value == "postgres-superuser"
        assert finding(run(look, "postgres.holders", pool=10), "postgres.more-than-its-pool").state == "ok"  # all young
        assert (
            finding(run(look, "postgres.holders", pool=10, after="100ms"), "postgres.more-than-its-pool").state
            == "breach"
        )
    with hands_on(endpoints) as hands:
        plan = proposed(hands, IDLE, older_than=limit, keep=0)
        assert refused(plan) == []
        assert {step.target.pin["pid"] for step in plan.steps} == set(pids)
        dids = [applied(hands, IDLE, step) for step in plan.steps[:3]]
        assert [did.state for did in dids] == ["acted"] * 3
    assert len(alive(postgres, *pids)) == len(pids) - 3


def test_without_a_way_in_it_says_which_endpoint_would_be_one(postgres, clients):
    from opsctl.errors import CouldNotLook

    with hands_on({"postgres": postgres.dsn(), "postgres-act": act_role(postgres)}) as hands:
        clients.connect("api")
        (step,) = proposed(hands, IDLE, older_than=old(), keep=0, allow_free=True).steps
        hands.readers.postgres().close()
        full(clients, leave=3)
        with pytest.raises(CouldNotLook, match="set the endpoint postgres-superuser"):
            applied(hands, IDLE, step)
