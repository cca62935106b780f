"""The simulated AMAS' own alert engine: two rules over the last seconds, active alerts and a short history."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

from opsctl.lab.amas_app import App
from opsctl.lab.clock import now_text
from opsctl.lab.web import Answer, Request

WINDOW = 15.0  # seconds
HELD = 10.0  # seconds a rule must be broken; two minutes in the original
HISTORY = 200


class AlertEngine:
    """Evaluates every second."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._broken_since: dict[str, float] = {}
        self._active: dict[str, dict[str, Any]] = {}
        self._history: deque[dict[str, Any]] = deque(maxlen=HISTORY)
        self._number = 0
        threading.Thread(target=self._run, daemon=True).start()

    def active(self, _: Request) -> Answer:
        """GET /api/alerts/active: [] when healthy."""
        return Answer(200, list(self._active.values()))

    def history(self, _: Request) -> Answer:
        """GET /api/alerts/history: the newest 200."""
        return Answer(200, list(self._history))

    def _run(self) -> None:
        while True:
            time.sleep(1.0)
            now = time.time()
            writes = sorted(v for at, v in list(self._app.writes) if at > now - WINDOW)
            answers = [status for at, status in list(self._app.answers) if at > now - WINDOW]
            p99 = writes[int(len(writes) * 0.99)] if writes else 0.0
            errors = sum(status >= 500 for status in answers) / len(answers) if answers else 0.0
            self._judge("decision.latency.p99", round(p99), 500, "Decision latency P99 exceeds 500ms", now)
            self._judge("http.error_rate.5xx", round(errors, 4), 0.01, "5xx error rate exceeds 1%", now)

    def _judge(self, metric: str, value: float, threshold: float, message: str, now: float) -> None:
        if value <= threshold:
            self._broken_since.pop(metric, None)
            gone = self._active.pop(metric, None)
            if gone is not None:
                self._history.append({**gone, "status": "resolved", "resolvedAt": now_text()})
            return
        since = self._broken_since.setdefault(metric, now)
        if now - since < HELD:
            return
        if metric not in self._active:
            self._number += 1
            self._active[metric] = {
                "id": f"alert-{self._number:06d}",
                "metric": metric,
                "status": "firing",
                "severity": "high",
                "threshold": threshold,
                "occurredAt": now_text(),
                "message": message,
            }
            self._history.append({**self._active[metric], "value": value})
        self._active[metric]["value"] = value
