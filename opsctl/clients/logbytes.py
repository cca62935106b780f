"""Bytes of a log: what encoding they are in, cut into lines that are never held whole when they are too long."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable, Iterator

from opsctl.clients.logline import MAX_LINE

CHUNK = 2**20
_MARKS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


def wide(head: bytes) -> str:
    """The encoding of a file that begins so, when its characters are two bytes wide; "" for UTF-8 and its like."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), "")


def chunks(fd: int, start: int, end: int, encoding: str = "") -> Iterator[bytes]:
    """The bytes from ``start`` to ``end`` (UTF-8 when ``encoding`` is given), in pieces.

    A file that became shorter meanwhile ends early. Raises OSError.
    """
    decode = codecs.getincrementaldecoder(encoding)("replace").decode if encoding else None
    at = start - start % 2 if encoding else start
    while at < end:
        piece = os.pread(fd, min(CHUNK, end - at), at)
        if not piece:
            return
        at += len(piece)
        yield decode(piece).encode("utf-8", "replace") if decode is not None else piece


def split(pieces: Iterable[bytes], *, partial: bool) -> Iterator[tuple[bytes, bool]]:
    """Lines without their ends, and whether each was cut at MAX_LINE bytes.

    ``partial``: the pieces begin within a line, which is left out. The last line needs no end.
    """
    rest = b""
    dropping = partial  # what comes up to the next line's end is not wanted
    for fresh in pieces:
        piece = fresh
        if dropping:
            at = fresh.find(b"\n")
            if at < 0:
                continue
            piece = fresh[at + 1 :]
            if rest:
                yield rest, True
                rest = b""
            dropping = False
        lines = (rest + piece).split(b"\n")
        rest = lines.pop()
        for line in lines:
            if len(line) > MAX_LINE:
                yield line[:MAX_LINE], True
            else:
                yield line.rstrip(b"\r"), False
        if len(rest) > MAX_LINE:
            rest, dropping = rest[:MAX_LINE], True
    if rest.strip(b"\r"):
        yield rest.rstrip(b"\r"), dropping
