"""Find runbooks. Search order: opsctl/config/places.py; the first folder that holds a name wins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def find(dirs: Sequence[Path]) -> dict[str, Path]:
    """Name -> file of every runbook, the first folder wins. Names are the file names."""
    found: dict[str, Path] = {}
    for folder in dirs:
        for path in sorted(folder.glob("*.yaml")):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))
