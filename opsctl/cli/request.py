"""What the user asked of ``opsctl diagnose``, and which wishes do not go together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from opsctl.cli.options import Root
from opsctl.errors import CannotWrite, UsageError

SINCE, TIMEOUT, EVERY = "30m", "30s", "10s"
SHORTEST = 1.0  # seconds between two looks: each asks every system of the runbook


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Durations and times are still text; None: not given."""

    root: Root
    service: str | None = None
    at: str | None = None
    since: str | None = None
    timeout: str | None = None
    direct: bool = False
    save: bool | None = None
    output: str = "text"
    output_file: str | None = None
    watch: bool = False
    every: str | None = None
    follow: bool = False
    replay: str | None = None
    flags: Mapping[str, str] = field(default_factory=dict)
    flag_names: tuple[str, ...] = ()  # how the given ones of ``flags`` are written
    parameters: Mapping[str, object] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        """Whether the report is kept: yes, but a replay only when that was asked for."""
        return self.save if self.save is not None else self.replay is None


def check(request: Request) -> None:
    """Raises UsageError (64) for wishes that exclude each other, CannotWrite (73) for a file with no place."""
    if request.replay is not None:
        reason = "a replay asks no system and looks at the report's own time"
        others: list[tuple[str, object]] = [
            ("--at", request.at),
            ("--since", request.since),
            ("--timeout", request.timeout),
        ]
        others += [("--direct", request.direct), ("--watch", request.watch), ("--follow", request.follow)]
        _refuse("--replay", others + [(name, True) for name in request.flag_names], reason)
    if request.watch:
        _refuse("--watch", [("--at", request.at)], "the past does not change")
        _refuse("--watch", [("--follow", request.follow)], "one runbook is looked at again and again")
        _refuse("--watch", [("--output-file", request.output_file)], "it goes on until it is stopped")
        if request.output in ("markdown", "html"):
            _refuse("--watch", [(f"-o {request.output}", True)], "it tells one look after the other, as text or json")
    elif request.every is not None:
        raise UsageError("--every is for --watch", remedy="Add --watch, or leave --every out.")
    if request.follow and request.output == "html":
        _refuse("--follow", [("-o html", True)], "a page shows one report")
    if request.output_file is not None:
        _writable(request.output_file)


def _refuse(name: str, others: list[tuple[str, object]], reason: str) -> None:
    for other, given in others:
        if given:
            raise UsageError(f"{name} and {other} do not go together: {reason}", remedy=f"Leave {other} out.")


def _writable(name: str) -> None:
    """A file that cannot be written is told before the diagnosis, not after it."""
    import os

    path = Path(name)
    if not name:
        raise UsageError("--output-file names no file", remedy="Give a file, or leave it out.")
    if path.is_dir():
        raise CannotWrite(f"{name} is a folder", remedy="Name a file in it.")
    if not path.parent.is_dir():
        raise CannotWrite(f"there is no folder {path.parent}", remedy="Make it first.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise CannotWrite(f"{name} may not be written", remedy="Name another file.")
