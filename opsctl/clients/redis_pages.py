"""Pages of keys straight from the socket: what SCAN answers, thousands of times faster to read than to decode.

The keys of an answer are kept in the protocol's own spelling too, so that they can be sent back as arguments as they
are, whatever bytes they hold (real-servers.md 3).
"""

from __future__ import annotations

import socket
import time
from typing import NamedTuple

_CHUNK = 2**18
_LONGEST = 64 * 2**20  # bytes of one page
_SPECIAL = b"*?[]\\"


class Garbled(ValueError):
    """The answer is not what SCAN answers."""


class Page(NamedTuple):
    """``cursor`` b"0": the walk is at its end. ``wire``: the keys as bulk strings."""

    cursor: bytes
    keys: list[bytes]
    wire: bytes


def literal(prefix: bytes) -> bytes:
    """The pattern that matches keys with exactly this beginning: no character of it is a wildcard."""
    escaped = b"".join(b"\\" + bytes([c]) if c in _SPECIAL else bytes([c]) for c in prefix)
    return escaped + b"*"


def bulk(keys: list[bytes]) -> bytes:
    """Keys as bulk strings."""
    return b"".join([b"$%d\r\n%b\r\n" % (len(key), key) for key in keys])


def command(*words: bytes) -> bytes:
    """A command in the protocol's spelling."""
    return b"*%d\r\n%b" % (len(words), bulk(list(words)))


def read_page(sock: socket.socket, until: float) -> Page | bytes:
    """One answer of SCAN, or the server's error line as bytes (without its ``-``).

    ``until``: time.monotonic(). Raises TimeoutError, OSError (closed), Garbled.
    """
    data = bytearray()
    at = _line_end(sock, data, 0, until)
    if data[:1] == b"-":
        return bytes(data[1 : at - 2])
    if data[:at] != b"*2\r\n":
        raise Garbled("no page of keys")
    end = _line_end(sock, data, at, until)
    length = _number(data, at, end, b"$")
    begin, at = end, _line_end(sock, data, end, until)
    cursor = bytes(data[begin : at - 2])
    if len(cursor) != length or not cursor.isdigit():
        raise Garbled("a cursor that is no number")
    end = _line_end(sock, data, at, until)
    count, begin = _number(data, at, end, b"*"), end
    while True:
        parts = bytes(data[begin:]).split(b"\r\n")
        if len(parts) >= 2 * count + 1:
            keys = parts[1 : 2 * count : 2]
            if len(parts) == 2 * count + 1 and not parts[-1] and _lengths(parts, count) == [len(key) for key in keys]:
                return Page(cursor, keys, bytes(data[begin:]))
            return _slowly(sock, data, begin, count, cursor, until)  # a key holds a line's end, or more is to come
        _more(sock, data, until)


def _lengths(parts: list[bytes], count: int) -> list[int]:
    try:
        return [int(word[1:]) if word[:1] == b"$" else -1 for word in parts[0 : 2 * count : 2]]
    except ValueError:
        return []


def _slowly(sock: socket.socket, data: bytearray, begin: int, count: int, cursor: bytes, until: float) -> Page:
    """Key by key, by the lengths that are announced."""
    keys, at = [], begin
    for _ in range(count):
        end = _line_end(sock, data, at, until)
        length = _number(data, at, end, b"$")
        while len(data) < end + length + 2:
            _more(sock, data, until)
        keys.append(bytes(data[end : end + length]))
        at = end + length + 2
    if at != len(data):
        raise Garbled("more than one answer")
    return Page(cursor, keys, bytes(data[begin:at]))


def _number(data: bytearray, at: int, end: int, mark: bytes) -> int:
    word = bytes(data[at : end - 2])
    if word[:1] != mark or not word[1:].isdigit() or len(word) > 12:
        raise Garbled("no length where one must be")
    return int(word[1:])


def _line_end(sock: socket.socket, data: bytearray, at: int, until: float) -> int:
    """Where the line that begins at ``at`` ends, its end included."""
    while (found := data.find(b"\r\n", at)) < 0:
        _more(sock, data, until)
    return found + 2


def _more(sock: socket.socket, data: bytearray, until: float) -> None:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("Timeout reading a page")
    if len(data) > _LONGEST:
        raise Garbled(f"a page of more than {_LONGEST // 2**20} MiB")
    sock.settimeout(left)
    piece = sock.recv(_CHUNK)
    if not piece:
        raise ConnectionResetError("Connection closed by server")
    data += piece
