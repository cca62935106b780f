"""Bands as intervals of numbers, so that two that overlap or say nothing are found before an incident."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from opsctl.durations import parse_quantity
from opsctl.signals.model import Band


class Interval(NamedTuple):
    """Values from ``low`` to ``high`` in base units; ``with_low``, ``with_high``: whether the edge belongs to it."""

    low: float
    with_low: bool
    high: float
    with_high: bool

    @property
    def empty(self) -> bool:
        """No value lies in it."""
        return self.low > self.high or (self.low == self.high and not (self.with_low and self.with_high))

    def meets(self, other: Interval) -> bool:
        """Whether some value lies in both."""
        first, second = sorted((self, other), key=lambda i: (i.low, not i.with_low))
        if first.high == second.low:
            return first.with_high and second.with_low
        return first.high > second.low


def interval(band: Band, unit: str = "") -> Interval:
    """The values of a band; ``unit`` is the base unit of its signal. Raises ValueError for bounds that contradict
    each other, BadValue (a ValueError) for one that cannot be read."""
    rising = [b for b in (band.above, band.at_least) if b is not None]
    if len(rising) + (band.below is not None) > 1:
        raise ValueError("a band has one of above, at_least and below")
    if not rising and band.below is None:
        raise ValueError("the band has no bound: give it above, at_least or below")
    if band.up_to is not None and not rising:
        raise ValueError("up_to belongs to above or at_least")
    if band.down_to is not None and band.below is None:
        raise ValueError("down_to belongs to below")
    if rising:
        high = math.inf if band.up_to is None else parse_quantity(band.up_to, unit)
        found = Interval(parse_quantity(rising[0], unit), band.at_least is not None, high, True)
    else:
        assert band.below is not None
        low = -math.inf if band.down_to is None else parse_quantity(band.down_to, unit)
        found = Interval(low, True, parse_quantity(band.below, unit), False)
    if found.empty:
        raise ValueError("no value lies in the band: its upper bound is not above its lower one")
    return found


def conflicts(bands: list[Interval]) -> Iterator[tuple[int, int]]:
    """Pairs of bands, by index, that share a value."""
    for first, one in enumerate(bands):
        for second in range(first + 1, len(bands)):
            if one.meets(bands[second]):
                yield first, second


def gaps(bands: list[Interval]) -> Iterator[tuple[float, float]]:
    """Ranges between two neighbouring bands that belong to neither."""
    ordered = sorted(bands)
    for before, after in pairwise(ordered):
        if before.high < after.low or (before.high == after.low and not (before.with_high or after.with_low)):
            yield before.high, after.low
