"""The end of a log file on this host, bounded by bytes and by time."""

from __future__ import annotations

import os
import stat
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from opsctl.clients.logline import MAX_LINE, LogLine, read_line
from opsctl.errors import CouldNotLook

T = TypeVar("T")

MAX_BYTES = 4 * 2**20
JSON_FORMATS = ("json", "jsonl")
_MAX_UNPACKED = 64 * 2**20  # of a packed older file, which can only be read from its beginning
_CHECK = 2000  # lines between two looks at the clock


class LogTail(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of the window, oldest first.

    ``complete``: the whole window was read; else ``start`` (unix s) is where what was read begins.
    ``unparsed``: lines of the window that are not in the log's format: not a JSON object where ``format`` says so,
    else without a time of their own or of a line before them.
    ``timeless``: no line carried a time, so the window could not be applied.
    """

    path: str
    lines: tuple[LogLine, ...] = ()
    start: float | None = None
    end: float | None = None  # time of the newest line in the file
    bytes_read: int = 0
    complete: bool = True
    timeless: bool = False
    unparsed: int = 0
    cut: int = 0  # lines longer than the limit
    damaged: int = 0  # lines with bytes that are not UTF-8


def read_tail(
    path: str,
    *,
    since: float,
    until: float,
    format: str = "text",
    max_bytes: int = MAX_BYTES,
    deadline: float | None = None,
    setting: str = "",
) -> LogTail:
    """The lines whose time lies in [``since``, ``until``] (unix seconds).

    A line without a time of its own belongs to the line before it (stack traces). When the file does not reach back
    far enough and was rotated (``path.1``, ``path.1.gz``), the older file is read too, within the same byte budget.
    ``deadline`` is time.monotonic(). Raises CouldNotLook.
    """
    where = Path(path).expanduser()
    shown = str(where if where.is_absolute() else Path.cwd() / where)
    data, whole = _end_of(where, shown, max_bytes, setting)
    if b"\x00" in data[:8192]:
        says = f"{shown} is not a text file (it holds zero bytes)"
        raise CouldNotLook("bad-answer", says, address=shown, setting=setting)
    lines = _split(data, whole=whole)
    first = _first_time(lines, until)
    if whole and (first is None or first > since) and len(data) < max_bytes:
        older, from_start = _rotated(where, shown, max_bytes - len(data), deadline, setting)
        lines = (_split(older, whole=from_start) if older else []) + lines
        whole = not older  # files older still may follow
        data = older + data
    return _window(lines, shown, since, until, format in JSON_FORMATS, len(data), whole, deadline)


def _window(
    raw: list[bytes],
    shown: str,
    since: float,
    until: float,
    json: bool,
    size: int,
    whole: bool,
    deadline: float | None,
) -> LogTail:
    kept: list[LogLine] = []
    unparsed = cut = damaged = 0
    current: float | None = None  # time that lines without one inherit
    oldest: float | None = None
    for number, one in enumerate(raw):
        if number % _CHECK == 0 and deadline is not None and time.monotonic() > deadline:
            says = f"reading {shown} was not finished in time ({number} of {len(raw)} lines)"
            raise CouldNotLook("timeout", says, address=shown)
        line = read_line(one, until)
        if line.time is not None:
            current = line.time
            oldest = current if oldest is None else min(oldest, current)
        inside = current is None or since <= current <= until
        if not inside:
            continue
        cut += len(one) > MAX_LINE
        damaged += "\ufffd" in line.text
        unparsed += not line.fields if json else not line.parsed and current is None
        kept.append(line if line.time is not None or current is None else msgspec.structs.replace(line, time=current))
    timeless = oldest is None and bool(kept)
    if oldest is not None:
        # What stands before the first line with a time may be older than the window: it is not counted.
        lead = next((at for at, line in enumerate(kept) if line.time is not None), len(kept))
        if not whole:
            kept = kept[lead:]
            unparsed = max(0, unparsed - lead)
    complete = whole or (oldest is not None and oldest <= since)
    return LogTail(
        path=shown,
        lines=tuple(kept),
        start=oldest,
        end=current,
        bytes_read=size,
        complete=complete,
        timeless=timeless,
        unparsed=unparsed,
        cut=cut,
        damaged=damaged,
    )


def _end_of(where: Path, shown: str, limit: int, setting: str) -> tuple[bytes, bool]:
    """The last ``limit`` bytes, and whether that is the whole file."""

    def read() -> tuple[bytes, bool]:
        mode = where.stat().st_mode
        if not stat.S_ISREG(mode):
            # Opening a pipe would wait for a writer; a device has no end.
            what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            raise CouldNotLook("bad-answer", f"{shown} is {what}", address=shown, setting=setting)
        with where.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - limit))
            return file.read(limit), size <= limit

    return _reading(read, shown, setting)


def _rotated(where: Path, shown: str, limit: int, deadline: float | None, setting: str) -> tuple[bytes, bool]:
    """The end of the file that was rotated away last, and whether it begins where that file begins."""
    plain = where.with_name(where.name + ".1")
    if plain.is_file():
        return _end_of(plain, f"{shown}.1", limit, setting)
    packed = where.with_name(where.name + ".1.gz")
    if packed.is_file():
        return _reading(lambda: _end_of_gzip(packed, limit, deadline), f"{shown}.1.gz", setting)
    return b"", True


def _end_of_gzip(packed: Path, limit: int, deadline: float | None) -> tuple[bytes, bool]:
    unzip = zlib.decompressobj(wbits=31)
    end = b""
    total = 0
    with packed.open("rb") as file:
        while (chunk := file.read(65536)) and total < _MAX_UNPACKED:
            if deadline is not None and time.monotonic() > deadline:
                return b"", True
            try:
                piece = unzip.decompress(chunk, _MAX_UNPACKED)
            except zlib.error:
                return b"", True
            total += len(piece)
            end = (end + piece)[-limit:]
    # Cut short by the limit, the end is not the file's end: worth nothing for a window that ends now.
    return (end, len(end) == total) if total < _MAX_UNPACKED else (b"", True)


def _reading(read: Callable[[], T], shown: str, setting: str) -> T:
    try:
        return read()
    except FileNotFoundError:
        says = f"{shown} does not exist on this host; logs are read on the service's own host"
        raise CouldNotLook("not-found", says, address=shown, setting=setting) from None
    except PermissionError:
        raise CouldNotLook(
            "forbidden", f"{shown} may not be read by this user", address=shown, setting=setting
        ) from None
    except OSError as error:
        # A parent that is a file, a name that is too long, a broken disk.
        says = f"{shown} cannot be read: {error.strerror or error}"
        raise CouldNotLook("bad-answer", says, address=shown, setting=setting) from None


def _split(data: bytes, *, whole: bool) -> list[bytes]:
    """Lines without their ends; when the beginning was cut off, the first, partial one is left out."""
    lines = data.split(b"\n")
    if lines and not lines[-1].strip():
        lines.pop()
    if not whole and len(lines) > 1:
        del lines[0]
    return [line.rstrip(b"\r") for line in lines]


def _first_time(lines: list[bytes], now: float) -> float | None:
    for line in lines[:200]:
        moment = read_line(line, now).time
        if moment is not None:
            return moment
    return None
