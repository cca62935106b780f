"""Runs and leases of the ledger as lists."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from opsctl.redact import printable, redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opsctl.ledger.model import Lease, Run
    from opsctl.report.style import Style

LOOKS = {
    "fixed": "green", "verified": "green", "undone": "green", "improved": "yellow", "no-effect": "yellow",
    "not-verified": "yellow", "nothing-done": "yellow", "running": "cyan",
}  # fmt: skip
_WORDS = {"verified": "done", "unknown": "not known"}
_WIDTH = 13  # of the word


def told(text: str) -> str:
    """Text of the record, on one line."""
    return " ".join(redact(printable(text)).split())


def stamp(at: datetime) -> str:
    """``2026-11-21 03:07:12``."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def word_of(run: Run, *, crashed: bool) -> tuple[str, str]:
    """How a run ended or stands, in capitals, and the colour of that."""
    if run.state == "running":
        return ("CRASHED", "red") if crashed else ("RUNNING", "cyan")
    return _WORDS.get(run.word, run.word).replace("-", " ").upper() or "DONE", LOOKS.get(run.word, "red")


def run_lines(runs: Sequence[Run], held: set[str], style: Style) -> Iterable[str]:
    """Two lines a run, newest first, and for one that was left what to do. ``held``: scopes that somebody works on."""
    for run in runs:
        crashed = run.state == "running" and run.scope not in held
        word, look = word_of(run, crashed=crashed)
        head = f"{stamp(run.begun)}  "
        room = style.width - len(head) - _WIDTH
        what = _short(f"{run.service}  {run.action}", room)
        yield f"{head}{style.paint(f'{word:<{_WIDTH}}', 'bold', look)}{what}"
        says = told(run.says) or run.scope
        yield _short(f"    {run.id}  {told(run.actor)}  {says}", style.width)
        if crashed:
            yield f"    opsctl ledger resume {run.id}"


def lease_lines(leases: Sequence[Lease]) -> Iterable[str]:
    """Two lines a lease, oldest first."""
    for lease in leases:
        yield (
            f"{lease.id}  {told(lease.scope)}  {told(lease.actor)} on {told(lease.host)} (process {lease.pid})  "
            f"since {lease.since:%H:%M:%S}, until {lease.until:%H:%M:%S} UTC"
        )
        yield f"    {told(lease.command)}"


def _short(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 4].rstrip() + " ..."
