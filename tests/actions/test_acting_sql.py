"""The acting statements: one per file, each used, each pinned, and out of the read side's reach."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from opsctl import sql as reading
from opsctl.actions import sql
from opsctl.actions.postgres_end import STATEMENTS
from opsctl.errors import Bug

PACKAGE = Path(sql.__file__).parent.parent


@pytest.mark.parametrize("name", sql.names())
def test_every_file_has_a_header_and_one_statement(name):
    text = (Path(sql.__file__).parent / f"{name}.sql").read_text()
    assert re.match(r"-- purpose: .+\(.*\)\n-- minimum: 1[4-8]\n-- privilege: .+\n", text)
    statement = sql.load(name)
    assert ";" not in statement.text
    assert statement.text.startswith(("SELECT pg_", "ALTER ROLE"))
    assert ("{" in statement.text) != ("%(" in statement.text)


@pytest.mark.parametrize("name", sql.names())
def test_every_file_is_used(name):
    code = "\n".join(path.read_text() for path in PACKAGE.glob("*.py"))
    assert f'"{name}"' in code


@pytest.mark.parametrize(("name", "pins"), STATEMENTS.items())
def test_what_ends_something_names_one_process_and_compares_its_identity(name, pins):
    text = sql.load(name).text
    assert set(re.findall(r"%\((\w+)\)s", text)) == set(pins)
    assert "a.pid = %(pid)s AND a.backend_start = %(backend_start)s" in text
    assert "a.backend_type = 'client backend'" in text


@pytest.mark.parametrize("name", [*sql.names(), "../actions/sql/do_cancel_query"])
def test_no_probe_can_load_one(name):
    with pytest.raises(Bug):
        reading.load(name)
    for other in reading.names():
        with pytest.raises(Bug):
            sql.load(other)
