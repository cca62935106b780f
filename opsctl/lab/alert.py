"""Alerts that the lab sends to Alertmanager itself: one that has nothing to do with the services, one to deliver."""

from __future__ import annotations

import contextlib
import http.client
import json
from datetime import UTC, datetime, timedelta

from opsctl.lab.identity import HOST

ALERTS = {  # what is switched on -> the alert that fires meanwhile
    "distract-alert": {
        "alertname": "DiskSpaceLow",
        "service": "archive",
        "severity": "warning",
        "instance": "backup-1",
    },
    "agro-receiver-failing": {"alertname": "RetrievalQualityDegraded", "service": "agro", "severity": "info"},
}


def send(port: int, labels: dict[str, str], *, firing: bool) -> None:
    """Post it as firing for a minute, or as resolved. An Alertmanager that does not answer is left alone."""
    ends = datetime.now(UTC) + (timedelta(minutes=1) if firing else timedelta(0))
    body = [
        {
            "labels": labels,
            "annotations": {"summary": f"{labels['alertname']} of the lab"},
            "endsAt": ends.isoformat().replace("+00:00", "Z"),
        }
    ]
    link = http.client.HTTPConnection(HOST, port, timeout=3)
    with contextlib.suppress(OSError, http.client.HTTPException):
        link.request("POST", "/api/v2/alerts", json.dumps(body), {"Content-Type": "application/json"})
        link.getresponse().read()
    link.close()
