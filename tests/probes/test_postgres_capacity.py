"""Slots: free, few, none; who may see them; limits of databases and roles; reachability."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.probes.postgres_capacity import CapacityParams, bound
from tests.fakes import rawserver
from tests.fakes.rawserver import RawServer
from tests.probes.looks import finding, looking, run, states, values
from tests.probes.sessions import Clients, clients_of
from tests.servers.pgbouncer import Pgbouncer
from tests.servers.postgres import Postgres, start_postgres
from tests.servers.process import free_port


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A Postgres with seven slots for applications."""
    server = start_postgres(tmp_path_factory.mktemp("small"), {"max_connections": 10})
    yield server
    server.close()


@pytest.fixture
def clients(small: Postgres) -> Iterator[Clients]:
    with clients_of(small) as some:
        yield some


def test_slots_are_free(small: Postgres) -> None:
    with looking({"postgres": small.dsn("opsctl_read", "danci")}) as look:
        seen = run(look, "postgres.capacity")
    assert states(seen) == {"postgres.slots-low": "ok", "postgres.slots-full": "ok"}
    low = finding(seen, "postgres.slots-low")
    assert (low.measured, low.unit, low.threshold_from) == (1, "count", "parameter low")
    assert low.threshold == pytest.approx(6.3)
    assert low.says == "1 of 7 slots for applications are used, 6 left"
    evidence = seen.evidence[0]
    assert evidence.source == f"postgres danci@127.0.0.1:{small.port}"
    assert evidence.subject == "danci"
    assert evidence.query == "get_capacity.sql"


def test_slots_run_low_and_out_while_our_session_stays(small: Postgres, clients: Clients) -> None:
    with looking({"postgres": small.dsn()}) as look:
        run(look, "postgres.reachable")  # opens our session early: it keeps its slot
        hogs = [clients.connect() for _ in range(6)]
        seen = run(look, "postgres.capacity")
        assert states(seen) == {"postgres.slots-low": "breach", "postgres.slots-full": "breach"}
        assert finding(seen, "postgres.slots-full").says == "7 of 7 slots for applications are used, 0 left"
        assert [value.value for value in values(seen, "idle")] == [6]  # the seventh is ours
        hogs[0].close()
        clients.until(lambda: states(run(look, "postgres.capacity"))["postgres.slots-full"] == "ok")
        seen = run(look, "postgres.capacity", low="1 left")
        assert states(seen) == {"postgres.slots-low": "breach", "postgres.slots-full": "ok"}


def test_only_reserved_slots_are_left_and_we_are_refused(small: Postgres, clients: Clients) -> None:
    for _ in range(7):
        clients.connect()
    with looking({"postgres": small.dsn()}) as look:
        seen = run(look, "postgres.capacity")
        assert states(seen) == {"postgres.slots-low": "breach", "postgres.slots-full": "breach"}
        assert "remaining connection slots are reserved" in finding(seen, "postgres.slots-full").says
        assert states(run(look, "postgres.reachable")) == {
            "postgres.unreachable": "ok", "postgres.standby": "unknown",
        }  # fmt: skip
        with pytest.raises(CouldNotLook) as caught:
            run(look, "postgres.locks")
        assert caught.value.reason == "slots-full"


def test_a_superusers_endpoint_looks_when_no_slot_is_left(small: Postgres, clients: Clients) -> None:
    for _ in range(7):
        clients.connect("worker")
    endpoints = {"postgres": small.dsn(), "postgres-superuser": small.superuser_dsn}
    with looking(endpoints) as look:
        seen = run(look, "postgres.capacity")
        assert states(seen)["postgres.slots-full"] == "breach"
        assert finding(seen, "postgres.slots-full").says == "8 of 7 slots for applications are used, 0 left"
        assert [value.value for value in values(seen, "read through")] == ["postgres-superuser"]
        assert seen.evidence[0].setting == "test postgres-superuser"
        holders = run(look, "postgres.sessions")
        assert values(holders, "sessions")[0].labels["application"] == "worker"


def test_a_role_that_sees_only_itself_gives_bounds_and_the_remedy(postgres: Postgres) -> None:
    with clients_of(postgres) as clients, looking({"postgres": postgres.dsn("app")}) as look:
        clients.connect(role="opsctl_read")
        clients.connect(role="opsctl_read")
        seen = run(look, "postgres.capacity")
        assert states(seen) == {"postgres.slots-low": "ok", "postgres.slots-full": "ok"}  # certain whatever they are
        assert "between 1 and 3 of 37" in finding(seen, "postgres.slots-low").says
        seen = run(look, "postgres.capacity", low=2)
        assert states(seen) == {"postgres.slots-low": "unknown", "postgres.slots-full": "ok"}
        unsure = finding(seen, "postgres.slots-low")
        assert unsure.reason == "forbidden"
        assert "GRANT pg_read_all_stats TO app" in unsure.says
        assert not values(seen, "active")


def test_reachable(postgres: Postgres) -> None:
    with looking({"postgres": postgres.dsn("opsctl_read", "danci")}) as look:
        seen = run(look, "postgres.reachable")
    assert states(seen) == {"postgres.unreachable": "ok", "postgres.standby": "ok"}
    assert finding(seen, "postgres.unreachable").unit == "s"
    assert values(seen, "role")[0].value == "opsctl_read"


def test_nothing_listens_is_a_breach_seen_from_here() -> None:
    port = free_port()
    with looking({"postgres": f"postgresql://app:hidden@127.0.0.1:{port}/danci"}) as look:
        seen = run(look, "postgres.reachable")
    assert states(seen) == {"postgres.unreachable": "breach", "postgres.standby": "unknown"}
    assert finding(seen, "postgres.unreachable").says.startswith("from this host danci@127.0.0.1:")
    assert seen.evidence[0].source == f"postgres danci@127.0.0.1:{port}"
    assert "hidden" not in msgspec.json.encode(seen).decode()


def test_a_starting_server_is_not_reachable_yet() -> None:
    behaviour = rawserver.postgres_error("57P03", "the database system is starting up")
    with RawServer(behaviour) as server, looking({"postgres": f"postgresql://app@127.0.0.1:{server.port}/d"}) as look:
        seen = run(look, "postgres.reachable")
    assert finding(seen, "postgres.unreachable").state == "breach"
    assert "is starting up" in finding(seen, "postgres.unreachable").says


def test_a_wrong_password_is_an_answer(postgres: Postgres) -> None:
    with looking({"postgres": f"postgresql://guarded:wrong@127.0.0.1:{postgres.port}/app"}) as look:
        seen = run(look, "postgres.reachable")
    assert states(seen) == {"postgres.unreachable": "ok", "postgres.standby": "unknown"}
    assert finding(seen, "postgres.standby").reason == "unauthorized"


def test_no_endpoint_is_its_own_answer() -> None:
    with looking({}) as look, pytest.raises(NotConfigured):
        run(look, "postgres.capacity")


def test_the_past_cannot_be_looked_at(postgres: Postgres) -> None:
    with looking({"postgres": postgres.dsn()}, at=1_700_000_000.0) as look, pytest.raises(CouldNotLook) as caught:
        run(look, "postgres.locks")
    assert caught.value.reason == "no-history"
    assert "2023-11-14 22:13 UTC" in caught.value.says


def test_a_pooler_is_told_from_a_server(pgbouncer: Pgbouncer) -> None:
    with looking({"postgres": pgbouncer.dsn("opsctl_read")}) as look, pytest.raises(CouldNotLook) as caught:
        run(look, "postgres.capacity")
    assert caught.value.reason == "unsupported"


def test_limits_of_databases_and_roles(postgres: Postgres) -> None:
    with looking({"postgres": postgres.dsn()}) as look, clients_of(postgres) as clients:
        assert states(run(look, "postgres.limits")) == {
            "postgres.database-limit": "ok", "postgres.role-limit": "ok",
        }  # fmt: skip
        try:
            postgres.sql("ALTER ROLE app CONNECTION LIMIT 2", "ALTER DATABASE danci CONNECTION LIMIT 10")
            clients.connect(db="danci")
            clients.connect(db="danci")
            seen = run(look, "postgres.limits")
            assert states(seen) == {"postgres.database-limit": "ok", "postgres.role-limit": "breach"}
            assert finding(seen, "postgres.role-limit").says == "role app has 2 sessions, its own limit is 2"
            with looking({"postgres": postgres.dsn("app")}) as refused:
                seen = run(refused, "postgres.limits")
                assert states(seen) == {"postgres.database-limit": "unknown", "postgres.role-limit": "breach"}
                seen = run(refused, "postgres.capacity")
                assert set(states(seen).values()) == {"unknown"}
                assert "a limit of the role" in finding(seen, "postgres.slots-full").says
        finally:
            postgres.sql("ALTER ROLE app CONNECTION LIMIT -1", "ALTER DATABASE danci CONNECTION LIMIT -1")


@pytest.mark.parametrize(
    ("low", "used"), [("90%", 90), (0.9, 90), (45, 45), ("45", 45), ("5 left", 95), ("100%", 100), (1, 100)]
)
def test_a_bound_is_a_share_a_count_or_what_is_left(low: str | float, used: float) -> None:
    assert bound(low, 100) == pytest.approx(used)


@pytest.mark.parametrize("low", ["many", "-5", -5, "5 s", ""])
def test_a_bad_bound_is_refused_when_the_runbook_loads(low: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"low": low}, CapacityParams)
