"""Events of a namespace as plain values, whichever of the two APIs gave them. Pure but for the one list.

A server keeps an event for an hour by default: what is not there may have been.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from opsctl.errors import CouldNotLook
from opsctl.probes.kubernetes_json import moment, number, part, text
from opsctl.probes.kubernetes_scope import Scope


class Event(NamedTuple):
    """One event, repeated ``times`` times from ``first`` to ``last``."""

    kind: str
    name: str
    uid: str
    reason: str
    message: str
    warning: bool
    times: int
    first: datetime | None
    last: datetime | None
    source: str

    @property
    def subject(self) -> str:
        """``Pod api-7f9``."""
        return f"{self.kind} {self.name}"


class Told(NamedTuple):
    """The events of a namespace, newest first. ``path``: what was asked; ``cut``: why they are not all."""

    events: tuple[Event, ...]
    path: str
    cut: str


def events_of(scope: Scope) -> Told:
    """All events of the namespace by the core API, or by events.k8s.io where only that is allowed.

    Both show the same objects. Raises CouldNotLook.
    """
    core = scope.path("", "v1", "events")
    try:
        path, listed = core, scope.list(core)
    except CouldNotLook as refused:
        if refused.reason != "forbidden":
            raise
        path = scope.path("events.k8s.io", "v1", "events")
        try:
            listed = scope.list(path)
        except CouldNotLook:
            raise refused from None
    return Told(once(event_of(item) for item in listed.items), path, listed.cut)


def event_of(item: Mapping[str, Any]) -> Event:
    """One event of either API. What each leaves null differs, so the newest of all its times is the last."""
    about = part(item, "involvedObject") or part(item, "regarding")
    series = part(item, "series")
    once_at = moment(item.get("eventTime"))
    last = [series.get("lastObservedTime"), item.get("lastTimestamp"), item.get("deprecatedLastTimestamp")]
    first = [item.get("firstTimestamp"), item.get("deprecatedFirstTimestamp")]
    lasts = [at for at in (*map(moment, last), once_at) if at is not None]
    firsts = [at for at in (*map(moment, first), once_at) if at is not None]
    counts = [number(series, "count"), number(item, "count"), number(item, "deprecatedCount"), 1]
    source = text(part(item, "source"), "component") or text(item, "reportingComponent")
    return Event(
        kind=text(about, "kind"),
        name=text(about, "name"),
        uid=text(about, "uid"),
        reason=text(item, "reason"),
        message=text(item, "message") or text(item, "note"),
        warning=text(item, "type") == "Warning",
        times=max(counts),
        first=min(firsts, default=None),
        last=max(lasts, default=moment(part(item, "metadata").get("creationTimestamp"))),
        source=source or text(item, "reportingController"),
    )


def once(events: Iterable[Event]) -> tuple[Event, ...]:
    """The same words about the same object are one event, with all its counts; the newest first."""
    kept: dict[tuple[str, ...], Event] = {}
    for each in events:
        key = (each.kind, each.name, each.uid, each.reason, each.message)
        known = kept.get(key)
        kept[key] = each if known is None else _together(known, each)
    return tuple(sorted(kept.values(), key=lambda each: each.last.timestamp() if each.last else 0.0, reverse=True))


def _together(one: Event, other: Event) -> Event:
    return one._replace(
        times=one.times + other.times,
        first=min((at for at in (one.first, other.first) if at), default=None),
        last=max((at for at in (one.last, other.last) if at), default=None),
    )


def pull_words(events: Iterable[Event]) -> dict[str, str]:
    """Pod -> the registry's newest words about an image that could not be pulled."""
    found: dict[str, str] = {}
    for each in events:
        if each.kind == "Pod" and each.reason == "Failed" and each.message.startswith("Failed to pull image"):
            found.setdefault(each.name, each.message)
    return found
