"""How a silence is known to be a schedule's: author, a marker at the comment's end, and a seal over its content.

The seal keeps no secret: it tells a copy with other matchers, or a comment that quotes a marker, from the silence that
a schedule made.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from opsctl.durations import format_duration, parse_duration
from opsctl.errors import UsageError
from opsctl.silences.create import Wanted
from opsctl.silences.matcher import Matcher, canonical, of_silence
from opsctl.silences.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opsctl.clients.alertmanager import Silence
    from opsctl.silences.schedule_file import Schedule
    from opsctl.silences.schedule_times import Occurrence

_MARK = re.compile(
    r"\[schedule:(?P<file>[a-z0-9_.-]+)/(?P<id>[a-z0-9_.-]+) "
    r"(?P<start>[0-9-]{10}T[0-9:]{8}Z) (?P<length>[0-9a-z]+) (?P<seal>[0-9a-f]{12})\]\Z"
)
_SECOND = timedelta(seconds=1)


class Mark(NamedTuple):
    """What a marker says: the schedule, and the window as it was planned (aware, UTC)."""

    id: str
    start: datetime
    end: datetime
    seal: str

    def untouched(self, silence: Silence) -> bool:
        """Whether the silence still has the window that was planned."""
        return abs(silence.starts_at - self.start) < _SECOND and abs(silence.ends_at - self.end) < _SECOND

    def cut_short(self, silence: Silence) -> bool:
        """Whether somebody ended it after it had begun: one that is ended before that has start and end alike."""
        return silence.starts_at < silence.ends_at < self.end - _SECOND


def author(name: str) -> str:
    """The author of a file's silences: the same wherever cron runs, or two hosts would make two silences."""
    return f"opsctl schedule {name}"


def wanted(name: str, schedule: Schedule, one: Occurrence) -> Wanted:
    """The silence for a window."""
    length = format_duration((one.end - one.start).total_seconds())
    comment = schedule.comment
    if schedule.ticket and schedule.ticket not in comment:
        comment += f" [{schedule.ticket}]"
    mark = f"[schedule:{name}/{schedule.id} {_told(one.start)} {length} {seal_of(name, schedule, one)}]"
    return Wanted(
        schedule.matchers,
        Window(one.start, one.end, False),
        author(name),
        f"{comment} {mark}",
        schedule.ticket,
        exact_end=True,
        until=True,
    )


def seal_of(name: str, schedule: Schedule, one: Occurrence) -> str:
    """The seal of a window's silence."""
    return _seal(name, schedule.id, one.start, one.end, schedule.matchers)


def of(name: str, silence: Silence) -> Mark | None:
    """The marker of a silence that this file's schedules made; None for anybody else's, and for a copy."""
    found = _MARK.search(silence.comment)
    if found is None or found["file"] != name or silence.created_by != author(name):
        return None
    try:
        start = datetime.fromisoformat(found["start"])
        end = start + timedelta(seconds=parse_duration(found["length"]))
    except (ValueError, OverflowError, UsageError):
        return None
    if _seal(name, found["id"], start, end, of_silence(silence)) != found["seal"]:
        return None
    return Mark(found["id"], start, end, found["seal"])


def _seal(name: str, id: str, start: datetime, end: datetime, matchers: Iterable[Matcher]) -> str:
    import hashlib

    words = [name, id, _told(start), _told(end), *(matcher.text() for matcher in canonical(matchers))]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:12]


def _told(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
