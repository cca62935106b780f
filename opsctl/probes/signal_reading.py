"""What the signal probes share: reading by name, evidence of a reading, an answer that could not be had."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from opsctl.durations import format_quantity, parse_quantity
from opsctl.errors import NotConfigured, Reason
from opsctl.model import Evidence, Finding, Point, Seen, Value
from opsctl.probes.look import Look
from opsctl.signals.model import Band, Reading, Signal
from opsctl.signals.once import side_by_side

QUESTION = 5.0  # seconds for one question to a server
SHOWN_ROWS = 10
SPARK_POINTS = 120


def declared(look: Look, name: str) -> Signal:
    """The service's signal of that name; raises NotConfigured."""
    signal = look.profile.signals.get(name)
    if signal is None:
        says = f"{look.profile.service} defines no signal {name}"
        raise NotConfigured(says, setting=f"profile {look.profile.service}")
    return signal


def read(look: Look, name: str, *, at: float | None = None, window: float | None = None) -> Reading:
    """The signal at the time the diagnosis looks at (or ``at``); raises NotConfigured when nothing says how."""
    signal = declared(look, name)
    moment = look.at if at is None else at
    timeout = min(QUESTION, max(0.1, look.remaining()))
    reading = look.signals.read(name, signal, at=moment, window=window, timeout=timeout, deadline=look.deadline)
    if reading.unknown is not None and reading.unknown.reason == "not-configured":
        raise NotConfigured(reading.unknown.says, setting=reading.unknown.setting)
    return reading


def read_all(look: Look, names: Sequence[str]) -> list[Reading]:
    """Several signals, read at the same time."""
    for name in names:
        declared(look, name)
    return side_by_side([lambda name=name: read(look, name) for name in names])  # type: ignore[misc]


def title(look: Look, name: str) -> str:
    """How sentences call a signal."""
    signal = look.profile.signals.get(name)
    return (signal.title if signal is not None else "") or name


def shown(reading: Reading, value: float | None, *, beside: float | None = None, at_least: bool = False) -> str:
    """A value of the reading with its unit."""
    return format_quantity(value, reading.unit, beside=beside, at_least=at_least)


def labels_text(labels: dict[str, str]) -> str:
    """A row's labels in a sentence: ``endpoint=/search``."""
    return ", ".join(f"{name}={value}" for name, value in labels.items())


def evidence(look: Look, reading: Reading, series: Sequence[Point] = (), *, lowest: bool = False) -> Evidence:
    """What a reading saw, its largest rows first (or the smallest, where those are the bad ones); or why it saw
    nothing. ``series``: the history, shown with the first row."""
    rows = sorted(reading.rows, key=lambda row: row.value if lowest else -row.value)
    values = tuple(
        Value(
            name=reading.signal,
            value=row.value,
            unit=reading.unit,
            labels=row.labels,
            at_least=row.at_least,
            series=tuple(series) if number == 0 else (),
            note="" if row.count is None else f"{row.count:,.0f} events",
        )
        for number, row in enumerate(rows[:SHOWN_ROWS])
    )
    left = len(rows) - SHOWN_ROWS
    notes = "; ".join(filter(None, (reading.note, f"{left} more are not shown" if left > 0 else "")))
    if notes:
        values = (*values, Value(name="note", value=notes))
    return Evidence(
        subject=f"{look.profile.service} {reading.signal}",
        source=reading.source or "signal",
        values=values,
        query=reading.query,
        window=reading.window,
        setting=reading.setting,
        sampled_at=reading.sampled_at,
        unknown=reading.unknown,
    )


def unseen(look: Look, id: str, readings: Sequence[Reading]) -> Seen | None:
    """The answer "unknown" when one of the readings has no value, else None."""
    for reading in readings:
        if reading.unknown is not None:
            found = Finding(id=id, state="unknown", says=reading.unknown.says, reason=reading.unknown.reason)
            return Seen(evidence=tuple(evidence(look, one) for one in readings), findings=(found,))
    return None


def unknown(id: str, reason: Reason, says: str) -> Finding:
    """A finding that could not be told."""
    return Finding(id=id, state="unknown", says=says, reason=reason)


def objective_bound(look: Look, name: str, band: Band) -> tuple[Band, str]:
    """``objective`` written as a bound stands for the service's own objective of that signal: the band with the
    number in its place, and what set it. Raises NotConfigured."""
    words = {"above": band.above, "at_least": band.at_least, "below": band.below}
    asked = [key for key, value in words.items() if value == "objective"]
    if not asked:
        return band, "parameter " + next((key for key, value in words.items() if value is not None), "")
    from opsctl.signals.objective import edge_of
    from opsctl.signals.shape import unit_for

    rising = asked[0] != "below"
    unit = unit_for(declared(look, name)).base
    edges = [
        (edge.low, objective)
        for objective in look.profile.objectives
        if objective.signal == name
        for one in objective.bands
        if (edge := edge_of(one, unit)).rising is rising
    ]
    if not edges:
        raise NotConfigured(
            f"{look.profile.service} has no objective for {name}", setting=f"profile {look.profile.service}"
        )
    low, objective = min(edges, key=lambda e: e[0]) if rising else max(edges, key=lambda e: e[0])
    bounds: dict[str, Any] = {asked[0]: low}
    return Band(**bounds), objective.row or f"objective {objective.id}"


def is_quantity(value: object) -> bool:
    """Whether a parameter can be read as a quantity."""
    try:
        parse_quantity(value)  # type: ignore[arg-type]
    except ValueError:
        return False
    return True


def thinned(points: Sequence[Point], *, lowest: bool = False, most: int = SPARK_POINTS) -> tuple[Point, ...]:
    """At most ``most`` points for a sparkline: of each stretch the largest (or smallest), so that no spike is lost."""
    if len(points) <= most:
        return tuple(points)
    size = -(-len(points) // most)
    pick = min if lowest else max
    return tuple(pick(points[i : i + size], key=lambda p: p.value) for i in range(0, len(points), size))


def median(values: Iterable[float]) -> float:
    """The middle value; of an even number the mean of the two in the middle. (The statistics module takes 10 ms.)"""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
