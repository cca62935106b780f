"""The ledger's file: SQLite, each commit on the disk before it returns, readable by its owner only."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from opsctl.config.places import shown
from opsctl.errors import CannotWrite, OpsctlError, TryLater
from opsctl.ledger.database import Row

BUSY_SECONDS = 10.0  # how long another writer is waited for
_FULL = ("SQLITE_FULL", "SQLITE_IOERR")
_BROKEN = ("SQLITE_NOTADB", "SQLITE_CORRUPT")
_CLOSED = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")
_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED")


class SqliteDatabase:
    """The file at ``path``, made with its folder unless ``reading``. None: an empty one in memory, to read from."""

    text_type = "TEXT"

    def __init__(self, path: Path | None, *, reading: bool = False, where: str = "") -> None:
        self.where = where or (shown(path) if path is not None else "memory")
        self._lock = threading.RLock()
        with self._typed():
            if path is None:
                self._connection = _connect(":memory:")
            elif reading:
                self._connection = self._to_read(path)
            else:
                self._connection = self._to_write(path)

    @contextlib.contextmanager
    def writing(self) -> Iterator[_Work]:
        """One writer at a time, over all processes."""
        with self._lock, self._typed(), self._within("BEGIN IMMEDIATE"):
            yield _Work(self._connection)

    @contextlib.contextmanager
    def reading(self) -> Iterator[_Work]:
        """A snapshot; writers are not kept waiting."""
        with self._lock, self._typed(), self._within("BEGIN"):
            yield _Work(self._connection)

    def check(self) -> list[str]:
        """What SQLite itself finds wrong with the file."""
        with self._lock, self._typed():
            found = [str(row[0]) for row in self._connection.execute("PRAGMA quick_check(20)")]
        return [f"the file is damaged: {text}" for text in found if text != "ok"]

    def close(self) -> None:
        """Never raises."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            self._connection.close()

    # --- inside ---

    @contextlib.contextmanager
    def _within(self, begin: str) -> Iterator[None]:
        self._connection.execute(begin)
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # SQLite has undone it already after some failures
                self._connection.execute("ROLLBACK")
            raise

    def _to_write(self, path: Path) -> sqlite3.Connection:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # SQLite gives the files beside it the mode of this one.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            info = path.stat()
            if info.st_mode & 0o077 and info.st_uid == os.geteuid():
                path.chmod(0o600)
        except OSError as error:
            raise self._cannot((error.strerror or str(error)).lower()) from None
        connection = _connect(path)
        _set(connection, "journal_mode", "wal")  # where the file system does not allow it, a rollback journal does
        _set(connection, "synchronous", "full")
        connection.execute("PRAGMA fullfsync = on")  # macOS: through the drive's own cache too
        found = connection.execute("PRAGMA synchronous").fetchone()[0]
        if found != 2:
            raise self._cannot("SQLite does not write through to the disk here")
        return connection

    def _to_read(self, path: Path) -> sqlite3.Connection:
        if not path.exists():
            return _connect(":memory:")
        connection = _connect(f"{path.absolute().as_uri()}?mode=ro")
        try:
            connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            connection.close()
            log = path.with_name(path.name + "-wal")
            if os.access(path.parent, os.W_OK) or (log.exists() and log.stat().st_size):
                raise
            # In a folder that cannot be written nobody else writes either.
            connection = _connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1")
        return connection

    @contextlib.contextmanager
    def _typed(self) -> Iterator[None]:
        """SQLite's failures as ours."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._failure(error) from None

    def _failure(self, error: sqlite3.Error) -> OpsctlError:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(_BUSY):
            says = f"another process has been writing to it for {BUSY_SECONDS:g} s"
            return TryLater(says, place=self.where, remedy="Try again.")
        if name.startswith(_FULL):
            return self._cannot("the disk is full" if name == "SQLITE_FULL" else _disk(error))
        if name.startswith(_BROKEN):
            says = "this file is damaged" if "CORRUPT" in name else "this file is not a ledger"
            return CannotWrite(says, place=self.where, remedy="Move it away, and a new one is begun.")
        if name.startswith(_CLOSED):
            return self._cannot("it cannot be opened for writing")
        return self._cannot(str(error))

    def _cannot(self, why: str) -> CannotWrite:
        return CannotWrite(
            f"the ledger cannot be written ({why})",
            place=self.where,
            remedy="Nothing is done without a record: make room or name another state folder with XDG_STATE_HOME.",
        )


class _Work:
    """Statements of the open transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, *values: object) -> list[Row]:
        """All rows of a query."""
        return self._connection.execute(sql, values).fetchall()

    def change(self, sql: str, *values: object) -> int:
        """Run a statement; how many rows it touched."""
        return self._connection.execute(sql, values).rowcount

    def pages(self, sql: str, *values: object, size: int = 2000) -> Iterator[Sequence[Row]]:
        """The rows of a query in portions."""
        cursor = self._connection.execute(sql, values)
        while page := cursor.fetchmany(size):
            yield page

    def now(self) -> datetime | None:
        """SQLite has no clock but this machine's."""
        return None

    def make_place(self) -> None:
        """The file is the place."""

    def has_table(self, name: str) -> bool:
        """Whether the table is there."""
        return bool(self.rows("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", name))


def _connect(name: str | Path) -> sqlite3.Connection:
    return sqlite3.connect(
        name, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=str(name).startswith("file:")
    )


def _set(connection: sqlite3.Connection, key: str, value: str) -> None:
    """Set a PRAGMA that needs the file to itself: SQLite does not wait for others there, so it is tried again."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute(f"PRAGMA {key} = {value}")
            return
        except sqlite3.OperationalError as error:
            if not getattr(error, "sqlite_errorname", "").startswith(_BUSY) or time.monotonic() > until:
                raise
            time.sleep(0.02)


def _disk(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "")
    return f"the disk refuses it: {name.removeprefix('SQLITE_').lower().replace('_', ' ')}"
