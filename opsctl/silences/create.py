"""Creating a silence once: what is there already is found first, a lost answer is looked for, a double is taken back.

Alertmanager makes a second silence of the same request (alert-tooling.md 0.2), so the content is the key: the same
matchers, author and comment. Requests on one server: list, the caller's check, one POST, list.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from opsctl.clients.http_write import may_have_happened
from opsctl.errors import CouldNotLook, Interrupted
from opsctl.silences.matcher import Matcher, canonical, of_silence
from opsctl.silences.members import Members
from opsctl.silences.window import Window

if TYPE_CHECKING:
    from opsctl.clients.alertmanager import Silence
    from opsctl.clients.alertmanager_write import AlertmanagerWriter, Draft

ACTIVE = ("active", "pending")
_SEEN_WITHIN = 3.0  # seconds for the other members to hear of it; reconnecting ones take longer and are named
_TRIES = 3
_LATE = 2.0  # seconds to look out for a request whose answer was lost and that arrives after all
_AFTER_CTRL_C = 2.0  # seconds to find out whether it was made
_PAUSE = 0.2
_PAST = timedelta(seconds=5)  # a start in the past is set to now by the server: never pending for a moment
_FINAL = ("bad-query", "not-found", "unauthorized", "forbidden", "unsupported")


class Wanted(NamedTuple):
    """A silence as it is meant. ``exact_end``: the end is part of its content (a schedule's), else only its length.

    ``until``: the end is a moment, not a length, and so does not move with the server's clock.
    """

    matchers: tuple[Matcher, ...]
    window: Window
    author: str
    comment: str
    ticket: str = ""
    exact_end: bool = False
    until: bool = False
    annotations: Mapping[str, str] = {}


class Made(NamedTuple):
    """What came of it. ``outcome``: ``created``, ``found`` (it was there), ``unknown`` (it may or may not be there).

    ``state``: as the server tells it. ``not_seen_on``: members that did not have it within three seconds.
    ``skew``: seconds by which the server's clock is ahead of this one's. ``says``: what else went wrong.
    """

    outcome: Literal["created", "found", "unknown"]
    id: str
    start: datetime
    end: datetime
    state: str = ""
    not_seen_on: tuple[str, ...] = ()
    skew: float = 0.0
    says: str = ""


class _Look(NamedTuple):
    """``mine``: new silences of the content on any member, the oldest first; None when no member could be asked."""

    mine: list[Silence] | None
    lacking: dict[str, tuple[str, ...]]  # id -> addresses without it, those that gave no answer included
    says: str = ""


def create(members: Members, wanted: Wanted, timeout: float = 10.0, *, check: Callable[[], None] | None = None) -> Made:
    """Make the silence unless it is there; never twice, whatever became of an answer.

    Writes to one member, the first that answers, and looks for it on all. ``check`` is called before anything is sent
    and may raise. Raises Unavailable when no member answers before anything was sent, CouldNotLook when the server
    refuses the content, Interrupted (it says whether the silence exists) for Ctrl-C after that.
    """
    member, (there, skew), _ = members.first(lambda one: listed(one, timeout))
    wanted = _by_the_servers_clock(wanted, skew)
    if (found := find(there, wanted)) is not None:
        lacking = _found_on(members, found, timeout)
        return _made("found", found, lacking, skew)
    if check is not None:
        check()
    known = {silence.id for silence in there}
    try:
        return _send(members, member, wanted, known, skew, timeout)
    except KeyboardInterrupt:
        raise _interrupted(members, wanted, known) from None


def listed(member: AlertmanagerWriter, timeout: float) -> tuple[Sequence[Silence], float]:
    """A member's silences, and by how many seconds its clock is ahead. Raises CouldNotLook."""
    before = time.time()
    got = member.listed(timeout)
    return got.silences, skew_of(got.date, before, time.time())


def skew_of(told: datetime | None, before: float, after: float) -> float:
    """Seconds by which the server's clock is ahead; 0 where that cannot be told from a slow answer.

    ``Date`` has whole seconds, and the answer takes its time: less than two seconds mean nothing.
    """
    if told is None:
        return 0.0
    ahead = told.timestamp() + 0.5 - (before + after) / 2
    return round(ahead) if abs(ahead) > 2 + (after - before) / 2 else 0.0


def find(there: Sequence[Silence], wanted: Wanted) -> Silence | None:
    """A silence of the same content that is in force (or to come) within the wanted window; the one that ends last."""
    same = [s for s in there if s.status.state in ACTIVE and _same(s, wanted) and _overlaps(s, wanted.window)]
    if wanted.exact_end:
        same = [s for s in same if abs((s.ends_at - wanted.window.end).total_seconds()) < 1]
    return max(same, key=lambda s: (s.ends_at, s.id), default=None)


def draft_of(wanted: Wanted) -> Draft:
    """What is sent. Servers before 0.32 drop annotations without a word, which is why the comment has the ticket."""
    from opsctl.clients.alertmanager_write import Draft

    return Draft(
        matchers=wanted.matchers,
        starts_at=wanted.window.start - (_PAST if wanted.window.immediate else timedelta()),
        ends_at=wanted.window.end,
        created_by=wanted.author,
        comment=comment_of(wanted),
        annotations={**wanted.annotations, **({"ticket": wanted.ticket} if wanted.ticket else {})},
    )


def comment_of(wanted: Wanted) -> str:
    """The comment with the ticket: it is what every version and every tool shows."""
    if not wanted.ticket or wanted.ticket in wanted.comment:
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


def _by_the_servers_clock(wanted: Wanted, skew: float) -> Wanted:
    """A silence that is meant for now and for so long begins and ends by the server's clock."""
    if not wanted.window.immediate or wanted.exact_end or not skew:
        return wanted
    shift = timedelta(seconds=skew)
    window = wanted.window
    end = window.end if wanted.until else window.end + shift
    return wanted._replace(window=Window(window.start + shift, end, window.immediate))


def _same(silence: Silence, wanted: Wanted) -> bool:
    return (
        canonical(of_silence(silence)) == canonical(wanted.matchers)
        and silence.created_by == wanted.author
        and silence.comment in (wanted.comment, comment_of(wanted))
    )


def _overlaps(silence: Silence, window: Window) -> bool:
    return silence.starts_at < window.end and silence.ends_at > window.start


def _send(
    members: Members, member: AlertmanagerWriter, wanted: Wanted, known: set[str], skew: float, timeout: float
) -> Made:
    draft = draft_of(wanted)
    lost: CouldNotLook | None = None
    for _ in range(_TRIES):
        try:
            member.post(draft, timeout)
        except CouldNotLook as error:
            if error.reason in _FINAL or (lost is None and not may_have_happened(error)):
                raise
            lost = error
            look = _look(members, wanted, known, timeout)
            if look.mine is None:
                break  # nobody can even be asked: whether the silence exists is not known
            if not look.mine:
                continue
        return _settled(members, member, wanted, known, skew, timeout, watch=_LATE if lost else 0.0)
    return Made("unknown", "", draft.starts_at, draft.ends_at, skew=skew, says=lost.says if lost else "")


def _look(members: Members, wanted: Wanted, known: set[str], timeout: float) -> _Look:
    given, failed = members.ask(lambda one: one.silences(timeout))
    if not given:
        return _Look(None, {}, failed[0].error.says)
    mine = {
        s.id: s
        for _, there in reversed(given)  # the first member's word counts most
        for s in there
        if s.id not in known and s.status.state in ACTIVE and _same(s, wanted)
    }
    unheard = tuple(one.address for one in failed)
    lacking = {id: (*(m.address for m, there in given if all(s.id != id for s in there)), *unheard) for id in mine}
    return _Look(sorted(mine.values(), key=lambda s: (s.updated_at or s.starts_at, s.id)), lacking)


def _settled(
    members: Members,
    member: AlertmanagerWriter,
    wanted: Wanted,
    known: set[str],
    skew: float,
    timeout: float,
    watch: float,
) -> Made:
    """Take back doubles, for ``watch`` seconds, and see who has it, for three."""
    begun = time.monotonic()
    says = ""
    while True:
        look = _look(members, wanted, known, timeout)
        past = time.monotonic() - begun
        doubles = look.mine[1:] if look.mine else []
        for double in doubles:
            try:
                member.expire(double.id, timeout)
            except CouldNotLook as error:
                says = f"a double, {double.id}, could not be ended: {error.says}"
        everywhere = bool(look.mine) and not any(look.lacking[s.id] for s in (look.mine or [])[:1])
        if (everywhere and not doubles and past >= watch) or past >= max(watch, _SEEN_WITHIN):
            break
        time.sleep(_PAUSE)
    if not look.mine:
        says = look.says or "it was taken, but is not among its silences"
        return Made("unknown", "", wanted.window.start, wanted.window.end, skew=skew, says=says)
    kept = look.mine[0]
    return _made("created", kept, look.lacking[kept.id], skew, says)


def _found_on(members: Members, found: Silence, timeout: float) -> tuple[str, ...]:
    """Which members do not have a silence that was there before."""
    if len(members.all) == 1:
        return ()
    given, failed = members.ask(lambda one: {s.id for s in one.silences(timeout)})
    return (*(m.address for m, ids in given if found.id not in ids), *(f.address for f in failed))


def _made(
    outcome: Literal["created", "found"], silence: Silence, lacking: tuple[str, ...], skew: float, says: str = ""
) -> Made:
    start, end = silence.starts_at.astimezone(UTC), silence.ends_at.astimezone(UTC)
    return Made(outcome, silence.id, start, end, silence.status.state, lacking, skew, says)


def _interrupted(members: Members, wanted: Wanted, known: set[str]) -> Interrupted:
    """Whether it was made all the same: the request may have been on its way. A second Ctrl-C ends the search."""
    ends = time.monotonic() + _AFTER_CTRL_C
    try:
        while True:
            look = _look(members, wanted, known, _AFTER_CTRL_C)
            if look.mine:
                one = look.mine[0]
                return Interrupted(
                    f"interrupted; the silence was made all the same: {one.id}, until {one.ends_at:%Y-%m-%d %H:%M} UTC",
                    remedy=f"To end it: opsctl silence expire {one.id}",
                )
            why = look.says
            if time.monotonic() >= ends:
                break
            time.sleep(_PAUSE)
    except KeyboardInterrupt:
        why = "the search for it was interrupted, too"
    if why:
        return Interrupted(
            f"interrupted; whether the silence was made is not known: {why}",
            remedy="Look with: opsctl silence list --mine",
        )
    return Interrupted("interrupted; no silence was made")
