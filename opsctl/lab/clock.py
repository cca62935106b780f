"""The clock of a simulated service; it may go wrong, and then everything that the service dates is wrong with it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

SKEW = -420.0  # seconds, when the clock is wrong

_skew = 0.0


def set_skew(seconds: float) -> None:
    """Put this process' clock forward or back."""
    global _skew
    _skew = seconds


def now() -> float:
    """Unix time as this process knows it."""
    return time.time() + _skew


def now_text() -> str:
    """The time as services write it: UTC, milliseconds, Z."""
    return datetime.fromtimestamp(now(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
