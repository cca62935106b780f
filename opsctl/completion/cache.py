"""The small line files that completion reads: services, runbooks, contexts. Ordinary commands refresh them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from opsctl.config.places import cache_dir

KINDS = ("service", "runbook", "context")


def folder() -> Path:
    """Where the files lie: ``${XDG_CACHE_HOME:-~/.cache}/opsctl/complete`` (the scripts know it too)."""
    return cache_dir() / "complete"


def refresh(kind: str, names: Iterable[str]) -> None:
    """Write the names of one kind, one a line, if they changed. Fewer suggestions are never worth an error."""
    body = "".join(f"{name}\n" for name in sorted(set(names)) if name and "\n" not in name)
    path = folder() / kind
    try:
        if path.exists() and path.read_text(encoding="utf-8") == body:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{kind}.{os.getpid()}")
        temporary.write_text(body, encoding="utf-8")
        temporary.replace(path)
    except (OSError, UnicodeError):
        return
