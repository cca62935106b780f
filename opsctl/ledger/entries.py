"""Adding an entry at the end of the chain, and reading entries back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import msgspec

from opsctl.errors import Bug
from opsctl.ledger import chain
from opsctl.ledger.clean import cleaned
from opsctl.ledger.model import Entry, EntryKind
from opsctl.ledger.moments import moment_of, text_of
from opsctl.ledger.projecting import STATEFUL, after

if TYPE_CHECKING:
    from opsctl.ledger.database import Row, Work

SELECT = "SELECT number, run, at, kind, step, body, previous, hash FROM entries"
_KINDS = frozenset(get_args(EntryKind))
_BEHIND_SECONDS = 1.0  # a clock that is this much behind the newest entry is told; hosts always differ a little


class Last(NamedTuple):
    """The end of the chain."""

    number: int
    at: str
    hash: str


def last(work: Work) -> Last:
    """The newest entry."""
    found = work.rows("SELECT number, at, hash FROM entries ORDER BY number DESC LIMIT 1")
    return Last(*found[0]) if found else Last(0, "", chain.START)


def moment(now: float, newest: str) -> str:
    """The time of an entry that is added at unix time ``now``: never before the newest one."""
    return max(text_of(datetime.fromtimestamp(now, UTC)), newest)


def add(work: Work, run: str, kind: EntryKind, body: Mapping[str, Any], step: int, now: float) -> Entry:
    """Add an entry; the caller's transaction makes it durable. ``run`` "" = it belongs to no run.

    A clock that went back shows: the entry has the time of the one before, and its body says ``clock``.
    """
    if kind not in _KINDS:
        raise Bug(f"there is no kind of entry {kind!r}")
    end = last(work)
    at = moment(now, end.at)
    content = cleaned(body)
    own = datetime.fromtimestamp(now, UTC)
    if (moment_of(at) - own).total_seconds() > _BEHIND_SECONDS:
        content["clock"] = text_of(own)
    text = chain.body_text(content)
    number = end.number + 1
    hash = chain.digest(number, run, at, kind, step, text, end.hash)
    work.change(
        "INSERT INTO entries (number, run, at, kind, step, body, previous, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        number, run, at, kind, step, text, end.hash, hash,
    )  # fmt: skip
    if kind in STATEFUL and kind != "begun":
        state = after(kind, text)
        work.change(
            "UPDATE runs SET changed = ?, state = ?, word = ?, says = ? WHERE id = ?",
            at, state.state, state.word, state.says, run,
        )  # fmt: skip
    elif run:
        work.change("UPDATE runs SET changed = ? WHERE id = ?", at, run)
    return Entry(
        number=number, run=run, at=moment_of(at), kind=kind, step=step, body=content, previous=end.hash, hash=hash
    )


def entry_of(row: Row) -> Entry:
    """The entry of a row of SELECT. Raises ValueError or msgspec.MsgspecError for one that somebody broke."""
    number, run, at, kind, step, body, previous, hash = row
    return Entry(
        number=number,
        run=run,
        at=moment_of(at),
        kind=kind,
        step=step,
        body=msgspec.json.decode(body, type=dict[str, Any]),
        previous=previous,
        hash=hash,
    )


def lines(work: Work, since: str = "") -> Iterator[bytes]:
    """Every entry from the time ``since`` on, oldest first: one line of JSON, the content exactly as it is hashed."""
    for page in work.pages(f"{SELECT} WHERE at >= ? ORDER BY number", since):
        for number, run, at, kind, step, body, previous, hash in page:
            plain = chain.canonical(number, run, at, kind, step, body, previous)
            yield b'{"hash":"%s",%s\n' % (hash.encode(), plain[1:])
