"""Probes on values now: one signal against a bound, and one as a share of another."""

from __future__ import annotations

from opsctl.durations import parse_quantity
from opsctl.errors import NotConfigured
from opsctl.model import Finding, Seen
from opsctl.probes.look import Look
from opsctl.probes.registry import Params, probe
from opsctl.probes.signal_reading import (
    evidence,
    is_quantity,
    labels_text,
    objective_bound,
    read,
    read_all,
    shown,
    title,
    unknown,
    unseen,
)
from opsctl.signals.model import Band
from opsctl.signals.objective import edge_of


class ThresholdParams(Params, frozen=True, kw_only=True):
    """``signal`` and one bound: ``above``, ``at_least`` or ``below``, a quantity (``50ms``, ``5%``, base unit) or the
    word ``objective`` for the service's own bound of that signal. ``min``: events in the window it takes to judge."""

    signal: str
    finding: str
    above: float | str | None = None
    at_least: float | str | None = None
    below: float | str | None = None
    min: float | None = None

    def __post_init__(self) -> None:
        given = [b for b in (self.above, self.at_least, self.below) if b is not None]
        if len(given) != 1:
            raise ValueError("give one of above, at_least and below")
        if given[0] != "objective" and not is_quantity(given[0]):
            raise ValueError(f"{given[0]!r} is not a quantity (50ms, 5%, 0.05) and not the word objective")


@probe(
    "signal.threshold",
    params=ThresholdParams,
    local=True,
    asks="one signal",
    cost="two queries, or two scrapes shared with all signals",
)
def threshold(look: Look, params: ThresholdParams) -> Seen:
    """Breach when the signal's value (any row's) is beyond the bound."""
    band, chosen = objective_bound(
        look, params.signal, Band(above=params.above, at_least=params.at_least, below=params.below)
    )
    reading = read(look, params.signal)
    if (none := unseen(look, params.finding, [reading])) is not None:
        return none
    seen = (evidence(look, reading),)
    edge = edge_of(band, reading.unit)
    if params.min is not None:
        counted = sum(row.count or 0.0 for row in reading.rows)
        if any(row.count is not None for row in reading.rows) and counted < params.min:
            says = f"{params.signal}: {counted:,.0f} events in {reading.window}; {params.min:g} are needed to judge"
            return Seen(evidence=seen, findings=(unknown(params.finding, "too-few", says),))
    pick = max if edge.rising else min
    row = pick(reading.rows, key=lambda r: r.value)
    beyond = edge.crossed(row.value, row.at_least, row.exceeds)
    at = f" ({labels_text(row.labels)})" if row.labels else ""
    value = shown(reading, row.value, beside=edge.low, at_least=row.at_least)
    over = "above" if edge.rising and not edge.inclusive else "at least" if edge.rising else "below"
    bound = shown(reading, edge.low)
    if beyond is None:
        says = (
            f"{title(look, params.signal)}{at} is known only to be {value}; whether it is {over} {bound} cannot be told"
        )
        return Seen(evidence=seen, findings=(unknown(params.finding, "unsupported", says),))
    found = Finding(
        id=params.finding,
        state="breach" if beyond else "ok",
        says=f"{title(look, params.signal)}{at} {value}, {'' if beyond else 'not '}{over} {bound}",
        measured=row.value,
        threshold=edge.low,
        unit=reading.unit,
        threshold_from=chosen,
    )
    return Seen(evidence=seen, findings=(found,))


class ShareParams(Params, frozen=True, kw_only=True):
    """``part`` and ``whole`` are signals of the same unit; breach when part / whole is over ``above`` (a ratio), or
    with ``below`` under it. ``floor``: a quantity; a whole up to this is too little for its parts to matter."""

    part: str
    whole: str
    finding: str
    above: float | str = 0.5
    below: float | str | None = None
    floor: float | str | None = None

    def __post_init__(self) -> None:
        for value in (self.above, self.below):
            if value is not None:
                parse_quantity(value, "ratio")
        if self.floor is not None:
            parse_quantity(self.floor)


@probe(
    "signal.share",
    params=ShareParams,
    local=True,
    asks="two signals",
    cost="four queries, or two scrapes shared with all signals",
)
def share(look: Look, params: ShareParams) -> Seen:
    """Breach when one signal is more than a share of another: the time in a dependency of the request's time."""
    part, whole = read_all(look, (params.part, params.whole))
    if (none := unseen(look, params.finding, [part, whole])) is not None:
        return none
    seen = (evidence(look, part), evidence(look, whole))
    if part.unit != whole.unit:
        says = f"{params.part} is in {part.unit or 'no unit'} and {params.whole} in {whole.unit or 'no unit'}"
        raise NotConfigured(f"{look.profile.service}: {says}", setting=f"profile {look.profile.service}")
    top = max(part.rows, key=lambda r: r.value)
    all_ = max(whole.rows, key=lambda r: r.value)
    if not all_.value > 0:
        says = f"{params.whole} is 0: there is nothing to take a share of"
        return Seen(evidence=seen, findings=(unknown(params.finding, "too-few", says),))
    ratio, bound = top.value / all_.value, parse_quantity(params.below or params.above, "ratio")
    # a clamped whole makes the share smaller than it looks, a clamped part larger
    unsure = (all_.at_least and ratio > bound) or (top.at_least and ratio <= bound)
    floor = parse_quantity(params.floor) if params.floor is not None else 0.0
    holds = (ratio < bound if params.below is not None else ratio > bound) and all_.value > floor
    piece = f"{title(look, params.part)} {shown(part, top.value, at_least=top.at_least)}"
    total = f"{title(look, params.whole)} {shown(whole, all_.value, at_least=all_.at_least)}"
    text = f"{piece} of {total}: {ratio:.0%}, bound {bound:.0%}"
    if all_.value <= floor:
        text += f"; {shown(whole, floor)} and less is not looked into"
    elif unsure:
        says = f"{text}; what lies above the highest bucket is not known"
        return Seen(evidence=seen, findings=(unknown(params.finding, "unsupported", says),))
    found = Finding(
        id=params.finding,
        state="breach" if holds else "ok",
        says=text,
        measured=ratio,
        threshold=bound,
        unit="ratio",
        threshold_from="parameter above" if params.below is None else "parameter below",
    )
    return Seen(evidence=seen, findings=(found,))
