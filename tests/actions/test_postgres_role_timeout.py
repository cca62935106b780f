"""A role's timeout: set for new sessions, and undone to exactly what was there."""

from __future__ import annotations

import msgspec
import psycopg
import pytest

from opsctl.actions import registry
from opsctl.actions.postgres_role_plan import RoleTimeoutParams, written
from tests.actions.postgres_server import act_role, applied, hands_on, proposed, refused, whys

pytestmark = pytest.mark.needs("postgres")

SET = "postgres.set-role-timeout"
ROLE = 'Web "app" 100%'
QUOTED = '"Web ""app"" 100%"'


@pytest.fixture
def role(postgres):
    postgres.sql(f"CREATE ROLE {QUOTED} LOGIN", "CREATE ROLE chief LOGIN CREATEROLE", "GRANT pg_monitor TO chief")
    yield ROLE
    postgres.sql(f"DROP ROLE {QUOTED}", "DROP ROLE chief")


@pytest.fixture
def hands(postgres, role):
    with hands_on({"postgres": postgres.dsn(), "postgres-act": postgres.dsn("chief")}) as hands:
        yield hands


def catalogue(postgres) -> list[list[str]]:
    rows = postgres.sql(
        "SELECT s.setconfig FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole "
        f"WHERE r.rolname = '{ROLE}' ORDER BY s.setdatabase"
    )
    return [row[0] for row in rows]


@pytest.mark.parametrize(
    "before",
    [
        (),
        ("ALTER ROLE {r} IN DATABASE app SET work_mem = '8MB'",),
        (
            "ALTER ROLE {r} IN DATABASE app SET search_path = a, b",
            "ALTER ROLE {r} IN DATABASE app SET idle_in_transaction_session_timeout = '5min'",
            "ALTER ROLE {r} IN DATABASE app SET work_mem = '8MB'",
            "ALTER ROLE {r} SET idle_in_transaction_session_timeout = '1h'",
        ),
    ],
)
def test_undo_puts_back_exactly_what_was_there(postgres, hands, before):
    postgres.sql(*(text.format(r=QUOTED) for text in before))
    was = catalogue(postgres)
    plan = proposed(hands, SET, role=ROLE, timeout="45s")
    assert refused(plan) == []
    (step,) = plan.steps
    assert step.calls == (f"ALTER ROLE {QUOTED} IN DATABASE app SET idle_in_transaction_session_timeout = '45s'",)
    did = applied(hands, SET, step)
    assert did.state == "acted", did.says
    assert did.inverse is not None
    assert any("idle_in_transaction_session_timeout=45s" in entry for row in catalogue(postgres) for entry in row)
    dsn = psycopg.conninfo.make_conninfo(host="127.0.0.1", port=postgres.port, dbname="app", user=ROLE)
    with psycopg.connect(dsn) as link:
        assert link.execute("SHOW idle_in_transaction_session_timeout").fetchone() == ("45s",)
    action = registry.get(SET)
    assert action.settled(hands, step) == "acted"
    inverse = msgspec.json.decode(msgspec.json.encode(did.inverse))  # as the ledger keeps it
    assert action.undo(hands, step, inverse).state == "acted"
    assert catalogue(postgres) == was
    assert action.undo(hands, step, inverse).state == "unchanged"
    assert action.settled(hands, step) == "not-acted"


def test_what_somebody_else_changed_meanwhile_is_left(postgres, hands):
    (step,) = proposed(hands, SET, role=ROLE).steps
    postgres.sql(f"ALTER ROLE {QUOTED} IN DATABASE app SET idle_in_transaction_session_timeout = '7s'")
    did = applied(hands, SET, step)
    assert did.state == "skipped"
    assert "it is 7s now, it was not set" in did.says
    (step,) = proposed(hands, SET, role=ROLE).steps
    did = applied(hands, SET, step)
    postgres.sql(f"ALTER ROLE {QUOTED} IN DATABASE app SET idle_in_transaction_session_timeout = '9s'")
    undone = registry.get(SET).undo(hands, step, did.inverse)
    assert undone.state == "skipped"
    assert "somebody has set it to 9s since" in undone.says


def test_without_a_role_it_is_the_one_that_sits_in_transactions(postgres, hands):
    with psycopg.connect(postgres.dsn("app")) as link:
        link.execute("SELECT 1")
        plan = proposed(hands, SET)
        assert plan.steps[0].target.id == "role app in app"
        assert "the 1 that are there keep what they started with" in plan.impact
    nobody = proposed(hands, SET)
    assert whys(nobody)["role"] == "no session is idle in a transaction, so no role stands out"


def test_who_may_not_and_what_is_so_already_is_said_before(postgres, role):
    with hands_on({"postgres": postgres.dsn(), "postgres-act": act_role(postgres)}) as hands:
        plan = proposed(hands, SET, role=ROLE)
        assert refused(plan) == ["may-alter"]
        did = applied(hands, SET, plan.steps[0])
        assert (did.state, did.inverse) == ("failed", None)
        assert whys(proposed(hands, SET, role="postgres")) == {"role postgres in app": "postgres is a superuser"}
        assert "no such role" in whys(proposed(hands, SET, role="nobody"))["role nobody in app"]
        assert refused(proposed(hands, SET, role="app", setting="transaction_timeout"))[0] == "server-knows"
    postgres.sql(f"ALTER ROLE {QUOTED} IN DATABASE app SET idle_in_transaction_session_timeout = '1min'")
    with hands_on({"postgres": postgres.superuser_dsn}) as hands:
        assert "it is 60s already" in whys(proposed(hands, SET, role=ROLE)).values()


@pytest.mark.parametrize(("given", "value"), [("60s", "60s"), ("1m", "60s"), ("1h30m", "5400s"), ("1500ms", "1500ms")])
def test_a_duration_is_written_as_postgres_takes_it(given, value):
    assert written(given) == value


@pytest.mark.parametrize("bad", [{"timeout": "0s"}, {"setting": "work_mem"}, {"timeout": "soon"}])
def test_a_bad_parameter_is_refused(bad):
    with pytest.raises((ValueError, msgspec.ValidationError)):
        msgspec.convert(bad, RoleTimeoutParams)
