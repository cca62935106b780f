"""Find service profiles: NAME.yaml in the ``services`` folder of each runbook folder, the first one wins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

FOLDER = "services"


def list_profiles(dirs: Sequence[Path]) -> dict[str, Path]:
    """Name -> file of every profile, sorted by name; ``dirs`` are runbook folders in search order."""
    found: dict[str, Path] = {}
    for folder in dirs:
        for path in sorted((folder / FOLDER).glob("*.yaml")):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))
