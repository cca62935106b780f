"""From when to when: what people type for a silence's start and end, in their zone, told back in it and in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from opsctl.durations import format_duration, parse_duration
from opsctl.errors import UsageError

_CLOCK = re.compile(r"^(\d{1,2}):(\d{2})(?::(\d{2}))?$")
_DAY = re.compile(
    r"^(?:(?P<word>today|tomorrow)|(?P<day>\d{4}-\d{2}-\d{2}))(?:[ T](?P<clock>\d{1,2}:\d{2}(?::\d{2})?))?$"
)
_FORMS = "Write +2h, 23:00, tomorrow 06:00, 2026-11-21 23:00 or 2026-11-21T23:00:00Z."


class Zone(NamedTuple):
    """Whose clock: ``name`` for people, ``info`` for arithmetic."""

    name: str
    info: tzinfo


class Window(NamedTuple):
    """Aware times in UTC, whole seconds. ``immediate``: it is meant to begin now, whatever the local clock says."""

    start: datetime
    end: datetime
    immediate: bool

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return (self.end - self.start).total_seconds()

    def text(self, zone: Zone) -> str:
        """``03:07 to 05:07 UTC (04:07 to 06:07 Europe/Berlin), 2h``."""
        said = f"{_span(self, UTC)} UTC"
        local = _span(self, zone.info)
        if zone.name != "UTC":
            said += f" ({local} {zone.name})"
        return f"{said}, {format_duration(self.seconds)}"


def find_zone(name: str | None, environ: dict[str, str] | None = None) -> Zone:
    """The zone of that IANA name, or the system's own. Raises UsageError for an unknown name."""
    if name:
        return _named(name)
    told = (environ or {}).get("TZ", "").removeprefix(":")
    if told and not told.startswith("/"):
        try:
            return _named(told)
        except UsageError:
            pass  # a POSIX rule such as CET-1CEST: the C library knows it, the name does not matter
    where = str(Path("/etc/localtime").resolve())
    if not told and "/zoneinfo/" in where:
        try:
            return _named(where.rpartition("/zoneinfo/")[2])
        except UsageError:
            pass
    local = datetime.now().astimezone()
    offset = local.tzinfo if local.tzinfo is not None else UTC
    return Zone("UTC" if local.utcoffset() == timedelta(0) else local.strftime("UTC%z"), offset)


def _named(name: str) -> Zone:
    if name.upper() in ("UTC", "Z", "ETC/UTC"):
        return Zone("UTC", UTC)
    try:
        return Zone(name, ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"{name!r} is not a time zone", remedy="Use an IANA name such as Europe/Berlin.") from None


def window(
    *, start: str | None, length: str | None, until: str | None, now: float, zone: Zone, default: str = ""
) -> Window:
    """The window that ``--start``, ``--for`` and ``--until`` mean at unix time ``now``. Raises UsageError."""
    if length and until:
        raise UsageError("--for and --until both say when it ends", remedy="Give one of them.")
    if not length and not until and not default:
        raise UsageError("when does it end?", remedy="Give --for 2h or --until 23:00.")
    present = datetime.fromtimestamp(int(now), UTC)
    begins = present if start is None else moment(start, present, zone, what="--start")
    if until:
        ends = moment(until, max(present, begins), zone, what="--until")
    else:
        seconds = parse_duration(length or default)
        if seconds < 1:
            raise UsageError(f"--for {length} is not longer than a second")
        ends = begins + timedelta(seconds=round(seconds))
    if start is not None and begins < present - timedelta(seconds=60) and ends > begins:
        raise UsageError(
            f"--start {start} lies {format_duration((present - begins).total_seconds())} in the past",
            remedy="A silence cannot mute what has been sent; leave --start out to begin now.",
        )
    if ends <= begins:
        raise UsageError(f"it would end at {_full(ends, zone)}, before it begins at {_full(begins, zone)}")
    if ends <= present:
        raise UsageError(f"its end, {_full(ends, zone)}, lies in the past")
    return Window(max(begins, present), ends, start is None or begins <= present)


def moment(text: str, after: datetime, zone: Zone, *, what: str) -> datetime:
    """One time as people write it, in UTC; clock times are the next such one after ``after``. Raises UsageError."""
    plain = " ".join(text.split())
    if plain == "now":
        return after
    if plain.startswith("+"):
        return after + timedelta(seconds=round(parse_duration(plain[1:])))
    if found := _CLOCK.match(plain):
        return _next_clock(found, after, zone, what)
    if found := _DAY.match(plain):
        day = after.astimezone(zone.info).date()
        try:
            if found["word"] == "tomorrow":
                day += timedelta(days=1)
            elif found["day"]:
                day = datetime.fromisoformat(found["day"]).date()
            hour, minute, second = _clock(found["clock"] or "00:00")
            return _local(datetime(day.year, day.month, day.day, hour, minute, second), zone, what)
        except ValueError:
            raise UsageError(f"{what} {text!r} is not a time", remedy=_FORMS) from None
    try:
        told = datetime.fromisoformat(plain)
    except ValueError:
        raise UsageError(f"{what} {text!r} is not a time", remedy=_FORMS) from None
    if told.tzinfo is None:
        return _local(told.replace(microsecond=0), zone, what)
    return told.astimezone(UTC).replace(microsecond=0)


def _next_clock(found: re.Match[str], after: datetime, zone: Zone, what: str) -> datetime:
    try:
        hour, minute, second = _clock(found.group(0))
        day = after.astimezone(zone.info).date()
        for ahead in (0, 1):
            date = day + timedelta(days=ahead)
            at = _local(datetime(date.year, date.month, date.day, hour, minute, second), zone, what)
            if at > after:
                return at
    except ValueError:
        pass
    raise UsageError(f"{what} {found.group(0)!r} is not a time of day", remedy=_FORMS)


def _clock(text: str) -> tuple[int, int, int]:
    parts = [int(part) for part in text.split(":")]
    hour, minute, second = (*parts, 0, 0)[:3]
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(text)
    return hour, minute, second


def _local(naive: datetime, zone: Zone, what: str) -> datetime:
    """A wall-clock time in UTC. Where clocks are put forward or back, it is refused rather than guessed."""
    first, second = naive.replace(tzinfo=zone.info, fold=0), naive.replace(tzinfo=zone.info, fold=1)
    if first.astimezone(UTC).astimezone(zone.info).replace(tzinfo=None) != naive:
        raise UsageError(
            f"{what} {naive:%Y-%m-%d %H:%M} does not exist in {zone.name}: clocks are put forward then",
            remedy="Give it in UTC, e.g. 2026-03-29T01:30:00Z.",
        )
    if first.utcoffset() != second.utcoffset():
        one, other = first.isoformat(), second.isoformat()
        raise UsageError(
            f"{what} {naive:%Y-%m-%d %H:%M} happens twice in {zone.name}", remedy=f"Write {one} or {other}."
        )
    return first.astimezone(UTC)


def _span(window: Window, info: tzinfo) -> str:
    start, end = window.start.astimezone(info), window.end.astimezone(info)
    if start.date() == end.date():
        return f"{start:%Y-%m-%d %H:%M} to {end:%H:%M}"
    return f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"


def _full(at: datetime, zone: Zone) -> str:
    local = at.astimezone(zone.info)
    return f"{at:%Y-%m-%d %H:%M} UTC" + ("" if zone.name == "UTC" else f" ({local:%H:%M} {zone.name})")
