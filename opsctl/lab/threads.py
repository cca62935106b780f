"""The simulated applications of Threads: what would run in its pods, each on a port of its own, with its metrics.

A pod that does not run on the API server does not run here either: its port is closed. While there are fewer pods,
there are fewer slots for requests, and the others wait.
"""

from __future__ import annotations

import random
import threading
import time
from typing import Any

from opsctl.lab.metrics import Registry, add_process_metrics
from opsctl.lab.part import Switches
from opsctl.lab.threads_faults import EFFECTS, Effect
from opsctl.lab.web import Answer, Handler, Request, Server, page, serve

SLOTS = 4  # of all pods of the orchestrator together
WORK = 0.23  # seconds in a slot
EDGES = (0.025, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0, 20.0)
PERSONAS = ("mentor", "critic")
USD_PER_POST = 0.0001


class Slots:
    """So many requests at a time; the number may be changed while requests wait."""

    def __init__(self, count: int) -> None:
        self._count, self._taken = count, 0
        self._changed = threading.Condition()

    def set(self, count: int) -> None:
        """From now on so many."""
        with self._changed:
            self._count = count
            self._changed.notify_all()

    def __enter__(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._taken < self._count)
            self._taken += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._taken -= 1
            self._changed.notify()


class Workload:
    """One workload's port: open while a pod of it runs."""

    def __init__(self, port: int, routes: dict[tuple[str, str], Handler], started: float) -> None:
        self._port = port
        self.registry = Registry()
        self.page_broken = False
        self._routes = {**routes, ("GET", "/metrics"): self._page}
        add_process_metrics(self.registry, started)
        self._server: Server | None = None
        self.open(True)

    def _page(self, _: Request) -> Answer:
        if self.page_broken:
            return Answer(500, {"detail": "PermissionError: prometheus_multiproc_dir"})
        return page(self.registry.page())

    def open(self, on: bool) -> None:
        """Listen, or stop listening; connections that are kept open end, too."""
        if on and self._server is None:
            self._server = serve(self._port, self._routes)
        elif not on and self._server is not None:
            server, self._server = self._server, None
            server.shutdown()
            server.server_close()
            server.hang_up()


class Orchestrator:
    """The request path."""

    def __init__(self, port: int, started: float) -> None:
        self.slots = Slots(SLOTS)
        self.effect = Effect()
        self.workload = Workload(port, {("POST", "/runs"): self.run, ("GET", "/health"): _alive}, started)
        one = self.workload.registry
        labels = ("endpoint", "status")
        self.requests = one.counter("http_requests_total", "Requests.", *labels)
        self.seconds = one.histogram("http_request_duration_seconds", "Request time.", labels, EDGES)
        self.active = one.gauge("http_requests_active", "Requests being processed.")
        self.database = one.histogram("database_query_duration_seconds", "Query time.", (), EDGES)
        one.gauge("pg_stat_activity_count", "Connections of the database.").set(6)
        one.gauge("celery_queue_length", "Messages that wait.", "queue").set(3, "celery")

    def run(self, _: Request) -> Answer:
        """One request: a slot, some work, a query."""
        begun = time.perf_counter()
        self.active.add()
        with self.slots:
            time.sleep(WORK * self.effect.heavier)
            self.database.observe(0.004)
            lost = random.random() < self.effect.failing  # noqa: S311 - not for secrets
        answer = Answer(503, {"detail": "upstream connect error"}) if lost else Answer(200, {"run": "queued"})
        self.active.add(by=-1)
        self.requests.add("/runs", str(answer.status))
        self.seconds.observe(time.perf_counter() - begun, "/runs", str(answer.status))
        return answer


def _alive(_: Request) -> Answer:
    return Answer(200, {"status": "ok"})


class Worker:
    """The Celery worker: makes posts with a language model, one after the other."""

    def __init__(self, port: int, started: float) -> None:
        self.workload = Workload(port, {}, started)
        one = self.workload.registry
        self.calls = one.counter("openai_requests_total", "Calls of the language model.", "model", "status")
        self.seconds = one.histogram("openai_request_duration_seconds", "Time of a call.", ("model",), EDGES)
        self.tokens = one.counter("openai_tokens_total", "Tokens.", "model")
        self.cost = one.counter("openai_cost_usd_total", "Cost in USD.", "model", "persona")
        self.posts = one.counter("posts_generated_total", "Posts.", "persona")
        one.gauge("celery_worker_up", "1 = up.", "worker").set(1, "celery@worker-1")
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        model = "gpt-4o-mini"
        while True:
            for persona in PERSONAS:
                begun = time.perf_counter()
                time.sleep(0.05)
                self.seconds.observe(time.perf_counter() - begun, model)
                self.calls.add(model, "200")
                self.tokens.add(model, by=60)
                self.cost.add(model, persona, by=USD_PER_POST)
                self.posts.add(persona)
                time.sleep(0.5)


class Threads:
    """All three, and what the faults make of them."""

    def __init__(self, ports: dict[str, int], started: float) -> None:
        self.orchestrator = Orchestrator(ports["orchestrator"], started)
        self.worker = Worker(ports["celery-worker"], started)
        persona = Workload(ports["persona-runtime"], {}, started)
        engaged = persona.registry.gauge("posts_engagement_rate", "Engagement per post.", "persona")
        for name in PERSONAS:
            engaged.set(0.062, name)
        persona.registry.gauge("cost_per_follow_usd", "Cost per follower won.").set(0.011)
        self._workloads = {
            "orchestrator": self.orchestrator.workload,
            "celery-worker": self.worker.workload,
            "persona-runtime": persona,
        }

    def change(self, on: frozenset[str]) -> None:
        """Bring the workloads into the state that the faults describe."""
        effects = [EFFECTS[name] for name in on if name in EFFECTS]
        down = {name for effect in effects for name in effect.down}
        broken = {name for effect in effects for name in effect.page_broken}
        worst = max(effects, key=lambda effect: (effect.heavier, effect.failing), default=Effect())
        self.orchestrator.effect = worst
        self.orchestrator.slots.set(min((round(SLOTS * effect.pods) for effect in effects), default=SLOTS))
        for name, workload in self._workloads.items():
            workload.page_broken = name in broken
            workload.open(name not in down)


def start(settings: dict[str, Any], switches: Switches) -> dict[str, Any]:
    """Serve on the three ports."""
    switches.when_changed(Threads(settings["ports"], settings["started"]).change)
    return {"version": "2.4.0"}
