"""KyroDB's HealthRequest and HealthResponse on the wire: five protobuf fields, decoded by hand.

No generated stubs: the engine's protocol files are under a licence that forbids shipping them (domain-checks.md 2.7).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

HealthWord = Literal["unknown", "healthy", "degraded", "unhealthy"]
STATUS: tuple[HealthWord, ...] = ("unknown", "healthy", "degraded", "unhealthy")

_MAX_COMPONENTS = 64


class KyrodbHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. ``seconds``: how long the call took; ``uptime_seconds``: since the server's start."""

    status: HealthWord = "unknown"
    version: str = ""
    components: dict[str, str] = {}
    uptime_seconds: int = 0
    git_commit: str = ""
    seconds: float = 0.0


def encode_request(component: str = "") -> bytes:
    """HealthRequest; "" asks for all components."""
    text = component.encode()
    return b"\x0a" + _varint(len(text)) + text if text else b""


def decode_response(data: bytes, seconds: float = 0.0) -> KyrodbHealth:
    """HealthResponse; unknown fields are skipped. Raises ValueError when it is not such a message."""
    status: HealthWord = "unknown"
    texts = {2: "", 5: ""}
    uptime = 0
    components: dict[str, str] = {}
    for field, value in _fields(data):
        if field == 1:
            number = _number(value)
            status = STATUS[number] if number < len(STATUS) else "unknown"
        elif field in texts:
            texts[field] = _text(value)
        elif field == 3:
            key, word = _entry(value)
            if len(components) < _MAX_COMPONENTS:
                components[key] = word
        elif field == 4:
            uptime = _number(value)
    return KyrodbHealth(
        status=status,
        version=texts[2],
        components=components,
        uptime_seconds=uptime,
        git_commit=texts[5],
        seconds=seconds,
    )


def _entry(value: int | bytes) -> tuple[str, str]:
    key = word = ""
    if isinstance(value, int):
        raise ValueError("a map entry is not a message")
    for field, part in _fields(value):
        if field == 1:
            key = _text(part)
        elif field == 2:
            word = _text(part)
    return key, word


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers with their values: integers of wire type 0, bytes of the others."""
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        field, kind = tag >> 3, tag & 7
        if field == 0:
            raise ValueError("a field without a number")
        if kind == 0:
            number, at = _read_varint(data, at)
            yield field, number
            continue
        if kind == 2:
            size, at = _read_varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at + size > len(data):
            raise ValueError("cut off")
        yield field, data[at : at + size]
        at += size


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("cut off" if at >= len(data) else "a number of more than ten bytes")
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number & (2**64 - 1), at


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _number(value: int | bytes) -> int:
    if isinstance(value, int):
        return value
    raise ValueError("text where a number belongs")


def _text(value: int | bytes) -> str:
    if isinstance(value, bytes):
        return value.decode()  # UnicodeDecodeError is a ValueError
    raise ValueError("a number where text belongs")
