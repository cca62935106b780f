"""A ledger of each kind, empty for every test: most tests here run over both."""

from __future__ import annotations

import os
import sqlite3

import pytest

from opsctl.config.settings import load_settings
from opsctl.ledger.opened import open_ledger, path_of

KINDS = [
    pytest.param("sqlite", id="sqlite"),
    pytest.param("postgres", marks=pytest.mark.needs("postgres"), id="postgres"),
]


class Store:
    """Where one test's ledger is kept: opened as often as one likes, and changed behind its back."""

    def __init__(self, environ, server=None):
        self.environ = environ
        self.server = server
        self.opened = []

    def open(self, **how):
        """One more operator at the same ledger."""
        ledger = open_ledger(load_settings(None, None, environ=self.environ), self.environ, **how)
        self.opened.append(ledger)
        return ledger

    @property
    def path(self):
        return path_of(self.environ)

    def sql(self, *statements):
        """What somebody does to the tables without opsctl."""
        if self.server is not None:
            return self.server.sql("SET search_path = opsctl", *statements)
        with sqlite3.connect(self.path, isolation_level=None) as connection:
            for statement in statements:
                rows = connection.execute(statement).fetchall()
        connection.close()
        return rows

    def close(self):
        for ledger in self.opened:
            ledger.close()
        if self.server is not None:
            self.server.sql("DROP SCHEMA IF EXISTS opsctl CASCADE")


def environ_of(folder, **more):
    """A user without configuration whose state is in that folder."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return {"PATH": os.environ["PATH"], "HOME": str(home), "OPSCTL_CONFIG": os.devnull, **more}


@pytest.fixture(params=KINDS)
def store(request, tmp_path):
    """SQLite in a folder of the test's own, or the schema opsctl of a real Postgres."""
    if request.param == "sqlite":
        made = Store(environ_of(tmp_path))
    else:
        server = request.getfixturevalue("postgres")
        made = Store(environ_of(tmp_path, OPSCTL_STATE=server.dsn("app")), server)
    yield made
    made.close()


@pytest.fixture
def ledger(store):
    return store.open()


@pytest.fixture
def file_store(tmp_path):
    """SQLite only."""
    made = Store(environ_of(tmp_path))
    yield made
    made.close()
