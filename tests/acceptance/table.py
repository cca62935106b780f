"""The table of faults: filled by test_every_fault, printed at the end of the run."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One diagnosis of one fault."""

    runbook: str
    service: str
    fault: str
    first: str
    code: int | str
    seconds: float
    attempts: int
    right: bool


rows: list[Row] = []
notes: list[str] = []


def lines() -> list[str]:
    """The table as text."""
    head = ("runbook", "service", "fault", "found first", "exit", "seconds", "attempts", "")
    cells = [head, *((*map(str, row[:5]), f"{row.seconds:.1f}", str(row.attempts), _word(row)) for row in sorted(rows))]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return [*text, f"{sum(row.right for row in rows)} of {len(rows)} diagnoses right", *notes]


def _word(row: Row) -> str:
    return "" if row.right else "WRONG"
