"""Probes on the course of a value: whether it grows up to now, and whether it follows another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from opsctl.durations import format_duration, parse_duration, parse_quantity
from opsctl.model import Finding, Point, Seen
from opsctl.probes.look import Look
from opsctl.probes.registry import Params, probe
from opsctl.probes.signal_course import LEAST, history_of, no_past, span_of, too_few
from opsctl.probes.signal_reading import evidence, median, objective_bound, read, shown, thinned, title, unseen
from opsctl.signals.model import Band, Reading
from opsctl.signals.objective import edge_of

_STEADY = 0.6


class RisingParams(Params, frozen=True, kw_only=True):
    """Breach when the signal has grown steadily by more than ``above`` (a ratio of its median) over ``over`` ("" = six
    of its windows), or over its last half, quarter or eighth. ``until``: a quantity, or the word ``objective``; the
    sentence then says when the growth reaches it."""

    signal: str
    finding: str
    over: str = ""
    above: float | str = 0.2
    until: float | str | None = None

    def __post_init__(self) -> None:
        parse_quantity(self.above, "ratio")
        if self.until is not None and self.until != "objective":
            parse_quantity(self.until)
        if self.over and parse_duration(self.over) <= 0:
            raise ValueError("over must be longer than 0s")


@probe(
    "signal.rising",
    params=RisingParams,
    local=True,
    asks="one signal and its history",
    cost="one query and one range query",
    minimum="Prometheus; a scrape has no past",
)
def rising(look: Look, params: RisingParams) -> Seen:
    """Breach when a signal grows steadily up to now: a leak, a queue that is not drained."""
    reading = read(look, params.signal)
    if (none := unseen(look, params.finding, [reading])) is not None:
        return none
    if reading.direct or reading.sampled_at is None:
        return no_past(look, params.finding, reading)
    span, bound = span_of(look, params.signal, params.over), parse_quantity(params.above, "ratio")
    end = reading.sampled_at.timestamp()
    history = history_of(look, params.signal, end, span)
    if len(history.points) < LEAST or history.points[-1].time - history.points[0].time < span / 3:
        return too_few(look, params.finding, reading, history, span)
    stretches = [[p for p in history.points if p.time >= end - span / part] for part in (1, 2, 4, 8)]
    judged = [(points, *trend(points)) for points in stretches if len(points) >= LEAST]
    holding = [one for one in judged if one[1] > bound and one[2] >= _STEADY]
    points, growth, tau = holding[0] if holding else judged[0]
    name, length = title(look, params.signal), points[-1].time - points[0].time
    went = f"{shown(reading, points[0].value)} to {shown(reading, points[-1].value)}"
    says = (
        f"{name} went from {went} in {format_duration(round(length))}: growth {growth:.0%}, bound {bound:.0%}, "
        f"{'steady' if tau >= _STEADY else 'not steady'}"
    )
    if holding and params.until is not None:
        says += _projected(look, params, reading, points, growth)
    found = Finding(
        id=params.finding,
        state="breach" if holding else "ok",
        says=says,
        measured=growth,
        threshold=bound,
        unit="ratio",
        threshold_from="parameter above",
        since=datetime.fromtimestamp(points[0].time, UTC) if holding else None,
    )
    return Seen(evidence=(evidence(look, reading, thinned(history.points)),), findings=(found,))


def _projected(look: Look, params: RisingParams, reading: Reading, points: Sequence[Point], growth: float) -> str:
    band, _ = objective_bound(look, params.signal, Band(above=params.until))
    limit = edge_of(band, reading.unit).low
    slope = growth * abs(median(p.value for p in points)) / (points[-1].time - points[0].time)
    left = limit - points[-1].value
    if left <= 0 or slope <= 0:
        return f"; it is over {shown(reading, limit)} already"
    return f"; at this rate it reaches {shown(reading, limit)} in {format_duration(float(round(left / slope)))}"


def trend(points: Sequence[Point]) -> tuple[float, float]:
    """Growth over the whole stretch as a ratio of the median, by the median of all slopes (Theil-Sen: outliers do not
    move it), and how steady it is: rising pairs minus falling ones, of all pairs (Kendall's tau, -1 to 1)."""
    pairs = [(a, b) for i, a in enumerate(points) for b in points[i + 1 :]]
    slope = median((b.value - a.value) / (b.time - a.time) for a, b in pairs)
    middle = abs(median(point.value for point in points))
    steady = sum((b.value > a.value) - (b.value < a.value) for a, b in pairs) / len(pairs)
    rise = slope * (points[-1].time - points[0].time)
    return (rise / middle if middle else float(rise > 0)), steady


class FollowsParams(Params, frozen=True, kw_only=True):
    """Breach when ``signal`` went up and down with ``other`` over ``over`` ("" = six windows): a correlation of more
    than ``above``, while ``other`` changed by more than ``moved`` (a ratio of its largest value)."""

    signal: str
    other: str
    finding: str
    over: str = ""
    above: float = 0.7
    moved: float | str = 0.3

    def __post_init__(self) -> None:
        parse_quantity(self.moved, "ratio")
        if not 0 < self.above < 1:
            raise ValueError("above is a correlation between 0 and 1")
        if self.over and parse_duration(self.over) <= 0:
            raise ValueError("over must be longer than 0s")


@probe(
    "signal.follows",
    params=FollowsParams,
    local=True,
    asks="two signals and their histories",
    cost="two queries and two range queries",
    minimum="Prometheus; a scrape has no past",
)
def follows(look: Look, params: FollowsParams) -> Seen:
    """Breach when one signal follows another: use that grows with traffic."""
    readings = [read(look, params.signal), read(look, params.other)]
    if (none := unseen(look, params.finding, readings)) is not None:
        return none
    first = readings[0]
    if first.direct or first.sampled_at is None:
        return no_past(look, params.finding, first)
    end, span = first.sampled_at.timestamp(), span_of(look, params.signal, params.over)
    mine, others = (history_of(look, name, end, span) for name in (params.signal, params.other))
    known = {round(p.time, 1): p.value for p in others.points}
    pairs = [(p.value, known[round(p.time, 1)]) for p in mine.points if round(p.time, 1) in known]
    if len(pairs) < LEAST:
        return too_few(look, params.finding, first, mine, span)
    bound, values = parse_quantity(params.moved, "ratio"), [other for _, other in pairs]
    moved = (max(values) - min(values)) / max(values) if max(values) > 0 else 0.0
    together = correlation(pairs)
    names = f"{title(look, params.signal)} and {title(look, params.other)}"
    said = f"{names}: correlation {together:.2f} over {format_duration(round(span))}, bound {params.above:g}"
    if moved <= bound:
        said = f"{names}: {title(look, params.other)} changed by {moved:.0%} only, too little to be followed"
    found = Finding(
        id=params.finding,
        state="breach" if together > params.above and moved > bound else "ok",
        says=said,
        measured=together,
        threshold=params.above,
        threshold_from="parameter above",
    )
    seen = tuple(evidence(look, r, thinned(h.points)) for r, h in zip(readings, (mine, others), strict=True))
    return Seen(evidence=seen, findings=(found,))


def correlation(pairs: Sequence[tuple[float, float]]) -> float:
    """Pearson's correlation; 0 where one side does not move."""
    count = len(pairs)
    mean_a, mean_b = (math.fsum(column) / count for column in zip(*pairs, strict=True))
    a = math.fsum((x - mean_a) ** 2 for x, _ in pairs)
    b = math.fsum((y - mean_b) ** 2 for _, y in pairs)
    both = math.fsum((x - mean_a) * (y - mean_b) for x, y in pairs)
    return both / math.sqrt(a * b) if a > 0 and b > 0 else 0.0
