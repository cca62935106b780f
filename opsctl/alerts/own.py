"""A service's own alert engine: its JSON turned into the common model (AMAS-08, AMAS-09, AMAS-44)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from opsctl.alerts.model import Sighting

if TYPE_CHECKING:
    from opsctl.clients.http import HttpReader


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An alert object: ``status`` firing or resolved; times in RFC 3339 or milliseconds since 1970."""

    id: str | int = ""
    metric: str = ""
    status: str = ""
    severity: str = ""
    value: float | None = None
    threshold: float | None = None
    occurred_at: str | float | None = msgspec.field(name="occurredAt", default=None)
    resolved_at: str | float | None = msgspec.field(name="resolvedAt", default=None)
    message: str = ""


def active(http: HttpReader, service: str, timeout: float = 5.0) -> list[Sighting]:
    """What fires by the service's own word; [] when it is healthy. Raises CouldNotLook."""
    return [sighting(entry, service) for entry in entries(http, timeout) if entry.status != "resolved"]


def entries(http: HttpReader, timeout: float = 5.0) -> tuple[Entry, ...]:
    """The objects as they are. Raises CouldNotLook."""
    return http.get_json(type=tuple[Entry, ...], timeout=timeout)


def sighting(entry: Entry, service: str) -> Sighting:
    """The common model of an alert object. Its metric is its name: the engine knows no other."""
    labels = {"alertname": entry.metric, "service": service}
    if entry.severity:
        labels["severity"] = entry.severity
    return Sighting(
        source=service,
        fingerprint=str(entry.id),
        name=entry.metric or "(no name)",
        state="active",
        labels=labels,
        since=moment(entry.occurred_at),
        severity=entry.severity,
        says=entry.message,
        value=entry.value,
        threshold=entry.threshold,
    )


def moment(told: str | float | None) -> datetime | None:
    """A time as services write it; None for one that nobody can read."""
    try:
        if isinstance(told, str):
            found = datetime.fromisoformat(told)
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        return None if told is None else datetime.fromtimestamp(told / 1000 if told > 1e11 else told, UTC)
    except (ValueError, OverflowError, OSError):
        return None
