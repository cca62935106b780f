"""What the generated index says of the built-in files, so that listing them reads neither YAML nor types.

An entry counts only while its file has the size and CRC-32 it was made from; any other file is read itself.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from opsctl.config.places import PACKAGE, built_in

INDEX = "index.json"

Kind = Literal["runbooks", "services", "probes", "actions"]


def part(kind: Kind) -> Mapping[str, Any]:
    """One part of the index, empty where there is none: runbooks and services by name, probes and actions by id."""
    found = _read().get(kind)
    return found if isinstance(found, dict) else {}


def entry(kind: Literal["runbooks", "services"], path: Path) -> Mapping[str, Any] | None:
    """What is known of a file, or None: not one of the built-in set, or no longer what it was."""
    found = part(kind).get(path.stem)
    if found is None:
        return None
    folder = built_in() / "services" if kind == "services" else built_in()
    if path.resolve().parent != folder:
        return None
    try:
        return found if stamp(path) == found["stamp"] else None
    except (OSError, KeyError, TypeError):
        return None


def checked(kind: Literal["runbooks", "services"], path: Path) -> bool:
    """Whether a built-in file has no errors for certain, because it had none when this package was built.

    Never so in a checkout, where rules and files change apart.
    """
    return built_in().parent == PACKAGE and entry(kind, path) is not None


def stamp(path: Path) -> list[int]:
    """Size in bytes and CRC-32 of a file's content. Raises OSError."""
    content = path.read_bytes()
    return [len(content), zlib.crc32(content)]


@functools.cache
def _read() -> dict[str, Any]:
    import json

    try:
        found = json.loads((built_in() / INDEX).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
