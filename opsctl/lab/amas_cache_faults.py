"""What other programs and settings do to the simulated AMAS' Redis: an invalidation loop, too little memory."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from opsctl.lab.amas_insights import NEXT, PREFIX

LEFT = 0.15  # of the keys: at most twice as many stay with the fault on
PAGE = 100  # keys of one UNLINK
ROUND = 0.3  # seconds between two rounds of the invalidation


class Admin:
    """A second program with its own connection, which may do more than the service. Without Redis (port 0) it idles."""

    def __init__(self, port: int, name: str) -> None:
        self._port, self._name = port, name
        self._on = threading.Event()

    def client(self) -> Any:
        """A new connection pool."""
        import redis

        return redis.Redis(host="127.0.0.1", port=self._port, client_name=self._name, socket_timeout=5.0)

    def loop(self, on: bool, work: Callable[[Any], None], pause: float) -> None:
        """Start or stop doing something again and again, through outages of the server."""
        if on and not self._on.is_set() and self._port:
            self._on = threading.Event()  # a new one: a thread of an earlier time stays told to stop
            self._on.set()
            threading.Thread(target=self._run, args=(self._on, work, pause), daemon=True).start()
        elif not on:
            self._on.clear()

    def _run(self, on: threading.Event, work: Callable[[Any], None], pause: float) -> None:
        import redis

        client = self.client()
        while on.is_set():
            with contextlib.suppress(redis.RedisError, OSError):
                work(client)
            time.sleep(pause)
        with contextlib.suppress(redis.RedisError, OSError):
            client.slowlog_reset()  # so that it does not speak of the past
        client.close()


class Invalidation(Admin):
    """While on, an administration job throws away all insights, page by page, again and again."""

    def switch(self, on: bool) -> None:
        """Start or stop."""
        self.loop(on, lambda client: remove(client, PREFIX), ROUND)


class Memory(Admin):
    """While on, Redis has a limit with room for a part of its keys, and evicts the others."""

    def switch(self, on: bool) -> None:
        """Set or lift the limit; done when this returns. A server that is away is left alone."""
        import redis

        if not self._port:
            return
        with contextlib.suppress(redis.RedisError, OSError):
            client = self.client()
            limited = int(client.config_get("maxmemory")["maxmemory"]) > 0
            if on and not limited:
                self._limit(client)
            elif not on and limited:
                client.config_set("maxmemory", 0)
                client.config_set("maxmemory-policy", "noeviction")
            client.close()

    @staticmethod
    def _limit(client: Any) -> None:
        """Lower the limit until most keys are gone: how much of the memory is theirs is known only roughly."""
        keys, each = client.dbsize(), client.memory_usage(f"{PREFIX}1") or 200
        client.config_set("maxmemory-policy", "allkeys-lru")
        for _ in range(30):
            beyond = client.dbsize() - LEFT * keys
            if beyond < LEFT * keys:
                break
            used = int(client.info("memory")["used_memory"])
            client.config_set("maxmemory", used - int(min(beyond, keys / 5) * each / 2))
            time.sleep(0.1)  # Redis evicts in slices


def remove(client: Any, prefix: str) -> None:
    """Remove all keys of a prefix, page by page."""
    page: list[bytes] = []
    for key in client.scan_iter(f"{prefix}*", count=1000):
        page.append(key)
        if len(page) == PAGE:
            client.unlink(*page)
            page.clear()
    if page:
        client.unlink(*page)


__all__ = ["NEXT", "Invalidation", "Memory", "remove"]
