"""Where in a large log a time begins, found by halving: lines lie nearly in the order of their times.

What is found is a place before the time, never after it; lines a little out of order, and a clock that was set back,
are allowed for by aiming SLACK seconds earlier. Where no line tells its time the place is taken for a late one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from opsctl.clients.logbytes import CHUNK
from opsctl.clients.logline import read_line

SLACK = 60.0  # seconds
GRAIN = 2**18  # bytes: nearer than this is not worth another question
_LOOK = 2**16  # bytes read to find a line with a time
_LOOKS = 4
_LEAST_STEP = 4 * GRAIN


class Seeker:
    """Questions to one open file. ``bytes_read`` counts what they cost."""

    def __init__(self, fd: int, size: int, encoding: str, now: float, deadline: float | None) -> None:
        self._fd, self.size, self._encoding, self._now = fd, size, encoding, now
        self._deadline = deadline
        self.bytes_read = 0

    def time_at(self, at: int) -> float | None:
        """The time of the first whole line behind ``at`` that has one; None when none is near. Raises OSError."""
        at -= at % 2 if self._encoding else 0
        text = b""
        for number in range(_LOOKS):
            piece = os.pread(self._fd, _LOOK, at + number * _LOOK)
            self.bytes_read += len(piece)
            text += piece.decode(self._encoding, "replace").encode() if self._encoding else piece
            lines = text.split(b"\n")
            if at > 0:
                del lines[0]  # it began before
            if len(piece) == _LOOK and lines:
                text = (b"\n" if at > 0 else b"") + lines.pop()
            for line in lines:
                if (moment := read_line(line, self._now).time) is not None:
                    return moment
            if len(piece) < _LOOK:
                return None
        return None

    def before(self, moment: float) -> int:
        """A place whose line is older than ``moment`` less SLACK, or 0: all such lines behind it are within reach.

        Steps back from the end, four times as far each time, since what is wanted is nearly always near it.
        """
        target = moment - SLACK
        high, step = self.size, _LEAST_STEP
        while (low := self.size - step) > 0:
            known = self.time_at(low)
            if known is not None and known < target:
                return self._halve(low, high, target)
            high, step = low, step * 4
            if self._late():
                return low
        return self._halve(0, high, target)

    def after(self, moment: float) -> int:
        """A place behind which every line is newer than ``moment`` and SLACK; the file's end when there is none."""
        target = moment + SLACK
        last = self.time_at(max(0, self.size - GRAIN))
        if last is None or last <= target:
            return self.size
        low = self._halve(0, self.size, target)
        return min(self.size, low + 2 * GRAIN)

    def _halve(self, low: int, high: int, target: float) -> int:
        while high - low > GRAIN and not self._late():
            middle = (low + high) // 2
            known = self.time_at(middle)
            if known is not None and known < target:
                low = middle
            else:
                high = middle
        return low

    def _late(self) -> bool:
        return self._deadline is not None and time.monotonic() > self._deadline


def newest(pieces: Callable[[int, int], int], start: int, end: int, most: int, longest: int) -> int:
    """Where to begin so that at most ``most`` bytes of lines are read up to ``end``, however long a single line is.

    ``pieces(at, to)`` gives the bytes of that stretch that count: 0 within one long line. Not more than ``longest``
    bytes are gone through.
    """
    at, left = end, most
    while at > start and end - at < longest:
        step = max(start, at - CHUNK)
        cost = pieces(step, at)
        if cost > left:
            return at - left if at - left > step else step
        at, left = step, left - cost
    return at
