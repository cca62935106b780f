"""What a test run really ran against: one line per server at its end, and what it could not run."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Used(NamedTuple):
    """A server that was started. ``kind``: the real program, or a double of ours."""

    version: str
    kind: Literal["real", "double"]
    note: str


servers: dict[str, Used] = {}
not_run: dict[tuple[str, str], int] = {}  # (reason, the command that would change it) -> tests skipped


def note(server: str, version: str, kind: Literal["real", "double"] = "real", note: str = "") -> None:
    """Remember that ``server`` was started in this run."""
    servers[server] = Used(version, kind, note)
