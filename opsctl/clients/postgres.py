"""Postgres, read side: one session that is read-only, kept open, and asks only the files of ``opsctl/sql``.

Used by the postgres probes. The acting client is another type in another module (design.md, "How data flows").
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opsctl import sql
from opsctl.clients import postgres_dsn
from opsctl.clients.deadline import Expired, within
from opsctl.clients.postgres_errors import SlotsFull, connect_failure, query_failure
from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    import psycopg

    Session = psycopg.Connection[dict[str, Any]]

__all__ = ["PostgresReader", "Preflight", "SlotsFull"]

CONNECT_SECONDS = 3.0
_REMEMBER_SECONDS = 10.0  # a failed connect is not tried again by each probe: once is enough to know
_TRIES, _AGAIN_AFTER = 4, 0.2  # seconds: a server needs a moment until a closed session's slot is free
_FLOOR = 10  # below it not even the preflight can be asked
_POOLER = "name the server's own address, for instance in an endpoint of its own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """Who we are to the server and what we may see (PG-0). Times are unix seconds by the server's clock."""

    version: int  # server_version_num
    version_text: str
    standby: bool
    role: str
    database: str
    superuser: bool
    sees_all: bool  # else per-state counts of other roles' sessions are unknown
    may_signal: bool
    started_at: float
    conf_loaded_at: float
    server_time: float
    connect_seconds: float
    tls: str  # "no", or "yes" and whether the certificate was checked

    @property
    def remedy(self) -> str:
        """What lets this role see all sessions."""
        return f"GRANT pg_read_all_stats TO {self.role}"


class PostgresReader:
    """One endpoint. All failures are CouldNotLook (SlotsFull when no connection slot is left).

    Takes any number of threads; they share the one session and wait for each other.
    """

    _read_only = "on"  # what the session must turn out to be

    def __init__(self, endpoint: Endpoint) -> None:
        self.setting = endpoint.setting
        self.last_seconds = 0.0  # how long the last question took, without connecting
        self.first: dict[str, tuple[float, list[dict[str, Any]]]] = {}  # by query: when first asked, rows
        self._endpoint = endpoint
        self._lock = threading.RLock()
        self._connection: Session | None = None
        self._facts: Preflight | None = None
        self._address = ""
        self._failed: tuple[float, CouldNotLook] | None = None

    def __repr__(self) -> str:
        return f"PostgresReader(from {self.setting})"

    @property
    def address(self) -> str:
        """``database@host:port``, without credentials; "" when the connection string cannot be read."""
        if not self._address:
            with contextlib.suppress(CouldNotLook):
                self._address = postgres_dsn.address(postgres_dsn.parameters(self._endpoint, CONNECT_SECONDS))
        return self._address

    @property
    def is_open(self) -> bool:
        """Whether the session is there."""
        return self._connection is not None

    def open(self, timeout: float = CONNECT_SECONDS) -> Preflight:
        """Connect unless connected, and say who we are. Called early, so that a slot is ours before they run out."""
        with self._turn(timeout) as until:
            self._session(until)
            assert self._facts is not None
            return self._facts

    def preflight(self, timeout: float = CONNECT_SECONDS) -> Preflight:
        """The facts of the open session; connects if need be."""
        return self.open(timeout)

    def rows(
        self, sql_name: str, params: Mapping[str, object] | None = None, timeout: float = 5.0, *, schema: str = ""
    ) -> list[dict[str, Any]]:
        """The rows of ``opsctl/sql/NAME.sql``, in at most ``timeout`` seconds. ``schema`` fills its ``{schema}``."""
        query = sql.load(sql_name)
        with self._turn(timeout) as until:
            connection = self._session(until)
            assert self._facts is not None
            if self._facts.version < query.minimum * 10_000:
                raise self._failure(
                    "unsupported",
                    f"{sql_name} needs Postgres {query.minimum}; {self.address} is {self._facts.version_text}",
                )
            text = query.text.replace("{schema}", '"' + schema.replace('"', '""') + '"') if query.schema else query.text
            return self._ask(connection, sql_name, text, dict(params or {}), max(0.1, until - time.monotonic()))

    def notes(self) -> tuple[str, ...]:
        """What a report must say: the session to another host is not encrypted, or its certificate not checked."""
        facts = self._facts
        if facts is None or facts.tls.startswith("yes, certificate checked") or _is_here(self.address):
            return ()
        how = "is not encrypted" if facts.tls == "no" else "is encrypted, but the server's certificate is not checked"
        return (f"the session with postgres {self.address} {how}; sslmode=verify-full checks it",)

    def close(self) -> None:
        """Give the slot back. Never raises."""
        with self._lock:
            self._drop()

    # --- inside ---

    @contextlib.contextmanager
    def _turn(self, timeout: float) -> Iterator[float]:
        until = time.monotonic() + timeout
        if not self._lock.acquire(timeout=timeout):
            raise self._failure("timeout", f"the session at {self.address} was busy for {timeout:g} s")
        try:
            yield until
        finally:
            self._lock.release()

    def _failure(self, reason: Any, says: str) -> CouldNotLook:
        return CouldNotLook(reason, says, address=self.address, setting=self.setting)

    def _session(self, until: float) -> Session:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        if self._failed is not None:
            at, failure = self._failed
            if time.monotonic() - at < _REMEMBER_SECONDS:
                raise failure
        try:
            self._connect_or_wait(until)
        except CouldNotLook as failure:
            self._drop()
            self._failed = (time.monotonic(), failure)
            raise
        self._failed = None
        assert self._connection is not None
        return self._connection

    def _connect_or_wait(self, until: float) -> None:
        """Connect. Where not even a reserved slot is left, it may be one that we gave back ourselves a moment ago."""
        tries = _TRIES
        while True:
            try:
                return self._connect(max(0.1, min(CONNECT_SECONDS, until - time.monotonic())))
            except SlotsFull as full:
                tries -= 1
                if not tries or "too many clients" not in full.says or until - time.monotonic() < 2 * _AGAIN_AFTER:
                    raise
            self._drop()
            time.sleep(_AGAIN_AFTER)

    def _parameters(self, seconds: float) -> dict[str, Any]:
        """libpq's parameters of this session."""
        return dict(postgres_dsn.parameters(self._endpoint, seconds))

    def _connect(self, seconds: float) -> None:
        try:
            import psycopg
            from psycopg.rows import dict_row
        except ImportError as error:
            raise self._failure("missing-library", f"psycopg cannot be loaded ({error})") from None
        values = self._parameters(seconds)
        self._address = postgres_dsn.address(values)

        def connect() -> Session:
            return psycopg.connect("", autocommit=True, prepare_threshold=None, row_factory=dict_row, **values)

        started = time.monotonic()
        try:
            connection = within(seconds, connect, late=lambda late: late.close())
        except Expired:
            raise self._failure("timeout", f"{self._address} did not finish a connect in {seconds:.1f} s") from None
        except (psycopg.Error, OSError) as error:
            raise connect_failure(str(error), address=self._address, setting=self.setting) from None
        except ValueError as error:  # a host name that no encoder takes
            raise self._failure("unresolved", f"{self._address} cannot be an address ({error})") from None
        self._connection = connection
        _read_text_leniently(connection)
        sslmode = str(values.get("sslmode", ""))
        self._facts = self._check(connection, time.monotonic() - started, seconds, sslmode)

    def _check(self, connection: Session, took: float, seconds: float, sslmode: str) -> Preflight:
        """Ask who we are; refuse to go on where the session's limits did not take hold."""
        version = connection.info.server_version
        if version < _FLOOR * 10_000:
            raise self._failure(
                "unsupported", f"{self._address} is Postgres {version // 10_000}; 14 or newer is needed"
            )
        query = sql.load("get_preflight")
        (row,) = self._ask(connection, query.name, query.text, {}, max(0.5, seconds - took))
        if row["pid"] != connection.info.backend_pid:
            raise self._failure(
                "unsupported", f"a pooler such as PgBouncer answers at {self._address}, not Postgres itself; {_POOLER}"
            )
        if row["read_only"] != self._read_only or row["statement_timeout"] != "5s":
            raise self._failure(
                "unsupported",
                f"{self._address} did not take the session's limits (default_transaction_read_only {row['read_only']}, "
                f"statement_timeout {row['statement_timeout']}); a pooler may stand in between: {_POOLER}",
            )
        return Preflight(
            version=row["version"], version_text=row["version_text"], standby=row["standby"], role=row["role"],
            database=row["database"], superuser=row["superuser"], sees_all=row["superuser"] or row["reads_all_stats"],
            may_signal=row["superuser"] or row["may_signal"], started_at=row["started_at"],
            conf_loaded_at=row["conf_loaded_at"], server_time=row["server_time"], connect_seconds=took,
            tls=postgres_dsn.tls(connection.pgconn.ssl_in_use, sslmode),
        )  # fmt: skip

    def _ask(
        self,
        connection: Session,
        name: str,
        text: str,
        params: dict[str, object],
        seconds: float,
    ) -> list[dict[str, Any]]:
        import psycopg

        def ask() -> list[dict[str, Any]]:
            # always with parameters, so that %% means one percent sign in every file
            return connection.execute(text.encode(), params).fetchall()

        started = time.monotonic()
        try:
            return within(seconds, ask, abandon=lambda: _abandon(connection))
        except Expired as expired:
            if not expired.ended or connection.closed:
                self._drop()
            raise self._failure("timeout", f"{self.address} did not answer {name} in {seconds:.1f} s") from None
        except psycopg.Error as error:
            if connection.closed or connection.broken:
                self._drop()
            raise query_failure(name, error.sqlstate, str(error), address=self.address, setting=self.setting) from None
        finally:
            self.last_seconds = time.monotonic() - started

    def _drop(self) -> None:
        connection, self._connection, self._facts = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(Exception):  # giving up a broken session must not hide why it broke
                connection.close()


def _abandon(connection: Session) -> None:
    """End the running statement: ask the server to cancel it, and if that does not help, cut our own socket."""
    with contextlib.suppress(Exception):  # the cancel request is an attempt; cutting the socket is certain
        connection.cancel_safe(timeout=0.5)
        time.sleep(0.05)
    if connection.info.transaction_status.name != "ACTIVE":
        return
    with contextlib.suppress(OSError, Exception):
        copy = socket.socket(fileno=os.dup(connection.fileno()))
        with copy:
            copy.shutdown(socket.SHUT_RDWR)


def _read_text_leniently(connection: Session) -> None:
    """Queries of databases in another encoding appear in pg_stat_activity as they are: show them, do not fail."""
    from psycopg.adapt import Loader

    class LenientText(Loader):
        def load(self, data: bytes | bytearray | memoryview) -> str:
            return bytes(data).decode("utf-8", "replace")

    class LenientBytes(LenientText):
        def load(self, data: bytes | bytearray | memoryview) -> str:
            return bytes.fromhex(bytes(data)[2:].decode()).decode("utf-8", "replace")  # bytea_output is hex

    connection.adapters.register_loader("text", LenientText)
    connection.adapters.register_loader("bytea", LenientBytes)


def _is_here(address: str) -> bool:
    """Whether the address is this host's own: a socket or loopback."""
    host = address.rpartition("@")[2]
    return host.startswith(("127.", "localhost", "/", "[::1]", "::1", "@"))
