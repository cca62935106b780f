"""The read side, as probes get it: one lazily built client per endpoint, shared by the threads of a diagnosis.

There is no way from here to a client that writes: those live in modules that probes may not import.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from opsctl.config.endpoint import Endpoint

if TYPE_CHECKING:
    from opsctl.clients.alertmanager import AlertmanagerReader
    from opsctl.clients.http import HttpReader
    from opsctl.clients.kubernetes import KubernetesReader
    from opsctl.clients.kyrodb import KyrodbReader
    from opsctl.clients.pgbouncer import PgbouncerReader
    from opsctl.clients.postgres import PostgresReader
    from opsctl.clients.prometheus import PrometheusReader
    from opsctl.clients.redis import RedisReader

C = TypeVar("C")


class Readers:
    """``resolve(name)`` gives the endpoint of that name or raises NotConfigured."""

    def __init__(self, resolve: Callable[[str], Endpoint]) -> None:
        self._resolve = resolve
        self._clients: dict[tuple[str, str], Any] = {}
        self._locks: dict[tuple[str, str], threading.Lock] = {}

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint of that name; raises NotConfigured."""
        return self._resolve(name)

    def _client(self, kind: str, name: str, make: Callable[[Endpoint], C]) -> C:
        # One lock per client: reading a secret can take its time, and must not hold up the other systems.
        with self._locks.setdefault((kind, name), threading.Lock()):
            client = self._clients.get((kind, name))
            if client is None:
                client = self._clients[(kind, name)] = make(self._resolve(name))
            return client

    def http(self, name: str = "app") -> HttpReader:
        """GET/HEAD only."""
        from opsctl.clients.http import HttpReader

        return self._client("http", name, HttpReader)

    def prometheus(self, name: str = "prometheus") -> PrometheusReader:
        """Queries, rules, targets."""
        from opsctl.clients.prometheus import PrometheusReader

        return self._client("prometheus", name, PrometheusReader)

    def alertmanager(self, name: str = "alertmanager") -> AlertmanagerReader:
        """Alerts and status."""
        from opsctl.clients.alertmanager import AlertmanagerReader

        return self._client("alertmanager", name, AlertmanagerReader)

    def postgres(self, name: str = "postgres") -> PostgresReader:
        """A read-only session."""
        from opsctl.clients.postgres import PostgresReader

        return self._client("postgres", name, PostgresReader)

    def pgbouncer(self, name: str = "pgbouncer") -> PgbouncerReader:
        """SHOW on the pooler's console."""
        from opsctl.clients.pgbouncer import PgbouncerReader

        return self._client("pgbouncer", name, PgbouncerReader)

    def redis(self, name: str = "redis") -> RedisReader:
        """Commands of the read allow-list."""
        from opsctl.clients.redis import RedisReader

        return self._client("redis", name, RedisReader)

    def kubernetes(self, name: str = "kubernetes") -> KubernetesReader:
        """get and list, raw JSON."""
        from opsctl.clients.kubernetes import KubernetesReader

        return self._client("kubernetes", name, KubernetesReader)

    def kyrodb(self, name: str = "kyrodb") -> KyrodbReader:
        """gRPC Health."""
        from opsctl.clients.kyrodb import KyrodbReader

        return self._client("kyrodb", name, KyrodbReader)

    def where(self, name: str) -> tuple[str, str]:
        """Address and setting of an endpoint that has a client already; ("", "") when it has none. Never waits."""
        for (_, known), client in list(self._clients.items()):
            if known == name:
                own = vars(client)  # no property: it may wait for the very thing that hangs
                return str(own.get("address", "")), str(own.get("setting", ""))
        return "", ""

    def notes(self) -> tuple[str, ...]:
        """What a report must say about how the systems were reached, e.g. that TLS was not verified."""
        said: list[str] = []
        for client in list(self._clients.values()):
            notes = getattr(client, "notes", None)
            if notes is not None:
                said.extend(notes())
        return tuple(dict.fromkeys(said))

    def close(self) -> None:
        """Close what was opened; never raises."""
        for client in list(self._clients.values()):
            close = getattr(client, "close", None)
            if close is not None:
                try:
                    close()
                except Exception:  # noqa: BLE001, S112 - the answers are there: a driver failing to hang up keeps them
                    continue
