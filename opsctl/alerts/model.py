"""The one alert model: what Alertmanager, Prometheus and a service's own alert engine tell, in the same fields."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

FIRING = ("active", "silenced", "inhibited", "muted")
STATES = (*FIRING, "pending")
_NAMELESS = "(no name)"


class Sighting(msgspec.Struct, frozen=True, gc=False):
    """One alert. ``state``: one of STATES; muted: by a time interval of its route. ``source``: who tells of it.

    ``since``: when it began (pending: when its condition did). ``severity``: the source's own word. ``silenced_by``:
    ids of silences; ``inhibited_by``: fingerprints; ``muted_by``: names of time intervals (Alertmanager 0.28 on).
    ``value``, ``threshold``: only from a service's own engine.
    """

    source: str
    fingerprint: str
    name: str
    state: str
    labels: dict[str, str]
    since: datetime | None = None
    severity: str = ""
    says: str = ""
    receivers: tuple[str, ...] = ()
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()
    muted_by: tuple[str, ...] = ()
    value: float | None = None
    threshold: float | None = None


class Group(NamedTuple):
    """Alerts that agree in some labels: ``key`` has their values in the order asked, "" for a missing label."""

    key: tuple[str, ...]
    alerts: tuple[Sighting, ...]

    @property
    def since(self) -> datetime | None:
        """When the oldest began."""
        return min((alert.since for alert in self.alerts if alert.since is not None), default=None)


def counts(alerts: Iterable[Sighting]) -> dict[str, int]:
    """How many are in which state, in the order of STATES, states without any left out."""
    found = dict.fromkeys(STATES, 0)
    for alert in alerts:
        found[alert.state] = found.get(alert.state, 0) + 1
    return {state: number for state, number in found.items() if number}


def ordered(alerts: Iterable[Sighting]) -> list[Sighting]:
    """What makes a noise first, then by name, the oldest first."""
    rank = {state: number for number, state in enumerate(("active", "pending", "inhibited", "muted", "silenced"))}
    return sorted(
        alerts,
        key=lambda one: (rank.get(one.state, 9), one.name, one.since.timestamp() if one.since else 0.0),
    )


def grouped(alerts: Iterable[Sighting], by: Sequence[str]) -> list[Group]:
    """Groups by labels, the largest first. ``alertname`` is also the name of an alert that has no such label."""
    found: dict[tuple[str, ...], list[Sighting]] = {}
    for alert in alerts:
        key = tuple(alert.labels.get(label, alert.name if label == "alertname" else "") for label in by)
        found.setdefault(key, []).append(alert)
    groups = [Group(key, tuple(members)) for key, members in found.items()]
    return sorted(groups, key=lambda group: (-len(group.alerts), group.key))


def name_of(labels: dict[str, str]) -> str:
    """The alert's name, or words that say that it has none."""
    return labels.get("alertname") or _NAMELESS
