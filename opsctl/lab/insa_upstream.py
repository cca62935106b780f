"""What INSA's agents call behind their circuit breaker: an order system, with a deadline for each call."""

from __future__ import annotations

import http.client
import threading
import time

from opsctl.lab.identity import HOST
from opsctl.lab.metrics import Registry

DEADLINE = 0.8  # seconds for one call
SHORT_DEADLINE = 0.026  # less than the order system needs for about every third call
EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5)


class Orders:
    """One connection per thread. ``deadline`` may be changed while it runs, as by a configuration."""

    def __init__(self, port: int, registry: Registry) -> None:
        self._port = port
        self.deadline = DEADLINE
        self._local = threading.local()
        self._timeouts = registry.counter("insa_upstream_timeouts_total", "Deadlines that passed.", "kind")
        for kind in ("pool", "connect", "read"):
            self._timeouts.add(kind, by=0)
        self._seconds = registry.histogram("insa_upstream_call_duration_seconds", "Time of one call.", (), EDGES)
        limit = registry.gauge("insa_upstream_timeout_seconds", "The deadline of one call, as configured.")
        registry.before.append(lambda: limit.set(self.deadline))

    def call(self) -> str:
        """One call: success, error or timeout."""
        link: http.client.HTTPConnection | None = getattr(self._local, "link", None)
        if link is None or link.timeout != self.deadline:
            link = self._local.link = http.client.HTTPConnection(HOST, self._port, timeout=self.deadline)
        begun, kind = time.perf_counter(), "connect"
        try:
            if link.sock is None:
                link.connect()
            kind = "read"
            link.request("POST", "/orders", b"{}")
            answer = link.getresponse()
            answer.read()
            return "success" if answer.status == 200 else "error"
        except TimeoutError:
            link.close()
            self._timeouts.add(kind)
            return "timeout"
        except (OSError, http.client.HTTPException):
            link.close()
            return "error"
        finally:
            self._seconds.observe(time.perf_counter() - begun)
