"""What evaluating a signal gave, and what of it may be believed: the same rules for both evaluators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from opsctl.durations import format_duration
from opsctl.errors import Reason
from opsctl.signals.model import Row

MISSING_PART = "no series of the numerator: counted as 0"


class Outcome(NamedTuple):
    """``rows`` in base units; ``reason`` and ``says`` when there are none."""

    rows: tuple[Row, ...] = ()
    reason: Reason | None = None
    says: str = ""
    notes: tuple[str, ...] = ()


def settle(rows: Sequence[Row], *, least: float, window: float, events: float | None = None) -> Outcome:
    """Keep the rows that are numbers and have at least ``least`` events behind them (domain-checks 2.5 d).

    ``events``: events of all rows in the window (seconds), where no row tells. A value without events is "too-few",
    never 0 and never healthy.
    """
    kept: list[Row] = []
    few: list[Row] = []
    broken: list[Row] = []
    for row in rows:
        short = row.count is not None and row.count < least
        if short or (row.count == 0 and not math.isfinite(row.value)):
            few.append(row)
        else:
            (kept if math.isfinite(row.value) else broken).append(row)
    span = format_duration(round(window, 1))
    if kept:
        notes = []
        if few:
            notes.append(f"{len(few)} of {len(rows)} left out: fewer than {least:g} events in {span}")
        if broken:
            notes.append(f"{len(broken)} of {len(rows)} left out: not a number")
        return Outcome(rows=tuple(kept), notes=tuple(notes))
    if broken:
        return Outcome(reason="not-a-number", says=f"the value is {_shown(broken[0].value)}")
    if not few and events is not None and events >= max(least, 0.5):
        return Outcome(reason="not-a-number", says=f"there is nothing to divide by in {span}")
    if few or events is not None:
        counted = sum(row.count or 0.0 for row in few) if few else events or 0.0
        seen = "no events" if counted < 0.5 else f"only {counted:,.0f} {'event' if round(counted) == 1 else 'events'}"
        spread = f", spread over {len(few)} label values" if len(few) > 1 else ""
        needed = f"; {least:g} are needed to judge" if least else ""
        return Outcome(reason="too-few", says=f"{seen} in {span}{spread}{needed}")
    return Outcome(reason="no-data", says="no value")


def _shown(value: float) -> str:
    return "NaN" if math.isnan(value) else "infinite"
