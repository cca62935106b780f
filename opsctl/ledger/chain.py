"""How entries hang together: each one's hash covers its content and the hash of the one before.

The hash is sha256 over the entry's canonical JSON: keys sorted, no blanks, UTF-8, without ``hash`` itself. That is
an exported line without its ``hash``, so a stranger can check the chain without opsctl.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec

START = "0" * 64  # what the first entry follows


class Sealed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An entry's content as it is hashed; fields in alphabetical order. ``body``: its JSON text, as it is stored."""

    at: str
    body: msgspec.Raw
    kind: str
    number: int
    previous: str
    run: str
    step: int


_encoder = msgspec.json.Encoder()


def body_text(body: dict[str, Any]) -> str:
    """A body as canonical JSON."""
    return msgspec.json.encode(body, order="sorted").decode()


def canonical(number: int, run: str, at: str, kind: str, step: int, body: str, previous: str) -> bytes:
    """What is hashed."""
    return _encoder.encode(
        Sealed(at=at, body=msgspec.Raw(body.encode()), kind=kind, number=number, previous=previous, run=run, step=step)
    )


def digest(number: int, run: str, at: str, kind: str, step: int, body: str, previous: str) -> str:
    """The entry's hash, 64 hexadecimal digits."""
    return sha256(canonical(number, run, at, kind, step, body, previous)).hexdigest()
