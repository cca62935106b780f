"""Names and titles of the runbooks without loading them all: the built-in set has a generated index (index.json)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from opsctl.runbooks.find import find

INDEX = "index.json"


def titles(dirs: Sequence[Path]) -> dict[str, str]:
    """Name -> title of every runbook found; one that cannot be read is listed with that fact."""
    known: dict[Path, dict[str, str]] = {}
    result: dict[str, str] = {}
    for name, path in find(dirs).items():
        folder = path.parent
        if folder not in known:
            known[folder] = _index(folder)
        title = known[folder].get(name)
        if title is None:
            title = _read(path)
        result[name] = title
    return result


def _read(path: Path) -> str:
    from opsctl.config.yamlfile import read_struct
    from opsctl.errors import ConfigError
    from opsctl.runbooks.model import Runbook

    try:
        return read_struct(path, Runbook, what="runbook").title
    except ConfigError as error:
        return f"(cannot be read: {error.says})"


def _index(folder: Path) -> dict[str, str]:
    """The generated index of a folder, an entry is ignored where the file has another size."""
    path = folder / INDEX
    try:
        text = path.read_text(encoding="utf-8")
        entries = json.loads(text)
    except (OSError, ValueError):
        return {}
    return {
        name: entry["title"]
        for name, entry in entries.items()
        if _unchanged(folder / f"{name}.yaml", entry.get("size"))
    }


def _unchanged(path: Path, size: object) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def build(dirs: Sequence[Path]) -> str:
    """The index of the runbooks in these folders, as JSON text (written by ``make docs``, compared in a test)."""
    from opsctl.config.yamlfile import read_struct
    from opsctl.runbooks.model import Runbook

    entries = {}
    for name, path in find(dirs).items():
        runbook = read_struct(path, Runbook, what="runbook")
        entries[name] = {"title": runbook.title, "size": path.stat().st_size}
    return json.dumps(entries, indent=2, sort_keys=True) + "\n"
