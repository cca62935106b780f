"""The last gate before the ledger: no secret passes, and every text can be stored by both databases.

Steps and results must hold no secret in the first place (actions/model.py). What looks like one all the same is
masked here, and the body then says so: ``redacted: true``.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import msgspec

from opsctl.redact import printable, redact

_MASK = "[redacted]"


def identity(text: str) -> str:
    """A text as it stands in a cleaned body."""
    return redact(_valid(text))


def line(text: str) -> str:
    """A text of a run (actor, command, reason): no secret, no control characters, valid UTF-8."""
    return redact(printable(_valid(text)))


def cleaned(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body as plain JSON values. Strings are kept as they are but for secrets: they may be identities.

    Raises TypeError for what JSON cannot hold.
    """
    plain = msgspec.to_builtins(dict(body), str_keys=True)
    made: dict[str, Any] = _walk(plain)
    if made != plain:
        made["redacted"] = True
    return made


def _walk(value: Any) -> Any:
    if isinstance(value, str):
        return identity(value)
    if isinstance(value, dict):
        return {_valid(key): _under(key, inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_walk(inner) for inner in value]
    return value


def _under(key: str, value: Any) -> Any:
    """A value under its key: ``password: hunter22`` shows only together that it is a secret. ``$NAME`` names one."""
    if isinstance(value, str) and value and not value.startswith("$") and _is_secret(key):
        return _MASK
    return _walk(value)


@functools.lru_cache(maxsize=256)
def _is_secret(key: str) -> bool:
    said = f"{key}=xxx"
    return redact(said) != said


def _valid(text: str) -> str:
    """Half a surrogate pair, as file names may hold, cannot be written as UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
