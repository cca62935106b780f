"""What each series of a counter grew by between two scrapes."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterator
from itertools import chain

from opsctl.signals.exposition import Page, pairs

ROOM = 48 * 2**20  # bytes of growth kept between signals; what is more is read from the pages again


class Growth:
    """The series of a metric: labels as they are written, and growth. ``seconds``: the time they had for it.

    ``frozen``: every sample carries the same time of its own in both pages. Both are known after the iteration.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.frozen = False
        self._labels: list[bytes] = []
        self._grown = array("d")
        self._rest: Iterator[tuple[bytes, float]] | None = None

    def __iter__(self) -> Iterator[tuple[bytes, float]]:
        return chain(zip(self._labels, self._grown, strict=True), self._rest or ())

    def take(self, found: Iterator[tuple[bytes, float]], room: int) -> int | None:
        """Keep what ``found`` gives and say how many bytes that took; None: too much, the rest stays where it is."""
        size = 0
        for labels, grown in found:
            self._labels.append(labels)
            self._grown.append(grown)
            size += len(labels) + 49
            if size > room:
                self._rest = found
                return None
        return size


class Scrapes:
    """Two pages and the seconds between them. ``restarted``: the process began anew in between."""

    def __init__(self, first: Page, second: Page, elapsed: float, restarted: bool = False) -> None:
        self.first = first
        self.second = second
        self.elapsed = elapsed
        self.restarted = restarted
        self._kept: dict[str, Growth] = {}
        self._room = ROOM
        self._lock = threading.Lock()

    def growth(self, metric: str) -> Growth:
        """The growth of a metric's series; several signals often read the same ones."""
        with self._lock:
            kept = self._kept.get(metric)
            if kept is not None:
                return kept
            growth = Growth(self.elapsed)
            size = growth.take(self._series(metric, growth), self._room)
            if size is not None:
                self._room -= size
                self._kept[metric] = growth
            return growth

    def _series(self, metric: str, growth: Growth) -> Iterator[tuple[bytes, float]]:
        """As Prometheus counts: a fall is a reset and counts from 0; so does a series that is new, and every series
        of a process that is new."""
        stamped = frozen = 0
        for before, after in pairs(self.first, self.second, metric):
            labels, value, stamp = after
            if value != value:
                continue
            if before is None:
                yield labels, value
                continue
            if stamp and before[2]:
                seconds = (self.second.seconds(stamp) or 0.0) - (self.first.seconds(before[2]) or 0.0)
                stamped += 1
                frozen += seconds <= 0
                growth.seconds = seconds if seconds > 0 else growth.seconds
                growth.frozen = stamped == frozen
            start = before[1]
            yield labels, value - start if value >= start and not self.restarted else value
