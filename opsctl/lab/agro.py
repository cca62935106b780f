"""The simulated AGRO: search and chat over repositories; the best documents of a question come from the reranker.

What the reranker said is kept for a while per question, so it is asked a few times a minute as in the source; while
it does not answer, nothing can be kept and every request asks again.
"""

from __future__ import annotations

import calendar
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from opsctl.lab.agro_rerank import CONNECTIONS, DEADLINE, SHORT_DEADLINE, Rerank, TimedOut
from opsctl.lab.agro_watch import Frequency, Receiver
from opsctl.lab.exposed import metrics_page
from opsctl.lab.metrics import Registry, add_process_metrics
from opsctl.lab.part import Switches
from opsctl.lab.web import Answer, Request, serve

CHAT, SEARCH = "/api/chat", "/api/search"
RETRIEVAL = 0.008  # seconds
KEPT = 40.0  # seconds for which the order of a question's documents is kept
EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
MONTH_USD = 16.0  # of a whole month; the gauge holds what of it is over


class Failed(Exception):
    """A request that ends in an error: HTTP status and the error's type."""

    def __init__(self, status: int, type: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.type = status, type


class App:
    """One process of the service with its metrics."""

    def __init__(self, settings: dict[str, Any], switches: Switches) -> None:
        self.release: dict[str, Any] = settings["release"]
        self.on = switches
        self.registry = one = Registry()
        self.requests = one.counter("agro_requests_total", "Requests.", "client_ip", "endpoint")
        self.errors = one.counter("agro_errors_total", "Requests that failed.", "error_type", "endpoint")
        self.seconds = one.histogram("agro_request_duration_seconds", "Request time.", ("endpoint",), EDGES)
        for endpoint in (CHAT, SEARCH):
            for type in ("timeout", "rerank", "validation", "internal"):
                self.errors.add(type, endpoint, by=0)
        self.rerank = Rerank(settings["reranker"], one)
        one.gauge("agro_month_cost_usd", "Cost of the month in USD.").set(spent(time.time()))
        one.gauge("agro_retrieval_mrr", "Mean reciprocal rank of the canary questions.").set(0.82)
        one.gauge("agro_canary_pass_ratio", "Canary questions that pass.").set(0.97)
        add_process_metrics(one, settings["started"])
        self.frequency = Frequency()
        self._kept: dict[str, float] = {}
        self._lock = threading.Lock()

    def change(self, on: frozenset[str]) -> None:
        """Configure the client of the reranker as the faults say."""
        self.rerank.deadline = SHORT_DEADLINE if "rerank-deadline-short" in on else DEADLINE
        self.rerank.hold(CONNECTIONS if "rerank-pool-held" in on else 0)

    def handler(self, endpoint: str, question: Callable[[Request], str]) -> Callable[[Request], Answer]:
        """The measured handler of one endpoint; ``question`` finds it in the request."""

        def measured(request: Request) -> Answer:
            begun = time.perf_counter()
            client = request.headers.get("X-Forwarded-For", request.client)
            self.frequency.note(client, endpoint)
            try:
                answer = Answer(200, self._answer(endpoint, question(request)))
            except Failed as failed:
                self.errors.add(failed.type, endpoint)
                answer = Answer(failed.status, {"detail": str(failed)})
            self.requests.add(client, endpoint)
            self.seconds.observe(time.perf_counter() - begun, endpoint)
            return answer

        return measured

    def _answer(self, endpoint: str, question: str) -> dict[str, Any]:
        if not question:
            raise Failed(422, "validation", "field required: question")
        time.sleep(RETRIEVAL)
        if random.random() < self.release["failing"]:  # noqa: S311 - not for secrets
            raise Failed(500, "internal", "IndexError: list index out of range")
        key = f"{endpoint} {question}"
        if self._kept.get(key, 0.0) < time.monotonic():
            try:
                self.rerank.ask(endpoint)
            except TimedOut as late:
                raise Failed(504, "timeout", f"reranker: {late}") from late
            except ConnectionError as error:
                raise Failed(502, "rerank", f"reranker: {error}") from error
            with self._lock:
                self._kept[key] = time.monotonic() + KEPT * random.uniform(0.8, 1.2)  # noqa: S311 - not for secrets
        return {"documents": [], "answer": "ok"}


def spent(now: float) -> float:
    """USD of the month so far at an even pace; its first tenth counts whole."""
    at = datetime.fromtimestamp(now, UTC)
    days = calendar.monthrange(at.year, at.month)[1]
    return MONTH_USD * max(0.1, (at.day - 1 + at.hour / 24) / days)


def _asked(request: Request) -> str:
    return str(request.json().get("question") or "")


def _searched(request: Request) -> str:
    return request.query.get("query", "")


def start(settings: dict[str, Any], switches: Switches) -> dict[str, Any]:
    """Serve on ``port``."""
    app = App(settings, switches)
    receiver = Receiver(settings["alerts"], switches)
    switches.when_changed(app.change)
    serve(
        settings["port"],
        {
            ("POST", CHAT): app.handler(CHAT, _asked),
            ("GET", SEARCH): app.handler(SEARCH, _searched),
            ("GET", "/metrics"): metrics_page("agro", app.registry, switches),
            ("GET", "/monitoring/frequency-stats"): app.frequency.stats,
            ("POST", "/webhooks/alertmanager"): receiver.receive,
            ("GET", "/webhooks/alertmanager/status"): receiver.status,
        },
    )
    return {"version": app.release["version"]}
