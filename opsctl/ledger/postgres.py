"""A team's ledger: the schema ``opsctl`` of a Postgres, made on first use.

Writers take an advisory lock for the length of their transaction, so entries are added one behind the other. What a
transaction needs of its session is set inside it: that holds behind a pooler too.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from opsctl.clients import postgres_dsn
from opsctl.clients.deadline import Expired, within
from opsctl.clients.postgres_errors import connect_failure, shown
from opsctl.errors import CannotWrite, ConfigError, CouldNotLook, OpsctlError, Refused, TryLater, Unavailable
from opsctl.ledger.database import Row
from opsctl.ledger.watch import Watch

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from opsctl.config.endpoint import Endpoint

    Session = psycopg.Connection[TupleRow]

T = TypeVar("T")

SCHEMA = "opsctl"
CONNECT_SECONDS = 5.0
BUSY_SECONDS = 10  # how long another writer is waited for
_STATEMENT_SECONDS = 30
ANSWER_SECONDS = 35.0  # a server that has not even given up by then is gone
_LOCK = 0x6F707363746C  # "opsctl": the advisory lock that writers take
_LIMITS = (
    f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'; SET LOCAL statement_timeout = '{_STATEMENT_SECONDS}s'; "
    f"SET LOCAL search_path = {SCHEMA}, pg_catalog, pg_temp; "
)
_WRITE = (
    f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {_LIMITS}"
    "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'; "
    f"SELECT pg_advisory_xact_lock({_LOCK})"
)
_READ = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_LIMITS}"
_NO_RECORD = "Nothing is done without a record."


class PostgresDatabase:
    """One connection, opened at the first transaction and again after it broke."""

    text_type = 'TEXT COLLATE "C"'

    def __init__(self, endpoint: Endpoint) -> None:
        try:
            self._values: dict[str, Any] = dict(postgres_dsn.parameters(endpoint, CONNECT_SECONDS, {}))
        except CouldNotLook as failure:
            raise ConfigError(failure.says, place=endpoint.setting) from None
        self._values |= {"application_name": "opsctl:ledger", "keepalives_idle": "10", "keepalives_interval": "5"}
        if not self._values["options"]:
            del self._values["options"]  # a pooler refuses even empty ones
        self._setting = endpoint.setting
        self.where = f"postgres {postgres_dsn.address(self._values)}"
        self._lock = threading.RLock()
        self._session: Session | None = None
        self._watch = Watch(self._cut)

    def __repr__(self) -> str:
        return f"PostgresDatabase(from {self._setting})"

    @contextlib.contextmanager
    def writing(self) -> Iterator[_Work]:
        """One writer at a time, over all sessions; committed to the server's disk when the block ends."""
        with self._lock, self._within(_WRITE) as work:
            yield work

    @contextlib.contextmanager
    def reading(self) -> Iterator[_Work]:
        """A snapshot."""
        with self._lock, self._within(_READ) as work:
            yield work

    def check(self) -> list[str]:
        """The server looks after its storage itself."""
        return []

    def close(self) -> None:
        """Never raises."""
        with self._lock:
            self._drop()
            self._watch.close()

    # --- inside ---

    @contextlib.contextmanager
    def _within(self, begin: str) -> Iterator[_Work]:
        work = _Work(self, self._begun(begin))
        try:
            yield work
            work.change("COMMIT")
        except BaseException:
            if not work.session.closed:
                with contextlib.suppress(OpsctlError):
                    work.change("ROLLBACK")
            raise

    def _begun(self, begin: str) -> Session:
        """A session in an open transaction. One that broke while it was idle is opened again, once."""
        kept = self._session
        if kept is not None and not kept.closed:
            try:
                return self._begin(kept, begin)
            except Unavailable:  # nothing was asked for yet: the server may have been started again meanwhile
                pass
        session = self._session = self._connect()
        return self._begin(session, begin)

    def _begin(self, session: Session, begin: str) -> Session:
        try:
            self.ask(session, lambda: session.execute(begin.encode()))
        except BaseException:  # another writer was waited for too long, or Ctrl-C: the next one starts afresh
            if not session.closed:
                self._drop()
            raise
        return session

    def _connect(self) -> Session:
        self._drop()
        try:
            import psycopg
        except ImportError as error:
            raise ConfigError(f"psycopg cannot be loaded ({error})", place=self._setting) from None

        def connect() -> Session:
            return psycopg.connect("", autocommit=True, prepare_threshold=None, **self._values)

        try:
            session = within(CONNECT_SECONDS, connect, late=lambda late: late.close())
        except Expired:
            raise self._gone(f"no connection within {CONNECT_SECONDS:g} s") from None
        except (psycopg.Error, OSError, ValueError) as error:
            failure = connect_failure(str(error), address=self.where, setting=self._setting)
            raise self._refusal(failure) from None
        encoding = session.info.parameter_status("server_encoding") or ""
        if encoding not in ("UTF8", "SQL_ASCII"):
            session.close()
            raise ConfigError(f"{self.where} keeps text as {encoding}; the ledger needs UTF8", place=self._setting)
        return session

    def ask(self, session: Session, call: Callable[[], T]) -> T:
        """What ``call`` returns, in time. Raises typed errors; a session that broke is dropped."""
        import psycopg

        try:
            with self._watch.over(ANSWER_SECONDS):
                return call()
        except psycopg.Error as error:
            if self._watch.expired:
                self._drop()
                raise self._gone(f"no answer within {ANSWER_SECONDS:g} s") from None
            if session.closed or session.broken or not error.sqlstate:
                self._drop()
            raise self._failure(error.sqlstate or "", shown(str(error))) from None

    def _failure(self, state: str, own: str) -> OpsctlError:
        if state == "55P03":
            return TryLater(f"another process has been writing to it for {BUSY_SECONDS} s", place=self.where)
        if state in ("42501", "3F000", "42P01"):  # who may not use a schema does not see its tables
            user = self._values.get("user") or postgres_dsn.default("user")
            remedy = f'As its owner: CREATE SCHEMA IF NOT EXISTS {SCHEMA} AUTHORIZATION "{user}".'
            return Refused(f"{user} may not use the schema {SCHEMA} ({own})", place=self.where, remedy=remedy)
        if state == "25006":
            return CannotWrite("this server is read-only, as a standby is", place=self.where, remedy=_NO_RECORD)
        if state.startswith("53"):
            return CannotWrite(f"the server has no room left ({own})", place=self.where, remedy=_NO_RECORD)
        if not state or state.startswith(("08", "57")):
            return self._gone(own)
        return CannotWrite(f"the ledger cannot be used ({own})", place=self.where, remedy=_NO_RECORD)

    def _refusal(self, failure: CouldNotLook) -> OpsctlError:
        if failure.reason in ("unauthorized", "forbidden"):
            return Refused(failure.says, place=self._setting)
        if failure.reason in ("not-configured", "unsupported", "not-found", "bad-answer"):
            return ConfigError(failure.says, place=self._setting)
        return Unavailable(failure.says, place=self._setting, remedy=_NO_RECORD)

    def _gone(self, why: str) -> Unavailable:
        return Unavailable(f"the ledger cannot be reached ({why})", place=self.where, remedy=_NO_RECORD)

    def _cut(self) -> None:
        """Make a call that waits for the server return."""
        session = self._session
        if session is not None:
            with contextlib.suppress(OSError, Exception):
                copy = socket.socket(fileno=os.dup(session.fileno()))
                with copy:
                    copy.shutdown(socket.SHUT_RDWR)

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(Exception):  # giving up a broken session must not hide why it broke
                session.close()


class _Work:
    """Statements of the open transaction."""

    def __init__(self, database: PostgresDatabase, session: Session) -> None:
        self._database = database
        self.session = session

    def rows(self, sql: str, *values: object) -> list[Row]:
        """All rows of a query."""
        return self._database.ask(self.session, lambda: self.session.execute(_own(sql), values).fetchall())

    def change(self, sql: str, *values: object) -> int:
        """Run a statement; how many rows it touched."""
        return self._database.ask(self.session, lambda: self.session.execute(_own(sql), values).rowcount)

    def pages(self, sql: str, *values: object, size: int = 2000) -> Iterator[Sequence[Row]]:
        """The rows of a query in portions, by a cursor on the server."""
        name = f"pages_{os.urandom(4).hex()}"
        self.change(f"DECLARE {name} NO SCROLL CURSOR FOR {sql}", *values)
        fetch = f"FETCH {size} FROM {name}"
        while page := self.rows(fetch):
            yield page
        self.change(f"CLOSE {name}")

    def now(self) -> datetime | None:
        """The server's clock."""
        found: datetime = self.rows("SELECT clock_timestamp()")[0][0]
        return found.astimezone(UTC)

    def make_place(self) -> None:
        """The schema; asking for one that exists would need a right that its owner may lack."""
        if not self.rows("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = ?", SCHEMA):
            self.change(f"CREATE SCHEMA {SCHEMA}")

    def has_table(self, name: str) -> bool:
        """Whether the ledger's table of that name is there."""
        asked = "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = ? AND tablename = ?"
        return bool(self.rows(asked, SCHEMA, name))


def _own(sql: str) -> bytes:
    """The statement with the driver's own marks for values."""
    return sql.replace("?", "%s").encode()
