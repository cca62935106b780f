"""The older files of a rotated log: which there are, and the end of a packed one."""

from __future__ import annotations

import os
import re
import stat
import time
import zlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from opsctl.clients.logbytes import CHUNK
from opsctl.clients.logline import read_line
from opsctl.clients.logseek import SLACK

# app.log.1 · app.log.2.gz · app.log-20261120 · app.log.2026-11-20 · app-20261120.log · app.1.log
_MARK = re.compile(r"[.\-_](?:\d{1,3}|\d{4}-?\d\d-?\d\d(?:[T_.\-]?[\d:_\-]{2,8})?|\d{9,11}|old|bak)$")
_PACKED = (".gz",)
_FOREIGN = (".bz2", ".xz", ".zst", ".lz4", ".Z")
_MOST_UNPACKED = 512 * 2**20
_PEEK = 200  # lines of a piece that are looked at for a time


class Older(NamedTuple):
    """An older file. ``packed``: by gzip; ``foreign``: in a way that is not read here."""

    path: Path
    changed: float
    inode: tuple[int, int]
    packed: bool
    foreign: bool


def older_files(where: Path, inode: tuple[int, int]) -> list[Older]:
    """The files that ``where`` was rotated into, newest first by their last change; ``inode`` itself is not one."""
    found: dict[tuple[int, int], Older] = {}
    try:
        names = sorted(path.name for path in where.parent.iterdir())
    except OSError:
        return []
    for name in names:
        ending = next((e for e in (*_PACKED, *_FOREIGN) if name.endswith(e)), "")
        if not _belongs(where.name, name.removesuffix(ending)):
            continue
        try:
            facts = os.lstat(where.parent / name)
        except OSError:
            continue
        same = (facts.st_dev, facts.st_ino)
        if stat.S_ISREG(facts.st_mode) and facts.st_size and same != inode:
            one = Older(where.parent / name, facts.st_mtime, same, ending in _PACKED, ending in _FOREIGN)
            found.setdefault(same, one)
    return sorted(found.values(), key=lambda o: (-o.changed, len(o.path.name), o.path.name))


def _belongs(current: str, name: str) -> bool:
    """Whether a name without its packing is the current one with a number or a date."""
    if name.startswith(current):
        return _MARK.fullmatch(name[len(current) :]) is not None
    stem, dot, ending = current.rpartition(".")
    if not (dot and name.startswith(stem) and name.endswith(dot + ending)):
        return False
    return _MARK.fullmatch(name[len(stem) : -len(dot + ending)]) is not None


class Unpacked:
    """The part of a gzip file from ``since`` on, at most ``most`` bytes of it, the newest.

    It can only be unpacked from its beginning; what lies before the window is gone through and not kept.
    ``whole``: nothing of the window was lost; ``reaches``: it begins before the window; ``partial``: what was kept
    begins within a line; ``broken``: what is wrong.
    """

    def __init__(self, fd: int, *, since: float, now: float, most: int, deadline: float | None) -> None:
        self.whole, self.reaches, self.partial, self.broken = True, False, False, ""
        self.bytes_read = 0
        self._kept: deque[bytes] = deque()
        size = 0
        for number, piece in enumerate(self._pieces(fd, deadline)):
            first = _first_time(piece, now)
            if first is not None and first < since - SLACK:
                # All that came before is older still.
                self._kept.clear()
                size, self.reaches, self.whole, self.partial = 0, True, True, number > 0
            self._kept.append(piece)
            size += len(piece)
            while size > most:
                size -= len(self._kept.popleft())
                self.whole, self.partial = False, True

    def pieces(self) -> Iterator[bytes]:
        """What was kept, oldest first; each piece is let go as it is given."""
        while self._kept:
            yield self._kept.popleft()

    def _pieces(self, fd: int, deadline: float | None) -> Iterator[bytes]:
        unzip = zlib.decompressobj(wbits=31)
        total = at = 0
        waiting = b""
        while True:
            if deadline is not None and time.monotonic() > deadline:
                self._stop("there was no time to unpack it")
                return
            if not waiting:
                waiting = os.pread(fd, CHUNK // 4, at)
                at += len(waiting)
                self.bytes_read = at
                if not waiting:
                    if not unzip.eof:
                        self._stop("it ends too early")
                    return
            if unzip.eof:  # several packed parts, one behind the other; zeros only fill a block
                waiting = waiting.lstrip(b"\0")
                if not waiting:
                    continue
                unzip = zlib.decompressobj(wbits=31)
            try:
                piece = unzip.decompress(waiting, CHUNK)
            except zlib.error:
                self._stop("it is not gzip, or damaged")
                return
            waiting = unzip.unused_data if unzip.eof else unzip.unconsumed_tail
            total += len(piece)
            if total > _MOST_UNPACKED:
                self._stop(f"it unpacks to more than {_MOST_UNPACKED // 2**20} MiB")
                return
            if piece:
                yield piece

    def _stop(self, why: str) -> None:
        self.broken, self.whole = why, False


def _first_time(piece: bytes, now: float) -> float | None:
    at = piece.find(b"\n") + 1
    for _ in range(_PEEK):
        end = piece.find(b"\n", at)
        if end < 0:
            return None
        moment = read_line(piece[at : min(end, at + 4096)], now, cut=end - at > 4096).time
        if moment is not None:
            return moment
        at = end + 1
    return None
