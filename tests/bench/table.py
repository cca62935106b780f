"""A row of the bench's table, and how the table is printed."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """``limit`` None: shown for comparison only. ``measured`` None: could not be measured, ``note`` says why."""

    what: str
    measured: float | None
    limit: float | None
    unit: str
    note: str = ""

    @property
    def state(self) -> str:
        """ok, FAIL, ``-`` (for comparison) or ``not measured``."""
        if self.measured is None:
            return "not measured"
        if self.limit is None:
            return "-"
        return "ok" if self.measured <= self.limit else "FAIL"


def amount(value: float | None, unit: str) -> str:
    """A number with its unit, or nothing."""
    return "" if value is None else f"{value:.2f} {unit}"


def render(rows: list[Row]) -> str:
    """The table as text; rows in the order given."""
    wide = max(len(row.what) for row in rows)
    lines = [f"{'what':<{wide}}  {'limit':>12}  {'measured':>12}  result"]
    for row in rows:
        limit, measured = amount(row.limit, row.unit), amount(row.measured, row.unit)
        note = f"  {row.note}" if row.note else ""
        lines.append(f"{row.what:<{wide}}  {limit:>12}  {measured:>12}  {row.state}{note}")
    return "\n".join(lines)
