"""The quantile of classic histogram buckets, by the rules of Prometheus' ``histogram_quantile``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple


class Quantile(NamedTuple):
    """``value`` is NaN when it cannot be told. ``at_least``: the true one lies above it, in the +Inf bucket.

    ``events``: what the +Inf bucket counted.
    """

    value: float
    at_least: bool
    events: float


def quantile(q: float, buckets: Mapping[float, float]) -> Quantile:
    """The q-quantile of cumulative bucket counts by upper edge (``le`` as a number, so that 5 and 5.0 are one).

    Prometheus' rules: linear inside a bucket; the lowest bucket starts at 0 unless its edge is 0 or less, then its
    edge is the answer; in the +Inf bucket the highest finite edge is the answer; NaN without a +Inf bucket, without
    a finite one or without events. Counts that fall from one edge to the next (a reset seen by some series only) are
    lifted to the one before.
    """
    edges = sorted(buckets)
    if len(edges) < 2 or not math.isinf(edges[-1]):
        return Quantile(math.nan, False, math.nan)
    counts: list[float] = []
    for edge in edges:
        counts.append(max(buckets[edge], counts[-1]) if counts else buckets[edge])
    total = counts[-1]
    if not total > 0:
        return Quantile(math.nan, False, 0.0)
    rank = q * total
    at = next((i for i, count in enumerate(counts[:-1]) if count >= rank), len(counts) - 1)
    if at == len(counts) - 1:
        return Quantile(edges[-2], True, buckets[edges[-1]])
    if at == 0 and edges[0] <= 0:
        return Quantile(edges[0], False, buckets[edges[-1]])
    start, below = (edges[at - 1], counts[at - 1]) if at else (0.0, 0.0)
    inside = counts[at] - below
    if inside <= 0:
        return Quantile(math.nan, False, buckets[edges[-1]])
    return Quantile(start + (edges[at] - start) * ((rank - below) / inside), False, buckets[edges[-1]])
