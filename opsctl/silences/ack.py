"""Acknowledging: a short silence with a marker in its comment, kept alive while its alert fires, up to a maximum age.

The marker holds how long each step is and when it must end at last, so that nothing has to be remembered elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from opsctl.durations import format_duration, parse_duration
from opsctl.errors import UsageError
from opsctl.silences.book import Book, Known
from opsctl.silences.create import ACTIVE
from opsctl.silences.matcher import Matcher, canonical, matches_all, of_silence, parse_all

if TYPE_CHECKING:
    from opsctl.clients.alertmanager import Alert

_MARK = re.compile(r"\[opsctl ack (?P<each>[0-9a-z.]+), at most until (?P<last>[0-9TZ:+-]+)\]")
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
# Labels that change with every restart: a silence of them would soon match nothing (alert-tooling.md 3).
_FLEETING = frozenset({"pod", "pod_name", "pod_uid", "uid", "container_id", "replicaset", "pid", "id"})
_RESTART = timedelta(minutes=5)  # a server that has just started has not heard of all alerts again


class Ack(NamedTuple):
    """``each``: seconds of one step. ``last``: it is never extended beyond this."""

    known: Known
    each: float
    last: datetime


class Renewal(NamedTuple):
    """What is due for an ack: ``extend`` it to ``end``, ``end`` it, or ``leave`` it; ``says``: why."""

    ack: Ack
    what: Literal["extend", "end", "leave"]
    says: str
    end: datetime | None = None


def mark(each: float, last: datetime) -> str:
    """The marker for a comment."""
    return f"[opsctl ack {format_duration(each)}, at most until {last.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}]"


def of(known: Known) -> Ack | None:
    """The ack that a silence is, or None. A marker that cannot be read makes none."""
    found = _MARK.search(known.silence.comment)
    if found is None:
        return None
    try:
        each, last = parse_duration(found["each"]), datetime.fromisoformat(found["last"])
    except ValueError:
        return None
    return Ack(known, each, last) if each > 0 and last.tzinfo is not None else None


def acks(book: Book) -> list[Ack]:
    """All acks in force."""
    return [ack for one in book.all if one.state in ACTIVE and (ack := of(one)) is not None]


def there(book: Book, matchers: Sequence[Matcher]) -> Ack | None:
    """An ack in force of the same matchers."""
    wanted = canonical(matchers)
    return next((ack for ack in acks(book) if canonical(of_silence(ack.known.silence)) == wanted), None)


def is_fingerprint(words: Sequence[str]) -> bool:
    """Whether the words are an alert's fingerprint."""
    return len(words) == 1 and _FINGERPRINT.fullmatch(words[0]) is not None


def aim(words: Sequence[str], alerts: Sequence[Alert]) -> tuple[Matcher, ...]:
    """The matchers that the words mean: those of the alert with this fingerprint, or the words as matchers.

    An alert's labels that change with every restart are left out, if no other firing alert is reached without them.
    Raises UsageError for a fingerprint that does not fire.
    """
    if not is_fingerprint(words):
        return parse_all(words)
    alert = next((one for one in alerts if one.fingerprint == words[0]), None)
    if alert is None:
        says = f"no firing alert has the fingerprint {words[0]}"
        raise UsageError(says, remedy="`opsctl alerts list` shows those that fire.")
    every = tuple(Matcher(name=name, value=value) for name, value in sorted(alert.labels.items()) if value)
    lasting = tuple(matcher for matcher in every if matcher.name not in _FLEETING)
    reached = [one for one in alerts if matches_all(lasting, one.labels)]
    return lasting if lasting and len(reached) == 1 else every


def due(ack: Ack, *, fires: bool, heard: bool, now: datetime, longest: float) -> Renewal:
    """What a renewal does with an ack. Pure.

    ``fires``: its alert is among those that fire. ``heard``: every member was asked and has run for a while, so that
    "does not fire" can be believed. ``longest``: seconds that the policy lets any silence last.
    """
    one = ack.known.silence
    last = min(ack.last, one.starts_at + timedelta(seconds=longest))
    if not fires:
        if one.starts_at > now:
            return Renewal(ack, "leave", "it has not begun")
        if not heard:
            return Renewal(ack, "leave", "no alert of it was found, but not every Alertmanager could tell")
        return Renewal(ack, "end", "its alert is clear")
    left = (one.ends_at - now).total_seconds()
    end = min(now + timedelta(seconds=ack.each), last).replace(microsecond=0)
    if end <= one.ends_at + timedelta(seconds=1):
        if one.ends_at >= last - timedelta(seconds=1):
            return Renewal(ack, "leave", f"still firing; it reaches its maximum age at {last:%Y-%m-%d %H:%M} UTC")
        return Renewal(ack, "leave", "still firing")
    if left > ack.each / 2:
        return Renewal(ack, "leave", "still firing")
    return Renewal(ack, "extend", "still firing", end)


def long_enough(started: datetime | None, now: datetime) -> bool:
    """Whether a server has run long enough to have heard of every firing alert again."""
    return started is None or now - started > _RESTART
