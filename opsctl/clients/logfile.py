"""The lines of a time window in a log file on this host, its older and packed files with it.

A large file is not read: the window's place in it is found by halving. Lines come one at a time, so that neither the
window nor a line of any length is ever held whole.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, TypeVar

from opsctl.clients.logbytes import chunks, split, wide
from opsctl.clients.logline import LogLine, read_line
from opsctl.clients.logrotated import Older, Unpacked, older_files
from opsctl.clients.logseek import Seeker, newest
from opsctl.errors import CouldNotLook

T = TypeVar("T")

MAX_BYTES = 32 * 2**20
JSON_FORMATS = ("json", "jsonl")
_LONGEST = 512 * 2**20  # bytes that are gone through where a line is longer than MAX_BYTES
_CHECK = 2000  # lines between two looks at the clock
_SAMPLE = 8192


class _Part(NamedTuple):
    """A stretch of one file: its bytes as UTF-8, whether they begin within a line, and what to check when read."""

    pieces: Iterable[bytes]
    partial: bool
    done: Callable[[], None]


class LogWindow:
    """The lines whose time lies in [``since``, ``until``] (unix seconds), oldest first; iterate once.

    A line without a time of its own belongs to the line before it (stack traces); at the beginning of what is read
    such lines are left out. When the file does not reach back far enough, the files it was rotated into are read too,
    all within ``max_bytes``, the newest first. ``deadline`` is time.monotonic(). Iterating raises CouldNotLook.

    Afterwards: ``complete``: the whole window was read, else ``notes`` and ``unread`` (bytes) say what was not;
    ``start`` and ``end`` are the oldest and newest time that was read; ``timeless``: no line carried a time;
    ``unparsed``: lines that are not in the log's format; ``cut``: lines too long to be read to their end; ``damaged``:
    lines with bytes that are not UTF-8; ``set_back``: the largest step, in seconds, that the lines' clock went back.
    """

    def __init__(
        self,
        path: str,
        *,
        since: float,
        until: float,
        format: str = "text",
        max_bytes: int = MAX_BYTES,
        deadline: float | None = None,
        setting: str = "",
    ) -> None:
        self._where = Path(path).expanduser()
        self.path = str(self._where if self._where.is_absolute() else Path.cwd() / self._where)
        self._since, self._until, self._json = since, until, format in JSON_FORMATS
        self._left, self._deadline, self._setting = max_bytes, deadline, setting
        self.start: float | None = None
        self.end: float | None = None
        self.bytes_read = self.unread = 0
        self.complete, self.timeless = True, False
        self.unparsed = self.cut = self.damaged = 0
        self.set_back = 0.0
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[LogLine]:
        with ExitStack() as opened:
            parts = self._parts(opened)
            try:
                yield from self._lines(parts)
            except OSError as error:
                says = f"{self.path} cannot be read to its end: {error.strerror or error}"
                raise self._failure("bad-answer", says) from None

    def _lines(self, parts: list[_Part]) -> Iterator[LogLine]:
        current: float | None = None  # time that lines without one inherit
        seen = 0
        for part in parts:
            for raw, cut in split(part.pieces, partial=part.partial):
                if not raw.strip():
                    continue
                seen += 1
                if seen % _CHECK == 0 and self._deadline is not None and time.monotonic() > self._deadline:
                    raise self._failure("timeout", f"reading {self.path} was not finished in time ({seen} lines read)")
                line = read_line(raw, self._until, cut=cut)
                if (moment := line.time) is not None:
                    if current is not None and current - moment > self.set_back:
                        self.set_back = current - moment
                    current = moment
                    self.start = moment if self.start is None or moment < self.start else self.start
                elif current is None:
                    continue
                if current is None or not self._since <= current <= self._until:
                    continue
                self.cut += cut
                self.damaged += line.damaged
                self.unparsed += self._json and not line.json and not cut
                line.time = current
                yield line
            part.done()
        self.end = current
        self.timeless = bool(seen) and self.start is None

    def _parts(self, opened: ExitStack) -> list[_Part]:
        """The stretches to read, oldest first; found newest first, until one reaches back to the window's start."""
        fd = self._open(self._where, self.path, opened)
        facts = os.fstat(fd)
        parts, reaches = [], False
        part, reaches = self._stretch(fd, self.path, opened)
        parts.append(part)
        if not reaches:
            for older in older_files(self._where, (facts.st_dev, facts.st_ino)):
                if older.changed < self._since - 1:
                    break  # nothing of the window can be in it, nor in those before it
                found = self._older(older, opened)
                if found is None:
                    self.complete = False
                    break
                parts.append(found[0])
                if found[1]:
                    break
        return parts[::-1]

    def _older(self, older: Older, opened: ExitStack) -> tuple[_Part, bool] | None:
        """An older file's stretch and whether it reaches back far enough; None when it could not be had."""
        shown = str(Path(self.path).with_name(older.path.name))
        if older.foreign:
            self.notes.append(f"{shown} is packed in a way that is not read here; it was left out")
            return None
        if self._left <= 0:
            self.unread += _size(older.path)
            return None
        try:
            fd = self._open(older.path, shown, opened)
            if not older.packed:
                return self._stretch(fd, shown, opened)
        except CouldNotLook as failed:
            self.notes.append(f"{failed.says}; it was left out")
            return None
        unpacked = Unpacked(fd, since=self._since, now=self._until, most=self._left, deadline=self._deadline)
        self.bytes_read += unpacked.bytes_read
        if unpacked.broken:
            self.notes.append(f"{shown}: {unpacked.broken}; it was left out")
            return None
        self.complete = self.complete and unpacked.whole
        return _Part(unpacked.pieces(), unpacked.partial, lambda: None), unpacked.reaches or not unpacked.whole

    def _stretch(self, fd: int, shown: str, opened: ExitStack) -> tuple[_Part, bool]:
        """The window's place in an open file, and whether older files are not needed."""

        def find() -> tuple[_Part, bool]:
            size = os.fstat(fd).st_size
            head = os.pread(fd, _SAMPLE, 0)
            encoding = wide(head)
            seeker = Seeker(fd, size, encoding, self._until, self._deadline)
            start, end = seeker.before(self._since), seeker.after(self._until)
            first = seeker.time_at(0) if start == 0 else None
            if not encoding and _binary(os.pread(fd, _SAMPLE, start), self._until):
                raise self._failure("bad-answer", f"{shown} is not a text file (it holds zero bytes)", shown)
            reaches = start > 0 or (first is not None and first <= self._since)
            if end - start > self._left:
                begin = newest(lambda at, to: _weight(fd, at, to), start, end, self._left, _LONGEST)
                if begin > start:
                    self.unread += begin - start
                    self.complete, reaches = False, True
                start = begin
            self._left -= min(self._left, end - start)
            self.bytes_read += seeker.bytes_read + end - start

            def done() -> None:
                if os.fstat(fd).st_size < end:
                    self.complete = False
                    self.notes.append(f"{shown} was emptied or cut short while it was read")

            return _Part(chunks(fd, start, end, encoding), start > 0, done), reaches

        return self._tried(find, shown)

    def _open(self, where: Path, shown: str, opened: ExitStack) -> int:
        def open_() -> int:
            # Not waiting: opening a pipe would wait for a writer, and a device has no end.
            fd = os.open(where, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            opened.callback(os.close, fd)
            mode = os.fstat(fd).st_mode
            if not stat.S_ISREG(mode):
                what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
                raise self._failure("bad-answer", f"{shown} is {what}", shown)
            return fd

        return self._tried(open_, shown)

    def _tried(self, work: Callable[[], T], shown: str) -> T:
        try:
            return work()
        except FileNotFoundError:
            says = f"{shown} does not exist on this host; logs are read on the service's own host"
            raise self._failure("not-found", says, shown) from None
        except PermissionError:
            raise self._failure("forbidden", f"{shown} may not be read by this user", shown) from None
        except OSError as error:
            # A parent that is a file, a name that is too long, a broken disk.
            raise self._failure("bad-answer", f"{shown} cannot be read: {error.strerror or error}", shown) from None

    def _failure(self, reason: object, says: str, shown: str = "") -> CouldNotLook:
        return CouldNotLook(reason, says, address=shown or self.path, setting=self._setting)  # type: ignore[arg-type]


def _binary(sample: bytes, now: float) -> bool:
    """Whether a sample is no text: zero bytes within it, and not one line with a time. A log that was emptied under
    its writer begins with zeros only; a text may hold a stray one."""
    rest = sample.lstrip(b"\0")
    return b"\0" in rest and all(read_line(line, now).time is None for line in rest.split(b"\n"))


def _weight(fd: int, at: int, to: int) -> int:
    """The bytes of a stretch that count against the limit: none where it lies within one long line."""
    piece = os.pread(fd, to - at, at)
    return len(piece) if b"\n" in piece else 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
