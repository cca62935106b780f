"""A Postgres that refuses, hangs, lies or is no Postgres: one typed failure each, in time, without secrets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from opsctl.clients.postgres import PostgresReader, SlotsFull
from opsctl.clients.postgres_errors import connect_failure, query_failure
from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook
from tests.fakes import rawserver
from tests.fakes.rawserver import Proxy, RawServer
from tests.servers.postgres import Postgres
from tests.servers.process import free_port

SECRET = "p4ss-w0rd"


def reader(dsn: str) -> PostgresReader:
    return PostgresReader(Endpoint(name="postgres", url=dsn, setting="env DATABASE_URL"))


def failure_of(dsn: str, timeout: float = 3.0) -> CouldNotLook:
    here = reader(dsn)
    with pytest.raises(CouldNotLook) as caught:
        here.rows("get_waits", timeout=timeout)
    here.close()
    assert SECRET not in caught.value.says + caught.value.address + repr(caught.value) + repr(here)
    assert caught.value.setting == "env DATABASE_URL"
    return caught.value


def at(port: int) -> str:
    return f"postgresql://app:{SECRET}@127.0.0.1:{port}/danci"


def test_nothing_listens() -> None:
    port = free_port()
    failure = failure_of(at(port))
    assert failure.reason == "refused"
    assert failure.says == f"danci@127.0.0.1:{port} is not listening (Connection refused)"
    assert failure.address == f"danci@127.0.0.1:{port}"


def test_the_name_cannot_be_resolved() -> None:
    assert failure_of(f"postgresql://app:{SECRET}@no-such-host.invalid/danci").reason == "unresolved"


def test_no_socket_in_that_folder(tmp_path: object) -> None:
    assert failure_of(f"host={tmp_path} user=app password={SECRET} dbname=danci").reason == "refused"


def test_a_wrong_password(postgres: Postgres) -> None:
    failure = failure_of(f"postgresql://guarded:{SECRET}@127.0.0.1:{postgres.port}/danci")
    assert failure.reason == "unauthorized"
    assert 'password authentication failed for user "guarded"' in failure.says


def test_no_password(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSFILE", "/dev/null")
    assert failure_of(f"postgresql://guarded@127.0.0.1:{postgres.port}/danci").reason == "unauthorized"


def test_no_such_role(postgres: Postgres) -> None:
    assert failure_of(f"postgresql://nobody-here@127.0.0.1:{postgres.port}/danci").reason == "unauthorized"


def test_no_such_database(postgres: Postgres) -> None:
    failure = failure_of(postgres.dsn("opsctl_read", "nowhere"))
    assert failure.reason == "not-found"
    assert 'database "nowhere" does not exist' in failure.says


def test_tls_is_demanded_of_a_server_without(postgres: Postgres) -> None:
    failure = failure_of(postgres.dsn() + "?sslmode=verify-full")
    assert failure.reason == "tls"


@pytest.mark.parametrize(
    ("behaviour", "reasons"),
    [
        (rawserver.silent, {"timeout"}),
        (rawserver.closing, {"closed"}),
        (rawserver.resetting, {"closed"}),
        (rawserver.http, {"bad-answer"}),
        (rawserver.garbage, {"bad-answer", "closed"}),
        (rawserver.dripping(b"N"), {"bad-answer", "timeout"}),
        (rawserver.dripping(b"R\0\0\x0f\0", b"\0"), {"bad-answer", "timeout", "closed"}),
        (rawserver.dripping(b"NE\0\0\xff\0S", b"a"), {"bad-answer", "timeout", "closed", "server-error"}),
    ],
)
def test_servers_that_speak_no_postgres(behaviour: Callable[..., None], reasons: set[str]) -> None:
    with RawServer(behaviour) as server:
        started = time.monotonic()
        failure = failure_of(at(server.port), timeout=1.5)
        assert failure.reason in reasons
        assert time.monotonic() - started < 1.5 + 3  # the slack is for a loaded machine


def test_a_hanging_server_costs_its_time_once() -> None:
    with RawServer(rawserver.silent) as server:
        here = reader(at(server.port))
        for _ in range(5):
            with pytest.raises(CouldNotLook, match="did not finish a connect"):
                here.rows("get_waits", timeout=1.0)
        assert server.accepted == 1


@pytest.mark.parametrize(
    ("sqlstate", "text", "reason"),
    [
        ("57P03", "the database system is starting up", "server-error"),
        ("57P03", "the database system is shutting down", "server-error"),
        ("57P03", "the database system is not yet accepting connections", "server-error"),
        ("57P03", "the database system is in recovery mode", "server-error"),
        ("28000", 'no pg_hba.conf entry for host "10.1.2.3", user "app", database "danci", no encryption', "forbidden"),
        ("28000", 'role "app" is not permitted to log in', "unauthorized"),
        ("42501", 'permission denied for database "danci"', "forbidden"),
        ("08P01", "unsupported startup parameter: options", "unsupported"),
        ("08P01", "no such database: danci", "not-found"),
        ("08P01", "server login has been failing, try again later (server_login_retry)", "server-error"),
        ("28P01", "Passwort-Authentifizierung für Benutzer »app« fehlgeschlagen", "server-error"),
    ],
)
def test_what_servers_say_when_they_refuse(sqlstate: str, text: str, reason: str) -> None:
    with RawServer(rawserver.postgres_error(sqlstate, text)) as server:
        failure = failure_of(at(server.port))
    assert failure.reason == reason
    assert text.rstrip(".") in failure.says  # their words are shown whatever we make of them


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("sorry, too many clients already", "server"),
        ("remaining connection slots are reserved for non-replication superuser connections", "server"),
        ("remaining connection slots are reserved for roles with the SUPERUSER attribute", "server"),
        ('remaining connection slots are reserved for roles with privileges of the "pg_use_reserved_connections" role',
         "server"),
        ('too many connections for role "app"', "role"),
        ('too many connections for database "danci"', "database"),
        ("no more connections allowed (max_client_conn)", "pooler"),
        ("query_wait_timeout", "pooler"),
    ],
)  # fmt: skip
def test_every_wording_of_full(text: str, scope: str) -> None:
    with RawServer(rawserver.postgres_error("53300", text)) as server:
        failure = failure_of(at(server.port))
    assert isinstance(failure, SlotsFull)
    assert failure.reason == "slots-full"
    assert failure.scope == scope


def test_names_in_a_message_do_not_decide_its_meaning() -> None:
    text = 'connection to server at "mytls-timeout.example" (10.0.0.1), port 5432 failed: Connection refused'
    assert connect_failure(text, address="a", setting="s").reason == "refused"
    text = 'connection failed: FATAL:  database "too many clients" does not exist'
    assert connect_failure(text, address="a", setting="s").reason == "not-found"


def test_the_most_telling_of_several_attempts_decides() -> None:
    text = (
        'connection to server at "localhost" (::1), port 5432 failed: Connection refused\n'
        "\tIs the server running on that host and accepting TCP/IP connections?\n"
        'connection to server at "localhost" (127.0.0.1), port 5432 failed: FATAL:  sorry, too many clients already'
    )
    failure = connect_failure(text, address="danci@localhost:5432", setting="s")
    assert failure.reason == "slots-full"
    assert failure.says == "danci@localhost:5432 has no connection slot left (sorry, too many clients already)"


@pytest.mark.parametrize(
    ("sqlstate", "reason"),
    [
        ("57014", "timeout"), ("55P03", "timeout"), ("42501", "forbidden"), ("42P01", "unsupported"),
        ("57P01", "closed"), ("53200", "server-error"), ("XX000", "server-error"), ("22P02", "bad-query"),
        (None, "closed"),
    ],
)  # fmt: skip
def test_statement_failures_by_their_code(sqlstate: str | None, reason: str) -> None:
    assert query_failure("get_waits", sqlstate, "ERROR: x", address="a", setting="s").reason == reason


def test_a_server_that_stops_answering_in_the_middle(postgres: Postgres) -> None:
    with Proxy(postgres.port) as proxy:
        here = reader(postgres.dsn().replace(str(postgres.port), str(proxy.port)))
        here.open()
        proxy.freeze()
        started = time.monotonic()
        with pytest.raises(CouldNotLook) as caught:
            here.rows("get_waits", timeout=0.5)
        assert caught.value.reason == "timeout"
        assert time.monotonic() - started < 5
        assert not here.is_open  # nothing can be asked over it any more
        with pytest.raises(CouldNotLook):
            here.rows("get_waits", timeout=0.5)
        proxy.cut()
        proxy.thaw()


def test_a_connection_that_is_cut_is_opened_again(postgres: Postgres) -> None:
    here = reader(postgres.dsn())
    first = here.open()
    assert first.sees_all
    postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'opsctl:diagnose'")
    with pytest.raises(CouldNotLook) as caught:
        here.rows("get_waits")
    assert caught.value.reason == "closed"
    assert isinstance(here.rows("get_waits"), list)
    here.close()


def test_a_slow_statement_is_cancelled_and_the_session_stays(postgres: Postgres) -> None:
    here = reader(postgres.dsn())
    here.open()
    connection = here._connection
    assert connection is not None
    with pytest.raises(CouldNotLook) as caught:
        here._ask(connection, "get_waits", "SELECT pg_sleep(30)", {}, 0.4)
    assert caught.value.reason == "timeout"
    assert here.is_open
    assert isinstance(here.rows("get_waits"), list)
    running = postgres.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(30)'"
    )
    assert running == [(0,)]
    here.close()


def test_the_server_too_ends_what_takes_longer_than_five_seconds(postgres: Postgres) -> None:
    here = reader(postgres.dsn())
    here.open()
    assert here._connection is not None
    with pytest.raises(CouldNotLook) as caught:
        here._ask(here._connection, "get_waits", "SELECT pg_sleep(30)", {}, 20)
    assert caught.value.reason == "timeout"
    assert "was cancelled" in caught.value.says
    here.close()


def test_a_connect_that_comes_too_late_gives_its_slot_back(postgres: Postgres) -> None:
    with Proxy(postgres.port) as proxy:
        proxy.delay = 0.7
        here = reader(postgres.dsn().replace(str(postgres.port), str(proxy.port)))
        with pytest.raises(CouldNotLook):
            here.open(timeout=0.5)
        until = time.monotonic() + 30
        question = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'opsctl:diagnose'"
        time.sleep(1.0)
        while postgres.sql(question) != [(0,)]:
            assert time.monotonic() < until
            time.sleep(0.1)
    here.close()


def test_threads_share_the_one_session(postgres: Postgres) -> None:
    here = reader(postgres.dsn())
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(10):
                here.rows("get_capacity", timeout=30)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    question = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'opsctl:diagnose'"
    assert postgres.sql(question)[0][0] <= 1
    for thread in threads:
        thread.join()
    assert not failures
    here.close()


def test_a_busy_session_is_not_waited_for_without_end(postgres: Postgres) -> None:
    here = reader(postgres.dsn())
    here.open()
    assert here._connection is not None
    taken, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with here._turn(30):
            taken.set()
            leave.wait(30)

    other = threading.Thread(target=hold)
    other.start()
    taken.wait(30)
    with pytest.raises(CouldNotLook, match="was busy") as caught:
        here.rows("get_waits", timeout=0.3)
    assert caught.value.reason == "timeout"
    leave.set()
    other.join()
    here.close()
