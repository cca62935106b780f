"""A small simulated INSA agent: calls an order system behind a real circuit breaker, with deadlines and one retry.

``insa_upstream`` is the call, ``insa_host`` the host that its use of CPU and memory is held against.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from typing import Any

from opsctl.lab.exposed import metrics_page
from opsctl.lab.insa_host import Host
from opsctl.lab.insa_upstream import DEADLINE, SHORT_DEADLINE, Orders
from opsctl.lab.metrics import Registry, add_process_metrics
from opsctl.lab.part import Switches
from opsctl.lab.strain import compute
from opsctl.lab.web import Answer, Request, serve

OWN_WORK = 0.003  # CPU seconds of a task
FAILURES = 5  # in a row, then the breaker opens
REST = 3.0  # seconds until an open breaker lets one trial through
CLOSED, TRYING, OPEN = 0.0, 0.5, 1.0
DETOUR = 10.6  # seconds by file exchange, the way round an open breaker
SLOW_STORE = 1.6  # seconds of one write when the disk of the agents' database is slow
CACHED = 4.0  # seconds a customer stays in the agent's cache
CUSTOMERS = 8
EDGES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0)


class Breaker:
    """Opens after some failures in a row; half-open lets one call through."""

    def __init__(self) -> None:
        self.state = CLOSED
        self._failures = 0
        self._opened = 0.0
        self._lock = threading.Lock()

    def allows(self) -> bool:
        """Whether a call may go out now."""
        with self._lock:
            if self.state == CLOSED:
                return True
            if self.state == OPEN and time.monotonic() - self._opened > REST:
                self.state = TRYING
                return True
            return False

    def note(self, ok: bool) -> None:
        """What became of a call that went out."""
        with self._lock:
            self._failures = 0 if ok else self._failures + 1
            if ok:
                self.state = CLOSED
            elif self.state == TRYING or self._failures >= FAILURES:
                self.state, self._opened = OPEN, time.monotonic()


class Agent:
    """The service with its metrics."""

    def __init__(self, settings: dict[str, Any], switches: Switches) -> None:
        self._on = switches
        self._direct = threading.Event()  # set while no task has to go the long way round
        self.breaker = Breaker()
        self._cache: dict[int, float] = {}
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.execute("CREATE TABLE tasks (at REAL, status TEXT)")
        self._database_lock = threading.Lock()
        self.registry = one = Registry()
        self.requests = one.counter("insa_agent_requests_total", "Requests.", "agent", "status", "priority")
        self.seconds = one.histogram("insa_agent_request_duration_seconds", "Request time.", ("agent",), EDGES)
        self.hits = one.counter("insa_cache_hits_total", "Cache hits.")
        self.misses = one.counter("insa_cache_misses_total", "Cache misses.")
        self.retries = one.counter("insa_retry_attempts_total", "Retries.", "status")
        self.operations = one.counter("insa_database_operations_total", "Database operations.", "operation", "status")
        self.database_seconds = one.histogram("insa_database_query_duration_seconds", "Query time.", (), EDGES)
        state = one.gauge("insa_circuit_breaker_state", "0 closed, 0.5 half-open, 1 open.", "breaker")
        one.gauge("insa_dead_letter_queue_size", "Messages in the dead letter queue.").set(0)
        one.before.append(lambda: state.set(self.breaker.state, "orders"))
        self.orders = Orders(settings["provider"], one)
        self.host = Host(one, settings["started"])
        add_process_metrics(one, lambda: self.host.started)

    def change(self, on: frozenset[str]) -> None:
        """Break or mend the agent's own database, the way round the breaker, the deadline and the host."""
        self.orders.deadline = SHORT_DEADLINE if "agent-deadline-short" in on else DEADLINE
        self.host.change(on)
        table, broken = ("tasks", "tasks_old") if "agent-database-errors" in on else ("tasks_old", "tasks")
        with self._database_lock:
            known = self._database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
            if known:
                self._database.execute(f"ALTER TABLE {table} RENAME TO {broken}")
        if "breaker-detour" in on:
            self._direct.clear()
        else:
            self._direct.set()

    def task(self, request: Request) -> Answer:
        """One task of an agent: success, error or timeout."""
        agent = str(request.json().get("agent", "sales"))
        begun = time.perf_counter()
        self._look_up(random.randrange(CUSTOMERS))  # noqa: S311 - not for secrets
        compute(OWN_WORK)
        status = self._order()
        if status == "error" and self.breaker.state == CLOSED:
            status = self._order()
            self.retries.add("success" if status == "success" else "failure")
        if status == "error" and "breaker-detour" in self._on:
            self._direct.wait(DETOUR)
            status = "success"
        if not self._record(status):
            status = "error"
        self.requests.add(agent, status, "normal")
        self.seconds.observe(time.perf_counter() - begun, agent)
        return Answer({"success": 200, "timeout": 504}.get(status, 503), {"status": status})

    def _look_up(self, customer: int) -> None:
        now = time.monotonic()
        if self._cache.get(customer, 0.0) > now:
            self.hits.add()
        else:
            self.misses.add()
            self._cache[customer] = now + CACHED

    def _record(self, status: str) -> bool:
        begun = time.perf_counter()
        if "agent-store-slow" in self._on:
            time.sleep(SLOW_STORE)
        try:
            with self._database_lock:
                self._database.execute("INSERT INTO tasks VALUES (?, ?)", (time.time(), status))
                self._database.execute("DELETE FROM tasks WHERE at < ?", (time.time() - 60,))
        except sqlite3.Error:
            self.operations.add("insert", "error")
            return False
        self.database_seconds.observe(time.perf_counter() - begun)
        self.operations.add("insert", "success")
        return True

    def _order(self) -> str:
        if not self.breaker.allows():
            return "error"
        status = self.orders.call()
        self.breaker.note(status == "success")
        return status


def start(settings: dict[str, Any], switches: Switches) -> dict[str, Any]:
    """Serve tasks and metrics on ``port``."""
    agent = Agent(settings, switches)
    switches.when_changed(agent.change)
    serve(
        settings["port"],
        {
            ("POST", "/tasks"): agent.task,
            ("GET", "/metrics"): metrics_page("insa", agent.registry, switches),
            ("GET", "/health"): lambda _: Answer(200, {"status": "ok"}),
        },
    )
    return {"version": "1.0"}
