"""Every query file is used, says what it is for, only reads, and runs on a real server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from opsctl import sql
from opsctl.clients.postgres import PostgresReader
from opsctl.config.endpoint import Endpoint
from opsctl.errors import Bug
from tests.servers.postgres import Postgres

PACKAGE = Path(sql.__file__).parent.parent
PARAMS = {
    "rows": 10, "queryids": ["1"], "seconds": 1.0, "limit": 5, "pids": [1], "pid": 1, "acting": "app", "role": "app",
    "database": "app", "application": "api", "since": 0.0, "after": 5.0, "waited": 1.0,
    "backend_start": "2026-01-01T00:00:00.000000Z",
}  # fmt: skip
CHANGING = re.compile(
    r"\b(insert|update|delete|merge|truncate|create|alter|drop|grant|revoke|set|reset|call|do|copy|lock|vacuum|analyze"
    r"|reindex|cluster|refresh|listen|notify|prepare|execute|begin|commit|rollback|into|for\s+(?:update|share))\b"
)
# read-only mode does not stop pg_terminate_backend and its like, so what may be called is listed
FUNCTIONS = frozenset(
    re.findall(
        r"\w+",
        """
    age array_agg avg clock_timestamp coalesce count current_database current_setting extract greatest host least left
    make_interval max min mxid_age nullif pg_backend_pid pg_blocking_pids pg_conf_load_time pg_current_wal_lsn
    pg_has_role pg_is_in_recovery pg_postmaster_start_time pg_wal_lsn_diff split_part substring sum textsend unnest
    pg_database_size pg_stat_statements to_char has_database_privilege has_schema_privilege has_table_privilege
    """,
    )
)
NOT_FUNCTIONS = frozenset(re.findall(r"\w+", """
    and any all as by distinct exists filter from in not on or over select using values when where array edges tree
    waiting
    """))  # fmt: skip


def reader(dsn: str) -> PostgresReader:
    return PostgresReader(Endpoint(name="postgres", url=dsn, setting="env DATABASE_URL"))


@pytest.mark.parametrize("name", sql.names())
def test_every_file_has_a_header_and_one_reading_statement(name: str) -> None:
    query = sql.load(name)
    assert query.purpose.endswith(")"), "the purpose names its row, e.g. (PG-4)"
    assert 10 <= query.minimum <= 18
    assert query.privilege
    assert query.text.startswith(("SELECT", "WITH"))
    assert ";" not in query.text
    words = re.sub(r"'[^']*'", "''", re.sub(r"--.*", "", query.text)).lower()
    assert not CHANGING.search(words), CHANGING.search(words)
    called = set(re.findall(r"([a-z_][a-z0-9_]*)\s*\(", words)) - NOT_FUNCTIONS
    common = set(re.findall(r"([a-z_]+)\s+as\s+\(", words))
    assert called - common <= FUNCTIONS


@pytest.mark.parametrize("name", sql.names())
def test_every_file_says_which_values_it_takes(name: str) -> None:
    query = sql.load(name)
    placeholders = set(re.findall(r"%\((\w+)\)s", query.text))
    assert placeholders == set(query.params)
    assert set(re.findall(r"%.", re.sub(r"%\(\w+\)s", "", query.text))) <= {"%%"}
    assert ("{" in query.text) == bool(query.schema)
    assert set(re.findall(r"\{\w*\}", query.text)) <= {"{schema}"}


@pytest.mark.parametrize("name", sql.names())
def test_every_file_is_asked_by_somebody(name: str) -> None:
    code = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    assert f'"{name}"' in code


@pytest.mark.parametrize(
    "name", ["", "get_", "../sql/get_waits", "get_waits.sql", "do_kill", "get_nothing", "GET_waits"]
)
def test_nothing_but_the_files_can_be_loaded(name: str) -> None:
    with pytest.raises(Bug):
        sql.load(name)


@pytest.mark.parametrize("role", ["opsctl_read", "app", "postgres"])
def test_every_file_runs_as_any_role(postgres: Postgres, role: str) -> None:
    postgres.sql("CREATE TABLE versions (version bigint)")  # the ledger's, which is a schema's as the extension is
    postgres.sql("GRANT SELECT ON versions TO PUBLIC")
    here = reader(postgres.dsn(role))
    try:
        for name in sql.names():
            rows = here.rows(name, {key: PARAMS[key] for key in sql.load(name).params}, schema="public")
            assert isinstance(rows, list)
    finally:
        here.close()
        postgres.sql("DROP TABLE versions")


def test_a_schema_is_quoted_and_cannot_become_sql(postgres: Postgres) -> None:
    from opsctl.errors import CouldNotLook

    here = reader(postgres.dsn())
    with pytest.raises(CouldNotLook) as failure:
        here.rows("get_statements", schema='x" ; DROP TABLE y --')
    assert failure.value.reason == "unsupported"
    assert 'x" ; DROP TABLE y --' in failure.value.says  # taken as one name that does not exist
    here.close()
