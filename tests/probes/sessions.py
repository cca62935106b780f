"""Clients of a test's Postgres that do what hurts: hold, wait, forget."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg

from tests.servers.postgres import Postgres


class Clients:
    """Sessions of role app; all are closed at the end."""

    def __init__(self, postgres: Postgres, stack: ExitStack) -> None:
        self.postgres = postgres
        self.stack = stack
        self._threads: list[threading.Thread] = []

    def connect(self, application: str = "api", role: str = "app", db: str = "") -> psycopg.Connection[Any]:
        """A session, in autocommit."""
        connection = psycopg.connect(self.postgres.dsn(role, db), autocommit=True, application_name=application)
        self.stack.callback(connection.close)
        return connection

    def pid(self, connection: psycopg.Connection[Any]) -> int:
        """The server's process of that session."""
        return connection.info.backend_pid

    def idle_in_transaction(self, statement: str = "SELECT 1", **kind: str) -> psycopg.Connection[Any]:
        """A session that ran ``statement`` in a transaction and forgot it."""
        connection = self.connect(**kind)
        connection.execute("BEGIN")
        connection.execute(statement.encode())
        return connection

    def busy(self, statement: str, **kind: str) -> psycopg.Connection[Any]:
        """A session that runs ``statement`` in the background; waits until the server has it."""
        connection = self.connect(**kind)

        def work() -> None:
            try:
                connection.execute(statement.encode())
            except psycopg.Error:
                return  # ended by the test

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self._threads.append(thread)
        pid = self.pid(connection)
        self.until(
            lambda: self.postgres.sql(f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid} AND state = 'active'") != []
        )
        return connection

    def until(self, holds: Callable[[], bool], timeout: float = 60.0) -> None:
        """Wait until the server shows it."""
        until = time.monotonic() + timeout
        while not holds():
            assert time.monotonic() < until, "the server never showed it"
            time.sleep(0.05)

    def waiting(self, number: int) -> None:
        """Wait until so many sessions wait for a lock."""
        question = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        self.until(lambda: self.postgres.sql(question)[0][0] >= number)

    def end(self) -> None:
        """End everything that still runs, so that the server is left as it was found."""
        self.postgres.sql(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        for thread in self._threads:
            thread.join(30)


@contextmanager
def clients_of(postgres: Postgres) -> Iterator[Clients]:
    """Clients for one test."""
    with ExitStack() as stack:
        clients = Clients(postgres, stack)
        try:
            yield clients
        finally:
            clients.end()  # before their connections are closed, which running statements would not like
