"""The windows of a schedule: computed on the zone's wall clock, then turned to UTC, so that daylight saving is right.

A wall-clock time that is left out moves to the next moment that exists, one that happens twice is used once, the
first. A window's length is elapsed time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import islice
from typing import NamedTuple

from opsctl.silences.schedule_rule import Rule

# Wall clocks differ from UTC by at most a day, also where a whole day is left out (Samoa, 2011-12-30).
_MARGIN = timedelta(days=2)
_MONTH_AND_MORE = timedelta(days=40)
_TEN_YEARS = timedelta(days=3660)
_LATEST = datetime(9990, 1, 1)


class Times(NamedTuple):
    """What says when: ``first`` and ``last`` are days, both included; ``without`` days have no window."""

    rule: Rule
    zone: tzinfo
    length: timedelta
    first: date | None = None
    last: date | None = None
    without: frozenset[date] = frozenset()


class Occurrence(NamedTuple):
    """``wall``: the wall-clock time that was meant. ``start`` and ``end``: in UTC. ``says``: what is odd about it."""

    wall: datetime
    start: datetime
    end: datetime
    says: str = ""


def between(times: Times, after: datetime, before: datetime) -> Iterator[Occurrence]:
    """The windows that start from ``after`` (included) to ``before`` (not included), both aware; each start once."""
    low, high = _wall(after, times.zone) - _MARGIN, _wall(before, times.zone) + _MARGIN
    last: datetime | None = None
    for wall in _walls(times.rule, low, high):
        day = wall.date()
        if (times.first and day < times.first) or (times.last and day > times.last) or day in times.without:
            continue
        start, says = to_utc(wall, times.zone)
        if last is not None and start <= last:
            continue  # two times that do not exist move to the same moment
        last = start
        if after <= start < before:
            end = start + times.length
            yield Occurrence(wall, start, end, says or _during(start, end, times.zone))


def following(times: Times, now: datetime, count: int) -> list[Occurrence]:
    """The next windows, one that runs now included; fewer when ten years do not have so many."""
    found = (one for one in between(times, now - times.length, now + _TEN_YEARS) if one.end > now)
    return list(islice(found, count))


def to_utc(wall: datetime, zone: tzinfo) -> tuple[datetime, str]:
    """A naive wall-clock time as a moment, and what is odd about it ("" mostly)."""
    early, late = wall.replace(tzinfo=zone, fold=0), wall.replace(tzinfo=zone, fold=1)
    start = early.astimezone(UTC)
    if early.utcoffset() == late.utcoffset():
        return start, ""
    if _wall(start, zone) == wall:
        return start, f"{wall:%H:%M} happens twice that day (clocks go back), the first is used"
    moment = _change(late.astimezone(UTC), start, zone)
    there = _wall(moment, zone)
    clock = f"{there:%H:%M}" if there.date() == wall.date() else f"{there:%Y-%m-%d %H:%M}"
    return moment, f"{wall:%H:%M} does not exist that day (clocks go forward), it starts at {clock}"


def _wall(moment: datetime, zone: tzinfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _change(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    """The first second with the later offset: ``low`` has the earlier one, ``high`` the later one."""
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low).total_seconds() // 2)
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


def _during(start: datetime, end: datetime, zone: tzinfo) -> str:
    """Clocks that change within a window make it look an hour longer or shorter than it is."""
    if start.astimezone(zone).utcoffset() == end.astimezone(zone).utcoffset():
        return ""
    return "clocks change during it"


def _walls(rule: Rule, low: datetime, high: datetime) -> Iterator[datetime]:
    """The rule's wall-clock times in [low, high], in order."""
    from dateutil.rrule import rrulestr  # type: ignore[import-untyped]

    start = rule.start or (low - _MONTH_AND_MORE).replace(hour=0, minute=0, second=0, microsecond=0)
    high = min(high, _LATEST, rule.until or high)
    if start > high:
        return
    # The library looks at its end only when it finds a time: a rule that never holds is searched up to the year 9999.
    for number, wall in enumerate(rrulestr(rule.text, dtstart=start).replace(until=high), 1):
        if rule.limit and number > rule.limit:
            return
        if wall >= low:
            yield wall
