"""All silences of a cluster as one list, with the members that do not have one of them; and choosing among them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from opsctl.errors import UsageError
from opsctl.silences.create import ACTIVE, listed
from opsctl.silences.matcher import Matcher, matches_all, parse_all
from opsctl.silences.members import Failed, Members, unavailable

if TYPE_CHECKING:
    from opsctl.clients.alertmanager import Silence

STATES = ("active", "pending", "expired")
_ID = re.compile(r"[0-9a-fA-F]{4,8}(-[0-9a-fA-F-]{0,27})?")
_SHOWN = 8  # characters of an id where a whole one has no room


class Known(NamedTuple):
    """A silence as its newest holder tells it. ``lacking``: members that answered and do not have it."""

    silence: Silence
    lacking: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The whole id."""
        return self.silence.id

    @property
    def state(self) -> str:
        """active, pending or expired."""
        return self.silence.status.state

    @property
    def short(self) -> str:
        """The id's first characters: enough to name it."""
        return self.silence.id[:_SHOWN]


class Book(NamedTuple):
    """``skew``: seconds by which the first member's clock is ahead. ``failed``: members that gave no answer."""

    all: tuple[Known, ...]
    skew: float
    failed: tuple[Failed, ...]


def read(members: Members, timeout: float = 10.0) -> Book:
    """Ask every member. Raises Unavailable when none answers."""
    given, failed = members.ask(lambda one: listed(one, timeout))
    if not given:
        raise unavailable(failed)
    newest: dict[str, Silence] = {}
    having: dict[str, set[str]] = {}
    for member, (there, _) in given:
        for silence in there:
            having.setdefault(silence.id, set()).add(member.address)
            old = newest.get(silence.id)
            if old is None or _changed(silence) > _changed(old):
                newest[silence.id] = silence
    addresses = [member.address for member, _ in given]
    found = (
        Known(one, tuple(a for a in addresses if a not in having[id]) if one.status.state in ACTIVE else ())
        for id, one in newest.items()
    )
    return Book(in_order(found), given[0][1][1], tuple(failed))


def _changed(silence: Silence) -> datetime:
    return silence.updated_at or silence.starts_at


def in_order(found: Iterable[Known]) -> tuple[Known, ...]:
    """Active ones, first the one that ends first; then pending ones by start; then ended ones, the latest first."""

    def rank(one: Known) -> tuple[int, float, str]:
        state = STATES.index(one.state) if one.state in STATES else len(STATES)
        when = one.silence.starts_at if one.state == "pending" else one.silence.ends_at
        return state, -when.timestamp() if one.state == "expired" else when.timestamp(), one.id

    return tuple(sorted(found, key=rank))


def selects(filters: Sequence[Matcher], silence: Silence) -> bool:
    """Whether the filters hold for the silence's matchers, taken as labels: what `amtool silence query` does."""
    return matches_all(filters, {matcher.name: matcher.value for matcher in silence.matchers})


def chosen(
    book: Book,
    *,
    states: Sequence[str] = ACTIVE,
    filters: Sequence[Matcher] = (),
    author: str = "",
    ending_before: datetime | None = None,
) -> tuple[Known, ...]:
    """The silences in one of the states that satisfy everything given. ``author``: exactly this one."""
    return tuple(
        one
        for one in book.all
        if one.state in states
        and (not filters or selects(filters, one.silence))
        and (not author or one.silence.created_by == author)
        and (ending_before is None or one.silence.ends_at <= ending_before)
    )


def is_id(word: str) -> bool:
    """Whether a word is (the beginning of) a silence's id rather than a matcher."""
    return _ID.fullmatch(word) is not None


def named(book: Book, words: Sequence[str]) -> tuple[Known, ...]:
    """The silences that the words mean: ids (at least four of their first characters), or else matchers.

    Ids also find silences that have ended. Raises UsageError for an id that nobody knows or that is not unique, and
    for matchers that no silence in force has.
    """
    ids = [word for word in words if is_id(word)]
    if not ids:
        found = chosen(book, filters=parse_all(words))
        if not found:
            says = f"no silence in force has {' '.join(words)}"
            raise UsageError(says, remedy="`opsctl silence list` shows all that there are.")
        return found
    if len(ids) < len(words):
        other = next(word for word in words if word not in ids)
        raise UsageError(f"{other!r} is not the id of a silence", remedy="Give ids or matchers, not both.")
    return tuple({one.id: one for one in (_by_id(book, id) for id in ids)}.values())


def _by_id(book: Book, word: str) -> Known:
    found = [one for one in book.all if one.id.startswith(word.lower())]
    alive = [one for one in found if one.state in ACTIVE]
    if len(found) == 1 or len(alive) == 1:
        return (alive or found)[0]
    if found:
        raise UsageError(f"{len(found)} silences begin with {word}", remedy="Give more of the id.")
    says = f"there is no silence {word}" if len(word) == 36 else f"no silence's id begins with {word}"
    raise UsageError(says, remedy="`opsctl silence list --state active,pending,expired` shows all that are kept.")
