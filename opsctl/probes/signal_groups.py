"""Probes on the rows of a labelled signal: what part some label values make up, and whether a few stand alone."""

from __future__ import annotations

import msgspec

from opsctl.durations import parse_quantity
from opsctl.errors import NotConfigured
from opsctl.model import Finding, Seen
from opsctl.probes.look import Look
from opsctl.probes.registry import Params, probe
from opsctl.probes.signal_reading import (
    declared,
    evidence,
    is_quantity,
    labels_text,
    median,
    objective_bound,
    read,
    shown,
    title,
    unknown,
    unseen,
)
from opsctl.signals.model import Band, Row


class PartParams(Params, frozen=True, kw_only=True):
    """Of ``signal``'s rows, those whose ``label`` is one of ``is``; breach when they make up more than ``above`` (a
    ratio) of the total. ``min``: events in the window it takes to judge."""

    signal: str
    label: str
    is_: tuple[str, ...] = msgspec.field(name="is")
    finding: str
    above: float | str = 0.5
    min: float = 10.0

    def __post_init__(self) -> None:
        parse_quantity(self.above, "ratio")


@probe(
    "signal.part",
    params=PartParams,
    local=True,
    asks="one signal, by label",
    cost="one query, or two scrapes shared with all signals",
)
def part(look: Look, params: PartParams) -> Seen:
    """Breach when some label values make up a large part of a signal: one kind of error of all errors."""
    if params.label not in declared(look, params.signal).by:
        says = f"{look.profile.service}'s signal {params.signal} is not by {params.label}"
        raise NotConfigured(says, setting=f"profile {look.profile.service}")
    reading = read(look, params.signal)
    if (none := unseen(look, params.finding, [reading])) is not None:
        return none
    seen = (evidence(look, reading),)
    bound = parse_quantity(params.above, "ratio")
    total = sum(row.value for row in reading.rows)
    name, kinds = title(look, params.signal), " or ".join(params.is_)
    if not total > 0:
        found = Finding(id=params.finding, state="ok", says=f"{name}: nothing was counted in {reading.window}")
        return Seen(evidence=seen, findings=(found,))
    counts = [row.count for row in reading.rows if row.count is not None]
    if counts and sum(counts) < params.min:
        says = f"{name}: {sum(counts):,.0f} events in {reading.window}; {params.min:g} are needed to tell parts"
        return Seen(evidence=seen, findings=(unknown(params.finding, "too-few", says),))
    mine = sum(row.value for row in reading.rows if row.labels.get(params.label, "") in params.is_)
    ratio = mine / total
    found = Finding(
        id=params.finding,
        state="breach" if ratio > bound else "ok",
        says=f"{name}: {params.label} {kinds} is {ratio:.0%} of {shown(reading, total)}, bound {bound:.0%}",
        measured=ratio,
        threshold=bound,
        unit="ratio",
        threshold_from="parameter above",
    )
    return Seen(evidence=seen, findings=(found,))


class LoneParams(Params, frozen=True, kw_only=True):
    """``above``: a quantity with its unit (``50ms``, ``5%``) or the word ``objective`` is the bound; a plain number is
    how many times the median of the other rows a row must be."""

    signal: str
    finding: str
    above: float | str = "objective"

    def __post_init__(self) -> None:
        if self.above != "objective" and not is_quantity(self.above):
            raise ValueError(f"{self.above!r} is not a quantity (50ms, 5%), a factor (3) or the word objective")


@probe(
    "signal.lone",
    params=LoneParams,
    local=True,
    asks="one signal, by label",
    cost="two queries, or two scrapes shared with all signals",
)
def lone(look: Look, params: LoneParams) -> Seen:
    """Breach when few label values are over the bound while most of those with traffic are not: one slow endpoint."""
    if not declared(look, params.signal).by:
        says = f"{look.profile.service}'s signal {params.signal} has no label to tell rows apart by"
        raise NotConfigured(says, setting=f"profile {look.profile.service}")
    bound: float | None = None
    chosen = "parameter above"
    reading = read(look, params.signal)
    if (none := unseen(look, params.finding, [reading])) is not None:
        return none
    seen = (evidence(look, reading),)
    if not isinstance(params.above, float | int):
        band, chosen = objective_bound(look, params.signal, Band(above=params.above))
        bound = parse_quantity(band.above if band.above is not None else 0.0, reading.unit)
    over, fine = _split(reading.rows, bound, float(params.above) if bound is None else 0.0)
    name = title(look, params.signal)
    if len(reading.rows) == 1:
        only = reading.rows[0]
        which = labels_text(only.labels) if any(only.labels.values()) else "one"
        says = f"{name}: only {which} has traffic, {shown(reading, only.value)}"
        if bound is not None and not over:
            return Seen(evidence=seen, findings=(Finding(id=params.finding, state="ok", says=says),))
        return Seen(evidence=seen, findings=(unknown(params.finding, "too-few", f"{says}; nothing to compare with"),))
    alone = bool(over) and len(over) < len(fine)
    worst = max(over or reading.rows, key=lambda row: row.value)
    middle = median(row.value for row in (fine or reading.rows))
    limit = bound if bound is not None else float(params.above) * middle
    value = shown(reading, worst.value, beside=limit, at_least=worst.at_least)
    says = (
        f"{name}: {len(over)} of {len(reading.rows)} over {shown(reading, limit)}; highest "
        f"{labels_text(worst.labels)} {value}, median of the others {shown(reading, middle)}"
    )
    found = Finding(
        id=params.finding,
        state="breach" if alone else "ok",
        says=says,
        measured=worst.value,
        threshold=limit,
        unit=reading.unit,
        threshold_from=chosen,
    )
    return Seen(evidence=seen, findings=(found,))


def _split(rows: tuple[Row, ...], bound: float | None, factor: float) -> tuple[list[Row], list[Row]]:
    """Rows over the bound (or over ``factor`` times the median of the other rows) and the rest."""
    over: list[Row] = []
    fine: list[Row] = []
    for row in rows:
        others = [r.value for r in rows if r is not row]
        limit = bound if bound is not None else factor * median(others) if others else float("inf")
        (over if row.value > limit or (row.exceeds and row.value >= limit) else fine).append(row)
    return over, fine
