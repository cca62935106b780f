"""Redis, write side: what the reader can, and the few commands that act. There is no KEYS, DEL, FLUSH or script here.

A writer is pinned to one run of one server (``run_id``) and one database: every connection is held to it before
anything else is sent, and to being the primary (domain-checks.md R7).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from opsctl.clients.redis import RedisReader
from opsctl.clients.redis_allowed import LONGEST_KEY, Word, may_be_sent
from opsctl.clients.redis_pages import Page, bulk
from opsctl.config.endpoint import Endpoint
from opsctl.errors import Bug, CouldNotLook

MOST_KEYS = 5000  # of one UNLINK
LONGEST_VALUE = 8 * 2**20


class Moved(CouldNotLook):
    """The server is not the one that the plan was made for, or no longer the primary. Nothing was sent to it."""


class Kept(NamedTuple):
    """A key with its value as DUMP gives it. ``ends``: unix milliseconds by the server's clock, 0 = never."""

    key: bytes
    value: bytes
    ends: int


def _key(arguments: tuple[Word, ...]) -> bool:
    return len(arguments) == 1 and isinstance(arguments[0], bytes) and 0 < len(arguments[0]) <= LONGEST_KEY


def _restore(arguments: tuple[Word, ...]) -> bool:
    """Never with REPLACE: a key that was written since stays."""
    return (
        len(arguments) == 4
        and _key(arguments[:1])
        and isinstance(arguments[1], str)
        and re.fullmatch("[0-9]{1,15}", arguments[1]) is not None
        and isinstance(arguments[2], bytes)
        and arguments[3] == "ABSTTL"
    )


# Besides the reader's. UNLINK goes by ``unlink`` alone, which sends nothing else.
ACTING: Mapping[tuple[str, ...], Callable[[tuple[Word, ...]], bool]] = {
    ("DUMP",): _key,
    ("RESTORE",): _restore,
}


class RedisWriter(RedisReader):
    """One connection to a pinned server. Failures as the reader's, and Moved."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self._pinned = ""
        self._held: Any = None  # the connection that was found to be the pinned one

    def __repr__(self) -> str:
        return f"RedisWriter(from {self.setting})"

    def pin(self, run_id: str, database: int, timeout: float = 5.0) -> None:
        """Only this run of the server and this database from now on. Raises Moved, CouldNotLook."""
        with self._lock:
            self._pinned, self.database = run_id, database
            self._held = None
            self._connected(timeout)

    def unlink(self, page: Page, timeout: float = 10.0) -> int:
        """Remove the page's keys (UNLINK: the memory is freed aside); how many were there. Raises CouldNotLook."""
        if not 0 < len(page.keys) <= MOST_KEYS:
            raise Bug(f"UNLINK of {len(page.keys)} keys")
        with self._lock:
            connection = self._connected(timeout)
            head = b"*%d\r\n$6\r\nUNLINK\r\n" % (len(page.keys) + 1)

            def exchange() -> Any:
                connection.send_packed_command([head + page.wire])
                return connection.read_response(disable_decoding=True)

            answer = self._typed("UNLINK", exchange, connection, timeout)
        if not isinstance(answer, int):
            raise self._failure("bad-answer", f"{self.address} answers UNLINK with something else")
        return answer

    def dump(self, key: bytes, now: float, timeout: float = 10.0) -> Kept | None:
        """A key's value and end; None when it is gone. ``now``: the server's clock, unix seconds."""
        value = self._ask(("DUMP",), key, timeout=timeout)
        left = self._ask(("PTTL",), key, timeout=timeout)
        if not isinstance(value, bytes) or not isinstance(left, int) or left == -2:
            return None
        return Kept(key, value, 0 if left < 0 else round(now * 1000) + left)

    def restore(self, kept: Kept, timeout: float = 10.0) -> bool:
        """Put a key back with its old end; False when a key of that name is there. Raises CouldNotLook."""
        try:
            self._ask(("RESTORE",), kept.key, str(kept.ends), kept.value, "ABSTTL", timeout=timeout)
        except CouldNotLook as failed:
            if "BUSYKEY" in failed.says or "Target key name already exists" in failed.says:
                return False
            raise
        return True

    # --- inside ---

    def _may(self, command: tuple[str, ...], arguments: tuple[Word, ...]) -> bool:
        check = ACTING.get(command)
        return check(arguments) if check is not None else may_be_sent(command, arguments)

    def _connected(self, timeout: float) -> Any:
        connection = super()._connected(timeout)
        if connection is not self._held:
            if not self._pinned:
                raise Bug("a Redis writer is used that is not pinned to a server")
            self._held = connection  # asked below, by this very connection
            try:
                self._hold(timeout)
            except CouldNotLook:
                self._held = None
                self._drop()
                raise
        return connection

    def _hold(self, timeout: float) -> None:
        server = self.info("server", timeout)
        role = self.info("replication", timeout).text("role")
        if server.text("run_id") != self._pinned:
            now = server.text("run_id")[:8] or "unknown"
            says = f"the Redis at {self.address} is another one than the plan's, or it was restarted (run {now}, not "
            raise self._moved(f"{says}{self._pinned[:8]})")
        if role != "master":
            raise self._moved(f"the Redis at {self.address} is no longer the primary (role {role or 'unknown'})")
        self._ask(("SELECT",), str(self.database), timeout=timeout)

    def _moved(self, says: str) -> Moved:
        return Moved("stale", says, address=self.address, setting=self.setting)


def page_of(keys: list[bytes]) -> Page:
    """Keys of one's own choosing as a page, to be removed."""
    return Page(b"0", keys, bulk(keys))
