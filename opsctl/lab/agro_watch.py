"""AGRO watches itself: calls per client and endpoint, and a receiver that writes down what Alertmanager sends."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from opsctl.lab.clock import now_text
from opsctl.lab.part import Switches
from opsctl.lab.web import Answer, Request

SPAN = 60.0  # seconds over which calls are counted
MOST = 10.0  # calls a minute of one client to one endpoint
SUSTAINED = 20.0  # seconds until it warns; two minutes in the original


class Frequency:
    """Counts calls per client and endpoint over the last minute."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], deque[float]] = {}
        self._over_since: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def note(self, client: str, endpoint: str) -> None:
        """One call."""
        key, now = (client, endpoint), time.monotonic()
        with self._lock:
            calls = self._calls.setdefault(key, deque(maxlen=5000))
            calls.append(now)
            self._drop(key, now)

    def _drop(self, key: tuple[str, str], now: float) -> None:
        calls = self._calls[key]
        while calls and calls[0] < now - SPAN:
            calls.popleft()
        if len(calls) * 60 / SPAN > MOST:
            self._over_since.setdefault(key, now)
        else:
            self._over_since.pop(key, None)
        if not calls:
            del self._calls[key]

    def stats(self, _: Request) -> Answer:
        """GET /monitoring/frequency-stats."""
        now = time.monotonic()
        with self._lock:
            for key in list(self._calls):
                self._drop(key, now)
            high = [
                {
                    "client_ip": key[0],
                    "endpoint": key[1],
                    "calls_per_minute": round(len(self._calls[key]) * 60 / SPAN, 1),
                    "duration_seconds": round(now - since),
                    "alert_fired": now - since >= SUSTAINED,
                }
                for key, since in self._over_since.items()
            ]
            clients = len({client for client, _ in self._calls})
        return Answer(200, {"tracked_clients": clients, "high_frequency_clients": high})


class Receiver:
    """POST /webhooks/alertmanager appends to a file; its status counts."""

    def __init__(self, path: str, switches: Switches) -> None:
        self._on = switches
        self._path = Path(path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch()
        self._lock = threading.Lock()
        self._received, self._errors, self._last = 0, 0, ""
        self._firing: set[str] = set()

    def receive(self, request: Request) -> Answer:
        """One notification of Alertmanager."""
        if "agro-receiver-failing" in self._on:
            return Answer(500, {"status": "not stored"})
        body = request.json()
        alerts = body.get("alerts", [])
        with self._lock:
            self._received, self._last = self._received + 1, now_text()
            for alert in alerts:
                name = str(alert.get("labels", {}).get("alertname", ""))
                (self._firing.add if alert.get("status") == "firing" else self._firing.discard)(name)
            line = {"received_at": self._last, "status": body.get("status", ""), "alerts": alerts}
            try:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
            except OSError:
                self._errors += 1
                return Answer(500, {"status": "not stored"})
        return Answer(200, {"status": "stored", "alerts": len(alerts)})

    def status(self, _: Request) -> Answer:
        """GET /webhooks/alertmanager/status."""
        with self._lock:
            found: dict[str, Any] = {
                "status": "ok" if not self._errors else "degraded",
                "received": self._received,
                "last_received": self._last or None,
                "firing": sorted(self._firing),
                "write_errors": self._errors,
                "delivery": [],  # stored, and sent nowhere (AGRO-04)
            }
        return Answer(200, found)
