"""The ledger and the stop file, by a look alone: real ledgers, and what can be wrong with them."""

from __future__ import annotations

import os
import sqlite3

import pytest

from opsctl.config.settings import load_settings
from opsctl.doctor import ledger
from opsctl.ledger import opened, schema
from opsctl.ledger import postgres as team
from opsctl.remediation import stopping
from tests.doctor.places import check, look, states


@pytest.fixture
def environ(tmp_path):
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "OPSCTL_CONFIG": os.devnull}


def here(environ):
    return ledger.local(load_settings(None, None, environ=environ), environ)


def made(environ):
    """A ledger as the first change leaves it."""
    opened.open_ledger(load_settings(None, None, environ=environ), environ).close()
    return opened.path_of(environ)


def test_names_and_version_are_those_of_the_ledger(environ):
    assert ledger.FILE == opened.FILE
    assert ledger.STOP == stopping.NAME
    assert ledger.SCHEMA == team.SCHEMA
    assert len(schema.VERSIONS) == ledger.VERSION
    path = made(environ)
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    connection.close()
    assert sorted(name for (name,) in found) == list(ledger.TABLES)


def test_a_ledger_is_looked_at_and_left_as_it_is(environ):
    before = here(environ)
    assert "the first change makes it" in check(before, "writable").says
    path = made(environ)
    assert sorted(os.listdir(path.parent)) == [path.name]
    place = here(environ)
    assert states(place) == {"stopped": "ok", "writable": "ok", "version": "ok"}
    assert check(place, "version").says.startswith("its schema is 1, the newest")
    assert sorted(os.listdir(path.parent)) == [path.name]


def test_a_newer_an_open_and_a_broken_ledger_are_told_with_their_remedy(environ):
    path = made(environ)
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO versions VALUES (99, '2026-01-01')")
    connection.close()
    path.chmod(0o644)
    place = here(environ)
    assert "made by a newer opsctl (its schema is 99" in check(place, "version").says
    assert check(place, "private").remedy.run == f"chmod 600 {path}"
    path.write_bytes(b"not a ledger at all" * 100)
    found = check(here(environ), "version")
    assert "is damaged, or is no ledger" in found.says
    assert found.remedy.run.startswith("mv ")


def test_a_ledger_that_cannot_be_written_is_told(environ, monkeypatch):
    path = made(environ)
    denied = {path}
    monkeypatch.setattr(ledger.os, "access", lambda file, mode: file not in denied)  # tests may run as root
    found = check(here(environ), "writable")
    assert found.state == "breach"
    assert "nothing is done without a record" in found.says
    assert found.remedy.run.startswith("sudo chown ")


def test_a_stop_file_is_told_with_its_reason_and_how_it_ends(environ, tmp_path):
    assert states(here(environ))["stopped"] == "ok"
    settings = load_settings(None, None, environ=environ)
    (own,) = stopping.stop_files(settings, environ)
    own.parent.mkdir(parents=True)
    own.write_text("migration until 15:00\npassword=not-a-real-one")
    found = check(here(environ), "stopped")
    assert found.state == "breach"
    assert "(migration until 15:00" in found.says
    assert "not-a-real-one" not in found.says
    assert found.remedy.run == f"rm {own}"
    own.unlink()

    config = tmp_path / "opsctl.yaml"
    config.write_text("stop_file: freeze\n")
    team = load_settings(str(config), None, environ=environ)
    (tmp_path / "freeze").touch()
    place = ledger.local(team, environ)
    assert check(place, "stopped").remedy.run == f"rm {tmp_path / 'freeze'}"


@pytest.mark.needs("postgres")
def test_a_teams_ledger_is_looked_at_by_reading(environ, postgres):
    def at(role: str):
        given = {**environ, "OPSCTL_STATE": postgres.dsn(role)}
        settings = load_settings(None, None, environ=given)
        assert [c.id for c in ledger.local(settings, given).checks] == ["ledger.stopped"]
        return look(ledger.site(settings))

    found = check(at("opsctl_read"), "writable")
    assert "there is no ledger yet, and opsctl_read may not make it" in found.says
    postgres.sql(found.remedy.run)
    try:
        assert states(at("opsctl_read")) == {"reachable": "ok", "writable": "ok"}
        given = {**environ, "OPSCTL_STATE": postgres.dsn("postgres")}
        postgres.sql("DROP SCHEMA opsctl")
        assert "the first change makes it" in check(at("postgres"), "writable").says
        opened.open_ledger(load_settings(None, None, environ=given), given).close()
        assert states(at("postgres")) == {"reachable": "ok", "writable": "ok", "version": "ok"}

        found = check(at("opsctl_read"), "writable")
        assert found.state == "breach"
        for statement in found.remedy.run.split("\n"):
            postgres.sql(statement)
        place = at("opsctl_read")
        assert states(place) == {"reachable": "ok", "writable": "ok", "version": "ok"}
        postgres.sql("INSERT INTO opsctl.versions VALUES (7, 'x')")
        assert "its schema is 7" in check(at("opsctl_read"), "version").says
    finally:
        postgres.sql("DROP SCHEMA IF EXISTS opsctl CASCADE")
