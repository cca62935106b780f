"""The pgbouncer probes on a real PgBouncer: healthy, and with each trouble really made."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import psycopg
import pytest

from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.probes import registry
from tests.probes.looks import finding, looking, run, states, values
from tests.servers.pgbouncer import Pgbouncer, start_pgbouncer
from tests.servers.postgres import Postgres
from tests.servers.process import free_port

IDS = ["pgbouncer.pools", "pgbouncer.limits", "pgbouncer.state", "pgbouncer.stats"]


@pytest.fixture
def pooler(tmp_path: Path, postgres: Postgres) -> Iterator[Pgbouncer]:
    """A PgBouncer with two servers per pool, for one test."""
    server = start_pgbouncer(
        tmp_path, postgres, {"default_pool_size": 2, "query_wait_timeout": 60, "max_client_conn": 20}
    )
    yield server
    server.stop()


class Crowd:
    """Clients of the pool ``app``."""

    def __init__(self, pooler: Pgbouncer, stack: ExitStack) -> None:
        self.pooler, self.stack = pooler, stack
        self.stop = threading.Event()

    def connect(self) -> psycopg.Connection[object]:
        return self.stack.enter_context(
            psycopg.connect(self.pooler.dsn("app"), autocommit=True, prepare_threshold=None)
        )

    def holds(self, count: int) -> None:
        """So many clients with a transaction open."""
        for _ in range(count):
            self.connect().execute("BEGIN")

    def asks(self, count: int, statement: str = "SELECT 1") -> None:
        """So many clients that ask one query after another."""
        for _ in range(count):
            threading.Thread(target=self.work, args=(statement,), daemon=True).start()

    def work(self, statement: str) -> None:
        try:
            with psycopg.connect(self.pooler.dsn("app"), autocommit=True, prepare_threshold=None) as link:
                while not self.stop.is_set():
                    link.execute(statement.encode())
        except psycopg.Error:
            return  # ended by the test


@pytest.fixture
def crowd(pooler: Pgbouncer) -> Iterator[Crowd]:
    with ExitStack() as stack:
        some = Crowd(pooler, stack)
        yield some
        some.stop.set()


def console(pooler: Pgbouncer, command: str) -> None:
    with psycopg.connect(pooler.admin_dsn, autocommit=True, cursor_factory=psycopg.ClientCursor) as link:
        link.execute(command.encode())


def until_waiting(pooler: Pgbouncer, count: int) -> None:
    with looking({"pgbouncer": pooler.dsn("opsctl_read")}) as look:
        reader, until = look.readers.pgbouncer(), time.monotonic() + 30
        while sum(row["cl_waiting"] for row in reader.show("POOLS")) < count:
            assert time.monotonic() < until, "the queue never formed"
            time.sleep(0.05)


def test_all_probes_are_registered_with_their_findings() -> None:
    for id in IDS:
        probe = registry.get(id)
        assert probe is not None
        assert all(name.startswith("pgbouncer.") for name in probe.emits)


def test_a_quiet_pooler(pooler: Pgbouncer) -> None:
    with looking({"pgbouncer": pooler.dsn("opsctl_read")}) as look:
        for id in IDS:
            expected = "unknown" if id == "pgbouncer.stats" else "ok"  # nothing ran: there is nothing to judge
            assert set(states(run(look, id, **({} if id == "pgbouncer.limits" else {"pause": "100ms"}))).values()) == {
                expected
            }


def test_the_pool_is_used_up(pooler: Pgbouncer, crowd: Crowd) -> None:
    crowd.holds(2)
    crowd.asks(3)
    until_waiting(pooler, 3)
    with looking({"pgbouncer": pooler.dsn("opsctl_read")}) as look:
        seen = run(look, "pgbouncer.pools")
    assert states(seen) == {
        "pgbouncer.clients-waiting": "breach", "pgbouncer.pool-used-up": "breach",
        "pgbouncer.waiting-beside-idle": "ok",
    }  # fmt: skip
    assert finding(seen, "pgbouncer.clients-waiting").says.startswith(
        "app as user app: 3 clients wait for a server connection"
    )
    assert (
        "2 servers at work, 0 idle, 0 logging in; the pool's size is 2" in finding(seen, "pgbouncer.pool-used-up").says
    )
    assert values(seen, "longest wait")[0].labels["cl_waiting"] == "3"


def test_somebody_forgot_to_resume(pooler: Pgbouncer, crowd: Crowd) -> None:
    console(pooler, "PAUSE app")
    try:
        crowd.asks(1)
        with looking({"pgbouncer": pooler.dsn("opsctl_read")}) as look:
            seen = run(look, "pgbouncer.state", pause="100ms")
    finally:
        console(pooler, "RESUME app")
    assert states(seen)["pgbouncer.paused"] == "breach"
    assert "app (RESUME ends it)" in finding(seen, "pgbouncer.paused").says
    assert states(seen)["pgbouncer.disabled"] == "ok"


def test_a_disabled_database(pooler: Pgbouncer) -> None:
    console(pooler, "DISABLE danci")
    with looking({"pgbouncer": pooler.dsn("opsctl_read")}) as look:
        seen = run(look, "pgbouncer.state", pause="100ms")
    assert states(seen)["pgbouncer.disabled"] == "breach"
    assert "danci" in finding(seen, "pgbouncer.disabled").says


def test_the_server_behind_is_away(tmp_path: Path, postgres: Postgres) -> None:
    nothing = cast(Postgres, SimpleNamespace(port=free_port(), databases=("app",)))
    server = start_pgbouncer(tmp_path, nothing, {"query_wait_timeout": 60})
    try:
        with ExitStack() as stack:
            threading.Thread(target=Crowd(server, stack).work, args=("SELECT 1",), daemon=True).start()
            until_waiting(server, 1)
            with looking({"pgbouncer": server.dsn("opsctl_read")}) as look:
                seen = run(look, "pgbouncer.state", pause="100ms")
        assert states(seen)["pgbouncer.login-failing"] == "breach", seen.findings
        assert "1 client waits, no server is connected" in finding(seen, "pgbouncer.login-failing").says
    finally:
        server.stop()


def test_nearly_all_clients_are_there(pooler: Pgbouncer, crowd: Crowd) -> None:
    for _ in range(18):
        crowd.connect()
    with looking({"pgbouncer": pooler.dsn("opsctl_read")}) as look:
        seen = run(look, "pgbouncer.limits")
    assert states(seen) == {"pgbouncer.database-at-limit": "ok", "pgbouncer.clients-near-limit": "breach"}
    assert "max_client_conn is 20" in finding(seen, "pgbouncer.clients-near-limit").says


def test_a_database_at_its_own_limit(tmp_path: Path, postgres: Postgres) -> None:
    server = start_pgbouncer(tmp_path, postgres, {"max_db_connections": 1})
    try:
        with ExitStack() as stack:
            Crowd(server, stack).holds(1)
            with looking({"pgbouncer": server.dsn("opsctl_read")}) as look:
                seen = run(look, "pgbouncer.limits")
        assert states(seen)["pgbouncer.database-at-limit"] == "breach"
    finally:
        server.stop()


def test_transactions_wait_and_sit_idle(pooler: Pgbouncer, crowd: Crowd) -> None:
    def sit() -> None:
        link = psycopg.connect(pooler.dsn("app"), autocommit=True, prepare_threshold=None)
        while not crowd.stop.is_set():
            link.execute("BEGIN")
            time.sleep(0.15)
            link.execute("COMMIT")
        link.close()

    threads = [threading.Thread(target=sit) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        with looking({"pgbouncer": pooler.dsn("opsctl_read")}) as look:
            seen = run(look, "pgbouncer.stats", pause="2s")
    finally:
        crowd.stop.set()
        for thread in threads:
            thread.join()
    assert states(seen) == {"pgbouncer.wait-long": "breach", "pgbouncer.transactions-idle": "breach"}
    assert "waited" in finding(seen, "pgbouncer.wait-long").says


def test_quick_transactions_neither_wait_nor_sit(pooler: Pgbouncer, crowd: Crowd) -> None:
    crowd.asks(1)
    with looking({"pgbouncer": pooler.dsn("opsctl_read")}) as look:
        seen = run(look, "pgbouncer.stats", pause="1s")
    assert set(states(seen).values()) == {"ok"}


def test_it_is_away() -> None:
    with looking({"pgbouncer": f"postgresql://x@127.0.0.1:{free_port()}/app"}) as look:
        seen = run(look, "pgbouncer.state")
        assert states(seen) == {
            "pgbouncer.unreachable": "breach", "pgbouncer.paused": "unknown", "pgbouncer.disabled": "unknown",
            "pgbouncer.login-failing": "unknown",
        }  # fmt: skip
        with pytest.raises(CouldNotLook):
            run(look, "pgbouncer.pools")


def test_a_user_who_may_not_look_still_shows_that_it_answers(pooler: Pgbouncer) -> None:
    with looking({"pgbouncer": pooler.dsn("app")}) as look:
        seen = run(look, "pgbouncer.state")
    assert states(seen)["pgbouncer.unreachable"] == "ok"
    assert "stats_users" in finding(seen, "pgbouncer.paused").says


def test_without_an_endpoint_or_in_the_past(pooler: Pgbouncer) -> None:
    with looking({}) as look, pytest.raises(NotConfigured):
        run(look, "pgbouncer.pools")
    with looking({"pgbouncer": pooler.dsn("opsctl_read")}, at=time.time() - 600) as look:
        for id in IDS:
            with pytest.raises(CouldNotLook) as caught:
                run(look, id)
            assert caught.value.reason == "no-history"
