"""What holds the simulated AMAS' connections when a fault is on: reports, a forgotten lock, leaked sessions, a limit.

Each is undone by its heal, and ends by itself when an operator ends the sessions it consists of.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from opsctl.lab.amas_pool import Pool, PoolTimeout
from opsctl.lab.amas_store import connect

if TYPE_CHECKING:
    import psycopg

REPORT_SECONDS = 3600
LEAKED_UNTIL = 35  # sessions of the server, of 37 for applications
LIMITED = 3  # connections that the limit leaves, one of them its own
REPORT = f"SELECT pg_sleep({REPORT_SECONDS}) /* weekly report of all learners */"
LOCK = "LOCK TABLE word_state IN SHARE ROW EXCLUSIVE MODE"
COUNT = "SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL"


class Leak:
    """Checkouts that are not given back: transactions left open on the app's own pooled connections.

    As a real pool does, it notices a session that the server has ended, and gives its place back.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._held: list[psycopg.Connection[Any]] = []
        self._count = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._watch, daemon=True).start()

    def hold(self, count: int) -> None:
        """Hold so many connections, each idle in a transaction; those that were ended meanwhile stay so."""
        if count == self._count:
            return
        self._count = count
        with self._lock:
            while len(self._held) > count:
                link = self._held.pop()
                with contextlib.suppress(Exception):
                    link.rollback()
                self._pool.give(link)
            while len(self._held) < count:
                link = self._pool.take(10.0)
                link.execute("BEGIN")
                link.execute("SELECT repetitions FROM word_state WHERE word_id = 0")
                self._held.append(link)

    def _watch(self) -> None:
        while True:
            time.sleep(0.5)
            with self._lock:
                for link in list(self._held):
                    if not _alive(link):
                        self._held.remove(link)
                        self._pool.give(link)


def _alive(link: psycopg.Connection[Any]) -> bool:
    """Whether the server still is at the other end of a connection on which nothing runs."""
    import psycopg

    try:
        link.pgconn.consume_input()
    except psycopg.Error:
        link.close()
        return False
    return True


class Reports:
    """Requests for a report that runs for an hour, each on a connection of the pool, without the statement timeout."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._links: list[psycopg.Connection[Any]] = []
        self._on = False

    def run(self, count: int) -> None:
        """So many at a time; 0 cancels them. One that was cancelled is not asked for again."""
        if bool(count) == self._on:
            return
        self._on = bool(count)
        for _ in range(count):
            threading.Thread(target=self._report, daemon=True).start()
        if not count:
            for link in list(self._links):
                with contextlib.suppress(Exception):  # it may just have ended
                    link.cancel()

    def _report(self) -> None:
        import psycopg

        try:
            link = self._pool.take(20.0)
        except (PoolTimeout, psycopg.Error):
            return
        self._links.append(link)
        try:
            with contextlib.suppress(psycopg.Error):
                link.execute("SET statement_timeout = 0")
                link.execute(REPORT)
            with contextlib.suppress(psycopg.Error):
                link.execute("SET statement_timeout = '5s'")
        finally:
            self._links.remove(link)
            self._pool.give(link)


class Forgotten:
    """Somebody's session that locked a table for a change by hand, and went to lunch."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._link: psycopg.Connection[Any] | None = None

    def switch(self, on: bool) -> None:
        """Take the lock and keep it, or let go."""
        if on and self._link is None:
            self._link = connect(self._dsn, "psql")
            self._link.execute("SET idle_in_transaction_session_timeout = 0")
            self._link.execute("BEGIN")
            self._link.execute(LOCK)
        elif not on and self._link is not None:
            with contextlib.suppress(Exception):  # an operator may have ended it
                self._link.close()
            self._link = None


class Unreturned:
    """Sessions that the app opened beside its pool and lost: idle, and nobody will ever use them."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._links: list[psycopg.Connection[Any]] = []

    def switch(self, on: bool) -> None:
        """Open them until the server is nearly full, or close them."""
        if not on:
            for link in self._links:
                with contextlib.suppress(Exception):
                    link.close()
            self._links = []
        elif not self._links:
            self._links.append(self._open())
            row = self._links[0].execute(COUNT).fetchone()
            while len(self._links) < LEAKED_UNTIL - int(row[0] if row else 0):
                self._links.append(self._open())

    def _open(self) -> psycopg.Connection[Any]:
        link = connect(self._dsn, "danci-backend")
        link.execute("SELECT repetitions FROM word_state WHERE word_id = 0")
        return link


class Limit:
    """A limit on the database's connections that somebody set too low. Its own session stays, to lift it again."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._link: psycopg.Connection[Any] | None = None

    def switch(self, on: bool, shrink: Callable[[], None]) -> None:
        """Set it, or lift it; ``shrink`` closes the app's unused connections, so that it needs new ones."""
        if on and self._link is None:
            self._link = connect(self._dsn, "danci-migrate")
            shrink()
            self._link.execute(f"ALTER DATABASE danci CONNECTION LIMIT {LIMITED}")
        elif not on and self._link is not None:
            self._link.execute("ALTER DATABASE danci CONNECTION LIMIT -1")
            self._link.close()
            self._link = None

    @property
    def link(self) -> psycopg.Connection[Any] | None:
        """The session that is kept while the limit lets nobody else in."""
        return self._link
