"""The request path of the simulated AMAS: session, cached state or its rebuilding, the decision write."""

from __future__ import annotations

import itertools
import random
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

from opsctl.lab import clock
from opsctl.lab.amas_cache import Cache, CacheDown, InProcess, InRedis
from opsctl.lab.amas_insights import Insights
from opsctl.lab.amas_pool import Pool, PoolTimeout
from opsctl.lab.amas_queries import Reads
from opsctl.lab.amas_store import DUE, USERS
from opsctl.lab.journal import Journal
from opsctl.lab.metrics import Registry, add_process_metrics
from opsctl.lab.part import Switches
from opsctl.lab.web import Answer, Request

EDGES = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0)
EDGES_MS = (5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 150.0, 200.0, 250.0, 300.0, 400.0, 500.0, 600.0, 800.0, 1000.0, 1500.0,
            2000.0, 2500.0, 5000.0, 10000.0)  # fmt: skip
COLLECTION = 5.0  # seconds; 30 in the original
COMPUTE = 0.045  # seconds of the service's own work inside each write's transaction
RANKING = 0.03  # seconds of ranking the words of a state
REBUILD_SECONDS = 0.12  # of computing one state anew
REBUILDERS = 4  # states computed at the same time
SCORED = 8  # one of so many decisions is scored by a statement of its own
MEASURING = 0.2  # seconds of writing down a request, when that has become slow
SESSIONS = "session_secret"
SESSION_SECONDS = 3600
PLANNED = 40  # one of so many counts what is due


class App:
    """The service with its pool, cache and metrics."""

    def __init__(self, settings: dict[str, Any], switches: Switches) -> None:
        self.on = switches
        self.started: float = settings["started"]
        self.journal = Journal(settings["log"])
        self.registry = one = Registry()
        self._make_metrics(one)
        self.pool = Pool(settings["dsn"], one)
        self.cache = Cache(InRedis(settings["redis"]) if settings["redis"] else InProcess(), one)
        self.insights = Insights(self.cache)
        self.reads = Reads()
        self._rebuilders = threading.Semaphore(REBUILDERS)
        self._counting = threading.Lock()
        self._count = itertools.count(1)
        self.writes: deque[tuple[float, float]] = deque(maxlen=2000)  # time, milliseconds
        self.answers: deque[tuple[float, int]] = deque(maxlen=4000)  # time, status

    def _make_metrics(self, one: Registry) -> None:
        labels = ("method", "route", "status")
        self.queue = one.gauge("amas_queue_size", "Waiting decisions.", "type")
        self.queue.set(0, "decision")
        self.write_ms = one.histogram("amas_decision_write_duration", "Decision write in ms.", (), EDGES_MS)
        self.errors = one.counter("http_errors_total", "Answers of 400 and above.", "status", "route")
        for status in ("429", "500"):
            self.errors.add(status, "/api/decisions", by=0)
        self.requests = one.counter("http_requests_total", "Requests.", *labels)
        self.seconds = one.histogram("http_request_duration_seconds", "Request time in seconds.", labels, EDGES)
        self.active = one.gauge("http_requests_active", "Requests being processed.")
        self.overhead = one.histogram(
            "monitoring_overhead_seconds", "Time that measuring takes.", (), (0.0001, 0.001, 0.01, 0.1)
        )
        self.lag = one.gauge("nodejs_eventloop_lag_seconds", "Lag of the event loop in seconds.")
        add_process_metrics(one, self.started)

    def handler(self, route: str, work: Callable[[Request], dict[str, Any]]) -> Callable[[Request], Answer]:
        """The measured handler of one route."""

        def measured(request: Request) -> Answer:
            begun = time.perf_counter()
            self.active.add()
            try:
                answer = Answer(200, work(request))
            except Exception as error:  # noqa: BLE001 - the service's last resort: a line in its log and a 500
                self._log_failure(request, error)
                answer = Answer(500, {"error": "Internal Server Error"})
            finally:
                self.active.add(by=-1)
            done = time.perf_counter()
            labels = (request.method, route, str(answer.status))
            self.requests.add(*labels)
            self.seconds.observe(done - begun, *labels)
            if answer.status >= 400:
                self.errors.add(str(answer.status), route)
            self.answers.append((time.time(), answer.status))
            if "amas-measuring-slow" in self.on:
                time.sleep(MEASURING)
            self.overhead.observe(time.perf_counter() - done)
            return answer

        return measured

    def _log_failure(self, request: Request, error: Exception) -> None:
        import psycopg

        where = "[DecisionRecorder] Failed to write decision insight" if request.method == "POST" else "[StateService]"
        text = " ".join(str(error).split())
        if isinstance(error, PoolTimeout):
            self.journal.line("ERROR", f"{where}: {text}")
        elif isinstance(error, FallbackFailed):
            self.journal.line("ERROR", f"[CacheService] Cache miss and fallback failed: {text}")
        elif isinstance(error, CacheDown):
            self.journal.line("ERROR", f"[SessionService] ECONNREFUSED {text}")
        elif isinstance(error, psycopg.Error):
            code = getattr(error, "sqlstate", None) or "P1001"
            self.journal.line("ERROR", f"{where}: {code} {text}")
        else:
            self.journal.line("ERROR", f"UnhandledPromiseRejection: {type(error).__name__}: {text}")

    def decide(self, request: Request) -> dict[str, Any]:
        """POST /api/decisions."""
        body = request.json()
        user, word = int(body["user"]), int(body["word"])
        if self.cache.keeper.get(SESSIONS) is None:  # the key of all sessions: without the cache server there is none
            self.cache.keeper.set(SESSIONS, uuid.uuid4().hex, SESSION_SECONDS * 1000)
        self.state_of(user)
        self.insights.read(known=user < USERS)
        if "unhandled-exception" in self.on and random.random() < 0.2:  # noqa: S311 - not for secrets
            raise TypeError("Cannot read properties of undefined (reading 'wordId')")
        decision = str(uuid.uuid4())
        begun = time.perf_counter()
        self.queue.add("decision")
        try:
            self._write(decision, user, word, float(body["quality"]))
        finally:
            taken = (time.perf_counter() - begun) * 1000
            self.queue.add("decision", by=-1)
            self.write_ms.observe(taken)
            self.writes.append((time.time(), taken))
        return {"decisionId": decision}

    def _write(self, decision: str, user: int, word: int, reward: float) -> None:
        ask = self.pool.ask
        number = next(self._count)
        with self.pool.connection() as link:
            if number % SCORED == 0:
                ask(link, "SELECT review_score(%s)", user)
            if number % PLANNED == 0 and self._counting.acquire(blocking=False):  # never two at a time
                try:
                    ask(link, DUE)
                finally:
                    self._counting.release()
            self.reads.run(ask, link, number)
            ask(link, "UPDATE word_state SET repetitions = repetitions + 1 WHERE word_id = %s", word)
            time.sleep(COMPUTE)
            ask(
                link,
                "INSERT INTO decision_insights (decision_id, user_id, word_id, reward) VALUES (%s, %s, %s, %s)",
                decision,
                user,
                word,
                reward,
            )

    def state(self, request: Request) -> dict[str, Any]:
        """GET /api/state/USER."""
        state = self.state_of(int(request.tail))
        time.sleep(RANKING)
        return {"state": state}

    def state_of(self, user: int) -> str:
        """The user's state: from the cache, else computed anew and kept."""
        try:
            found = self.cache.state(user)
        except CacheDown:
            found = None
        if found is not None:
            return found
        import psycopg

        with self._rebuilders:
            try:
                state = self._rebuild(user)
            except psycopg.DataError as error:
                raise FallbackFailed(str(error)) from error
            time.sleep(REBUILD_SECONDS)
        try:
            self.cache.keep(user, state)
        except CacheDown as error:
            self.journal.line("WARN", f"[CacheService] {error}")
        return state

    def _rebuild(self, user: int) -> str:
        with self.pool.connection() as link:
            return str(self.pool.ask(link, "SELECT rebuild_state(%s)", user)[0][0])

    def warm(self) -> None:
        """Load all states and insights into the cache at once, as the service does after a start."""
        for user in range(USERS):
            self.cache.keep(user, self._rebuild(user))
        self.insights.warm()

    def collect(self) -> None:
        """The collector's own line in the log, every few seconds; what it collects carries the time of it."""
        while True:
            self.queue.at = clock.now()
            time.sleep(COLLECTION)
            while "amas-collector-stopped" in self.on:
                time.sleep(0.2)
            self.journal.line("INFO", f"[MetricsCollector] queue {self.queue.get('decision'):.0f}")

    def watch_lag(self) -> None:
        """Measure how late a timer fires; the gauge shows the worst of the last three seconds."""
        recent: deque[float] = deque(maxlen=30)
        while True:
            due = time.monotonic() + 0.1
            time.sleep(0.1)
            recent.append(max(0.0, time.monotonic() - due))
            self.lag.set(max(recent))


class FallbackFailed(Exception):
    """A cache miss whose rebuilding failed in the database."""
