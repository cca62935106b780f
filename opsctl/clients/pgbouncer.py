"""PgBouncer's console, read side: SHOW of a few lists, by the simple query protocol, which is all it speaks (2.2).

Takes a user of ``stats_users``; nothing that controls the pooler can be sent from here. The acting client is another
type in another module.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from opsctl.clients import postgres_dsn
from opsctl.clients.deadline import Expired, within
from opsctl.clients.postgres_errors import connect_failure, query_failure, shown
from opsctl.config.endpoint import Endpoint
from opsctl.errors import Bug, CouldNotLook

if TYPE_CHECKING:
    import psycopg

    Console = psycopg.Connection[dict[str, Any]]

DATABASE = "pgbouncer"
CONNECT_SECONDS = 3.0
_REMEMBER_SECONDS = 10.0  # a failed connect is not tried again by each probe
_MOST_LISTED = 2000  # clients or servers: listing many more keeps the pooler's one thread busy
LISTS = frozenset({"POOLS", "STATS", "DATABASES", "CONFIG", "VERSION", "LISTS", "STATE"})
LONG_LISTS = {"CLIENTS": "used_clients", "SERVERS": "used_servers"}  # and where SHOW LISTS counts them
_REMEDY = "add it to stats_users in pgbouncer.ini and RELOAD"


class PgbouncerReader:
    """One endpoint; the URL's database is left aside for the console. All failures are CouldNotLook.

    Takes any number of threads; they share the one connection and wait for each other.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.setting = endpoint.setting
        self.first: dict[str, tuple[float, list[dict[str, Any]]]] = {}  # by list: when it was shown first, its rows
        self._endpoint = endpoint
        self._lock = threading.RLock()
        self._connection: Console | None = None
        self._address = ""
        self._user = ""
        self._failed: tuple[float, CouldNotLook] | None = None

    def __repr__(self) -> str:
        return f"PgbouncerReader(from {self.setting})"

    @property
    def address(self) -> str:
        """``pgbouncer@host:port``, without credentials; "" when the connection string cannot be read."""
        if not self._address:
            with contextlib.suppress(CouldNotLook):
                self._parameters()
        return self._address

    def show(self, name: str, timeout: float = 5.0) -> list[dict[str, Any]]:
        """The rows of ``SHOW name`` by column name: columns come and go between releases.

        Long lists (CLIENTS, SERVERS) are left out, "skipped", when SHOW LISTS counts more than a few thousand.
        """
        if name not in LISTS and name not in LONG_LISTS:
            raise Bug(f"SHOW {name} is not on the list of what may be asked of PgBouncer")
        until = time.monotonic() + timeout
        if not self._lock.acquire(timeout=timeout):
            raise self._failure("timeout", f"the connection to {self.address} was busy for {timeout:g} s")
        try:
            connection = self._connected(until)
            if name in LONG_LISTS:
                self._refuse_long(connection, name, until)
            return self._ask(connection, name, max(0.1, until - time.monotonic()))
        finally:
            self._lock.release()

    def close(self) -> None:
        """Give the connection back. Never raises."""
        with self._lock:
            self._drop()

    # --- inside ---

    def _failure(self, reason: Any, says: str) -> CouldNotLook:
        return CouldNotLook(reason, says, address=self._address, setting=self.setting)

    def _parameters(self) -> dict[str, Any]:
        """libpq's parameters: no ``options``, which the pooler refuses, and its own database instead of the app's."""
        values = dict(postgres_dsn.parameters(self._endpoint, CONNECT_SECONDS))
        for name in ("options", "target_session_attrs"):
            values.pop(name, None)
        values["dbname"] = DATABASE
        self._address = postgres_dsn.address(values)
        self._user = values.get("user", "")
        return values

    def _connected(self, until: float) -> Console:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        if self._failed is not None and time.monotonic() - self._failed[0] < _REMEMBER_SECONDS:
            raise self._failed[1]
        try:
            self._connection = self._connect(max(0.1, min(CONNECT_SECONDS, until - time.monotonic())))
        except CouldNotLook as failure:
            self._drop()
            self._failed = (time.monotonic(), failure)
            raise
        self._failed = None
        return self._connection

    def _connect(self, seconds: float) -> Console:
        try:
            import psycopg
            from psycopg.rows import dict_row
        except ImportError as error:
            raise self._failure("missing-library", f"psycopg cannot be loaded ({error})") from None
        values = self._parameters()

        def connect() -> Console:
            # binds on our side and sends plain text: the console knows no other protocol
            return psycopg.connect(
                "", autocommit=True, prepare_threshold=None, row_factory=dict_row,
                cursor_factory=psycopg.ClientCursor, **values,
            )  # fmt: skip

        try:
            connection = within(seconds, connect, late=lambda late: late.close())
        except Expired:
            raise self._failure("timeout", f"{self._address} did not finish a connect in {seconds:.1f} s") from None
        except (psycopg.Error, OSError) as error:
            raise self._refused(str(error)) from None
        except ValueError as error:  # a host name that no encoder takes
            raise self._failure("unresolved", f"{self._address} cannot be an address ({error})") from None
        return connection

    def _refused(self, text: str) -> CouldNotLook:
        own = shown(text)
        if own.strip().lower() in ("not allowed", "access denied"):
            who = f"user {self._user}" if self._user else "this user"
            return self._failure("forbidden", f"{who} may not use the console of {self._address}; {_REMEDY}")
        if 'database "pgbouncer" does not exist' in text:
            return self._failure("unsupported", f"{self._address} is Postgres itself, not PgBouncer ({own})")
        return connect_failure(text, address=self._address, setting=self.setting)

    def _refuse_long(self, connection: Console, name: str, until: float) -> None:
        counts = {
            row["list"]: row["items"] for row in self._ask(connection, "LISTS", max(0.1, until - time.monotonic()))
        }
        many = int(counts.get(LONG_LISTS[name]) or 0)
        if many > _MOST_LISTED:
            raise self._failure("skipped", f"SHOW {name} was left out: {many} at {self._address}, limit {_MOST_LISTED}")

    def _ask(self, connection: Console, name: str, seconds: float) -> list[dict[str, Any]]:
        return self._send(connection, f"SHOW {name}", seconds)

    def _send(self, connection: Console, command: str, seconds: float) -> list[dict[str, Any]]:
        import psycopg

        def ask() -> list[dict[str, Any]]:
            cursor = connection.execute(command.encode())
            return cursor.fetchall() if cursor.description else []

        try:
            return within(seconds, ask, abandon=lambda: _cut(connection))
        except Expired:
            self._drop()
            raise self._failure("timeout", f"{self._address} did not answer {command} in {seconds:.1f} s") from None
        except psycopg.Error as error:
            if connection.closed or connection.broken:
                self._drop()
            if "invalid command" in str(error) or "unsupported" in str(error):
                raise self._failure("unsupported", f"{self._address} does not know {command}") from None
            raise query_failure(
                command, error.sqlstate, str(error), address=self._address, setting=self.setting
            ) from None

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):  # giving up a broken connection must not hide why it broke
                connection.close()


def _cut(connection: Console) -> None:
    """End a call that hangs: the console has nothing to cancel, so our own socket is shut."""
    with contextlib.suppress(OSError, Exception), socket.socket(fileno=os.dup(connection.fileno())) as copy:
        copy.shutdown(socket.SHUT_RDWR)
