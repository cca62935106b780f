"""A line of a log of alerts: an alert, or what Alertmanager posts to a webhook (AGRO-24, AGRO-31)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from opsctl.alerts.model import name_of
from opsctl.alerts.own import moment

_RECEIVED = ("received_at", "receivedAt", "timestamp", "time", "ts", "@timestamp")
_SUMMARIES = ("summary", "description", "message")


class Entry(NamedTuple):
    """One alert of a line. ``at``: when it was received, else when it began or ended; None: the line does not tell.

    ``state``: firing, resolved, or the writer's own word.
    """

    at: datetime | None
    state: str
    name: str
    severity: str
    labels: dict[str, str]
    says: str
    fingerprint: str


def entries_of(line: bytes) -> list[Entry] | None:
    """The alerts of a line; None for one that is no alert. Never raises."""
    try:
        found = msgspec.json.decode(line.strip(b"\0 \t\r\n").decode("utf-8", "replace").removeprefix("\ufeff"))
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return None
    if not isinstance(found, dict):
        return None
    received = next((at for key in _RECEIVED if (at := _time(found.get(key))) is not None), None)
    if "alerts" not in found:
        alone = _entry(found, "", received)
        return None if alone is None else [alone]
    alerts = found["alerts"]
    if not isinstance(alerts, list):
        return None
    entries = [_entry(one, str(found.get("status", "")), received) for one in alerts]
    return None if None in entries else [one for one in entries if one is not None]


def _entry(alert: object, otherwise: str, received: datetime | None) -> Entry | None:
    """``otherwise``: the state of the whole notification."""
    if not isinstance(alert, dict):
        return None
    labels = alert.get("labels")
    if labels is None and isinstance(alert.get("alertname"), str):
        flat = ("alertname", "severity", "service", "instance", "job")
        labels = {name: alert[name] for name in flat if alert.get(name) is not None}
    if not isinstance(labels, dict) or not labels:
        return None
    texts = {str(name): _word(value) for name, value in labels.items()}
    ended = _time(alert.get("endsAt"))
    state = _word(alert.get("status") or otherwise).lower()[:20] or "firing"
    state = "firing" if state == "active" else state
    return Entry(
        received or (ended if state == "resolved" and ended is not None else _time(alert.get("startsAt"))),
        state,
        name_of(texts),
        texts.get("severity", ""),
        texts,
        _says(alert.get("annotations"), alert),
        _word(alert.get("fingerprint") or ""),
    )


def _says(annotations: object, alert: Mapping[str, Any]) -> str:
    for source in (annotations, alert):
        if isinstance(source, dict):
            for key in _SUMMARIES:
                if isinstance(source.get(key), str) and source[key]:
                    return str(source[key])
    return ""


def _word(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _time(value: object) -> datetime | None:
    """A time; None for none, and for Go's zero (the year 1), which Alertmanager sends while an alert fires."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    found = moment(value)
    return found.astimezone(UTC) if found is not None and 1970 < found.year < 9999 else None
