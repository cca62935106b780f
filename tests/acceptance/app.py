"""A small web application with the usual metric names, whose speed and errors a test changes while it runs."""

from __future__ import annotations

import threading
import time

from tests.servers.web import Web

EDGES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class App:
    """Answers ``rate`` requests a second in about ``latency`` seconds, ``errors`` of them (a ratio) with 500, with
    ``llm`` of the time spent in a language model (a ratio). The page at ``url`` tells what happened up to now.

    ``started``: unix time of the process's start that it claims.
    """

    def __init__(self, *, latency: float = 0.02, rate: float = 200.0, started: float | None = None) -> None:
        self.latency = latency
        self.rate = rate
        self.errors = 0.0
        self.llm = 0.1
        self.started = time.time() - 86400 if started is None else started
        self._told = time.monotonic() - 10  # it has answered before anybody looks
        self._counts = [0.0] * (len(EDGES) + 1)
        self._seconds = self._llm = self._failed = 0.0
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
            made = (now - self._told) * self.rate
            self._told = now
            # from half of the latency to once and a half of it, evenly
            for number, edge in enumerate((*EDGES, float("inf"))):
                below = min(1.0, max(0.0, (edge - self.latency / 2) / self.latency))
                self._counts[number] += made * below
            self._seconds += made * self.latency
            self._llm += made * self.latency * self.llm
            self._failed += made * self.errors
            counts, total = [round(count) for count in self._counts], round(self._counts[-1])
        name = "http_request_duration_seconds"
        lines = [f"# TYPE {name} histogram"]
        lines += [f'{name}_bucket{{le="{edge}"}} {n}' for edge, n in zip((*EDGES, "+Inf"), counts, strict=True)]
        lines += [f"{name}_sum {self._seconds:.6f}", f"{name}_count {total}", "# TYPE http_requests_total counter"]
        lines += [f'http_requests_total{{status="200"}} {total - round(self._failed)}']
        lines += [f'http_requests_total{{status="500"}} {round(self._failed)}']
        lines += ["# TYPE openai_request_duration_seconds_sum counter"]
        lines += [f"openai_request_duration_seconds_sum {self._llm:.6f}"]
        lines += ["# TYPE process_start_time_seconds gauge", f"process_start_time_seconds {self.started:.3f}"]
        return "\n".join(lines) + "\n"

    def stop(self) -> None:
        """Stop it; its port then refuses."""
        self.web.stop()
