"""What AGRO's requests wait for: the reranker, over a bounded pool of connections, with one deadline for each call."""

from __future__ import annotations

import http.client
import json
import threading
import time

from opsctl.lab.identity import HOST
from opsctl.lab.metrics import Registry

DEADLINE = 0.6  # seconds for connecting and for the answer, each
SHORT_DEADLINE = 0.012  # less than the reranker ever needs
CONNECTIONS = 6
POOL_DEADLINE = 0.3  # seconds for a free connection
DOCUMENTS = 20
TOKENS = 75  # per call; more than 3500 in the original, whose documents are longer
USD = 0.00006  # per call
EDGES = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0)


class TimedOut(Exception):
    """A deadline passed. ``kind``: pool, connect or read."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"{kind} timeout")
        self.kind = kind


class Rerank:
    """The client, with its metrics. ``deadline`` may be changed while it runs, as by a configuration."""

    def __init__(self, port: int, registry: Registry) -> None:
        self._port = port
        self.deadline = DEADLINE
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        self._held = 0
        self._body = json.dumps({"model": "rerank-v3.5", "query": "lab", "documents": ["a"] * DOCUMENTS})
        self.calls = registry.counter("agro_rerank_calls_total", "Calls of the reranker.")
        self.timeouts = registry.counter("agro_timeouts_total", "Deadlines that passed.", "kind", "upstream")
        for kind in ("pool", "connect", "read"):
            self.timeouts.add(kind, "reranker", by=0)
        self.seconds = registry.histogram("agro_rerank_duration_seconds", "Time of a call of the reranker.", (), EDGES)
        self.tokens = registry.counter("agro_tokens_total", "Tokens.", "endpoint")
        self.cost = registry.counter("agro_cost_usd_total", "Cost in USD.")
        self.waiting = registry.gauge("agro_rerank_pool_waiting", "Calls that wait for a connection.")
        self.busy = registry.gauge("agro_rerank_pool_in_use", "Connections in use.")
        registry.gauge("agro_rerank_pool_size", "Connections at most.").set(CONNECTIONS)
        limit = registry.gauge("agro_rerank_timeout_seconds", "The deadline of one call, as configured.")
        registry.before.append(lambda: limit.set(self.deadline))

    def hold(self, count: int) -> None:
        """Hold so many connections, as a batch does that never gives them back."""
        while self._held < count:
            self._free.acquire()
            self._held += 1
            self.busy.add()
        while self._held > count:
            self._held -= 1
            self.busy.add(by=-1)
            self._free.release()

    def ask(self, endpoint: str) -> None:
        """One call for a request to ``endpoint``. Raises TimedOut, ConnectionError."""
        self.waiting.add()
        try:
            got = self._free.acquire(timeout=POOL_DEADLINE)
        finally:
            self.waiting.add(by=-1)
        if not got:
            raise self._late("pool")
        self.busy.add()
        try:
            self._call()
        finally:
            self.busy.add(by=-1)
            self._free.release()
        self.tokens.add(endpoint, by=TOKENS)
        self.cost.add(by=USD)

    def _late(self, kind: str) -> TimedOut:
        self.timeouts.add(kind, "reranker")
        return TimedOut(kind)

    def _call(self) -> None:
        self.calls.add()
        begun = time.perf_counter()
        link = http.client.HTTPConnection(HOST, self._port, timeout=max(self.deadline, 0.2))
        try:
            try:
                link.connect()
            except TimeoutError:
                raise self._late("connect") from None
            assert link.sock is not None
            link.sock.settimeout(self.deadline)
            link.request("POST", "/v2/rerank", self._body, {"Content-Type": "application/json"})
            try:
                answer = link.getresponse()
            except TimeoutError:
                raise self._late("read") from None
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise ConnectionError(f"{type(error).__name__}: {error}") from error
        finally:
            link.close()
            self.seconds.observe(time.perf_counter() - begun)
        if answer.status != 200:
            raise ConnectionError(f"HTTP {answer.status} from the reranker")
