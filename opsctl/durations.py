"""Durations, times and quantities: what people write, and what reports show. Base units inside (s, bytes, ratio, USD).

Durations are written as Prometheus writes them (``90s``, ``5m``, ``1h30m``); ``1.5s`` is understood too.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

from opsctl.errors import UsageError

_UNITS = {"y": 31_536_000.0, "w": 604_800.0, "d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_DURATION = re.compile("".join(rf"(?:({_NUMBER}){unit}(?![a-z]))?" for unit in _UNITS))
_TIME = (  # this and the next are compiled when a time is read, which most commands never do
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?P<clock>[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?) ?(?P<zone>[Zz]|[+-][0-9]{2}:?[0-9]{2}|UTC)?)?"
)
_CLOCK = r"([0-9]{2}):([0-9]{2})(?::([0-9]{2}))? ?(?:[Zz]|UTC)?"
LONGEST = 64  # characters; nothing meant as a duration, time or quantity is longer

# Spellings of a unit -> its base unit and how many of it one is. Compound durations are tried first.
_SPELT: dict[str, tuple[str, float]] = {
    "ns": ("s", 1e-9), "us": ("s", 1e-6), "µs": ("s", 1e-6), "μs": ("s", 1e-6), "ms": ("s", 1e-3),
    "s": ("s", 1.0), "sec": ("s", 1.0), "m": ("s", 60.0), "min": ("s", 60.0), "h": ("s", 3600.0),
    "d": ("s", 86_400.0), "w": ("s", 604_800.0), "y": ("s", 31_536_000.0),
    "%": ("ratio", 0.01), "percent": ("ratio", 0.01), "ratio": ("ratio", 1.0),
    "usd": ("usd", 1.0), "$": ("usd", 1.0),
    "b": ("bytes", 1.0), "bytes": ("bytes", 1.0), "kb": ("bytes", 1e3), "mb": ("bytes", 1e6), "gb": ("bytes", 1e9),
    "tb": ("bytes", 1e12), "kib": ("bytes", 1024.0), "mib": ("bytes", 1024.0**2), "gib": ("bytes", 1024.0**3),
    "tib": ("bytes", 1024.0**4),
    "/s": ("per_second", 1.0), "/min": ("per_second", 1 / 60), "/m": ("per_second", 1 / 60),
    "/h": ("per_second", 1 / 3600),
}  # fmt: skip
_QUANTITY = re.compile(
    r"(?P<sign>[+-]?)(?P<dollar>\$?)(?P<number>[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)"
    r" ?(?P<unit>[A-Za-zµμ%$/]*)"
)


class BadValue(UsageError, ValueError):
    """A duration, time or quantity nobody can read (64). Loaders of files turn it into a ConfigError with its line."""


def parse_duration(text: str) -> float:
    """Seconds of ``1h30m``, ``90s``, ``1.5s``, ``250ms`` or ``0``. Raises BadValue; never negative."""
    if not isinstance(text, str) or len(text) > LONGEST:
        raise BadValue(f"{_shown(text)} is not a duration", remedy="Write it as 90s, 5m or 1h30m.")
    plain = text.strip()
    if plain == "0":
        return 0.0
    found = _DURATION.fullmatch(plain)
    if not plain or found is None:
        remedy = f"Write it as 90s, 5m or 1h30m{_bare(plain)}."
        raise BadValue(f"{_shown(text)} is not a duration", remedy=remedy)
    # Milliseconds are summed as whole numbers where they are whole, so that 1s1ms is 1.001 and not 1.0009999.
    total = math.fsum(
        float(number) * 1000 * _UNITS[unit] if unit != "ms" else float(number)
        for unit, number in zip(_UNITS, found.groups(), strict=True)
        if number
    )
    if not math.isfinite(total) or total > 1e14:
        raise BadValue(f"{_shown(text)} is too long for a duration", remedy="Write it as 90s, 5m or 1h30m.")
    return total / 1000


def format_duration(seconds: float) -> str:
    """``1h30m`` for 5400: as Prometheus writes it, whole milliseconds, ``0s`` for nothing. Raises ValueError."""
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"not a duration: {seconds}")
    rest = round(seconds * 1000)
    if rest == 0:
        return "0s" if seconds == 0 else "1ms"  # never call something nothing
    text = ""
    for unit, length in _UNITS.items():
        size = round(length * 1000)
        if unit in "yw" and rest % size:
            continue  # years and weeks only when nothing is left over: 10d, not 1w3d
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text


def parse_time(text: str, now: float) -> float:
    """Unix seconds of a moment; ``now`` (unix seconds) is what relative forms start from. Raises BadValue.

    ``2026-11-21T03:07:12Z`` (RFC 3339; without a zone it is UTC; the clock may be left out), ``03:07`` (the last
    such time of day in UTC), ``1795230432`` (unix seconds), ``10m ago``, ``-10m``, ``now``.
    """
    plain = text.strip() if isinstance(text, str) and len(text) <= LONGEST else ""
    remedy = "Write 2026-11-21T03:07:12Z, a unix time, 03:07 (UTC) or 10m ago."
    if plain == "now":
        return now
    if plain.endswith(" ago") or (plain.startswith("-") and len(plain) > 1):
        past = plain.removeprefix("-").removesuffix(" ago").strip()
        try:
            return now - parse_duration(past)
        except BadValue:
            raise BadValue(f"{_shown(text)} is not a time", remedy=remedy) from None
    if re.fullmatch(_NUMBER, plain):
        seconds = float(plain)
        if seconds >= 1e11:
            raise BadValue(f"{_shown(text)} is not a unix time in seconds", remedy="Divide milliseconds by 1000.")
        return seconds
    try:
        if clock := re.fullmatch(_CLOCK, plain):
            return _last_clock(now, int(clock[1]), int(clock[2]), int(clock[3] or 0))
        if found := re.fullmatch(_TIME, plain):
            zone = (found["zone"] or "Z").upper().replace("UTC", "Z")
            return datetime.fromisoformat(f"{found['day']}T{_micro(found['clock'] or '00:00')}{zone}").timestamp()
    except (ValueError, OverflowError):
        pass
    raise BadValue(f"{_shown(text)} is not a time", remedy=remedy)


def parse_with_unit(value: str | float) -> tuple[float, str]:
    """A quantity and its base unit: ``50ms`` -> (0.05, "s"), ``5%`` -> (0.05, "ratio"), ``12`` -> (12.0, "").

    Understands durations, ``%``, ``$`` or ``usd``, bytes (``64MiB``, ``1.5GB``), rates (``10/min``), plain numbers
    (base unit already, unit "" ). Raises BadValue.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if math.isfinite(value):
            return float(value), ""
    elif isinstance(value, str) and len(value) <= LONGEST:
        plain = value.strip()
        found = _QUANTITY.fullmatch(plain)
        if found is not None:
            unit = "$" if found["dollar"] and not found["unit"] else found["unit"]
            spelt = _SPELT.get(unit) or _SPELT.get(unit.lower()) if unit else ("", 1.0)
            if spelt is not None and not (found["dollar"] and unit != "$"):
                number = float(found["sign"] + found["number"].replace(",", "")) * spelt[1]
                # 5 % is 0.05 and not 0.05000000000000001: what people write has few digits
                return float(f"{number:.15g}") if math.isfinite(number) else _unreadable(value), spelt[0]
        elif plain and _DURATION.fullmatch(plain):
            return parse_duration(plain), "s"
    return _unreadable(value), ""


def parse_quantity(value: str | float, unit: str = "") -> float:
    """A quantity in base units: ``50ms`` -> 0.05, ``5%`` -> 0.05, ``$0.10`` -> 0.1, ``10/min`` -> 0.1667, 0.05 -> 0.05.

    With ``unit`` (a base unit), a value written in a unit of another kind is refused. Raises BadValue.
    """
    number, written = parse_with_unit(value)
    if unit and written and written != unit:
        raise BadValue(f"{_shown(value)} is in {written}, where {unit} is expected")
    return number


def format_quantity(value: float | None, unit: str, *, beside: float | None = None, at_least: bool = False) -> str:
    """A number in base units as people read it: ``142 ms``, ``5 %``, ``1.2 GiB``, ``$0.10``, ``12.3/s``, ``1,204``.

    Three significant digits; with ``beside`` (what it is compared with) as many more as it takes to tell the two
    apart. ``at_least`` marks a lower bound: ``≥ 5 s``. None is ``none``.
    """
    if value is None:
        return "none"
    mark = "≥ " if at_least else ""
    if not math.isfinite(value):
        return mark + ("NaN" if math.isnan(value) else "infinite" if value > 0 else "-infinite")
    size, name = _scale(value, unit)
    digits = 3
    if beside is not None and math.isfinite(beside) and beside != value:
        while digits < 15 and _digits(value / size, digits) == _digits(beside / size, digits):
            digits += 1
    if unit == "usd":
        return mark + _dollars(value, digits)
    number = _digits(value / size, digits)
    return f"{mark}{number}{name}" if name.startswith("/") or not name else f"{mark}{number} {name}"


def _scale(value: float, unit: str) -> tuple[float, str]:
    """How many base units one shown unit is, and its name. A value that would round up to the next unit takes it."""
    size = abs(value)
    if unit == "s":
        steps = ((86_400.0, "d", 172_800.0), (3600.0, "h", 7200.0), (60.0, "min", 120.0), (1.0, "s", 0.9995))
        for length, name, start in steps:
            if size >= start:
                return length, name
        if size == 0:
            return 1.0, "s"
        return (1e-3, "ms") if size >= 0.9995e-3 else (1e-6, "µs")
    if unit == "bytes":
        for power, name in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
            if size >= 0.9995 * 1024.0**power:
                return 1024.0**power, name
        return 1.0, "bytes"
    if unit == "ratio":
        return 0.01, "%"
    if unit == "per_second":
        return 1.0, "/s"
    return 1.0, "" if unit in ("", "count", "usd") else unit


def _digits(number: float, digits: int) -> str:
    """``digits`` significant digits; whole numbers from 100 on are never cut; thousands are set apart."""
    if number == 0:
        return "0"
    if not math.isfinite(number):  # a per cent of nearly the largest number there is
        return "infinite" if number > 0 else "-infinite"
    places = max(0, digits - 1 - math.floor(math.log10(abs(number))))
    if places > 12:
        return f"{number:.{digits - 1}e}"
    text = f"{number:,.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.removeprefix("-") if text in ("-0",) else text


def _dollars(value: float, digits: int) -> str:
    size = abs(value)
    text = f"{size:,.2f}" if size == 0 or (size >= 0.01 and digits == 3) else _digits(size, max(2, digits))
    return f"-${text}" if value < 0 else f"${text}"


def _last_clock(now: float, hour: int, minute: int, second: int) -> float:
    moment = datetime.fromtimestamp(now, UTC).replace(hour=hour, minute=minute, second=second, microsecond=0)
    return (moment if moment.timestamp() <= now else moment - timedelta(days=1)).timestamp()


def _micro(clock: str) -> str:
    """At most six decimals: what datetime keeps."""
    whole, dot, part = clock.partition(".")
    return f"{whole}.{part[:6]:0<6}" if dot else whole


def _bare(plain: str) -> str:
    return f", for instance {plain}s" if re.fullmatch(_NUMBER, plain) else ""


def _shown(value: object) -> str:
    from opsctl.nearest import quoted

    return quoted(value) if isinstance(value, str) else str(value)[:LONGEST]


def _unreadable(value: object) -> float:
    raise BadValue(f"{_shown(value)} is not a quantity", remedy="Write it as 50ms, 5%, $0.10, 64MiB, 10/min or 0.05.")
