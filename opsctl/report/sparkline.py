"""A series as one line of block characters, so that the shape of the last minutes can be seen."""

from __future__ import annotations

import math
from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = "_.-=+*#@"


def sparkline(values: Sequence[float], *, width: int = 24, unicode: bool = True) -> str:
    """The values, at most ``width`` characters: each stands for the largest of its share; gaps (NaN) are spaces."""
    if not values:
        return ""
    shares = _shares(values, width)
    finite = [v for v in shares if not math.isnan(v)]
    if not finite:
        return ""
    low, high = min(0.0, *finite), max(finite)
    blocks = _BLOCKS if unicode else _ASCII
    span = high - low
    return "".join(
        " " if math.isnan(v) else blocks[min(len(blocks) - 1, int((v - low) / span * len(blocks))) if span > 0 else 0]
        for v in shares
    )


def _shares(values: Sequence[float], width: int) -> list[float]:
    if len(values) <= width:
        return list(values)
    result: list[float] = []
    for i in range(width):
        part = values[i * len(values) // width : (i + 1) * len(values) // width]
        finite = [v for v in part if not math.isnan(v)]
        result.append(max(finite) if finite else math.nan)
    return result
