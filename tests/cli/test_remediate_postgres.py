"""`opsctl remediate db-pool-exhaustion` on a real server: a target that changed since the plan was made."""

from __future__ import annotations

import json
import time

import pytest

from tests.acceptance.session import Session
from tests.actions.postgres_server import act_role
from tests.probes.sessions import clients_of

pytestmark = pytest.mark.needs("postgres")


@pytest.fixture
def clients(postgres):
    with clients_of(postgres) as clients:
        yield clients


@pytest.fixture
def shop(postgres, tmp_path):
    """Who works on the service `shop`, which has nothing but this Postgres."""
    books = tmp_path / "books" / "services"
    books.mkdir(parents=True)
    places = {
        "postgres": postgres.dsn(),
        "postgres-act": act_role(postgres),
        "postgres-superuser": postgres.dsn("postgres"),
    }
    profile = {
        "service": "shop",
        "direct_pause": "100ms",
        "endpoints": {name: {"kind": "postgres", "url": url} for name, url in places.items()},
        "dependencies": {"postgres": {"kind": "postgres", "endpoints": ["postgres"]}},
    }
    (books / "shop.yaml").write_text(json.dumps(profile))
    return Session(tmp_path, OPSCTL_RUNBOOKS=str(books.parent), OPSCTL_CONFIG="/dev/null", OPSCTL_ACTOR="ana@bastion")


IDLE = ("remediate", "db-pool-exhaustion", "terminate-idle", "-s", "shop")


def planned(shop, *more):
    """The plan as data."""
    done = shop.opsctl(*IDLE, *more, "-o", "json", check=(0,))
    return json.loads(done.out)["plan"]


def agree(plan):
    return ("--yes", "--plan-hash", plan["hash"])


def alive(postgres, pids):
    return sorted({pid for (pid,) in postgres.sql("SELECT pid FROM pg_stat_activity")} & set(pids))


def test_a_target_that_worked_since_is_skipped_and_said(postgres, clients, shop):
    sessions = [clients.connect("api") for _ in range(5)]
    time.sleep(1.1)
    more = ("--older-than", "1s", "--keep", "0", "--allow-free", "--max-targets", "5", "--anyway", "--verify-for", "1s")
    plan = planned(shop, *more)
    pids = [step["target"]["pin"]["pid"] for step in plan["proposal"]["steps"]]
    assert sorted(pids) == sorted(map(clients.pid, sessions))
    worked = pids[2]
    next(one for one in sessions if clients.pid(one) == worked).execute("SELECT 1")  # its state_change moved
    done = shop.opsctl(*IDLE, *agree(plan))
    assert f"skip       pid {worked}  it is gone, or no longer what was planned for" in done.out
    assert alive(postgres, pids) == [worked]
    assert f"pid {worked}" in shop.opsctl("ledger", "show", "last", check=(0,)).out
