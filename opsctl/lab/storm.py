"""Storms of alerts in the lab: some that other systems send to its Alertmanager, some by rules of its Prometheus."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from opsctl.lab.identity import HOST

_HELD = timedelta(minutes=2)  # sent again long before that
_SHOPS = 12
NOWHERE = 9  # the port "discard", where nothing listens: the scrape proxy that is gone

# Every series of the agents as one alert; its own alerts are series, too, and left out.
_EACH = '"series", "$1", "__name__", "(.+)"'
_SERIES = '{job="insa",alertname=""}'


class Kind(NamedTuple):
    """Alerts of one name: the labels of each, and how many seconds before the switch they began."""

    labels: tuple[dict[str, str], ...]
    ago: float


def _many(names: tuple[str, ...], **labels: str) -> tuple[Kind, ...]:
    return tuple(
        Kind(
            tuple(
                {"alertname": name, "service": f"shop-{n}", "severity": "warning", **labels}
                for n in range(1, _SHOPS + 1)
            ),
            12.0 - place,
        )
        for place, name in enumerate(names)
    )


_ROOT = {"alertname": "DatabaseDown", "service": "orders-db", "database": "orders", "severity": "critical"}
SENT: dict[str, tuple[Kind, ...]] = {
    "storm-database": (
        Kind(({**_ROOT, "instance": "db-1"},), 20.0),
        *_many(("CheckoutFailing", "OrdersLate", "HighErrorRate", "HighLatency", "QueueGrowing"), database="orders"),
    ),
    "storm-release": _many(
        ("HighErrorRate", "HighLatency", "CheckoutFailing", "CartErrors", "SessionsLost"), version="2.4.0"
    ),
}
# Fault -> the rule that is loaded with it.
RULES: dict[str, dict[str, Any]] = {
    "storm-rule": {
        "alert": "MetricAboveBound",
        "expr": f"label_replace({_SERIES}, {_EACH}) > -1",
        "labels": {"severity": "warning", "service": "insa"},
    },
    "storm-flapping": {
        "alert": "MetricUnsteady",
        "expr": f"label_replace({_SERIES}, {_EACH}) and on () (vector(time() % 4) < 2)",
        "labels": {"severity": "warning", "service": "insa"},
    },
    "storm-scrapes": {
        "alert": "MetricLost",
        "expr": f"label_replace(last_over_time({_SERIES}[10m]), {_EACH}) and on (job, instance) (up == 0)",
        "labels": {"severity": "warning", "service": "insa"},
    },
}
UNREACHED = "storm-scrapes"


def send(port: int, name: str, began: datetime, *, firing: bool) -> None:
    """Post a storm's alerts as firing, or as resolved; ``began``: when it was switched on. Nobody there: left alone."""
    from http.client import HTTPConnection, HTTPException

    ends = datetime.now(UTC) + (_HELD if firing else timedelta(0))
    body = [
        {
            "labels": labels,
            "annotations": {"summary": f"{labels['alertname']} of the lab"},
            "startsAt": _text(began - timedelta(seconds=kind.ago)),
            "endsAt": _text(ends),
        }
        for kind in SENT[name]
        for labels in kind.labels
    ]
    link = HTTPConnection(HOST, port, timeout=3)
    with contextlib.suppress(OSError, HTTPException):
        link.request("POST", "/api/v2/alerts", json.dumps(body), {"Content-Type": "application/json"})
        link.getresponse().read()
    link.close()


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
