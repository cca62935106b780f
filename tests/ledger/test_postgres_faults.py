"""The team's Postgres when it goes away, refuses, or is something else than it seems."""

import os
import signal

import pytest

from opsctl.errors import CannotWrite, ConfigError, Refused, TryLater, Unavailable
from opsctl.ledger import postgres as ledger_postgres
from tests.ledger.conftest import Store, environ_of
from tests.ledger.sample import SCOPE, a_run, new, step
from tests.servers.postgres import start_postgres

WHO = {"actor": "ana", "host": "bastion", "command": "opsctl restart vritti"}


@pytest.fixture
def team(postgres, tmp_path):
    """A ledger in the shared server."""
    made = Store(environ_of(tmp_path, OPSCTL_STATE=postgres.dsn("app")), postgres)
    yield made
    made.close()


@pytest.mark.needs("postgres")
def test_a_server_that_goes_away_in_the_middle_of_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger_postgres, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(ledger_postgres, "CONNECT_SECONDS", 1.0)
    server = start_postgres(tmp_path / "postgres", {"fsync": "on", "synchronous_commit": "off"})
    try:
        store = Store(environ_of(tmp_path, OPSCTL_STATE=server.dsn("app")), server)
        ledger = store.open()
        run = ledger.begin(new())
        lease = ledger.lease(SCOPE, **WHO)

        session = ledger._database._session.info.backend_pid
        server.server.pause()  # as behind a cut cable: nothing answers
        os.kill(session, signal.SIGSTOP)
        try:
            with pytest.raises(Unavailable) as gone:
                ledger.append(run.id, "intent", step("pid 1"), 1)
        finally:
            os.kill(session, signal.SIGCONT)
            server.server.resume()
        monkeypatch.undo()
        assert gone.value.code == 69
        assert "cannot be reached" in gone.value.sentence()
        assert "Nothing is done without a record" in gone.value.sentence()

        ledger.append(run.id, "intent", step("pid 1"), 1)  # a new session: it goes on
        server.stop()
        for attempt in (
            lambda: ledger.append(run.id, "intent", step("pid 2", 2), 2),
            lambda: ledger.renew(lease),
            lambda: ledger.runs(),
            lambda: store.open(),
        ):
            with pytest.raises(Unavailable, match=r"127\.0\.0\.1"):
                attempt()
        server.start()
        ledger.append(run.id, "intent", step("pid 2", 2), 2)
        assert ledger.renew(lease).id == lease.id
        steps = [entry.step for entry in ledger.entries(run.id) if entry.kind == "intent"]
        assert steps[-2:] == [1, 2]  # and the one that was cut off may have come through before
        assert ledger.verify().broken == ()
        ledger.close()
    finally:
        server.close()


def test_a_session_that_was_ended_while_it_was_idle_is_opened_again(team, postgres):
    ledger = team.open()
    run = ledger.begin(new())
    assert postgres.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'opsctl:ledger'"
    )
    assert ledger.append(run.id, "note", {"text": "still there"}).number == 2


def test_a_writer_that_does_not_let_go_is_not_waited_for_endlessly(team, monkeypatch):
    monkeypatch.setattr(ledger_postgres, "_WRITE", ledger_postgres._WRITE.replace("'10s'", "'200ms'"))
    ledger, other = team.open(), team.open()
    with other._database.writing(), pytest.raises(TryLater) as refused:
        ledger.lease(SCOPE, **WHO)
    assert refused.value.code == 75
    assert ledger.lease(SCOPE, **WHO)


def test_who_may_not_make_the_schema_is_told_how_its_made(postgres, tmp_path):
    store = Store(environ_of(tmp_path, OPSCTL_STATE=postgres.dsn("opsctl_read")))
    with pytest.raises(Refused) as refused:
        store.open()
    assert refused.value.code == 77
    assert 'CREATE SCHEMA IF NOT EXISTS opsctl AUTHORIZATION "opsctl_read"' in refused.value.sentence()
    assert store.open(reading=True).runs() == []


def test_who_may_only_read_can_read(team, postgres, tmp_path):
    a_run(team.open())
    reader = Store(environ_of(tmp_path, OPSCTL_STATE=postgres.dsn("opsctl_read")))
    with pytest.raises(Refused):
        reader.open(reading=True).runs()
    team.sql(
        "GRANT USAGE ON SCHEMA opsctl TO opsctl_read", "GRANT SELECT ON ALL TABLES IN SCHEMA opsctl TO opsctl_read"
    )
    ledger = reader.open(reading=True)
    assert [run.word for run in ledger.runs()] == ["fixed"]
    assert ledger.verify().broken == ()
    with pytest.raises(Refused):
        reader.open().begin(new())


def test_a_database_that_is_read_only_is_said(team, postgres):
    a_run(team.open())
    url = f"{postgres.dsn('app')}?options=-c%20transaction_read_only%3Don"
    store = Store({**team.environ, "OPSCTL_STATE": url})
    ledger = store.open()
    ledger.begin(new())  # a session's own default does not bind the ledger
    with pytest.raises(CannotWrite, match="read-only"), ledger._database.reading() as work:
        work.change("INSERT INTO versions VALUES (8, '')")


@pytest.mark.parametrize(
    ("url", "error", "says"),
    [
        ("postgresql://guarded:wrong@127.0.0.1:{port}/app", Refused, "refuses this user or password"),
        ("postgresql://app@127.0.0.1:{port}/nowhere", ConfigError, "has no such database"),
        ("postgresql://app@127.0.0.1:1/app", Unavailable, "is not listening"),
        ("postgresql://app@[127.0.0.1/app", ConfigError, "neither a postgresql:// URL"),
    ],
    ids=["password", "database", "port", "nonsense"],
)
def test_an_address_that_leads_nowhere(postgres, tmp_path, url, error, says):
    store = Store(environ_of(tmp_path, OPSCTL_STATE=url.format(port=postgres.port)))
    with pytest.raises(error) as failed:
        store.open()
    assert says in failed.value.sentence()
    assert "env OPSCTL_STATE" in failed.value.sentence()
    assert "wrong" not in failed.value.sentence()


def test_behind_a_pooler_that_gives_each_transaction_another_session(team, pgbouncer, postgres):
    url = f"postgresql://app@127.0.0.1:{pgbouncer.port}/app"
    store = Store({**team.environ, "OPSCTL_STATE": url})
    ledger = store.open()
    run = a_run(ledger, "pid 1", "pid 2")
    lease = ledger.lease(SCOPE, **WHO)
    with pytest.raises(TryLater):
        team.open().lease(SCOPE, **WHO)
    ledger.release(lease)
    assert team.open().run("last").id == run.id
    assert ledger.verify().broken == ()
    ledger.close()
