"""One log line: its time, its level, its fields. JSON lines and the common plain formats."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

MAX_LINE = 16 * 1024  # bytes of a line that are looked at; longer ones are cut and counted

_TIME_KEYS = ("timestamp", "time", "ts", "@timestamp", "datetime", "asctime", "date", "t")
_LEVEL_KEYS = ("level", "levelname", "severity", "log_level", "lvl", "log.level")
_TEXT_KEYS = ("event", "message", "msg", "error")

# pino, bunyan and other JSON loggers write levels as numbers.
_NUMBERED = {10: "trace", 20: "debug", 30: "info", 40: "warning", 50: "error", 60: "critical"}
_ALIAS = {"warn": "warning", "fatal": "critical", "crit": "critical", "err": "error", "notice": "info",
          "emerg": "critical", "alert": "critical", "panic": "critical", "information": "info"}  # fmt: skip
LEVELS = ("trace", "debug", "info", "warning", "error", "critical")

_MONTHS = {name: number for number, name in enumerate(
    ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1)}  # fmt: skip
# 2026-11-21T03:07:12.345Z · 2026-11-21 03:07:12,345 · 2026/11/21 03:07:12 +0100, perhaps in brackets
_ISO = re.compile(
    r"^[^\w-]{0,3}(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?\s?(Z|UTC|[+-]\d\d:?\d\d)?"
)
_ISO_LATER = re.compile(_ISO.pattern.replace("^[^\\w-]{0,3}", "(?<!\\d)", 1))
# 127.0.0.1 - - [21/Nov/2026:03:07:12 +0000] "GET / HTTP/1.1" 200 (combined access log)
_ACCESS = re.compile(r"\[(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d{4})\]")
# Nov 21 03:07:12 host program[1]: (syslog; no year, local time)
_SYSLOG = re.compile(r"^(?:<\d+>)?([A-Z][a-z]{2})\s+(\d{1,2}) (\d\d):(\d\d):(\d\d)\b")
_LEVEL_WORD = re.compile(
    r"\b(TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR)?|CRIT(?:ICAL)?|FATAL|PANIC|EMERG)\b"
    r"|\blevel=[\"']?(\w+)|[\[(<](trace|debug|info|notice|warn|warning|error|err|critical|crit|fatal)[\])>]"
)


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line. ``time``: unix seconds, None when it has none of its own; ``level`` is "" when it names none.

    ``parsed``: a JSON object, or a plain line with a time. ``text`` is what patterns are matched with.
    """

    text: str
    time: float | None = None
    level: str = ""
    parsed: bool = False
    fields: dict[str, Any] = {}


def read_line(raw: bytes, now: float) -> LogLine:
    """Decode one line (bytes without its end). Never raises: what cannot be understood is text without a time."""
    text = raw[:MAX_LINE].decode("utf-8", "replace")
    stripped = text.strip()
    if stripped.startswith("{") and len(raw) <= MAX_LINE:
        try:
            fields = msgspec.json.decode(stripped, type=dict[str, Any])
        except (msgspec.MsgspecError, RecursionError):
            fields = None
        if fields is not None:
            return LogLine(
                text=text, time=_json_time(fields, now), level=_json_level(fields), parsed=True, fields=fields
            )
    moment = _plain_time(stripped[:200], now)
    found = _LEVEL_WORD.search(stripped[:400])
    level = _word(found.group(found.lastindex or 0)) if found else ""
    return LogLine(text=text, time=moment, level=level, parsed=moment is not None)


def summary(line: LogLine) -> str:
    """What a person would read of the line: a JSON line's message with its most telling fields, else the text."""
    if not line.fields:
        return " ".join(line.text.split())
    said = next((str(line.fields[key]) for key in _TEXT_KEYS if line.fields.get(key)), "")
    rest = [
        f"{key}={value}"
        for key, value in line.fields.items()
        if key not in (*_TIME_KEYS, *_LEVEL_KEYS) and isinstance(value, str | int | float) and str(value) != said
    ]
    return " ".join(part for part in (line.level.upper(), said, *rest) if part)


def at_least(level: str, wanted: str) -> bool:
    """Whether ``level`` is ``wanted`` or worse; a line without a level is not."""
    return bool(level) and LEVELS.index(level) >= LEVELS.index(wanted)


def _json_time(fields: dict[str, Any], now: float) -> float | None:
    for key in _TIME_KEYS:
        value = fields.get(key)
        if isinstance(value, bool) or value is None:
            continue
        if isinstance(value, int | float):
            return _unix(float(value))
        if isinstance(value, str):
            moment = _plain_time(value.strip(), now)
            if moment is not None:
                return moment
            try:
                return _unix(float(value))
            except ValueError:
                continue
    return None


def _unix(number: float) -> float | None:
    """Seconds, from seconds, milliseconds, micro- or nanoseconds since 1970."""
    for scale in (1.0, 1e3, 1e6, 1e9):
        if 1e8 <= number / scale < 1e10:
            return number / scale
    return None


def _json_level(fields: dict[str, Any]) -> str:
    for key in _LEVEL_KEYS:
        value = fields.get(key)
        if isinstance(value, str) and value:
            return _word(value)
        if isinstance(value, int) and value in _NUMBERED:
            return _NUMBERED[value]
    return ""


def _word(text: str) -> str:
    word = text.lower()
    word = _ALIAS.get(word, word)
    return word if word in LEVELS else ""


def _plain_time(text: str, now: float) -> float | None:
    try:
        if found := _ISO.match(text) or _ISO_LATER.search(text[:60]):
            year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
            micro = int((found[7] or "")[:6].ljust(6, "0"))
            whole = datetime(year, month, day, hour, minute, min(second, 59), micro)
            # Without a zone it is this host's time: a log is read on the service's own host.
            return whole.replace(tzinfo=UTC).timestamp() - _offset(found[8]) if found[8] else whole.timestamp()
        if found := _ACCESS.search(text):
            day_, month_, year_, hour_, minute_, second_, zone = found.groups()
            moment = datetime(
                int(year_), _MONTHS[month_], int(day_), int(hour_), int(minute_), min(int(second_), 59), tzinfo=UTC
            ).timestamp()
            return moment - _offset(zone)
        if found := _SYSLOG.match(text):
            here = datetime.fromtimestamp(now)
            month = _MONTHS[found[1]]
            # No year, this host's time; in January, December's lines are last year's.
            year = here.year - (month > here.month)
            parts = (int(found[2]), int(found[3]), int(found[4]), min(int(found[5]), 59))
            return datetime(year, month, *parts).timestamp()
    except (ValueError, KeyError, OverflowError):
        return None
    return None


def _offset(zone: str) -> float:
    if zone in ("Z", "UTC"):
        return 0.0
    digits = zone[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return float(seconds if zone[0] == "+" else -seconds)
