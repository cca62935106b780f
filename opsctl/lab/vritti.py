"""The simulated Vritti: episodic memory over KyroDB, with its endpoints, metric names and JSON log.

Each data request really embeds a text (a wait, as long as the model takes), really calls the KyroDB double by gRPC,
and ``/api/v1/reflect`` really calls the provider over HTTP. ``vritti_app`` holds the request path, this module the
rest: health, statistics, start; administration is in ``vritti_admin``.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from opsctl.lab.part import Switches
from opsctl.lab.vritti_admin import Admin
from opsctl.lab.vritti_app import App
from opsctl.lab.web import Answer, Request, page, serve

SLOW_HEALTH = 0.1  # seconds; a KyroDB that answers later counts as degraded
HEALTH_CACHE = 5.0  # seconds between two looks at KyroDB


class Watch:
    """Looks at both KyroDB instances every few seconds, as the service does for its own health answer."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.states: dict[str, tuple[str, float, str]] = {}
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            for instance in self._app.kyrodb.instances:
                begun = time.perf_counter()
                try:
                    self._app.kyrodb.health(instance)
                except ConnectionError as error:
                    state = ("unhealthy", time.perf_counter() - begun, str(error))
                else:
                    taken = time.perf_counter() - begun
                    state = ("degraded" if taken > SLOW_HEALTH else "healthy", taken, "")
                self.states[instance] = state
                self._app.connected.set(float(state[0] != "unhealthy"), instance)
            time.sleep(HEALTH_CACHE)

    def component(self) -> dict[str, Any]:
        """KyroDB as one component: the worse of the two instances."""
        order = ("healthy", "degraded", "unhealthy")
        worst = max(self.states.values(), key=lambda s: order.index(s[0]), default=("unhealthy", 0.0, "not yet known"))
        return {
            "name": "kyrodb",
            "status": worst[0],
            "latency_ms": round(worst[1] * 1000, 1),
            "message": worst[2] or "connected",
        }


class Pages:
    """Health, statistics and administration."""

    def __init__(self, app: App, watch: Watch) -> None:
        self._app, self._watch = app, watch

    def health(self, _: Request) -> Answer:
        """The health answer with its components."""
        if self._app.loading:
            return Answer(503, {"status": "starting", "version": self._app.release["version"], "components": []})
        kyrodb = self._watch.component()
        components = [
            kyrodb,
            {"name": "embedding", "status": "healthy", "latency_ms": 3.0, "message": "model loaded"},
            {"name": "customer_db", "status": "healthy", "latency_ms": 0.2, "message": "connected"},
        ]
        return Answer(
            200,
            {
                "status": kyrodb["status"],
                "version": self._app.release["version"],
                "uptime_seconds": round(time.time() - self._app.started, 1),
                "components": components,
            },
        )

    def liveness(self, _: Request) -> Answer:
        """The process is there."""
        return Answer(200, {"status": "alive"})

    def readiness(self, _: Request) -> Answer:
        """Ready when the model is loaded and KyroDB can be reached."""
        ready = not self._app.loading and self._watch.component()["status"] != "unhealthy"
        return Answer(200 if ready else 503, {"status": "ready" if ready else "not_ready"})

    def stats(self, _: Request) -> Answer:
        """Ingestion and search statistics."""
        return Answer(
            200,
            {
                "ingestion_stats": {"total_captures": self._app.done["capture"], "model_warm": True},
                "search_stats": {"total_searches": self._app.done["search"]},
            },
        )


def start(settings: dict[str, Any], switches: Switches) -> dict[str, Any]:
    """Serve on ``port``; ``release`` is what this version does differently, ``started`` its deployment's time."""
    app = App(settings, switches)
    switches.when_changed(app.change)
    switches.when_changed(lambda on: setattr(app.kyrodb, "open", "kyrodb-circuit-stuck" in on))
    pages = Pages(app, Watch(app))
    serve(
        settings["port"],
        {
            ("GET", "/health"): pages.health,
            ("GET", "/health/liveness"): pages.liveness,
            ("GET", "/health/readiness"): pages.readiness,
            ("GET", "/stats"): pages.stats,
            ("GET", "/metrics"): lambda _: page(app.registry.page()),
            ("POST", "/api/v1/capture"): app.handler("capture"),
            ("POST", "/api/v1/search"): app.handler("search"),
            ("POST", "/api/v1/gate"): app.handler("gate"),
            ("POST", "/api/v1/reflect"): app.handler("reflect"),
            ("GET", "/api/v1/episodes/"): app.handler("episodes"),
            **Admin(app, settings.get("budget_route", "works")).routes(),
        },
    )
    app.journal.event("info", "service_started", version=app.release["version"])
    return {"version": app.release["version"]}
