"""A small web application with the usual metric names, whose speed and errors a test changes while it runs."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable

from tests.servers.web import Web

EDGES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, math.inf)
DURATION = "http_request_duration_seconds"


class Counts:
    """What an application has counted: ``rate`` requests a second in about ``latency`` seconds, ``errors`` of them (a
    ratio) answered with 500, ``llm`` of the time (a ratio) spent in a language model. ``started``: unix time.
    """

    def __init__(self, started: float) -> None:
        self.latency = 0.02
        self.rate = 200.0
        self.errors = 0.0
        self.llm = 0.1
        self.started = started
        self._below = [0.0] * len(EDGES)
        self._seconds = self._llm = self._failed = 0.0

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        made = seconds * self.rate
        for number, edge in enumerate(EDGES):
            # from half of the latency to once and a half of it, evenly
            self._below[number] += made * min(1.0, max(0.0, (edge - self.latency / 2) / self.latency))
        self._seconds += made * self.latency
        self._llm += made * self.latency * self.llm
        self._failed += made * self.errors

    def samples(self) -> list[tuple[str, float]]:
        """Series and value, as they are now."""
        below = [round(count) for count in self._below]
        edges = [f"{edge:g}" if math.isfinite(edge) else "+Inf" for edge in EDGES]
        return [
            *((f'{DURATION}_bucket{{le="{edge}"}}', n) for edge, n in zip(edges, below, strict=True)),
            (f"{DURATION}_sum", round(self._seconds, 6)),
            (f"{DURATION}_count", below[-1]),
            ('http_requests_total{status="200"}', below[-1] - round(self._failed)),
            ('http_requests_total{status="500"}', round(self._failed)),
            ("openai_request_duration_seconds_sum", round(self._llm, 6)),
            ("process_start_time_seconds", self.started),
        ]


class App(Counts):
    """Counts that go on by the clock, shown at ``url``."""

    def __init__(self, *, latency: float = 0.02, started: float | None = None) -> None:
        super().__init__(time.time() - 86400 if started is None else started)
        self.latency = latency
        self._told = time.monotonic() - 10  # it has answered before anybody looks
        self._lock = threading.Lock()
        self.web = Web({"/metrics": self.page, "/health": '{"status": "ok"}'})
        self.url = f"{self.web.url}/metrics"
        self.netloc = self.web.netloc

    def change(self, **how: float) -> None:
        """Set attributes from now on: what was until now is counted as it was."""
        self.page()
        with self._lock:
            for name, value in how.items():
                setattr(self, name, value)

    def page(self) -> str:
        """The metrics page."""
        with self._lock:
            now = time.monotonic()
            self.advance(now - self._told)
            self._told = now
            lines = [f"{series} {value}" for series, value in self.samples()]
        types = f"# TYPE {DURATION} histogram\n# TYPE http_requests_total counter\n"
        return types + "\n".join(lines) + "\n"

    def stop(self) -> None:
        """Stop it; its port then refuses."""
        self.web.stop()


def past(counts: Counts, phases: Iterable[tuple[float, dict[str, float]]], *, end: float, step: float = 15.0) -> str:
    """OpenMetrics text of what a Prometheus would have scraped each ``step`` seconds up to ``end`` (unix seconds).

    ``phases``: (seconds, attributes of ``counts`` from then on), one after the other; the last one ends at ``end``.
    """
    phases = list(phases)
    moment = end - sum(seconds for seconds, _ in phases)
    labels = 'job="shop",instance="past"'
    series: dict[str, list[str]] = {"up": []}
    for seconds, how in phases:
        for name, value in how.items():
            setattr(counts, name, value)
        until = moment + seconds
        while moment < until - 1e-6:
            counts.advance(step)
            moment += step
            for name, value in [*counts.samples(), ("up", 1.0)]:
                head, brace, rest = name.partition("{")
                full = f"{head}{{{labels},{rest}" if brace else f"{head}{{{labels}}}"
                series.setdefault(full, []).append(f"{full} {value!r} {moment:.3f}")
    return "\n".join(line for lines in series.values() for line in lines) + "\n# EOF\n"
