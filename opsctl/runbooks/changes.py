"""What changed: which changes lie in the time looked at, and how near each is to the onset of what is broken. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from opsctl.model import Change

AFTER = 2.0  # a cause comes before its effect: what came after the onset counts as twice as far from it
SLACK = 15.0  # seconds: clocks and scrapes place an onset no better, so that this little after it is not after it
SAME = 1.5  # seconds: several probes tell of one restart, each by its own rounding


def ranked(changes: Iterable[Change], *, now: float, since: float, onset: datetime | None = None) -> tuple[Change, ...]:
    """The changes from ``since`` seconds before the onset (or before ``now``, unix seconds) on, each told once.

    With an onset the nearest comes first, with ``rank`` and ``offset`` in seconds; without one, the newest. What has
    an end (a silence) also counts when it began before that time and still holds in it.
    """
    reference = now if onset is None else onset.timestamp()
    start = min(now, reference) - since
    inside = _once(c for c in changes if c.at.timestamp() <= now and _last(c, now) >= start)
    if onset is None:
        bare = (msgspec.structs.replace(c, offset=None, rank=0) for c in inside)
        return tuple(sorted(bare, key=lambda c: -c.at.timestamp()))
    placed = [msgspec.structs.replace(c, offset=round(c.at.timestamp() - reference, 3)) for c in inside]
    placed.sort(key=lambda c: (_distance(c), (c.offset or 0.0) > 0, -c.at.timestamp()))
    return tuple(msgspec.structs.replace(c, rank=number) for number, c in enumerate(placed, 1))


def _once(changes: Iterable[Change]) -> list[Change]:
    kept: list[Change] = []
    for change in sorted(changes, key=lambda c: (c.system, c.subject, c.says, c.at)):
        before = kept[-1] if kept else None
        if (
            before is not None
            and (before.system, before.subject, before.says) == (change.system, change.subject, change.says)
            and (change.at - before.at).total_seconds() <= SAME
        ):
            continue
        kept.append(change)
    return kept


def _last(change: Change, now: float) -> float:
    """The last moment at which the change says something."""
    if change.until is None:
        return change.at.timestamp()
    return min(now, change.until.timestamp())


def _distance(change: Change) -> float:
    offset = change.offset or 0.0
    return offset * AFTER if offset > SLACK else abs(offset)
