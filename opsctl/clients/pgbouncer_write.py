"""PgBouncer's console, write side: the few commands that change something; takes a user of ``admin_users``.

PAUSE, KILL, SUSPEND and SHUTDOWN are not among them: they stop everybody's work, and some of them never return.
"""

from __future__ import annotations

import re
import time
from typing import Literal

from opsctl.clients.pgbouncer import PgbouncerReader
from opsctl.errors import Bug, CouldNotLook

Command = Literal["RELOAD", "RECONNECT", "RESUME", "ENABLE", "DISABLE"]
_ALONE = frozenset({"RELOAD"})
_OF_DATABASE = frozenset({"RECONNECT", "RESUME", "ENABLE", "DISABLE"})
_SETTINGS = frozenset({"default_pool_size", "reserve_pool_size", "min_pool_size"})


class NotDone(Exception):
    """The console refused the command, or ``sent`` is true and no answer tells."""

    def __init__(self, failure: CouldNotLook, *, sent: bool) -> None:
        super().__init__(failure.says)
        self.failure = failure
        self.sent = sent


class PgbouncerWriter(PgbouncerReader):
    """Everything the reader can, and the commands of the list."""

    def __repr__(self) -> str:
        return f"PgbouncerWriter(from {self.setting})"

    def command(self, command: Command, database: str = "", timeout: float = 5.0) -> None:
        """Send ``COMMAND [database]``. Raises CouldNotLook before it was sent, NotDone after."""
        if command not in (_OF_DATABASE if database else _ALONE | _OF_DATABASE):
            raise Bug(f"{command} {database} may not be sent to PgBouncer")
        self._control(f"{command} {quoted(database)}" if database else command, timeout)

    def set(self, key: str, value: int, timeout: float = 5.0) -> None:
        """Change a pool's setting until the next RELOAD or restart. Raises as ``command``."""
        if key not in _SETTINGS:
            raise Bug(f"{key} may not be set in PgBouncer")
        self._control(f"SET {key} = '{int(value)}'", timeout)

    def _control(self, text: str, timeout: float) -> None:
        until = time.monotonic() + timeout
        if not self._lock.acquire(timeout=timeout):
            raise self._failure("timeout", f"the connection to {self.address} was busy for {timeout:g} s")
        try:
            connection = self._connected(until)
            try:
                self._send(connection, text, max(0.1, until - time.monotonic()))
            except CouldNotLook as failure:
                answered = failure.reason != "timeout" and self._connection is not None  # an error is an answer
                raise NotDone(failure, sent=not answered) from None
        finally:
            self._lock.release()


def quoted(database: str) -> str:
    """A database's name as the console reads it: in double quotes unless it is a plain word."""
    return database if re.fullmatch(r"[a-z_][a-z0-9_]*", database) else '"' + database.replace('"', '""') + '"'
