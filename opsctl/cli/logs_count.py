"""Counting with bounded memory: kinds of errors, and the most frequent values of a field."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opsctl.cli.logs_line import clean, is_bad, shown, template, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opsctl.clients.logline import LogLine

MOST_KINDS = 2000  # further ones are counted together
MOST_VALUES = 10_000


@dataclass(slots=True)
class Kind:
    """One kind of error line in the window. ``new``: not seen before it; None: nothing is there to compare with."""

    template: str
    count: int
    first: float
    last: float
    sample: str
    new: bool | None = None


@dataclass(slots=True)
class Errors:
    """``other``: error lines of kinds beyond MOST_KINDS."""

    kinds: list[Kind]
    lines: int = 0
    bad: int = 0
    other: int = 0


def errors_in(window: Iterable[LogLine], level: str) -> Errors:
    """The kinds of lines of that level or worse. Lines that go on with the one before (stack traces) are none."""
    found: dict[str, Kind] = {}
    told = Errors([])
    for line in window:
        told.lines += 1
        if not line.parsed or not is_bad(line, level):
            continue
        told.bad += 1
        at = line.time or 0.0
        name = template(line)
        kind = found.get(name)
        if kind is not None:
            kind.count += 1
            kind.last = at
        elif len(found) < MOST_KINDS:
            found[name] = Kind(clean(name), 1, at, at, shown(line))
        else:
            told.other += 1
    told.kinds = list(found.values())
    return told


def known_before(window: Iterable[LogLine], level: str) -> tuple[set[str], int]:
    """The kinds of error lines in the time before, and how many lines were looked at."""
    kinds: set[str] = set()
    lines = 0
    for line in window:
        lines += 1
        if line.parsed and len(kinds) < MOST_KINDS and is_bad(line, level):
            kinds.add(clean(template(line)))
    return kinds, lines


def ranked(kinds: Iterable[Kind]) -> list[Kind]:
    """New ones first, then by frequency."""
    return sorted(kinds, key=lambda kind: (kind.new is not True, -kind.count, kind.first))


class Frequent:
    """The most frequent values of one or several fields together, in at most MOST_VALUES counters (space saving).

    ``exact``: no counter was taken over by another value; else a count may be too high by ``error``.
    """

    def __init__(self, names: Sequence[str], most: int = MOST_VALUES) -> None:
        self.names = tuple(names)
        self._most = most
        self._counts: Counter[tuple[str, ...]] = Counter()
        self.total = self.without = self.error = 0

    def add(self, line: LogLine) -> None:
        """Count one line."""
        values = [value_of(line, name) for name in self.names]
        if any(value is None for value in values):
            self.without += 1
            return
        self.total += 1
        key = tuple(str(value)[:200] for value in values)
        if key in self._counts or len(self._counts) < self._most:
            self._counts[key] += 1
            return
        self._thin()
        self._counts[key] += 1 + self.error

    @property
    def exact(self) -> bool:
        """Whether nothing had to be forgotten."""
        return self.error == 0

    @property
    def different(self) -> int:
        """How many different values were counted."""
        return len(self._counts)

    def top(self, number: int) -> list[tuple[tuple[str, ...], int]]:
        """The most frequent, without secrets: a value is redacted as ``name=value``."""
        return [(tuple(map(_hidden, self.names, key)), count) for key, count in self._counts.most_common(number)]

    def _thin(self) -> None:
        """Forget the rarest half; each of them had at most ``error`` lines."""
        order = self._counts.most_common()
        half = self._most // 2
        self.error = max(self.error, order[half][1])
        self._counts = Counter(dict(order[:half]))


def _hidden(name: str, value: str) -> str:
    return clean(f"{name}={value}").removeprefix(f"{name}=")
