"""The simulated AMAS' bounded connection pool over real Postgres sessions, with Prisma's metric names."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsctl.lab.metrics import Registry

if TYPE_CHECKING:
    import psycopg

SIZE = 20  # DB_CONNECTION_POOL_SIZE
SMALL = 1  # of a pool that is too small
PATIENCE = 2.0  # seconds a request waits for a connection
EDGES_MS = (1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0)


class PoolTimeout(Exception):
    """No connection became free in time."""


class PoolSize:
    """The pool's size by the service's env file, which is read when the process starts and not again."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._small: bool | None = None
        if not file.exists():
            self._write(SIZE)
        self._size = int(file.read_text().partition("=")[2])

    def of(self, small: bool) -> int:
        """The size now. The fault is such a file at the last start; one who corrects it has to start the process."""
        if small != self._small and not (small and self._small is None):
            self._write(SMALL if small else SIZE)
            self._size = SMALL if small else SIZE
        self._small = small
        return self._size

    def _write(self, size: int) -> None:
        self._file.parent.mkdir(mode=0o700, exist_ok=True, parents=True)
        self._file.write_text(f"DB_CONNECTION_POOL_SIZE={size}\n")


class Pool:
    """At most ``size`` sessions; first come, first served."""

    def __init__(self, dsn: str, registry: Registry, size: int = SIZE) -> None:
        self._dsn, self.size = dsn, size
        self._idle: list[psycopg.Connection[Any]] = []
        self._busy = 0
        self._waiting = 0
        self._free = threading.Condition()
        busy = registry.gauge("prisma_pool_connections_busy", "Connections in use.")
        idle = registry.gauge("prisma_pool_connections_idle", "Connections open and unused.")
        opened = registry.gauge("prisma_pool_connections_open", "Connections open.")
        waiting = registry.gauge("prisma_client_queries_wait", "Queries waiting for a connection.")
        self._waits = registry.histogram(
            "prisma_client_queries_wait_histogram_ms", "Wait for a connection in ms.", (), EDGES_MS
        )
        self.queries = registry.histogram(
            "prisma_client_queries_duration_histogram_ms", "Duration of queries in ms.", (), EDGES_MS
        )

        def refresh() -> None:
            busy.set(self._busy)
            idle.set(len(self._idle))
            opened.set(self._busy + len(self._idle))
            waiting.set(self._waiting)

        registry.before.append(refresh)

    def take(self, patience: float = PATIENCE) -> psycopg.Connection[Any]:
        """A connection for the caller alone. Raises PoolTimeout, or psycopg.OperationalError when connecting fails."""
        begun = time.perf_counter()
        with self._free:
            self._waiting += 1
            try:
                found = self._free.wait_for(lambda: self._busy < self.size, patience)
            finally:
                self._waiting -= 1
                self._waits.observe((time.perf_counter() - begun) * 1000)
            if not found:
                raise PoolTimeout(
                    f"Connection pool timeout: no connection of {self.size} became free in {patience * 1000:.0f} ms"
                )
            self._busy += 1
            link = self._idle.pop() if self._idle else None
        try:
            return link if link is not None and not link.closed else self._connect()
        except BaseException:
            with self._free:
                self._busy -= 1
                self._free.notify()
            raise

    def give(self, link: psycopg.Connection[Any]) -> None:
        """Return a connection; a broken one is closed."""
        from psycopg.pq import TransactionStatus

        healthy = not link.closed and link.info.transaction_status == TransactionStatus.IDLE
        if not healthy:
            with contextlib.suppress(Exception):
                link.close()
        with self._free:
            self._busy -= 1
            if healthy:
                self._idle.append(link)
            self._free.notify()

    def shrink(self) -> None:
        """Close the connections that nobody uses now."""
        with self._free:
            unused, self._idle = self._idle, []
        for link in unused:
            link.close()

    @contextlib.contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        """Take, use in one transaction, give back."""
        link = self.take()
        try:
            with link.transaction():
                yield link
        finally:
            self.give(link)

    def ask(self, link: psycopg.Connection[Any], sql: str, *values: Any) -> list[Any]:
        """Run one statement and measure it."""
        begun = time.perf_counter()
        try:
            cursor = link.execute(sql, values or None)
            return cursor.fetchall() if cursor.description else []
        finally:
            self.queries.observe((time.perf_counter() - begun) * 1000)

    def _connect(self) -> psycopg.Connection[Any]:
        import psycopg

        return psycopg.connect(
            self._dsn, autocommit=True, connect_timeout=2, application_name="danci-backend", options=TIMEOUTS
        )


TIMEOUTS = "-c statement_timeout=5s -c idle_in_transaction_session_timeout=0"
