"""Why an alert is told, or is not: its way through the routes, its group, who mutes it, when it is told next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from opsctl.alerts.model import Sighting
from opsctl.alerts.routing import Inhibition, Route, Routing


class Inhibitor(NamedTuple):
    """An alert that mutes this one, and the rule by which it does (None: no rule of the configuration explains it)."""

    alert: Sighting | None
    fingerprint: str
    rule: Inhibition | None


class Telling(NamedTuple):
    """One route that takes the alert. ``together``: alerts in its group, this one included.

    ``next``: when the group is told next, an estimate: Alertmanager does not say when it last did.
    """

    path: tuple[Route, ...]
    group: tuple[tuple[str, str], ...]
    together: int
    next: datetime | None


class Explained(NamedTuple):
    """What is known about one alert."""

    alert: Sighting
    tellings: tuple[Telling, ...]
    inhibitors: tuple[Inhibitor, ...]


def explain(alert: Sighting, everything: Sequence[Sighting], routing: Routing, now: datetime) -> Explained:
    """Pure. ``everything``: all alerts that fire, to find its group's others and what inhibits it."""
    tellings = tuple(_telling(alert, path, everything, routing, now) for path in routing.paths(alert.labels))
    by_id = {other.fingerprint: other for other in everything} if alert.inhibited_by else {}
    inhibitors = tuple(_inhibitor(alert, id, by_id.get(id), routing) for id in alert.inhibited_by)
    return Explained(alert, tellings, inhibitors)


def _inhibitor(alert: Sighting, id: str, source: Sighting | None, routing: Routing) -> Inhibitor:
    if source is None:
        return Inhibitor(None, id, None)
    rule = next((one for one in routing.inhibitions if one.holds(source.labels, alert.labels)), None)
    return Inhibitor(source, id, rule)


def _telling(
    alert: Sighting, path: tuple[Route, ...], everything: Sequence[Sighting], routing: Routing, now: datetime
) -> Telling:
    route = path[-1]
    key = route.group_key(alert.labels)
    together = [
        other
        for other in everything
        if route.group_key(other.labels) == key and any(one[-1] is route for one in routing.paths(other.labels))
    ]
    begins = [other.since for other in together if other.since is not None and other.state == "active"]
    return Telling(path, key, max(1, len(together)), None if alert.state != "active" else _next(route, begins, now))


def _next(route: Route, begins: Sequence[datetime], now: datetime) -> datetime | None:
    """The next moment at which the group is told, supposing that each alert reached Alertmanager when it began.

    A group is told ``group_wait`` after its first alert; each ``group_interval`` from then on what is new is told, and
    everything again once ``repeat_interval`` has passed since the last time.
    """
    if not begins or route.group_interval <= 0:
        return None
    first = min(begins) + timedelta(seconds=route.group_wait)
    if now < first:
        return first

    def tick(at: datetime) -> datetime:
        """The first look at the group at or after that moment."""
        looks = math.ceil((at - first).total_seconds() / route.group_interval - 1e-9)
        return first + timedelta(seconds=max(0, looks) * route.group_interval)

    fresh = [told for told in map(tick, begins) if told > now]  # alerts that joined since the last look
    last = max((told for told in map(tick, begins) if told <= now), default=first)
    pause = max(route.repeat_interval, route.group_interval)
    again = tick(last + timedelta(seconds=pause))
    if again <= now:
        each = math.ceil(pause / route.group_interval - 1e-9) * route.group_interval
        again += timedelta(seconds=math.ceil(((now - again).total_seconds() + 1e-9) / each) * each)
    return min([*fresh, again])
