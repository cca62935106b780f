"""The acting side: one lazily built client per endpoint. Probes and runbooks cannot import it (pyproject.toml).

An action on ``postgres`` uses the endpoint ``postgres-act`` where the service or the context defines one, so that
looking and acting are different roles; else the endpoint itself. The same for every system.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from opsctl.config.endpoint import Endpoint
from opsctl.errors import NotConfigured

if TYPE_CHECKING:
    from opsctl.clients.alertmanager_write import AlertmanagerWriter
    from opsctl.clients.http_write import HttpWriter
    from opsctl.clients.kubernetes_write import KubernetesWriter
    from opsctl.clients.pgbouncer_write import PgbouncerWriter
    from opsctl.clients.postgres_write import PostgresWriter
    from opsctl.clients.redis_write import RedisWriter

C = TypeVar("C")


class Writers:
    """``resolve(name)`` gives the endpoint of that name or raises NotConfigured."""

    def __init__(self, resolve: Callable[[str], Endpoint]) -> None:
        self._resolve = resolve
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint that acts for ``name``: ``NAME-act``, else ``NAME``; raises NotConfigured."""
        try:
            return self._resolve(f"{name}-act")
        except NotConfigured:
            return self._resolve(name)

    def _client(self, kind: str, name: str, make: Callable[[Endpoint], C]) -> C:
        with self._lock:
            client = self._clients.get((kind, name))
            if client is None:
                client = self._clients[(kind, name)] = make(self.endpoint(name))
            return client

    def http(self, name: str = "app") -> HttpWriter:
        """POST, PUT, PATCH, DELETE; each sent once."""
        from opsctl.clients.http_write import HttpWriter

        return self._client("http", name, HttpWriter)

    def alertmanager(self, name: str = "alertmanager") -> AlertmanagerWriter:
        """Silences."""
        from opsctl.clients.alertmanager_write import AlertmanagerWriter

        return self._client("alertmanager", name, AlertmanagerWriter)

    def postgres(self, name: str = "postgres") -> PostgresWriter:
        """A session that may signal others and alter roles; one connection."""
        from opsctl.clients.postgres_write import PostgresWriter

        return self._client("postgres", name, PostgresWriter)

    def pgbouncer(self, name: str = "pgbouncer") -> PgbouncerWriter:
        """Control commands of the pooler's console."""
        from opsctl.clients.pgbouncer_write import PgbouncerWriter

        return self._client("pgbouncer", name, PgbouncerWriter)

    def redis(self, name: str = "redis") -> RedisWriter:
        """UNLINK and what else its allow-list names."""
        from opsctl.clients.redis_write import RedisWriter

        return self._client("redis", name, RedisWriter)

    def kubernetes(self, name: str = "kubernetes") -> KubernetesWriter:
        """patch, create, delete; each with a server-side dry run first."""
        from opsctl.clients.kubernetes_write import KubernetesWriter

        return self._client("kubernetes", name, KubernetesWriter)

    def close(self) -> None:
        """Close what was opened; never raises."""
        for client in list(self._clients.values()):
            close = getattr(client, "close", None)
            if close is not None:
                try:
                    close()
                except Exception:  # noqa: BLE001, S112 - what was done is done: failing to hang up does not change it
                    continue
