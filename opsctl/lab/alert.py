"""The distracting alert: one that has nothing to do with the services under diagnosis, sent to Alertmanager."""

from __future__ import annotations

import contextlib
import http.client
import json
from datetime import UTC, datetime, timedelta

from opsctl.lab.identity import HOST

LABELS = {"alertname": "DiskSpaceLow", "service": "threads", "severity": "warning", "instance": "backup-1"}


def send(port: int, *, firing: bool) -> None:
    """Post it as firing for a minute, or as resolved. An Alertmanager that does not answer is left alone."""
    ends = datetime.now(UTC) + (timedelta(minutes=1) if firing else timedelta(0))
    body = [
        {
            "labels": LABELS,
            "annotations": {"summary": "9 % free on backup-1"},
            "endsAt": ends.isoformat().replace("+00:00", "Z"),
        }
    ]
    link = http.client.HTTPConnection(HOST, port, timeout=3)
    with contextlib.suppress(OSError, http.client.HTTPException):
        link.request("POST", "/api/v2/alerts", json.dumps(body), {"Content-Type": "application/json"})
        link.getresponse().read()
    link.close()
