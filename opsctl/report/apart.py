"""How far a change lies from the onset, in words. Pure."""

from __future__ import annotations

from opsctl.durations import format_duration, format_quantity
from opsctl.model import Change


def apart(change: Change) -> str:
    """``4 min before``, ``30 s after``, ``just then``; "" where there is no onset to count from."""
    if change.offset is None:
        return ""
    seconds = abs(change.offset)
    if seconds < 1:
        return "just then"
    return f"{rough(seconds)} {'before' if change.offset < 0 else 'after'}"


def rough(seconds: float) -> str:
    """A time span to two figures: ``45 s``, ``4 min``, ``1h10m``."""
    if seconds < 90:
        return format_quantity(float(round(seconds)), "s")
    minutes = round(seconds / 60) * 60.0
    return format_quantity(minutes, "s") if minutes < 3600 else format_duration(minutes)
