"""Whether the record is whole: every hash again, every link, every run's row against what its entries say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from opsctl.ledger import chain, entries
from opsctl.ledger.model import Checked, NewRun
from opsctl.ledger.projecting import COLUMNS, SELECT, STATEFUL, after

if TYPE_CHECKING:
    from opsctl.ledger.database import Row, Work

_MOST = 50  # sentences; after so many the record is known to be broken
_BY_RUN = f"""SELECT run, number, at, kind, CASE WHEN kind IN ({", ".join(f"'{kind}'" for kind in STATEFUL)})
THEN body END FROM entries WHERE run <> '' ORDER BY run, number"""  # noqa: S608 - words of this package
_GIVEN = tuple(name for name in NewRun.__struct_fields__ if name != "plan")


class _Begun(msgspec.Struct):
    """The ``begun`` entry's body without the plan, which is passed over when it is read."""

    actor: str = ""
    host: str = ""
    command: str = ""
    reason: str = ""
    ticket: str = ""
    service: str = ""
    context: str = ""
    runbook: str = ""
    action: str = ""
    scope: str = ""
    plan_hash: str = ""


class _Complaints:
    """Sentences, no more than a reader can take in."""

    def __init__(self, first: list[str]) -> None:
        self._says = first
        self._more = 0

    def add(self, says: str) -> None:
        if len(self._says) < _MOST:
            self._says.append(says)
        else:
            self._more += 1

    def all(self) -> tuple[str, ...]:
        return (*self._says, *([f"and {self._more} more"] if self._more else []))


def check(work: Work, head: str, complaints: list[str]) -> Checked:
    """Everything that is wrong. ``head``: hash of an entry that was there once, or at least 12 digits of it."""
    broken = _Complaints(complaints)
    count, newest, seen = _chain(work, head.strip().lower(), broken)
    if head and not seen:
        broken.add(f"no entry has the hash {head[:64]}: since that was noted, the end was cut off or rewritten")
    runs = _runs(work, broken)
    return Checked(entries=count, runs=runs, broken=broken.all(), head=newest if count else "")


def _chain(work: Work, head: str, broken: _Complaints) -> tuple[int, str, bool]:
    """How many entries there are, the newest one's hash, and whether ``head`` is one of the hashes."""
    count, number, previous, newest = 0, 0, chain.START, ""
    seen = head == chain.START
    digest = chain.digest
    for page in work.pages(f"{entries.SELECT} ORDER BY number"):
        for row in page:
            found, run, at, kind, step, body, before, hash = row
            count += 1
            if found != number + 1:
                broken.add(_missing(number + 1, found - 1))
            elif before != previous:
                says = "it does not follow the entry before it: something was taken out, put in or moved"
                broken.add(f"{_name(row)}: {says}")
            elif at < newest:
                broken.add(f"{_name(row)}: it is older than the entry before it")
            if digest(found, run, at, kind, step, body, before) != hash:
                broken.add(f"{_name(row)}: it was changed after it was written")
            if head and not seen and hash.startswith(head) and len(head) >= 12:
                seen = True
            number, previous, newest = found, hash, at
    return count, previous, seen


def _runs(work: Work, broken: _Complaints) -> int:
    """Compare both tables, each read in the order of runs, and count the runs."""
    count = 0
    told = _told(work)
    expected = next(told, None)
    for page in work.pages(f"{SELECT} ORDER BY id"):
        for row in page:
            count += 1
            while expected is not None and expected[0] < row[0]:
                broken.add(f"run {expected[0]}: it is missing from the table of runs")
                expected = next(told, None)
            if expected is None or expected[0] != row[0]:
                broken.add(f"run {row[0]}: it has no entries")
                continue
            _compare(row, expected[1], broken)
            expected = next(told, None)
    for id, _ in [expected, *told] if expected is not None else []:
        broken.add(f"run {id}: it is missing from the table of runs")
    return count


def _compare(row: Row, told: dict[str, Any] | str, broken: _Complaints) -> None:
    if isinstance(told, str):
        broken.add(f"run {row[0]}: {told}")
        return
    for name, value in zip(COLUMNS[1:], row[1:], strict=True):
        if told[name] != value:
            broken.add(f"run {row[0]}: the table of runs says {name} {value!r}, its entries say {told[name]!r}"[:300])


def _told(work: Work) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """Run -> what its entries say of it, or why they say nothing, in the order of ids."""
    run = ""
    made: dict[str, Any] = {}
    for page in work.pages(_BY_RUN):
        for id, _, at, kind, body in page:
            if id != run:
                if run:
                    yield run, made or "its first entry is missing"
                run, made = id, {}
            try:
                if kind == "begun" and not made:
                    begun = msgspec.json.decode(body, type=_Begun)
                    made = {name: getattr(begun, name) for name in _GIVEN}
                    made |= {"begun": at, "state": "running", "word": "", "says": ""}
                elif kind in STATEFUL and made:
                    made |= after(kind, body)._asdict()
            except msgspec.MsgspecError:
                made = {}
            if made:
                made["changed"] = at
    if run:
        yield run, made or "its first entry is missing"


def _missing(first: int, last: int) -> str:
    return f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"


def _name(row: Row) -> str:
    number, run, _, kind, step, *_ = row
    of = f" of step {step}" if step else ""
    return f"entry {number} ({kind}{of}, run {run})" if run else f"entry {number} ({kind})"
