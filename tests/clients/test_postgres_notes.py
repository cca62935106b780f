"""A report says so when the session with Postgres is not protected."""

import pytest

from opsctl.clients.postgres import PostgresReader
from opsctl.config.endpoint import Endpoint

pytestmark = pytest.mark.needs("postgres")


def test_a_session_on_this_host_needs_no_note(postgres):
    reader = PostgresReader(Endpoint(name="postgres", url=postgres.dsn(), setting="test"))
    reader.preflight()
    assert reader.notes() == ()
    reader.close()


def test_an_unencrypted_session_with_another_host_is_told(postgres, monkeypatch):
    reader = PostgresReader(Endpoint(name="postgres", url=postgres.dsn(), setting="test"))
    reader.preflight()
    monkeypatch.setattr("opsctl.clients.postgres._is_here", lambda address: False)
    (note,) = reader.notes()
    assert "not encrypted" in note
    assert "sslmode=verify-full" in note
    reader.close()
