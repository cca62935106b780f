"""A file of maintenance schedules: one YAML file that a team reviews, checked while it is read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from opsctl.durations import parse_duration
from opsctl.errors import ConfigError, UsageError
from opsctl.silences.matcher import Matcher, parse_all
from opsctl.silences.schedule_rule import Rule, of_rrule, of_words
from opsctl.silences.schedule_times import Times
from opsctl.silences.window import Zone, find_zone

FILE = "silence-schedules.yaml"
VARIABLE = "OPSCTL_SILENCE_SCHEDULES"
_WHAT = "file of silence schedules"
_NAME = r"[a-z0-9][a-z0-9_.-]{0,62}"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"([01]?[0-9]|2[0-3]):[0-5][0-9]"


class Entry(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from", "except_": "except"}
):
    """One schedule as it is written. When: ``rrule`` with ``start``, or ``every``, ``on`` and ``at``.

    ``matchers``: amtool's spelling. ``from`` and ``until``: days, both included. ``except``: days without a window.
    ``allow``: protected alert -> reason; ``allow_count``: so many firing alerts it may mute whatever their share.
    """

    id: str
    matchers: str | tuple[str, ...]
    comment: str
    zone: str
    lasts: str
    ticket: str = ""
    rrule: str = ""
    start: str = ""
    every: str = ""
    on: str | int | tuple[str | int, ...] = ()
    at: str = ""
    from_: str = ""
    until: str = ""
    except_: tuple[str, ...] = ()
    allow: dict[str, str] = {}
    allow_count: int | None = None


class Content(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file. ``name`` tells its silences from those of another file; changing it makes all of them strangers."""

    name: str
    schedules: tuple[Entry, ...]


class Schedule(NamedTuple):
    """A schedule as it is meant."""

    id: str
    matchers: tuple[Matcher, ...]
    comment: str
    ticket: str
    zone: Zone
    times: Times
    allow: Mapping[str, str]
    allow_count: int | None


class Schedules(NamedTuple):
    """All schedules of a file, in its order."""

    name: str
    all: tuple[Schedule, ...]


class Fault(NamedTuple):
    """What is wrong with the value of a key."""

    key: str
    error: UsageError


def find_schedules(given: str | None, environ: Mapping[str, str] | None = None) -> Path:
    """The file: as given, $OPSCTL_SILENCE_SCHEDULES, the user's or the system's configuration folder.

    Raises ConfigError when there is none.
    """
    from opsctl.config.places import config_dirs, expanded

    environ = os.environ if environ is None else environ
    named = given or environ.get(VARIABLE, "")
    if named:
        return expanded(named)
    found = next((path for folder in config_dirs(environ) if (path := folder / FILE).exists()), None)
    if found is None:
        raise ConfigError("no file of silence schedules is named", remedy=f"Give FILE, or set {VARIABLE}.")
    return found


def load_schedules(path: Path) -> Schedules:
    """The schedules of a file. Raises ConfigError with file, line and key."""
    from opsctl.config.yamlfile import read_struct

    content = read_struct(path, Content, what=_WHAT)
    if not re.fullmatch(_NAME, content.name):
        raise _wrong(path, ("name",), UsageError(f"{content.name!r} is not a name", remedy=_NAMES))
    made: dict[str, Schedule] = {}
    for number, entry in enumerate(content.schedules):
        if entry.id in made:
            error = UsageError(f"{entry.id} is there twice", remedy="Give each schedule its own id.")
            raise _wrong(path, ("schedules", number, "id"), error)
        schedule, found = read(entry)
        if schedule is None or found:
            raise _wrong(path, ("schedules", number, found[0].key), found[0].error, len(found) - 1)
        made[entry.id] = schedule
    return Schedules(content.name, tuple(made.values()))


_NAMES = "Use small letters, digits, - _ and . (63 at most)."


def _wrong(path: Path, where: tuple[str | int, ...], error: UsageError, more: int = 0) -> ConfigError:
    from opsctl.config.faults import dotted
    from opsctl.config.places import shown
    from opsctl.config.yamlfile import load_document

    rest = f" ({more} more mistake{'s' if more > 1 else ''} in this schedule)" if more > 0 else ""
    line = load_document(path, _WHAT).line(where)
    return ConfigError(f"{dotted(where)}: {error.says}{rest}", place=f"{shown(path)}:{line}", remedy=error.remedy)


def read(entry: Entry) -> tuple[Schedule | None, list[Fault]]:
    """An entry as it is meant; None beside its faults."""
    found: list[Fault] = []

    def take(key: str, make: Any, *given: Any) -> Any:
        try:
            return make(*given)
        except UsageError as error:
            found.append(Fault(key, error))
            return None

    take("id", _id, entry.id)
    matchers = take("matchers", parse_all, [entry.matchers] if isinstance(entry.matchers, str) else entry.matchers)
    take("comment", _text, entry.comment)
    take("ticket", _text, entry.ticket)
    zone = take("zone", _zone, entry.zone)
    length = take("lasts", _length, entry.lasts)
    first, last = take("from", _date, entry.from_), take("until", _date, entry.until)
    without = [take("except", _date, day) for day in entry.except_]
    if first and last and last < first:
        found.append(Fault("until", UsageError(f"{last} is before from, {first}")))
    found += _allowed(entry)
    rule = None if zone is None else _rule(entry, first, zone, found)
    if found or rule is None:
        return None, found
    times = Times(rule, zone.info, length, first, last, frozenset(day for day in without if day))
    comment = " ".join(entry.comment.split())
    return Schedule(entry.id, matchers, comment, entry.ticket, zone, times, entry.allow, entry.allow_count), []


def _rule(entry: Entry, first: date | None, zone: Zone, found: list[Fault]) -> Rule | None:
    """When it recurs; None beside a fault."""
    key = "rrule" if entry.rrule else "every"
    try:
        if entry.rrule and (entry.every or entry.on or entry.at):
            raise UsageError("rrule and every/on/at both say when", remedy="Keep one of them.")
        if entry.rrule:
            if not entry.start:
                raise UsageError("an RRULE needs start", remedy='Write start: "2026-01-04 02:30" beside it.')
            key = "start"
            start = _wall(entry.start)
            key = "rrule"
            return of_rrule(entry.rrule, start, zone.info)
        if entry.start:
            key = "start"
            raise UsageError("start belongs to rrule", remedy="Write from beside every.")
        if not entry.every:
            key = "id"
            raise UsageError("nothing says when", remedy="Give every, on and at, or rrule and start.")
        key = "at"
        at = _clock(entry.at)
        key = "every"
        on = entry.on if isinstance(entry.on, tuple) else (entry.on,)
        return of_words(entry.every, on, at, first)
    except UsageError as error:
        found.append(Fault(key, error))
        return None


def _allowed(entry: Entry) -> Iterator[Fault]:
    if any(not name.strip() or not reason.strip() for name, reason in entry.allow.items()):
        yield Fault("allow", UsageError("a protected alert without a reason", remedy='Write Watchdog: "why".'))
    if entry.allow_count is not None and entry.allow_count < 0:
        yield Fault("allow_count", UsageError("it is less than 0"))


def _id(text: str) -> str:
    if not re.fullmatch(_NAME, text):
        raise UsageError(f"{text!r} is not an id", remedy=_NAMES)
    return text


def _text(text: str) -> str:
    from opsctl.redact import printable

    plain = " ".join(text.split())
    if printable(plain) != plain:
        raise UsageError("it holds control characters", remedy="Leave them out.")
    if "[schedule:" in plain:
        raise UsageError("it holds [schedule:, by which opsctl knows its own silences", remedy="Leave it out.")
    return plain


def _zone(text: str) -> Zone:
    if not text:
        raise UsageError("it is empty", remedy="Use an IANA name such as Europe/Berlin, or UTC.")
    return find_zone(text)


def _length(text: str) -> timedelta:
    seconds = parse_duration(text)
    if seconds < 60 or seconds != int(seconds):
        raise UsageError(f"{text} is not a minute or more, in whole seconds")
    return timedelta(seconds=seconds)


def _date(text: str) -> date | None:
    if not text:
        return None
    try:
        if re.fullmatch(_DATE, text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise UsageError(f"{text!r} is not a date", remedy="Write it as 2026-12-31.")


def _clock(text: str) -> time:
    if not re.fullmatch(_CLOCK, text):
        raise UsageError(f"{text!r} is not a time of day", remedy='Write it as "02:30".')
    hour, minute = (int(part) for part in text.split(":"))
    return time(hour, minute)


def _wall(text: str) -> datetime:
    """A wall-clock time of the zone. Raises UsageError."""
    try:
        if re.fullmatch(rf"{_DATE}[T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}})?", text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise UsageError(f"{text!r} is not a wall-clock time", remedy='Write it as "2026-01-04 02:30", without a zone.')


def schedules_schema() -> dict[str, Any]:
    """The JSON Schema of the file, for editors."""
    made = msgspec.json.schema(Content)
    parts = made["$defs"]
    parts["Content"]["properties"]["name"]["pattern"] = f"^{_NAME}$"
    keys = parts["Entry"]["properties"]
    patterns: Sequence[tuple[str, str]] = (
        ("id", f"^{_NAME}$"),
        ("lasts", r"^([0-9]+(\.[0-9]+)?[smhdwy])+$"),
        ("every", r"^(([1-9][0-9]? )?(day|week|month)s?)?$"),
        ("at", f"^({_CLOCK})?$"),
        ("start", rf"^({_DATE}[T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}})?)?$"),
        ("from", f"^({_DATE})?$"),
        ("until", f"^({_DATE})?$"),
    )
    for key, pattern in patterns:
        keys[key]["pattern"] = pattern
    parts["Entry"]["anyOf"] = [{"required": ["rrule", "start"]}, {"required": ["every", "at"]}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"opsctl {FILE}", **made}
