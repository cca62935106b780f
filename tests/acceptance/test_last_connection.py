"""A Postgres so full that one reserved connection is left: diagnosis and remediation work, by the commands alone."""

from __future__ import annotations

import json
import time

import pytest

from tests.acceptance.session import Session
from tests.actions.postgres_server import act_role
from tests.probes.sessions import clients_of
from tests.servers.postgres import start_postgres

pytestmark = pytest.mark.needs("postgres")


@pytest.fixture
def small(tmp_path):
    """Seven slots for applications, three for superusers."""
    server = start_postgres(tmp_path / "small", {"max_connections": 10})
    yield server
    server.close()


@pytest.fixture
def user(small, tmp_path):
    books = tmp_path / "books"
    (books / "services").mkdir(parents=True)
    places = {
        "postgres": small.dsn(),
        "postgres-act": act_role(small),
        "postgres-superuser": small.superuser_dsn,
    }
    idle = {
        "id": "idle",
        "runbook": "db-pool-exhaustion",
        "endpoint": "postgres",
        "title": "idle",
        "bands": [{"above": "1s"}],
    }
    profile = {
        "service": "shop",
        "endpoints": {name: {"kind": "postgres", "url": url} for name, url in places.items()},
        "dependencies": {"postgres": {"kind": "postgres", "endpoints": ["postgres"]}},
        "symptoms": [idle],
    }
    (books / "services" / "shop.yaml").write_text(json.dumps(profile))
    return Session(tmp_path, OPSCTL_RUNBOOKS=str(books), OPSCTL_CONFIG="/dev/null", OPSCTL_ACTOR="ana@bastion")


def test_with_the_last_connection_it_names_the_leak_and_ends_it(small, user):
    with clients_of(small) as clients:
        leaked = [clients.connect("api") for _ in range(7)]
        for _ in range(2):
            clients.connect("dba", role="postgres")
        time.sleep(1.5)
        done = user.opsctl("diagnose", "db-pool-exhaustion", "-s", "shop", "-o", "json", check=(1, 2))
        found = {finding["id"]: finding["state"] for finding in done.json()["findings"]}
        assert found["postgres.slots-full"] == "breach"

        words = ("remediate", "db-pool-exhaustion", "terminate-idle", "-s", "shop")
        more = ("--older-than", "1s", "--keep", "2", "--max-targets", "5", "--anyway")
        plan = user.opsctl(*words, *more, "-o", "json", check=(0,)).json()["plan"]
        pids = {clients.pid(one) for one in leaked}
        targets = {step["target"]["pin"]["pid"] for step in plan["proposal"]["steps"]}
        assert len(targets) == 5
        assert targets < pids
        done = user.opsctl(*words, "--yes", "--plan-hash", plan["hash"], "-o", "json", check=(0,))
        assert done.json()["outcome"]["word"] == "fixed"
        alive = {pid for (pid,) in small.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'api'")}
        assert alive == pids - targets
