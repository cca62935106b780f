"""Statements that take long, seen by looking again and again; with the service's own bound and without privileges."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from opsctl.probes.postgres_activity import masked
from opsctl.services.model import Profile, Symptom
from opsctl.signals.model import Band
from tests.probes.looks import finding, looking, run, values
from tests.probes.sessions import Clients, clients_of
from tests.servers.postgres import Postgres

ID = "postgres.slow-statements"
AMAS = Profile(
    service="amas",
    severities={"medium": "sev3", "high": "sev2"},
    symptoms=(
        Symptom(
            id="long-query",
            runbook="slow-queries",
            endpoint="postgres",
            bands=(Band(above="1s", severity="medium"), Band(above="2s", severity="high")),
            row="AMAS-65",
        ),
        Symptom(id="other", runbook="service-down", endpoint="postgres", bands=(Band(above="1ms", severity="high"),)),
    ),
)


@pytest.fixture
def clients(postgres: Postgres) -> Iterator[Clients]:
    postgres.sql("CREATE TABLE IF NOT EXISTS public.slow_row (id int PRIMARY KEY, n int)", role="app")
    postgres.sql("INSERT INTO public.slow_row VALUES (1, 0) ON CONFLICT DO NOTHING")
    with clients_of(postgres) as some:
        yield some


def test_nothing_slow_runs(postgres: Postgres, clients: Clients) -> None:
    clients.connect()
    with looking({"postgres": postgres.dsn()}) as look:
        found = finding(run(look, ID, pause="50ms"), ID)
    assert found.state == "ok"
    assert found.says.startswith("no statement was seen running for 500 ms in 9 samples")


def test_a_statement_runs_for_long(postgres: Postgres, clients: Clients) -> None:
    clients.busy("SELECT pg_sleep(60), 'long one'", application="api")
    time.sleep(0.5)
    with looking({"postgres": postgres.dsn()}) as look:
        seen = run(look, ID, above="300ms", pause="100ms")
    found = finding(seen, ID)
    assert (found.state, found.severity, found.threshold_from) == ("breach", None, "parameter above")
    assert "(api, app) runs SELECT pg_sleep(60), 'long one'" in found.says
    assert values(seen, "statement")[0].labels["application"] == "api"


def test_the_services_own_bound_gives_the_severity(postgres: Postgres, clients: Clients) -> None:
    clients.busy("SELECT pg_sleep(60)")
    time.sleep(1.1)
    with looking({"postgres": postgres.dsn()}, profile=AMAS, runbook="slow-queries") as look:
        found = finding(run(look, ID, samples=2, pause="50ms"), ID)
        assert (found.state, found.severity, found.severity_label) == ("breach", "sev3", "medium")
        assert (found.threshold, found.threshold_from) == (1.0, "AMAS-65")
        time.sleep(1.0)
        assert finding(run(look, ID, samples=2, pause="50ms"), ID).severity == "sev2"


def test_who_waits_for_a_lock_is_a_victim(postgres: Postgres, clients: Clients) -> None:
    clients.idle_in_transaction("UPDATE public.slow_row SET n = 1")
    clients.busy("UPDATE public.slow_row SET n = 2")
    clients.waiting(1)
    time.sleep(0.4)
    with looking({"postgres": postgres.dsn()}) as look:
        assert finding(run(look, ID, above="200ms", pause="50ms"), ID).state == "ok"


def test_a_busy_server_is_asked_as_seldom_as_it_takes(postgres: Postgres, clients: Clients) -> None:
    clients.busy("SELECT pg_sleep(60)")
    time.sleep(0.6)
    with looking({"postgres": postgres.dsn()}) as look:
        run(look, "postgres.capacity")
        look.readers.postgres().last_seconds = 1.5
        found = finding(run(look, ID, pause="50ms"), ID)
    assert found.state == "breach"
    assert "slow statements in 2 of 2 samples" in found.says


def test_without_privileges_it_is_unknown(postgres: Postgres) -> None:
    with looking({"postgres": postgres.dsn("app")}) as look:
        found = finding(run(look, ID), ID)
    assert (found.state, found.reason) == ("unknown", "forbidden")
    assert "GRANT pg_read_all_stats" in found.says


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT * FROM t WHERE id = 17", "select *  from t\nwhere id = 4711"),
        ("SELECT 'a', $1", "SELECT 'it''s b', $2"),
        ("SELECT 1.5", "SELECT 22.75"),
    ],
)
def test_constants_do_not_make_another_statement(one: str, other: str) -> None:
    assert masked(one) == masked(other)


def test_names_with_digits_do() -> None:
    assert masked("SELECT a FROM t1") != masked("SELECT a FROM t2")
