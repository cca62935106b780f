"""The lines of a log of alerts: of the past, and then as they are appended (AGRO-31).

Followed through rotation (another inode) and truncation (a smaller size, or other bytes before the place reached).
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from opsctl.clients.logbytes import CHUNK
from opsctl.clients.logrotated import Unpacked, older_files
from opsctl.errors import CouldNotLook

MAX_BYTES = 32 * 2**20  # of the past, over all files
MAX_LINE = 4 * 2**20  # a notification of some thousand alerts
_MARK = 64  # bytes before the place reached; when they have changed, the file was written anew


class AlertLog:
    """The lines of a log of alerts, whole and without their ends; close it. Opening raises CouldNotLook.

    ``past`` gives what is there, ``fresh`` what came since. ``cut``: lines longer than MAX_LINE, which are left out;
    ``unread``: bytes of the past that were not read; ``notes``: what else is to be told, once.
    """

    def __init__(self, path: str, *, setting: str = "") -> None:
        self._where = Path(path).expanduser()
        self.path = str(self._where if self._where.is_absolute() else Path.cwd() / self._where)
        self._setting = setting
        self.cut = self.unread = 0
        self.notes: list[str] = []
        self._lines = _Lines()
        self._at = 0
        self._mark = b""
        self._gone = False
        self._fd = self._open()

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def past(self, since: float, *, last: bool) -> Iterator[bytes]:
        """Lines of the files that were changed at or after ``since`` (unix seconds), oldest first, MAX_BYTES at most.

        ``last``: also a last line that has no end; else it is kept until it has one. Raises CouldNotLook.
        """
        try:
            facts = os.fstat(self._fd)
            start = max(0, facts.st_size - MAX_BYTES)
            self.unread += start
            yield from self._older(since, (facts.st_dev, facts.st_ino), MAX_BYTES - (facts.st_size - start))
            self._at = start
            self._lines = _Lines(partial=start > 0)
            yield from self._rest(facts.st_size)
            if last:
                yield from self._lines.end()
        except OSError as error:
            raise self._failure("bad-answer", f"cannot be read: {error.strerror or error}") from None
        self.cut += self._lines.taken_cut()

    def end(self, number: int, *, whole: bool) -> list[bytes]:
        """The last ``number`` lines of the file, and of the one it was rotated into where it has fewer.

        ``whole``: also a last line that has no end. At most MAX_BYTES are read. ``fresh`` goes on behind them.
        Raises CouldNotLook.
        """
        try:
            size = os.fstat(self._fd).st_size
            back = CHUNK
            while True:
                start = max(0, size - min(back, MAX_BYTES))
                lines = _Lines(partial=start > 0)
                self._at, self._mark, self._lines = start, b"", lines
                found = list(self._rest(size))
                if len(found) >= number or start == 0 or back >= MAX_BYTES:
                    break
                back *= 4
            if whole:
                found += lines.end()
            if len(found) < number and start == 0:
                found = self._rotated(number - len(found)) + found
        except OSError as error:
            raise self._failure("bad-answer", f"cannot be read: {error.strerror or error}") from None
        self.cut += self._lines.taken_cut()
        return found[-number:] if number else []

    def _rotated(self, number: int) -> list[bytes]:
        """The last lines of the newest older file."""
        facts = os.fstat(self._fd)
        older = next(iter(older_files(self._where, (facts.st_dev, facts.st_ino))), None)
        if older is None or older.foreign:
            return []
        shown = str(Path(self.path).with_name(older.path.name))
        return list(deque(self._stretch(older.path, shown, older.packed, 0.0, MAX_BYTES // 4), maxlen=number))

    def fresh(self) -> Iterator[bytes]:
        """Lines that have come to their end since the last look. What cannot be read now is told in ``notes``."""
        try:
            yield from self._fresh()
        except OSError as error:
            self._missing(f"{self.path} cannot be read: {error.strerror or error}; it is tried again")
        except CouldNotLook as failed:
            self._missing(f"{failed.says}; it is tried again")
        self.cut += self._lines.taken_cut()

    def _fresh(self) -> Iterator[bytes]:
        if self._fd >= 0:
            size = os.fstat(self._fd).st_size
            if size < self._at or os.pread(self._fd, len(self._mark), self._at - len(self._mark)) != self._mark:
                self.notes.append(f"{self.path} was emptied; its new lines follow")
                self._from_start()
            yield from self._rest()
        now = self._where.stat()
        if self._fd >= 0:
            held = os.fstat(self._fd)
            if (held.st_dev, held.st_ino) == (now.st_dev, now.st_ino):
                self._gone = False
                return
        fresh = self._open()
        if self._fd >= 0:  # what was written between the last read and the rotation
            yield from self._rest()
            yield from self._lines.end()
            os.close(self._fd)
        self._fd, self._gone = fresh, False
        self._from_start()
        yield from self._rest()

    def _from_start(self) -> None:
        self.cut += self._lines.taken_cut()
        self._at, self._mark, self._lines = 0, b"", _Lines()

    def _missing(self, says: str) -> None:
        if not self._gone:
            self.notes.append(says)
        self._gone = True

    def _rest(self, end: int | None = None) -> Iterator[bytes]:
        """What follows the place reached, to ``end`` or the file's."""
        while end is None or self._at < end:
            piece = os.pread(self._fd, CHUNK if end is None else min(CHUNK, end - self._at), self._at)
            if not piece:
                return
            self._at += len(piece)
            self._mark = (self._mark + piece)[-_MARK:]
            yield from self._lines.of(piece)

    def _older(self, since: float, inode: tuple[int, int], left: int) -> Iterator[bytes]:
        """Lines of the files it was rotated into, at most ``left`` bytes, the newest of them."""
        stretches: list[Iterator[bytes]] = []
        for older in older_files(self._where, inode):
            if older.changed < since:
                break
            shown = str(Path(self.path).with_name(older.path.name))
            if older.foreign:
                self.notes.append(f"{shown} is packed in a way that is not read here; it was left out")
                continue
            size = older.path.stat().st_size
            if left <= 0:
                self.unread += size
                continue
            stretches.append(self._stretch(older.path, shown, older.packed, since, left))
            left -= size
        for stretch in reversed(stretches):
            yield from stretch

    def _stretch(self, path: Path, shown: str, packed: bool, since: float, most: int) -> Iterator[bytes]:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            self.notes.append(f"{shown} cannot be read: {error.strerror or error}; it was left out")
            return
        try:
            if packed:
                unpacked = Unpacked(fd, since=since, now=since, most=most, deadline=None)
                if unpacked.broken:
                    self.notes.append(f"{shown}: {unpacked.broken}; it was left out")
                    return
                lines, pieces = _Lines(partial=unpacked.partial), unpacked.pieces()
            else:
                start = max(0, os.fstat(fd).st_size - most)
                self.unread += start
                lines, pieces = _Lines(partial=start > 0), _pieces(fd, start)
            for piece in pieces:
                yield from lines.of(piece)
            yield from lines.end()
            self.cut += lines.taken_cut()
        finally:
            os.close(fd)

    def _open(self) -> int:
        try:
            # Not waiting: opening a pipe would wait for a writer, and a device has no end.
            fd = os.open(self._where, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            says = "does not exist on this host; logs are read on the service's own host"
            raise self._failure("not-found", says) from None
        except PermissionError:
            raise self._failure("forbidden", "may not be read by this user") from None
        except OSError as error:
            raise self._failure("bad-answer", f"cannot be read: {error.strerror or error}") from None
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise self._failure("bad-answer", "is not a regular file")
        return fd

    def _failure(self, reason: object, says: str) -> CouldNotLook:
        return CouldNotLook(reason, f"{self.path} {says}", address=self.path, setting=self._setting)  # type: ignore[arg-type]


def _pieces(fd: int, at: int) -> Iterator[bytes]:
    while piece := os.pread(fd, CHUNK, at):
        at += len(piece)
        yield piece


class _Lines:
    """Cuts pieces into lines; never holds more than a piece and MAX_LINE bytes. ``partial``: begins within a line."""

    def __init__(self, *, partial: bool = False) -> None:
        self._dropping = partial
        self._kept = bytearray()
        self._cut = 0

    def of(self, piece: bytes) -> Iterator[bytes]:
        """The lines that end in this piece; those of spaces only are none."""
        at = 0
        while (end := piece.find(b"\n", at)) >= 0:
            if self._dropping:
                self._dropping = False
            elif len(self._kept) + end - at > MAX_LINE:
                self._cut += 1
            elif (line := bytes(self._kept) + piece[at:end]).strip(b"\0 \t\r"):
                yield line
            self._kept.clear()
            at = end + 1
        if not self._dropping:
            self._kept += piece[at:]
            if len(self._kept) > MAX_LINE:
                self._cut += 1
                self._dropping = True
                self._kept.clear()

    def end(self) -> Iterator[bytes]:
        """The last line, which has no end."""
        line = bytes(self._kept)
        self._kept.clear()
        if line.strip(b"\0 \t\r"):
            yield line

    def taken_cut(self) -> int:
        """How many lines were too long since this was asked last."""
        found, self._cut = self._cut, 0
        return found
