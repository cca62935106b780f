"""Walks a prefix and removes page by page, so gently that others hardly notice (real-servers.md 3, R7).

A page's SCAN and UNLINK take about a millisecond each. Between pages it waits in proportion to what the last one took,
and looks every so often how long a PING takes: when the server becomes slow it waits, and then gives up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from opsctl.actions.hands import Hands, Stopped
from opsctl.durations import format_quantity
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    from opsctl.clients.redis_pages import Page
    from opsctl.clients.redis_write import RedisWriter

_PART = 250  # keys of an UNLINK after the server was found to be slow
_REST = 0.25  # of the time that a page took, before the next
_LEAST, _MOST = 0.0002, 0.05  # seconds of rest
_LOOK_EVERY = 0.1
_LOOKS = 5  # pings whose least is the baseline
_FLOOR = 0.010  # seconds that a ping may take beyond the baseline: twice next to nothing is nothing
_WAITS = (0.25, 0.5, 1.0, 2.0)
_TELL = 2.0


class Swept(NamedTuple):
    """``whole``: the walk came to its end; else ``says`` why not. ``slowest``: the longest PING that was seen.

    ``unsure``: the last UNLINK was sent and not answered, so that more may be gone than ``removed``.
    """

    removed: int
    pages: int
    whole: bool
    says: str
    seconds: float
    slowest: float
    unsure: bool = False


def sweep(hands: Hands, writer: RedisWriter, prefix: str, belongs: Callable[[bytes], str], most: int) -> Swept:
    """Remove what is below ``prefix`` and belongs to nobody else, at most ``most`` keys.

    Raises Stopped between two pages, saying how many are gone; CouldNotLook only before an UNLINK was sent.
    """
    return _Sweep(hands, writer, prefix, belongs, most).run()


class _Sweep:
    def __init__(
        self, hands: Hands, writer: RedisWriter, prefix: str, belongs: Callable[[bytes], str], most: int
    ) -> None:
        self._hands, self._writer, self._prefix = hands, writer, prefix
        self._belongs, self._most = belongs, most
        self._removed = self._pages = 0
        self._part = 0  # 0: a page at a time
        self._slowest = 0.0
        self._open = False  # an UNLINK is sent, and not answered
        self._started = self._told = self._looked = time.monotonic()

    def run(self) -> Swept:
        try:
            baseline = min(self._writer.ping() for _ in range(_LOOKS))
            self._slowest = baseline
            return self._walk(max(2 * baseline, baseline + _FLOOR))
        except Stopped as stop:
            if not self._removed:
                raise
            raise Stopped(f"{self._removed:,} keys were removed before {stop.says}") from None
        except CouldNotLook as failed:
            if not self._removed and not self._open:
                raise
            return self._end(failed.says)

    def _walk(self, bound: float) -> Swept:
        cursor = b"0"
        while True:
            began = time.monotonic()
            page = self._writer.page(cursor, self._prefix.encode())
            self._pages += 1
            for part in self._parts(page):
                if self._removed + len(part.keys) > self._most:
                    return self._end(f"more than the {self._most:,} keys that were agreed on are there")
                self._hands.check_stop()
                self._remove(part)
            cursor = page.cursor
            if cursor == b"0":
                return self._end("", whole=True)
            now = time.monotonic()
            if now - self._looked >= _LOOK_EVERY and (slow := self._slow(bound)):
                return self._end(slow)
            if now - self._told >= _TELL:
                self._told = now
                self._hands.tell(f"{self._removed:,} keys {self._prefix} removed")
            time.sleep(min(_MOST, max(_LEAST, (now - began) * _REST)))

    def _remove(self, page: Page) -> None:
        self._open = True
        try:
            self._removed += self._writer.unlink(page)
        except CouldNotLook as failed:
            self._open = not refused(failed)
            raise
        self._open = False

    def _parts(self, page: Page) -> list[Page]:
        """What of the page is to go: as it came when that is all of it, smaller pieces on a slow server."""
        from opsctl.clients.redis_write import MOST_KEYS, page_of

        if not page.keys:
            return []
        mine = [key for key in page.keys if not self._belongs(key)]
        size = self._part or MOST_KEYS
        if len(mine) == len(page.keys) <= size:
            return [page]
        return [page_of(mine[at : at + size]) for at in range(0, len(mine), size)]

    def _slow(self, bound: float) -> str:
        """Wait while a PING takes longer than ``bound``; the sentence to end with when waiting does not help."""
        for wait in (*_WAITS, 0.0):
            took = self._writer.ping()
            self._slowest = max(self._slowest, took)
            self._looked = time.monotonic()
            if took <= bound:
                return ""
            self._part = _PART
            self._hands.check_stop()
            if wait:
                self._hands.tell(f"PING takes {format_quantity(took, 's')}: waiting {wait:g} s")
                time.sleep(wait)
        return (
            f"the server has become slow: PING takes {format_quantity(took, 's')}, "
            f"{format_quantity(bound, 's')} is the bound"
        )

    def _end(self, says: str, *, whole: bool = False) -> Swept:
        seconds = time.monotonic() - self._started
        return Swept(self._removed, self._pages, whole, says, seconds, self._slowest, self._open)


def refused(failed: CouldNotLook) -> bool:
    """Whether the server answered that it will not: then nothing was done."""
    return failed.reason in ("forbidden", "unauthorized", "unsupported", "server-error", "stale", "refused")
