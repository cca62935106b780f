"""The lab's clients: real HTTP requests at a bounded rate, with a bounded number in flight.

Each thread has its own connection and its own turn; a thread whose request is slow sends fewer, and never catches up
afterwards. So a slow service sees a queue of at most as many requests as there are threads.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from opsctl.lab.identity import HOST

DEADLINE = 30.0


class Call(NamedTuple):
    """One request to send."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    headers: dict[str, str] | None = None


class Crowd:
    """``threads`` clients that together send ``rate`` requests a second to one port."""

    def __init__(self, port: int, rate: float, threads: int, make: Callable[[random.Random], Call | None]) -> None:
        self._port, self._period, self._threads, self._make = port, threads / rate, threads, make
        self.factor = 1.0

    def run(self) -> None:
        """Start all threads."""
        for number in range(self._threads):
            threading.Thread(target=self._client, args=(number,), daemon=True).start()

    def set_factor(self, factor: float) -> None:
        """So many times the usual rate, from now on."""
        self.factor = factor

    def _client(self, number: int) -> None:
        chance = random.Random(number)  # noqa: S311 - not for secrets
        due = time.monotonic() + self._period * number / self._threads
        link = http.client.HTTPConnection(HOST, self._port, timeout=DEADLINE)
        while True:
            time.sleep(max(0.0, due - time.monotonic()))
            call = self._make(chance)
            if call is None:  # a turn that is let pass
                due = max(due + self._period / self.factor, time.monotonic())
                continue
            body = None if call.body is None else json.dumps(call.body)
            try:
                link.request(call.method, call.path, body, {"Content-Type": "application/json", **(call.headers or {})})
                link.getresponse().read()
            except (OSError, http.client.HTTPException):
                link.close()
                time.sleep(0.2)  # the service restarts
            period = self._period / self.factor
            due = max(due + period * chance.uniform(0.85, 1.15), time.monotonic())
