"""Whether a histogram's buckets let an objective be judged: a quantile is a guess inside its bucket."""

from __future__ import annotations

import math
from itertools import pairwise

from opsctl.durations import format_quantity, parse_quantity
from opsctl.signals.model import Objective, Signal
from opsctl.signals.shape import unit_for

WIDE = 2.6  # upper over lower edge; what Prometheus' libraries have by default is at most 2.5


def blind_spots(objective: Objective, signal: Signal, edges: tuple[float, ...]) -> list[str]:
    """One sentence for each bound that lies where the buckets cannot tell. ``edges``: finite ones, in the raw unit."""
    if signal.quantile is None and signal.share_above is None:
        return []
    unit = unit_for(signal)
    if signal.share_above is not None:
        known = [edge for edge in edges if math.isclose(edge, signal.share_above)]
        return [] if known else [f"there is no bucket edge at {signal.share_above:g}: {_around(edges, signal)}"]
    base = [edge * unit.times / unit.over * signal.scale for edge in edges]
    said = []
    for band in objective.bands:
        bound = band.above if band.above is not None else band.at_least
        if bound is None or not base:
            continue
        at = parse_quantity(bound, unit.base)
        text = format_quantity(at, unit.base)
        if any(math.isclose(edge, at, rel_tol=1e-6) for edge in base):
            continue
        if at > base[-1]:
            top = format_quantity(base[-1], unit.base)
            said.append(f"{text} lies above the highest bucket edge, {top}: it can never be seen broken")
            continue
        low, high = next(((a, b) for a, b in pairwise((0.0, *base)) if a < at < b), (0.0, base[0]))
        if low == 0.0 or high / low > WIDE:
            edges_text = f"{format_quantity(low, unit.base)} and {format_quantity(high, unit.base)}"
            said.append(f"{text} lies inside the wide bucket between {edges_text}: there it is only guessed")
    return list(dict.fromkeys(said))


def _around(edges: tuple[float, ...], signal: Signal) -> str:
    wanted = signal.share_above or 0.0
    below = max((edge for edge in edges if edge < wanted), default=None)
    above = min((edge for edge in edges if edge > wanted), default=None)
    near = " and ".join(f"{edge:g}" for edge in (below, above) if edge is not None)
    return f"the nearest are {near}" if near else "it has no buckets"
