"""Identifiers that sort by the time they were made: 48 bits of milliseconds, 80 of chance, in Crockford's base 32."""

from __future__ import annotations

import os

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 26


def new(seconds: float, after: str = "") -> str:
    """An id for the time ``seconds`` (unix) that sorts behind ``after``, the newest one so far."""
    made = _text((int(seconds * 1000) << 80) | int.from_bytes(os.urandom(10), "big"))
    return made if made > after else _text(_number(after) + 1)


def _text(number: int) -> str:
    return "".join(_DIGITS[(number >> shift) & 31] for shift in range(5 * (_LENGTH - 1), -1, -5))


def _number(text: str) -> int:
    number = 0
    for digit in text:
        number = number << 5 | _DIGITS.index(digit)
    return number
