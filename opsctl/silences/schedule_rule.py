"""When a schedule recurs: RRULE text (RFC 5545) or friendly keys, checked strictly and brought to one form. Pure.

Checked here and not by the library, which takes ``INTERVAL=0`` for an endless loop and ``BYMONTH=13`` for never.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, tzinfo
from typing import NamedTuple

from opsctl.errors import UsageError

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CODES = {day: day[:2].upper() for day in DAYS}
_NTH = {"first": "1", "second": "2", "third": "3", "fourth": "4", "last": "-1"}
_EVERY = re.compile(r"(?:(?P<count>[1-9][0-9]?) )?(?P<unit>day|week|month)s?")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY")
_UNTIL = re.compile(r"[0-9]{8}(T[0-9]{6}Z?)?")
_BYDAY = re.compile(r"(?P<nth>[+-]?[1-9][0-9]?)?(MO|TU|WE|TH|FR|SA|SU)")
# Smallest and largest number of each part; negative ones count from the end.
_NUMBERS = {
    "INTERVAL": (1, 1000), "COUNT": (1, 10_000), "BYMONTH": (1, 12), "BYMONTHDAY": (-31, 31), "BYYEARDAY": (-366, 366),
    "BYWEEKNO": (-53, 53), "BYHOUR": (0, 23), "BYMINUTE": (0, 59), "BYSECOND": (0, 59), "BYSETPOS": (-366, 366),
}  # fmt: skip
_SINGLE = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST")


class Rule(NamedTuple):
    """``text``: RRULE without COUNT and UNTIL. ``start``: wall-clock time that it counts from; None: any will do.

    ``limit``: so many occurrences in all, 0 without a limit. ``until``: the last possible wall-clock time.
    """

    text: str
    start: datetime | None
    limit: int = 0
    until: datetime | None = None


def of_rrule(text: str, start: datetime, zone: tzinfo) -> Rule:
    """RRULE text as a rule. ``zone``: for an UNTIL in UTC. Raises UsageError with the part that is wrong."""
    parts = _parts(text)
    for name, value in parts.items():
        _check(name, value)
    if "FREQ" not in parts:
        raise UsageError("it has no FREQ", remedy="Write for instance FREQ=WEEKLY;BYDAY=SU;BYHOUR=2;BYMINUTE=30.")
    if parts["FREQ"] not in ("YEARLY", "MONTHLY") and re.search(r"[0-9]", parts.get("BYDAY", "")):
        raise UsageError("a number in BYDAY needs FREQ=MONTHLY or YEARLY")
    if "COUNT" in parts and "UNTIL" in parts:
        raise UsageError("COUNT and UNTIL both say when it ends", remedy="Give one of them.")
    _can_be(parts)
    count, until = int(parts.pop("COUNT", "0")), _until(parts.pop("UNTIL", ""), zone)
    return Rule(";".join(f"{name}={value}" for name, value in parts.items()), start, count, until)


def of_words(every: str, on: Sequence[str | int], at: time, start: date | None) -> Rule:
    """``every: 2 weeks``, ``on: [sunday]``, ``at`` as a rule. Raises UsageError."""
    found = _EVERY.fullmatch(every.strip().lower())
    if found is None:
        raise UsageError(f"every: {every!r} is not understood", remedy="Write day, week, month, 2 weeks or 3 months.")
    count, unit = int(found["count"] or 1), found["unit"]
    if count > 1 and start is None:
        raise UsageError(f"every: {every} needs `from`: the day it counts from")
    words = [str(word).strip().lower() for word in on]
    if unit == "day":
        if words:
            raise UsageError("on: every day has no days", remedy="Write every: week with on: [monday, friday].")
        parts = ["FREQ=DAILY"]
    elif not words:
        example = "[sunday]" if unit == "week" else "[1, last, first sunday]"
        raise UsageError(f"every: {every} needs on: {example}")
    elif unit == "week":
        parts = ["FREQ=WEEKLY", f"BYDAY={','.join(_weekday(word) for word in words)}"]
    else:
        parts = ["FREQ=MONTHLY", _in_month(words)]
    parts += [f"INTERVAL={count}", f"BYHOUR={at.hour}", f"BYMINUTE={at.minute}", f"BYSECOND={at.second}"]
    return Rule(";".join(parts), datetime.combine(start, time()) if start else None)


def _parts(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for word in text.strip().upper().removeprefix("RRULE:").split(";"):
        name, sign, value = (piece.strip() for piece in word.partition("="))
        if not (name and sign and value):
            raise UsageError(f"{word!r} is not a part of an RRULE", remedy="Write NAME=VALUE;NAME=VALUE.")
        if name in parts:
            raise UsageError(f"{name} is given twice")
        parts[name] = value
    return parts


def _check(name: str, value: str) -> None:
    known = (*_SINGLE, "BYDAY", *(part for part in _NUMBERS if part not in _SINGLE))
    if name not in known:
        raise UsageError(f"{name} is not known", remedy=f"Known are {', '.join(known)}.")
    if name == "FREQ" and value not in _FREQUENCIES:
        raise UsageError(f"FREQ={value} is not taken", remedy=f"Take one of {', '.join(_FREQUENCIES)}.")
    if name == "WKST" and value not in _CODES.values():
        raise UsageError(f"WKST={value} is not a day", remedy=f"Take one of {', '.join(_CODES.values())}.")
    if name == "UNTIL" and not _UNTIL.fullmatch(value):
        raise UsageError(f"UNTIL={value} is not a date", remedy="Write 20261231 or 20261231T220000Z.")
    values = value.split(",")
    if name == "BYDAY" and (wrong := [one for one in values if not _BYDAY.fullmatch(one)]):
        raise UsageError(f"BYDAY={wrong[0]} is not a day", remedy="Write SU, 1SU (the first) or -1FR (the last).")
    if name in _NUMBERS:
        low, high = _NUMBERS[name]
        for one in values:
            number = int(one) if re.fullmatch(r"[+-]?[0-9]{1,5}", one) else None
            if number is None or not low <= number <= high or (number == 0 and low < 0):
                raise UsageError(f"{name}={one} is not a number from {low} to {high}{' but 0' if low < 0 else ''}")
        if name in _SINGLE and len(values) > 1:
            raise UsageError(f"{name} takes one number")


def _can_be(parts: Mapping[str, str]) -> None:
    """Refuse a day that no month has: the library would look for it for seconds, every time."""
    months = [int(one) for one in parts.get("BYMONTH", "").split(",") if one]
    days = [abs(int(one)) for one in parts.get("BYMONTHDAY", "").split(",") if one]
    if months and days and all(day > _LONGEST[month - 1] for month in months for day in days):
        raise UsageError(f"BYMONTH={parts['BYMONTH']} has no BYMONTHDAY={parts['BYMONTHDAY']}")


def _until(text: str, zone: tzinfo) -> datetime | None:
    """The last wall-clock time; a date alone means its whole day. Raises UsageError."""
    if not text:
        return None
    try:
        if len(text) == 8:
            return datetime.combine(datetime.strptime(text, "%Y%m%d").date(), time(23, 59, 59))
        told = datetime.strptime(text.removesuffix("Z"), "%Y%m%dT%H%M%S")
    except ValueError:
        raise UsageError(f"UNTIL={text} is not a date", remedy="Write 20261231 or 20261231T220000Z.") from None
    if not text.endswith("Z"):
        return told
    try:
        return told.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
    except OverflowError:
        return told


def _weekday(word: str) -> str:
    found = [code for day, code in _CODES.items() if word in (day, day[:3])]
    if not found:
        raise UsageError(f"on: {word!r} is not a day of the week", remedy="Write monday or mon.")
    return found[0]


def _in_month(words: Sequence[str]) -> str:
    """``BYMONTHDAY=1,-1`` or ``BYDAY=1SU``: together they would mean days that are both."""
    numbers, days = [], []
    for word in words:
        nth, _, day = word.partition(" ")
        if day and nth in _NTH:
            days.append(_NTH[nth] + _weekday(day))
        elif word == "last":
            numbers.append("-1")
        elif re.fullmatch(r"[0-9]{1,2}", word) and 1 <= int(word) <= 31:
            numbers.append(word)
        else:
            raise UsageError(
                f"on: {word!r} is not a day of the month", remedy="Write 1 to 31, last, first sunday or last friday."
            )
    if numbers and days:
        raise UsageError("on: dates and weekdays cannot be mixed", remedy="Write two schedules.")
    return f"BYMONTHDAY={','.join(numbers)}" if numbers else f"BYDAY={','.join(days)}"
