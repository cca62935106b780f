"""The simulated AMAS (danci): decisions in real Postgres through a real bounded pool, states in Redis or in memory."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any

from opsctl.lab import amas_queries
from opsctl.lab.amas_alerts import AlertEngine
from opsctl.lab.amas_app import App
from opsctl.lab.amas_cache import USER_STATE_TTL, CacheDown, Report
from opsctl.lab.amas_cache_faults import Invalidation, Memory
from opsctl.lab.amas_holders import Forgotten, Leak, Limit, Reports, Unreturned
from opsctl.lab.amas_insights import LIFETIME, NEXT, PREFIX
from opsctl.lab.amas_pool import PoolSize
from opsctl.lab.amas_store import Batch, Retention, connect, create, damage
from opsctl.lab.clock import now_text
from opsctl.lab.exposed import metrics_page
from opsctl.lab.part import Switches
from opsctl.lab.strain import Filler
from opsctl.lab.web import Answer, serve

MEMORY_LIMIT = 1 << 30  # bytes; the profile's assumed limit
FILLED = 0.93  # of the limit
PAUSE = 0.8  # seconds between two collections
COLD = frozenset({"cache-cold", "cache-fallback-failure"})
STATES = "user_state:"
# After these the cache lacks what a service that runs has in it.
EMPTYING = COLD | {"redis-down", "database-down", "redis-restarted", "mass-invalidation", "cache-memory-full",
                   "key-pattern-change"}  # fmt: skip


class Sabotage:
    """Brings the service into the state that the switched-on faults describe."""

    def __init__(self, app: App, dsn: str, redis: int, size: PoolSize) -> None:
        self._app, self._dsn = app, dsn
        self._report = Report(redis)
        self._batch = Batch(dsn)
        self._leak = Leak(app.pool)
        self._reports, self._forgotten = Reports(app.pool), Forgotten(dsn)
        self._unreturned, self._limit = Unreturned(dsn), Limit(dsn)
        self._invalidation = Invalidation(redis, "danci-admin")
        self._memory = Memory(redis, "danci-ops")
        self._filler = Filler(MEMORY_LIMIT * FILLED, PAUSE)
        self._before: frozenset[str] = frozenset()
        self._size = size

    def __call__(self, on: frozenset[str]) -> None:
        """Apply a set of faults; what the stopped database or cache cannot take is left until they are back."""
        before, self._before = self._before, on
        self._batch.switch("db-locks" in on)
        self._filler.switch("memory-pressure" in on)
        self._report.switch("redis-slow" in on)
        self._invalidation.switch("mass-invalidation" in on)
        if "redis-down" not in on:
            self._memory.switch("cache-memory-full" in on)
        if "database-down" in on:
            self._leak.hold(0)
            return
        self._holders(on)
        if self._limit.link is None:  # it lets nobody else in
            with connect(self._dsn, "danci-migrate") as link:
                damage(link, on)
            self._app.reads.switch(lambda: connect(self._dsn, "danci-migrate"), on)
        self._limit.switch("database-limit" in on, self._app.pool.shrink)
        self._forgotten.switch("pool-blocked" in on)
        self._unreturned.switch("session-leak" in on)
        self._cache(on, before)

    def _holders(self, on: frozenset[str]) -> None:
        """What is to end ends before anything else needs a connection or a lock."""
        if "pool-blocked" not in on:
            self._forgotten.switch(False)
        if "session-leak" not in on:
            self._unreturned.switch(False)
        if "database-limit" not in on:
            self._limit.switch(False, self._app.pool.shrink)
        self._app.pool.size = size = self._size.of("pool-too-small" in on)
        self._leak.hold(size if "pool-timeouts" in on else size - 1 if "pool-exhausted" in on else 0)
        self._reports.run(size - 1 if "pool-reports" in on else 0)

    def _cache(self, on: frozenset[str], before: frozenset[str]) -> None:
        cold, renamed = bool(on & COLD), "key-pattern-change" in on
        cache, insights = self._app.cache, self._app.insights
        cache.lifetime = 1 if cold else USER_STATE_TTL * 1000
        insights.lifetime = 1 if cold else LIFETIME
        insights.written = NEXT if renamed else PREFIX
        with contextlib.suppress(CacheDown):
            if renamed and "key-pattern-change" not in before:
                cache.keeper.clear(PREFIX)  # the new version tidies up what it takes for outdated
            elif not renamed and "key-pattern-change" in before:
                cache.keeper.clear(NEXT)
            if cold:
                cache.keeper.clear(STATES, PREFIX)
            elif (before - on) & EMPTYING and not on & (EMPTYING | {"pool-timeouts"}):
                self._app.warm()


def start(settings: dict[str, Any], switches: Switches) -> dict[str, Any]:
    """Create the schema, warm the cache, serve on ``port``."""
    create(settings["dsn"])
    with connect(settings["dsn"], "danci-migrate") as link:
        amas_queries.create(link)
    app = App(settings, switches)
    app.warm()
    switches.when_changed(Sabotage(app, settings["dsn"], settings["redis"], PoolSize(Path(settings["env"]))))
    alerts = AlertEngine(app)
    Retention(settings["dsn"])
    for work in (app.watch_lag, app.collect):
        threading.Thread(target=work, daemon=True).start()
    serve(
        settings["port"],
        {
            ("GET", "/health"): lambda _: Answer(200, {"status": "ok", "timestamp": now_text()}),
            ("GET", "/api/about/metrics/prometheus"): metrics_page("amas", app.registry, switches),
            ("GET", "/api/alerts/active"): alerts.active,
            ("GET", "/api/alerts/history"): alerts.history,
            ("POST", "/api/decisions"): app.handler("/api/decisions", app.decide),
            ("GET", "/api/state/"): app.handler("/api/state/:user", app.state),
        },
    )
    app.journal.line("INFO", "[Server] listening, pool ready")
    return {"version": "1.0", "cache": "redis" if settings["redis"] else "in-process"}
