"""A reading held against an objective: in which band it lies, since when, and whether that is long enough. Pure.

Bands are half-open (``above`` < value <= ``up_to``; ``below`` > value >= ``down_to``). A band is broken when the value
has been in it *or in a worse one* for the band's ``for``: a value that went on from 70 to 120 ms has not left the band
from 50 to 100 ms for the better. Of several broken bands the worst decides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from opsctl.durations import format_quantity, parse_duration, parse_quantity
from opsctl.model import Point, Severity
from opsctl.signals.model import Band, History, Judgement, Objective, Reading, Row

GAP_STEPS = 2  # missing steps that a run survives: a scrape lost here and there


class Edge(NamedTuple):
    """A band in numbers: ``low`` is the bound that is crossed, ``far`` where the band ends; base units and seconds."""

    band: Band
    rising: bool  # above or at_least, else below
    low: float
    far: float
    inclusive: bool
    hold: float

    def crossed(self, value: float, at_least: bool = False, exceeds: bool = False) -> bool | None:
        """Whether the value is beyond ``low``; None when a lower bound (``at_least``) cannot tell."""
        if not self.rising:
            return None if at_least and value < self.low else value < self.low
        beyond = value >= self.low if self.inclusive or (at_least and exceeds) else value > self.low
        return True if beyond else None if at_least else False

    def left(self, value: float) -> bool:
        """Whether the value is beyond the far end."""
        return value > self.far if self.rising else value < self.far


def edge_of(band: Band, unit: str = "") -> Edge:
    """A band in base units. Raises ValueError (BadValue) for bounds that cannot be read."""
    rising = band.below is None
    bound = band.above if band.above is not None else band.at_least if rising else band.below
    if bound is None:
        raise ValueError("a band needs above, at_least or below")
    far = band.up_to if rising else band.down_to
    return Edge(
        band=band,
        rising=rising,
        low=parse_quantity(bound, unit),
        far=parse_quantity(far, unit) if far is not None else math.inf if rising else -math.inf,
        inclusive=band.at_least is not None,
        hold=parse_duration(band.for_),
    )


def falling(objective: Objective) -> bool:
    """Whether small values are the bad ones (every band has ``below``): histories are then read for the smallest."""
    return all(band.below is not None for band in objective.bands)


def longest_for(objective: Objective) -> float:
    """The longest ``for`` of the bands, in seconds."""
    return max((parse_duration(band.for_) for band in objective.bands), default=0.0)


def severity_of(word: str, severities: Mapping[str, Severity]) -> Severity | None:
    """The mapped severity of a service's own word (``sev1`` .. ``sev4`` stand for themselves)."""
    own: dict[str, Severity] = {"sev1": "sev1", "sev2": "sev2", "sev3": "sev3", "sev4": "sev4"}
    return severities.get(word) or own.get(word)


def judge(
    objective: Objective, reading: Reading, history: History | None, severities: Mapping[str, Severity]
) -> Judgement:
    """The judgement. ``history`` must end where the reading was taken; None, or one that is unknown: durations are
    not known, then the band counts as broken. Raises ValueError (BadValue) for bounds that cannot be read.
    """
    edges = [edge_of(band, reading.unit) for band in objective.bands]
    found = [
        judged
        for rising in (True, False)
        if (side := [edge for edge in edges if edge.rising is rising])
        and (judged := _side(side, rising, reading, history, severities)) is not None
    ]
    if reading.unknown is not None or not found:
        reason = reading.unknown.reason if reading.unknown is not None else "no-data"
        says = reading.unknown.says if reading.unknown is not None else f"{reading.signal} has no value"
        mildest = edges[0].low if edges else None
        return Judgement(reason=reason, says=says, objective=mildest, duration_known=False)
    # The side on which the value is bad speaks; of two, the more severe one.
    return min(found, key=lambda j: (j.band is None, j.reason is None, j.pending, j.severity or "sev9"))


def _side(
    edges: Sequence[Edge], rising: bool, reading: Reading, history: History | None, severities: Mapping[str, Severity]
) -> Judgement | None:
    """Judged against the bands of one direction; None without a value."""
    rows = [row for row in reading.rows if math.isfinite(row.value)]
    if reading.unknown is not None or not rows:
        return None
    row = max(rows, key=lambda r: r.value) if rising else min(rows, key=lambda r: r.value)
    worst_first = sorted(edges, key=lambda e: -e.low if rising else e.low)
    mildest = worst_first[-1]
    base = Judgement(value=row.value, at_least=row.at_least, labels=row.labels, objective=mildest.low)
    states = [_inside(worst_first, number, row.value, row) for number in range(len(worst_first))]
    inside = [edge for edge, state in zip(worst_first, states, strict=True) if state]
    if not inside:
        if None not in states:
            return base
        highest = format_quantity(row.value, reading.unit)
        says = f"{reading.signal} is known only to be at least {highest}, the bound is {_shown(mildest, reading.unit)}"
        return _with(base, reason="unsupported", says=says)
    known = (
        not reading.direct and history is not None and (history.unknown is None or history.unknown.reason == "no-data")
    )
    if not known or history is None:
        worst = inside[0]
        return _broken(base, worst, severities, duration_known=worst.hold <= 0 and not reading.direct)
    now = reading.sampled_at.timestamp() if reading.sampled_at is not None else history.points[-1].time
    runs = [_run(worst_first, worst_first.index(edge), row, history, now) for edge in inside]
    for edge, (since, longer) in zip(inside, runs, strict=True):
        if now - since + 1e-6 >= edge.hold:
            found = _broken(base, edge, severities, since=_moment(since), longer=longer)
            if edge is not inside[0]:
                found = _with(found, worse=inside[0].band, worse_since=_moment(runs[0][0]))
            return found
    since, longer = runs[0]
    return _broken(base, inside[0], severities, since=_moment(since), pending=True, longer=longer)


def _inside(worst_first: Sequence[Edge], number: int, value: float, row: Row | None = None) -> bool | None:
    """Whether a value is in a band or in a worse one of the same direction."""
    at_least, exceeds = (row.at_least, row.exceeds) if row is not None else (False, False)
    unsure = False
    for edge in worst_first[: number + 1]:
        state = edge.crossed(value, at_least, exceeds)
        if state and not edge.left(value):
            return True
        unsure = unsure or state is None
    return None if unsure else False


def _run(worst_first: Sequence[Edge], number: int, row: Row, history: History, now: float) -> tuple[float, bool]:
    """Since when (unix seconds) the value has been in the band or a worse one without a break; whether the run may be
    longer than the history. More than GAP_STEPS missing steps end a run: what was there is neither broken nor ok.
    """
    allowed = (GAP_STEPS + 1) * history.step + 1e-3
    since = now
    for point in reversed(history.points):
        if point.time > now + 1e-3:
            continue
        if since - point.time > allowed or not _point_inside(worst_first, number, point, row):
            return since, False
        since = point.time
    return since, bool(history.points)


def _point_inside(worst_first: Sequence[Edge], number: int, point: Point, row: Row) -> bool:
    # a clamped value is the same number at every step, and means the same there
    clamped = row if row.at_least and row.exceeds and point.value >= row.value else None
    return bool(_inside(worst_first, number, point.value, clamped))


def _broken(
    base: Judgement,
    edge: Edge,
    severities: Mapping[str, Severity],
    *,
    since: datetime | None = None,
    pending: bool = False,
    longer: bool = False,
    duration_known: bool = True,
) -> Judgement:
    return _with(
        base,
        band=edge.band,
        bound=edge.low,
        severity=severity_of(edge.band.severity, severities),
        since=since,
        pending=pending,
        longer=longer,
        duration_known=duration_known,
    )


def _with(judgement: Judgement, **changes: object) -> Judgement:
    import msgspec

    return msgspec.structs.replace(judgement, **changes)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _shown(edge: Edge, unit: str) -> str:
    return format_quantity(edge.low, unit)
