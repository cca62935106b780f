"""Creating a silence once: what is there already is found first, a lost answer is looked for, a double is taken back.

Alertmanager makes a second silence of the same request (alert-tooling.md 0.2), so the content is the key: the same
matchers, author and comment.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from opsctl.clients.http_write import may_have_happened
from opsctl.errors import CouldNotLook
from opsctl.silences.matcher import Matcher, canonical
from opsctl.silences.members import Members, until
from opsctl.silences.window import Window

if TYPE_CHECKING:
    from opsctl.clients.alertmanager import Silence
    from opsctl.clients.alertmanager_write import AlertmanagerWriter, Draft

ACTIVE = ("active", "pending")
_SEEN_WITHIN = 3.0  # seconds for the other members to hear of it; reconnecting ones take longer and are named
_TRIES = 3
_LATE = 2.0  # seconds to look out for a request whose answer was lost and that arrives after all
_PAST = timedelta(seconds=5)  # a start in the past is set to now by the server: never pending for a moment
_FINAL = ("bad-query", "not-found", "unauthorized", "forbidden")


class Wanted(NamedTuple):
    """A silence as it is meant. ``exact_end``: the end is part of its content (a schedule's), else only its length."""

    matchers: tuple[Matcher, ...]
    window: Window
    author: str
    comment: str
    ticket: str = ""
    exact_end: bool = False


class Made(NamedTuple):
    """What came of it. ``outcome``: ``created``, ``found`` (it was there), ``unknown`` (it may or may not be there).

    ``state``: as the server tells it. ``not_seen_on``: members that did not have it within three seconds.
    ``skew``: seconds by which the server's clock is ahead of this one's.
    """

    outcome: Literal["created", "found", "unknown"]
    id: str
    start: datetime
    end: datetime
    state: str = ""
    not_seen_on: tuple[str, ...] = ()
    skew: float = 0.0
    says: str = ""


def create(members: Members, wanted: Wanted, timeout: float = 10.0) -> Made:
    """Make the silence unless it is there; never twice, whatever became of an answer.

    Writes to one member, the first that answers, and looks for it on all. Raises Unavailable when none answers before
    anything was sent, CouldNotLook when the server refuses the content.
    """
    member, there, _ = members.first(lambda one: one.silences(timeout))
    skew = clock_skew(member, timeout)
    wanted = _by_the_servers_clock(wanted, skew)
    if (found := find(there, wanted)) is not None:
        return _told("found", found, members, skew, timeout)
    draft = draft_of(wanted, annotations=takes_annotations(member, timeout))
    known = {silence.id for silence in there}
    lost: CouldNotLook | None = None
    for _ in range(_TRIES):
        try:
            member.post(draft, timeout)
        except CouldNotLook as error:
            if error.reason in _FINAL or not may_have_happened(error):
                raise
            lost = error
            mine = _mine(member, wanted, known, timeout)
            if mine is None:
                break  # it cannot even be asked: whether the silence exists is not known
            if not mine:
                continue
        return _settled(members, member, wanted, known, skew, timeout, watch=_LATE if lost else 0.0)
    return Made("unknown", "", draft.starts_at, draft.ends_at, skew=skew, says=lost.says if lost else "")


def find(there: Sequence[Silence], wanted: Wanted) -> Silence | None:
    """A silence of the same content that is in force (or to come) within the wanted window; the one that ends last."""
    same = [s for s in there if s.status.state in ACTIVE and _same(s, wanted) and _overlaps(s, wanted.window)]
    if wanted.exact_end:
        same = [s for s in same if abs((s.ends_at - wanted.window.end).total_seconds()) < 1]
    return max(same, key=lambda s: (s.ends_at, s.id), default=None)


def draft_of(wanted: Wanted, *, annotations: bool) -> Draft:
    """What is sent."""
    from opsctl.clients.alertmanager_write import Draft

    return Draft(
        matchers=wanted.matchers,
        starts_at=wanted.window.start - (_PAST if wanted.window.immediate else timedelta()),
        ends_at=wanted.window.end,
        created_by=wanted.author,
        comment=comment_of(wanted, annotations=annotations),
        annotations={"ticket": wanted.ticket} if annotations and wanted.ticket else {},
    )


def _by_the_servers_clock(wanted: Wanted, skew: float) -> Wanted:
    """A silence that is meant for now and for so long begins and ends by the server's clock."""
    if not wanted.window.immediate or wanted.exact_end or not skew:
        return wanted
    shift = timedelta(seconds=skew)
    window = wanted.window
    return wanted._replace(window=Window(window.start + shift, window.end + shift, window.immediate))


def comment_of(wanted: Wanted, *, annotations: bool) -> str:
    """The comment; before 0.32 it also carries the ticket, since annotations were dropped without a word."""
    if not wanted.ticket or annotations or wanted.ticket in wanted.comment:
        return wanted.comment
    return f"{wanted.comment} [{wanted.ticket}]"


def takes_annotations(member: AlertmanagerWriter, timeout: float) -> bool:
    """Whether the server keeps annotations of silences (0.32 and newer); not when its version cannot be read."""
    from opsctl.clients.alertmanager_write import ANNOTATIONS_FROM

    try:
        told = member.status(timeout).version.version
        major, minor = (int(part) for part in told.split(".")[:2])
    except (CouldNotLook, ValueError):
        return False
    return (major, minor) >= ANNOTATIONS_FROM


def clock_skew(member: AlertmanagerWriter, timeout: float) -> float:
    """Seconds by which the server's clock is ahead; 0 when it is within two seconds or not told.

    ``Date`` has whole seconds, and the answer takes its time: less than two seconds mean nothing.
    """
    before = time.time()
    try:
        told = member.ready(timeout).date
    except CouldNotLook:
        return 0.0
    if told is None:
        return 0.0
    middle = (before + time.time()) / 2
    ahead = told.timestamp() + 0.5 - middle
    return round(ahead) if abs(ahead) > 2 else 0.0


def _same(silence: Silence, wanted: Wanted) -> bool:
    mine = canonical(
        Matcher(name=m.name, value=m.value, is_regex=m.is_regex, is_equal=m.is_equal) for m in silence.matchers
    )
    comments = {comment_of(wanted, annotations=True), comment_of(wanted, annotations=False)}
    return mine == canonical(wanted.matchers) and silence.created_by == wanted.author and silence.comment in comments


def _overlaps(silence: Silence, window: Window) -> bool:
    return silence.starts_at < window.end and silence.ends_at > window.start


def _mine(member: AlertmanagerWriter, wanted: Wanted, known: set[str], timeout: float) -> list[Silence] | None:
    """New silences of this content, the oldest first; None when the server cannot be asked."""
    try:
        there = member.silences(timeout)
    except CouldNotLook:
        return None
    mine = [s for s in there if s.id not in known and s.status.state in ACTIVE and _same(s, wanted)]
    return sorted(mine, key=lambda s: (s.updated_at or s.starts_at, s.id))


def _settled(
    members: Members,
    member: AlertmanagerWriter,
    wanted: Wanted,
    known: set[str],
    skew: float,
    timeout: float,
    watch: float,
) -> Made:
    """Take back doubles, for ``watch`` seconds, then see who has it."""
    ends = time.monotonic() + watch
    while True:
        mine = _mine(member, wanted, known, timeout)
        if not mine:
            says = "it was taken, but could not be read back"
            return Made("unknown", "", wanted.window.start, wanted.window.end, skew=skew, says=says)
        kept, *doubles = mine
        for double in doubles:
            member.expire(double.id, timeout)
        if time.monotonic() >= ends:
            return _told("created", kept, members, skew, timeout)
        time.sleep(0.5)


def _told(
    outcome: Literal["created", "found"], silence: Silence, members: Members, skew: float, timeout: float
) -> Made:
    missing: tuple[str, ...] = ()

    def everywhere() -> bool:
        nonlocal missing
        given, failed = members.ask(lambda one: {s.id for s in one.silences(timeout)})
        missing = (*(m.address for m, ids in given if silence.id not in ids), *(f.address for f in failed))
        return not missing

    until(_SEEN_WITHIN, everywhere)
    return Made(
        outcome,
        silence.id,
        silence.starts_at.astimezone(UTC),
        silence.ends_at.astimezone(UTC),
        silence.status.state,
        missing,
        skew,
    )
