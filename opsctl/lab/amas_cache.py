"""The simulated AMAS' cache: Redis when there is one, else a dictionary in the process. Counts hits and misses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from opsctl.lab.metrics import Registry

USER_STATE_TTL = 1800  # seconds
PAGE = 100  # keys of one UNLINK
REPORT_KEYS = 700_000
FILL = "for i = ARGV[1], ARGV[2] do redis.call('SET', 'report:' .. i, '1') end"


class CacheDown(Exception):
    """The cache server does not answer."""


class Keeper(Protocol):
    """What a cache can do."""

    def get(self, key: str) -> str | None:
        """The value, or None."""

    def set(self, key: str, value: str, milliseconds: int) -> None:
        """Keep a value for so long."""

    def get_many(self, keys: list[str]) -> list[str | None]:
        """The values in the order of the keys, None for one that is not there."""

    def set_many(self, values: dict[str, str], milliseconds: int) -> None:
        """Keep all of these for so long."""

    def keep_alive(self, keys: list[str], milliseconds: int) -> None:
        """Keep those that are there for so long from now on."""

    def clear(self, *prefixes: str) -> None:
        """Forget all keys with these prefixes."""


class InProcess:
    """A dictionary with expiry."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()

    def get(self, key: str) -> str | None:
        """The value, or None."""
        with self._lock:
            ends, value = self._values.get(key, (0.0, ""))
        return value if ends > time.monotonic() else None

    def set(self, key: str, value: str, milliseconds: int) -> None:
        """Keep a value for so long."""
        with self._lock:
            self._values[key] = (time.monotonic() + milliseconds / 1000, value)

    def get_many(self, keys: list[str]) -> list[str | None]:
        """The values in the order of the keys."""
        return [self.get(key) for key in keys]

    def set_many(self, values: dict[str, str], milliseconds: int) -> None:
        """Keep all of these for so long."""
        for key, value in values.items():
            self.set(key, value, milliseconds)

    def keep_alive(self, keys: list[str], milliseconds: int) -> None:
        """Keep those that are there for so long from now on."""
        for key in keys:
            value = self.get(key)
            if value is not None:
                self.set(key, value, milliseconds)

    def clear(self, *prefixes: str) -> None:
        """Forget all keys with these prefixes."""
        with self._lock:
            self._values = {key: kept for key, kept in self._values.items() if not key.startswith(prefixes)}


class InRedis:
    """A real Redis. Raises CacheDown."""

    def __init__(self, port: int) -> None:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self._error = redis.RedisError
        self._client: Any = redis.Redis(
            host="127.0.0.1", port=port, socket_timeout=3.0, socket_connect_timeout=0.5, decode_responses=True,
            client_name="danci-backend", retry=Retry(NoBackoff(), 0), max_connections=40,
        )  # fmt: skip

    def get(self, key: str) -> str | None:
        """The value, or None."""
        try:
            found = self._client.get(key)
        except (self._error, OSError) as error:
            raise CacheDown(f"Redis: {error}") from error
        return None if found is None else str(found)

    def set(self, key: str, value: str, milliseconds: int) -> None:
        """Keep a value for so long."""
        try:
            self._client.set(key, value, px=milliseconds)
        except (self._error, OSError) as error:
            raise CacheDown(f"Redis: {error}") from error

    def get_many(self, keys: list[str]) -> list[str | None]:
        """The values in the order of the keys, by one command."""
        try:
            return list(self._client.mget(keys))
        except (self._error, OSError) as error:
            raise CacheDown(f"Redis: {error}") from error

    def set_many(self, values: dict[str, str], milliseconds: int) -> None:
        """Keep all of these for so long."""
        self._each(list(values), lambda pipe, key: pipe.set(key, values[key], px=milliseconds))

    def keep_alive(self, keys: list[str], milliseconds: int) -> None:
        """Keep those that are there for so long from now on."""
        self._each(keys, lambda pipe, key: pipe.pexpire(key, milliseconds))

    def clear(self, *prefixes: str) -> None:
        """Forget the keys with these prefixes, page by page."""
        try:
            for prefix in prefixes:
                keys = list(self._client.scan_iter(f"{prefix}*", count=1000))
                for first in range(0, len(keys), PAGE):
                    self._client.unlink(*keys[first : first + PAGE])
        except (self._error, OSError) as error:
            raise CacheDown(f"Redis: {error}") from error

    def _each(self, keys: list[str], call: Callable[[Any, str], object]) -> None:
        try:
            with self._client.pipeline(transaction=False) as pipe:
                for key in keys:
                    call(pipe, key)
                pipe.execute()
        except (self._error, OSError) as error:
            raise CacheDown(f"Redis: {error}") from error


class Cache:
    """User states with hit and miss counters. ``lifetime`` in milliseconds for new entries."""

    def __init__(self, keeper: Keeper, registry: Registry) -> None:
        self.keeper = keeper
        self.lifetime = USER_STATE_TTL * 1000
        self._hits = registry.counter("cache_hit_total", "Cache hits.")
        self._misses = registry.counter("cache_miss_total", "Cache misses.")

    def state(self, user: int) -> str | None:
        """The cached state, counted as hit or miss. Raises CacheDown."""
        try:
            found = self.keeper.get(f"user_state:{user}")
        except CacheDown:
            self._misses.add()
            raise
        (self._misses if found is None else self._hits).add()
        return found

    def many(self, keys: list[str]) -> list[str | None]:
        """Cached values, each counted as hit or miss. Raises CacheDown."""
        try:
            found = self.keeper.get_many(keys)
        except CacheDown:
            self._misses.add(by=len(keys))
            raise
        missed = sum(1 for value in found if value is None)
        self._misses.add(by=missed)
        self._hits.add(by=len(keys) - missed)
        return found

    def keep(self, user: int, state: str) -> None:
        """Store a rebuilt state. Raises CacheDown."""
        self.keeper.set(f"user_state:{user}", state, self.lifetime)


class Report:
    """While on, another client of the same Redis searches a large database of its own by KEYS, again and again.

    Redis has one thread: everybody waits. The slow log is cleared when it ends, so that it does not speak of the past.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._on = threading.Event()

    def switch(self, on: bool) -> None:
        """Start or stop."""
        if on and not self._on.is_set():
            self._on = threading.Event()
            self._on.set()
            threading.Thread(target=self._run, args=(self._on,), daemon=True).start()
        elif not on:
            self._on.clear()

    def _run(self, on: threading.Event) -> None:
        import redis

        client: Any = redis.Redis(host="127.0.0.1", port=self._port, db=1, client_name="danci-report")
        while on.is_set():
            try:
                self._work(client, on)
            except (redis.RedisError, OSError):
                time.sleep(0.5)
        try:
            client.flushdb(asynchronous=True)
            client.slowlog_reset()
        except (redis.RedisError, OSError):
            return

    @staticmethod
    def _work(client: Any, on: threading.Event) -> None:
        for first in range(1, REPORT_KEYS, 10_000):
            if not on.is_set():
                return
            client.eval(FILL, 0, first, first + 9_999)
        while on.is_set():
            with client.pipeline(transaction=False) as pipe:  # what arrives together is done before others get a turn
                pipe.keys("*:2019-*").keys("*:2018-*").execute()
            time.sleep(0.03)
