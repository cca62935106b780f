"""Silences as a file: what `amtool silence query -o json` prints and `amtool silence import` reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from opsctl.errors import BadData, CouldNotLook, Interrupted, Unavailable
from opsctl.silences.book import Book, Known
from opsctl.silences.change import Changed, extend
from opsctl.silences.create import ACTIVE, Made, Wanted, create
from opsctl.silences.matcher import Matcher, canonical, of_silence
from opsctl.silences.members import Members
from opsctl.silences.window import Window

if TYPE_CHECKING:
    from opsctl.clients.alertmanager import Silence

_SAME_END = timedelta(seconds=1)  # servers keep milliseconds


class Item(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One silence of a file, in the API's field names; ``status`` and ``updatedAt`` are the old server's matter."""

    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    id: str = ""
    annotations: dict[str, str] | None = None


class Step(NamedTuple):
    """What an item asks for. ``ended``: its end has passed; ``there``: it is in force as it is (``known``);

    ``extend``: ``known`` lasts longer in the file; ``create``: it is not there.
    """

    item: Item
    what: Literal["ended", "there", "extend", "create"]
    known: Known | None = None


class Imported(NamedTuple):
    """A step and what came of it. ``failed`` "" when it went well."""

    step: Step
    id: str = ""
    failed: str = ""
    result: Made | Changed | None = None


def encode(found: Iterable[Known]) -> bytes:
    """The file's bytes. Silences in the order given; times in UTC with milliseconds, as the server tells them."""
    rows = [_row(one.silence) for one in found]
    return msgspec.json.format(msgspec.json.encode(rows), indent=2) + b"\n"


def _row(one: Silence) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": one.id,
        "status": {"state": one.status.state},
        "updatedAt": _time(one.updated_at or one.starts_at),
        "comment": one.comment,
        "createdBy": one.created_by,
        "endsAt": _time(one.ends_at),
        "matchers": [
            {"isEqual": m.is_equal, "isRegex": m.is_regex, "name": m.name, "value": m.value} for m in one.matchers
        ],
        "startsAt": _time(one.starts_at),
    }
    return row | ({"annotations": one.annotations} if one.annotations else {})


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def decode(body: bytes, name: str) -> tuple[Item, ...]:
    """All silences of a file, every one of them good. Raises BadData naming the first that is not."""
    try:
        items = msgspec.json.decode(body, type=tuple[Item, ...])
    except msgspec.ValidationError as error:
        raise BadData(
            f"this is not a list of silences: {error}",
            place=name,
            remedy="It takes what `opsctl silence export` and `amtool silence query -o json` print.",
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadData(f"this is not JSON: {error}", place=name) from None
    for number, item in enumerate(items, 1):
        wrong = _wrong(item)
        if wrong:
            raise BadData(f"silence {number} of {len(items)} {wrong}", place=name)
    return items


def _wrong(item: Item) -> str:
    if item.starts_at.tzinfo is None or item.ends_at.tzinfo is None:
        return "has a time without a zone"
    if item.ends_at <= item.starts_at:
        return "ends before it begins"
    try:
        if all(matcher.matches_empty for matcher in item.matchers):
            return "has no matcher that wants a value"
    except ValueError as error:
        return f"has a regular expression that is none for Alertmanager: {error}"
    return ""


def plan(items: Sequence[Item], book: Book, now: datetime) -> list[Step]:
    """What is to be done with each item. Pure."""
    alive = [one for one in book.all if one.state in ACTIVE]
    return [_step(item, alive, now) for item in items]


def _step(item: Item, alive: Sequence[Known], now: datetime) -> Step:
    if item.ends_at <= now:
        return Step(item, "ended")
    same = [one for one in alive if one.id == item.id and _alike(one, item)]
    same += [one for one in alive if one.id != item.id and _alike(one, item)]
    for one in same:
        if abs(one.silence.ends_at - item.ends_at) <= _SAME_END:
            return Step(item, "there", one)
    if same and same[0].id == item.id:
        longer = item.ends_at > same[0].silence.ends_at
        return Step(item, "extend" if longer else "there", same[0])
    return Step(item, "create")


def _alike(known: Known, item: Item) -> bool:
    one = known.silence
    return (
        canonical(of_silence(one)) == canonical(item.matchers)
        and one.created_by == item.created_by
        and one.comment in (item.comment, downgraded(item))
    )


def downgraded(item: Item) -> str:
    """The comment with the annotations in it, for servers that drop them."""
    left = [f"{key}={value}" for key, value in (item.annotations or {}).items() if value not in item.comment]
    return f"{item.comment} [{', '.join(left)}]" if left else item.comment


def carry_out(
    members: Members,
    steps: Sequence[Step],
    now: datetime,
    timeout: float,
    *,
    annotations: bool,
    check: Callable[[Step], str],
) -> list[Imported]:
    """Do each step; a failure does not stop the rest. ``check``: why a step is refused, "" when it is not.

    ``annotations``: whether the server keeps them. Raises Interrupted.
    """
    done: list[Imported] = []
    try:
        for step in steps:
            refused = check(step) if step.what in ("create", "extend") else ""
            done.append(Imported(step, failed=refused) if refused else _do(members, step, now, timeout, annotations))
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; {len(done)} of {len(steps)} silences of the file were dealt with",
            remedy="Import the file again: what is there already is left as it is.",
        ) from None
    return done


def _do(members: Members, step: Step, now: datetime, timeout: float, annotations: bool) -> Imported:
    item = step.item
    if step.what == "extend" and step.known is not None:
        (changed,) = extend(members, [(step.known, item.ends_at.astimezone(UTC))], timeout)
        failed = changed.says if changed.outcome != "extended" else ""
        return Imported(step, changed.id, failed, changed)
    if step.what != "create":
        return Imported(step, step.known.id if step.known is not None else item.id)
    start = max(item.starts_at, now).astimezone(UTC)
    wanted = Wanted(
        item.matchers,
        Window(start, item.ends_at.astimezone(UTC), item.starts_at <= now),
        item.created_by,
        item.comment if annotations else downgraded(item),
        exact_end=True,
        annotations=(item.annotations or {}) if annotations else {},
    )
    try:
        made = create(members, wanted, timeout)
    except (CouldNotLook, Unavailable) as error:
        return Imported(step, failed=error.says)
    return Imported(step, made.id, made.says if made.outcome == "unknown" else "", made)
