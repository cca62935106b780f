"""Units of raw metrics and the base units that readings come in (s, bytes, ratio, usd, per_second, count)."""

from __future__ import annotations

from typing import NamedTuple


class Unit(NamedTuple):
    """A raw value becomes ``value * times / over`` of ``base``; one of the two is 1, so that it is rounded once."""

    base: str
    times: float = 1.0
    over: float = 1.0


_KNOWN: dict[str, Unit] = {
    "s": Unit("s"), "seconds": Unit("s"),
    "ms": Unit("s", over=1e3), "us": Unit("s", over=1e6), "ns": Unit("s", over=1e9),
    "min": Unit("s", times=60.0), "h": Unit("s", times=3600.0), "d": Unit("s", times=86_400.0),
    "bytes": Unit("bytes"), "kb": Unit("bytes", times=1e3), "mb": Unit("bytes", times=1e6),
    "gb": Unit("bytes", times=1e9),
    "kib": Unit("bytes", times=1024.0), "mib": Unit("bytes", times=1024.0**2), "gib": Unit("bytes", times=1024.0**3),
    "ratio": Unit("ratio"), "percent": Unit("ratio", over=100.0),
    "usd": Unit("usd"), "count": Unit("count"), "per_second": Unit("per_second"),
}  # fmt: skip

# What a name ending in this word is measured in, by Prometheus' naming rules.
_SUFFIXES = (("_seconds", "s"), ("_bytes", "bytes"), ("_ratio", "ratio"), ("_usd", "usd"), ("_seconds_total", "s"))


def unit_of(written: str, metric: str = "", otherwise: str = "") -> Unit:
    """The unit as declared; when nothing is declared, ``otherwise`` or what the metric's name says.

    A word that is not a unit (``tokens``, ``requests``) is kept as it is: the value is not converted.
    """
    if written:
        return _KNOWN.get(written.lower()) or Unit(written)
    if otherwise:
        return Unit(otherwise)
    for suffix, base in _SUFFIXES:
        if metric.endswith(suffix):
            return Unit(base)
    return Unit("")
