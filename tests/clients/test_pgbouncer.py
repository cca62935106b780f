"""PgBouncer's console through its reader: what it shows, what it refuses, and who answers in its place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from opsctl.clients.pgbouncer import LISTS, LONG_LISTS, PgbouncerReader
from opsctl.config.endpoint import Endpoint
from opsctl.errors import Bug, CouldNotLook
from tests.fakes import rawserver
from tests.fakes.rawserver import RawServer
from tests.servers.pgbouncer import Pgbouncer
from tests.servers.postgres import Postgres
from tests.servers.process import free_port

SECRET = "s3cret"


def reader(url: str) -> PgbouncerReader:
    return PgbouncerReader(Endpoint(name="pgbouncer", url=url, setting="env PGBOUNCER_URL"))


def failure(url: str, timeout: float = 5.0) -> CouldNotLook:
    with pytest.raises(CouldNotLook) as caught:
        reader(url).show("POOLS", timeout)
    return caught.value


def test_every_list_is_shown_by_column_name(pgbouncer: Pgbouncer) -> None:
    here = reader(pgbouncer.dsn("opsctl_read"))  # the database of the URL is the application's
    try:
        assert here.address == f"pgbouncer@127.0.0.1:{pgbouncer.port}"
        assert "PgBouncer" in here.show("VERSION")[0]["version"]
        assert {"database", "user", "cl_active", "cl_waiting", "maxwait", "sv_idle"} <= set(here.show("POOLS")[0])
        assert {"pool_size", "current_connections", "paused", "disabled"} <= set(here.show("DATABASES")[0])
        assert {"total_wait_time", "total_xact_time", "total_query_time"} <= set(here.show("STATS")[0])
        assert "max_client_conn" in {row["key"] for row in here.show("CONFIG")}
        assert "used_clients" in {row["list"] for row in here.show("LISTS")}
        assert here.show("CLIENTS")[0]["application_name"] == "opsctl:diagnose"
        assert isinstance(here.show("SERVERS"), list)
    finally:
        here.close()


def test_a_list_that_this_release_does_not_know_is_unsupported(pgbouncer: Pgbouncer) -> None:
    here = reader(pgbouncer.dsn("opsctl_read"))
    if "1.18" not in here.show("VERSION")[0]["version"]:
        assert here.show("STATE")
        return
    with pytest.raises(CouldNotLook) as caught:
        here.show("STATE")
    assert caught.value.reason == "unsupported"
    assert here.show("VERSION")  # the connection is still of use
    here.close()


@pytest.mark.parametrize("name", ["FDS", "POOLS; RELOAD", "pools", "", "MEM", "RELOAD", "HELP"])
def test_nothing_but_the_lists_can_be_asked_for(name: str) -> None:
    with pytest.raises(Bug):
        reader("postgresql://127.0.0.1:1/x").show(name)


def test_no_command_that_controls_is_among_the_lists() -> None:
    assert not (LISTS | set(LONG_LISTS)) & {
        "PAUSE",
        "RESUME",
        "KILL",
        "RELOAD",
        "DISABLE",
        "ENABLE",
        "RECONNECT",
        "FDS",
    }


def test_long_lists_are_left_out(pgbouncer: Pgbouncer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsctl.clients.pgbouncer._MOST_LISTED", 0)
    here = reader(pgbouncer.dsn("opsctl_read"))
    with pytest.raises(CouldNotLook) as caught:
        here.show("CLIENTS")
    assert caught.value.reason == "skipped"
    assert "limit 0" in caught.value.says
    here.close()


def test_a_user_who_may_not_look_gets_the_remedy(pgbouncer: Pgbouncer) -> None:
    failed = failure(pgbouncer.dsn("app"))
    assert failed.reason == "forbidden"
    assert "user app" in failed.says
    assert "stats_users" in failed.says


def test_an_unknown_user(pgbouncer: Pgbouncer) -> None:
    assert failure(pgbouncer.dsn("stranger")).reason == "unauthorized"


def test_postgres_itself_answers(postgres: Postgres) -> None:
    failed = failure(postgres.dsn("opsctl_read"))
    assert failed.reason == "unsupported"
    assert "is Postgres itself, not PgBouncer" in failed.says


def test_nobody_listens() -> None:
    failed = failure(f"postgresql://looker:{SECRET}@127.0.0.1:{free_port()}/app")
    assert failed.reason == "refused"
    assert failed.setting == "env PGBOUNCER_URL"
    assert SECRET not in f"{failed.says} {failed.address}"


@pytest.mark.parametrize("url", ["redis://x", "postgresql://[broken", "host=a port=b c"])
def test_an_address_that_is_none(url: str) -> None:
    assert failure(url).reason in ("not-configured", "bad-answer", "unresolved", "server-error", "refused")


@pytest.mark.parametrize("behaviour", [rawserver.silent, rawserver.closing, rawserver.http, rawserver.garbage])
def test_every_other_answer_is_typed_and_in_time(behaviour: Callable[..., None]) -> None:
    with RawServer(behaviour) as fake:
        assert failure(f"postgresql://x@127.0.0.1:{fake.port}/app", timeout=1.0).reason in (
            "timeout", "closed", "bad-answer", "server-error", "tls",
        )  # fmt: skip


def test_a_failed_connect_is_not_tried_again_at_once() -> None:
    with RawServer(rawserver.closing) as fake:
        here = reader(f"postgresql://x@127.0.0.1:{fake.port}/app?sslmode=disable")
        for _ in range(3):
            with pytest.raises(CouldNotLook):
                here.show("POOLS", 1.0)
        assert fake.accepted == 1


def test_it_hangs_after_the_login(pgbouncer: Pgbouncer) -> None:
    here = reader(pgbouncer.dsn("opsctl_read"))
    here.show("VERSION")
    pgbouncer.server.pause()
    try:
        with pytest.raises(CouldNotLook) as caught:
            here.show("POOLS", 0.5)
    finally:
        pgbouncer.server.resume()
    assert caught.value.reason == "timeout"
    assert here.show("VERSION")  # on a new connection
    here.close()
