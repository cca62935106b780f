"""What holds an application's connections, on a real server (R2)."""

from __future__ import annotations

import time

import pytest

from opsctl.services.model import Profile
from tests.probes.looks import finding, looking, run, states
from tests.probes.sessions import clients_of

pytestmark = pytest.mark.needs("postgres")

HELD = ("postgres.held-by-statements", "postgres.held-by-lock-waits", "postgres.held-idle-in-transaction")


@pytest.fixture
def clients(postgres):
    with clients_of(postgres) as clients:
        yield clients


@pytest.fixture
def look(postgres):
    profile = Profile(service="shop", capacity={"database_connections": 4.0})
    with looking({"postgres": postgres.dsn()}, profile=profile) as look:
        yield look


def held(look, **params) -> dict[str, str]:
    return states(run(look, "postgres.holders", after="200ms", waited="200ms", **params))


def test_forgotten_transactions(clients, look):
    for _ in range(3):
        clients.idle_in_transaction()
    clients.connect()
    time.sleep(0.3)
    assert held(look) == {**dict.fromkeys(HELD, "ok"), HELD[2]: "breach", "postgres.more-than-its-pool": "ok"}
    seen = run(look, "postgres.holders", after="200ms")
    assert finding(seen, HELD[2]).says == "3 of 4 sessions of api have been idle in a transaction for 200 ms"
    assert held(look, least=4)[HELD[2]] == "ok"
    assert held(look, share="80%")[HELD[2]] == "ok"


def test_long_statements_and_waits_for_locks_are_told_apart(postgres, clients, look):
    for _ in range(3):
        clients.busy("SELECT pg_sleep(60)", application="report")
    owner = clients.connect("owner")
    owner.execute("SELECT pg_advisory_lock(5)")
    for _ in range(3):
        clients.busy("SELECT pg_advisory_lock(5)", application="waits")
    clients.waiting(3)
    time.sleep(0.3)
    seen = run(look, "postgres.holders", after="200ms", waited="200ms")
    assert finding(seen, HELD[0]).says == "3 of 3 sessions of report have been running a statement for 200 ms"
    assert finding(seen, HELD[1]).says == "3 of 3 sessions of waits have been waiting for a lock for 200 ms"
    assert finding(seen, HELD[2]).state == "ok"


def test_sessions_beyond_the_pool_that_nobody_uses(clients, look):
    for _ in range(6):
        clients.connect()
    time.sleep(0.3)
    seen = run(look, "postgres.holders", after="200ms")
    found = finding(seen, "postgres.more-than-its-pool")
    assert found.state == "breach"
    assert found.says == "api holds 6 sessions from one address, 6 of them unused for 200 ms; its pool is 4 each"
    assert held(look, pool=6)["postgres.more-than-its-pool"] == "ok"
    assert held(look, pool=0)["postgres.more-than-its-pool"] == "unknown"


def test_a_role_that_sees_only_itself_does_not_call_it_well(postgres, clients):
    clients.idle_in_transaction(role="postgres")
    with looking({"postgres": postgres.dsn("app")}) as look:
        assert set(states(run(look, "postgres.holders")).values()) == {"unknown"}
