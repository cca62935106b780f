"""What a report's plots show, in numbers: the signals that broke an objective, a time axis that all share, scales.

Pure, and never surprised: a report may have been edited, so times and values may be anything a float can be.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from opsctl.durations import format_quantity
from opsctl.model import Bound, Finding, Point, Report, Value
from opsctl.report.outline import OBJECTIVE, SYMPTOM, TARGET

MOST_POINTS = 240
_LATEST = 253_402_300_799.0  # the last second that a date can name
_HUGE = 1e300  # beyond it sums and products leave the numbers
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_TIME_STEPS = tuple(
    [1, 2, 5, 10, 15, 30]
    + [_MINUTE * n for n in (1, 2, 5, 10, 15, 30)]
    + [_HOUR * n for n in (1, 2, 3, 6, 12)]
    + [_DAY * n for n in (1, 2, 7, 14, 28, 91, 365, 3650, 36_500, 365_000)]
)


class Plot(NamedTuple):
    """One signal over time against the bands of its objectives. Values in base units, times in unix seconds."""

    signal: str
    unit: str
    points: tuple[Point, ...]  # values may be NaN: a gap
    bounds: tuple[Bound, ...]
    findings: tuple[Finding, ...]
    since: float | None


class Axis(NamedTuple):
    """A stretch of time; ``share`` of a moment is 0 at its start and 1 at its end."""

    start: float
    end: float

    def share(self, time: float) -> float:
        """Where a moment lies, held within 0 and 1."""
        return min(1.0, max(0.0, (time - self.start) / (self.end - self.start)))


class Scale(NamedTuple):
    """The values that a plot has room for."""

    low: float
    high: float

    def share(self, value: float) -> float:
        """How high a value lies, held within 0 and 1."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


def plots(report: Report) -> tuple[Plot, ...]:
    """The signals of the objectives that are broken, worst first; when none is, the headline's. No history, no plot."""
    evidence = {e.id: e for e in report.evidence}
    found: dict[str, Plot] = {}
    broken = [f for f in report.findings if f.state == "breach" and (f.id in (OBJECTIVE, SYMPTOM, TARGET) or f.bounds)]
    for finding in sorted(broken, key=lambda f: (f.id == TARGET, f.severity or "sev9")):
        values = [v for id in finding.evidence if id in evidence for v in evidence[id].values if v.series]
        value = next((v for v in values if v.value == finding.measured), values[0] if len(values) == 1 else None)
        if value is not None:
            found[value.name] = _joined(found.get(value.name), value, finding)
    measured = report.measured
    if measured is not None and len(measured.series) > 1 and measured.signal not in found and not found:
        deciding = [f for f in report.findings if f.id == OBJECTIVE and f.measured == measured.value]
        bound = () if measured.objective is None else (Bound(value=measured.objective, side=measured.comparison),)
        found[measured.signal] = Plot(
            signal=measured.signal,
            unit=measured.unit,
            points=shown(measured.series),
            bounds=next((f.bounds for f in deciding if f.bounds), bound),
            findings=tuple(deciding[:1]),
            since=None if measured.since is None else measured.since.timestamp(),
        )
    return tuple(plot for plot in found.values() if len([p for p in plot.points if math.isfinite(p.value)]) > 1)


def _joined(plot: Plot | None, value: Value, finding: Finding) -> Plot:
    """The plot of a signal, with one more of its objectives."""
    bounds = finding.bounds
    if not bounds and finding.threshold is not None and math.isfinite(finding.threshold):
        above = finding.measured is None or finding.measured >= finding.threshold
        bounds = (Bound(value=finding.threshold, side="above" if above else "below"),)
    since = None if finding.since is None else finding.since.timestamp()
    falling = bool(bounds) and all(b.side == "below" for b in bounds)
    if plot is None:
        return Plot(value.name, value.unit, shown(value.series, lowest=falling), bounds, (finding,), since)
    known = {(b.value, b.side) for b in plot.bounds}
    return plot._replace(
        bounds=(*plot.bounds, *(b for b in bounds if (b.value, b.side) not in known)),
        findings=(*plot.findings, finding),
        since=min((s for s in (plot.since, since) if s is not None), default=None),
    )


def shown(series: Iterable[Point], *, lowest: bool = False) -> tuple[Point, ...]:
    """At most MOST_POINTS points in order of time; of each stretch the largest (or smallest). What is no number is NaN,
    what has no time is left out."""
    points = sorted((Point(p.time, _held(p.value)) for p in series if 0 <= p.time <= _LATEST), key=lambda p: p.time)
    if len(points) <= MOST_POINTS:
        return tuple(points)
    size = -(-len(points) // MOST_POINTS)
    worst = math.inf if lowest else -math.inf
    pick = min if lowest else max
    stretches = (points[i : i + size] for i in range(0, len(points), size))
    return tuple(pick(s, key=lambda p: worst if math.isnan(p.value) else p.value) for s in stretches)


def _held(value: float) -> float:
    return max(-_HUGE, min(_HUGE, value)) if math.isfinite(value) else math.nan


def axis(report: Report, drawn: Sequence[Plot]) -> Axis:
    """The time that all plots and the changes share: from the first of them to the time that was looked at."""
    end = (report.at or report.started_at).timestamp()
    times = [p.time for plot in drawn for p in plot.points]
    times += [plot.since for plot in drawn if plot.since is not None]
    # what began long before, such as a silence, would leave no room for the rest
    earliest = min([end, *times]) - (end - min([end, *times])) - 2 * max(0.0, report.looks_back)
    times += [at for change in report.changes if (at := change.at.timestamp()) >= earliest]
    times = [t for t in times if 0 <= t <= _LATEST]
    start, end = min([*times, end]), max([*times, end])
    span = max(end - start, 60.0)
    return Axis(max(0.0, end - span * 1.02), end)


def time_ticks(span: Axis, most: int = 5) -> list[tuple[float, str]]:
    """Round moments with their clock in UTC; days where the span is longer."""
    length = span.end - span.start
    step = next((s for s in _TIME_STEPS if length / s <= most), _TIME_STEPS[-1])
    shape = "%H:%M:%S" if step < _MINUTE else "%H:%M" if step < _DAY else "%d %b" if step < 365 * _DAY else "%Y"
    first = math.ceil(span.start / step) * step
    count = int((span.end - first) // step) + 1 if span.end >= first else 0
    moments = [first + step * n for n in range(min(count, most + 1))]
    return [(m, f"{datetime.fromtimestamp(m, UTC):{shape}}") for m in moments if m <= _LATEST]


def scale(plot: Plot) -> Scale:
    """From zero (or the lowest value below it) to a little over the highest value and the bounds that are near it."""
    values = [p.value for p in plot.points if math.isfinite(p.value)]
    top, bottom = max(values, default=1.0), min(0.0, *values, 0.0)
    near = [b.value for b in plot.bounds if math.isfinite(b.value) and abs(b.value) < _HUGE]
    if near:
        mildest = near[0]
        reach = max(top, mildest, 0.0) * 1.6
        top = max([top, mildest, *(v for v in near if v <= reach)])
        bottom = min(bottom, mildest)
    if top <= bottom:
        top = bottom + max(1.0, abs(bottom))
    return Scale(bottom, top + (top - bottom) * 0.12)


def value_ticks(room: Scale, unit: str, most: int = 4) -> list[tuple[float, str]]:
    """Round values within the scale, zero among them, each as people read it."""
    step = _round_step((room.high - room.low) / most, unit)
    if not step > 0 or not math.isfinite(step):
        return []
    first = math.ceil(room.low / step)
    numbers = [step * n for n in range(first, first + most + 2)]
    return [(v, format_quantity(v, unit)[:24]) for v in numbers if room.low <= v <= room.high]


def _round_step(raw: float, unit: str) -> float:
    """The next round number: 1, 2 or 5 of a decimal power, of 1024 for bytes, of a clock from a minute on."""
    if raw <= 0 or not math.isfinite(raw):
        return 0.0
    if unit == "s" and raw > 20:
        return float(next((s for s in _TIME_STEPS if s >= raw and s >= _MINUTE), _TIME_STEPS[-1] * 10))
    base = 1024.0 ** math.floor(math.log(raw, 1024)) if unit == "bytes" and raw >= 1 else 1.0
    power = 10.0 ** math.floor(math.log10(raw / base))
    factor = next((f for f in (1, 2, 5, 10) if raw / base <= f * power * 1.0001), 10)
    return base * factor * power
