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
_CUT_TIME = re.compile(
    r'"(?:timestamp|time|ts|@timestamp|datetime|asctime|date|t)"\s{0,9}:\s{0,9}'
    r'(?:"([^"\\]{1,64})"|(\d{9,20}(?:\.\d{1,9})?))'
)
_LEVEL_WORD = re.compile(
    r"\b(TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR)?|CRIT(?:ICAL)?|FATAL|PANIC|EMERG)\b"
    r"|\blevel=[\"']?(\w+)|[\[(<](trace|debug|info|notice|warn|warning|error|err|critical|crit|fatal)[\])>]"
)


class _Head(msgspec.Struct, gc=False):
    """The keys of a JSON line that tell its time and level; everything else is left unread."""

    timestamp: Any = None
    time: Any = None
    ts: Any = None
    at_timestamp: Any = msgspec.field(name="@timestamp", default=None)
    datetime: Any = None
    asctime: Any = None
    date: Any = None
    t: Any = None
    level: Any = None
    levelname: Any = None
    severity: Any = None
    log_level: Any = None
    lvl: Any = None
    dotted_level: Any = msgspec.field(name="log.level", default=None)


_head = msgspec.json.Decoder(_Head)


class LogLine:
    """A line. ``time``: unix seconds, None when it has none of its own (in a window: that of the line before).

    ``parsed``: a JSON object (``json``), or a plain line with a time of its own. ``text`` is what patterns see.
    ``damaged``: it holds bytes that are not UTF-8; they were then read as Latin-1.
    """

    __slots__ = ("_head", "damaged", "parsed", "text", "time")

    def __init__(self, text: str, time: float | None, head: _Head | None, damaged: bool = False) -> None:
        self.text = text
        self.time = time
        self.parsed = head is not None or time is not None
        self.damaged = damaged
        self._head = head

    @property
    def json(self) -> bool:
        """Whether the line is a JSON object."""
        return self._head is not None

    @property
    def level(self) -> str:
        """The line's level in our own words (LEVELS); "" when it names none."""
        if self._head is not None:
            return _json_level(self._head)
        found = _LEVEL_WORD.search(self.text[:400])
        return _word(found.group(found.lastindex or 0)) if found else ""

    @property
    def fields(self) -> dict[str, Any]:
        """A JSON line's fields; empty for a plain one."""
        return msgspec.json.decode(self.text, type=dict[str, Any]) if self._head is not None else {}


def read_line(raw: bytes, now: float, *, cut: bool = False) -> LogLine:
    """Decode one line (bytes without its end; ``cut``: its end is missing). Never raises: what cannot be understood
    is text without a time."""
    cut = cut or len(raw) > MAX_LINE
    damaged = False
    if cut:
        text = raw[:MAX_LINE].decode("utf-8", "ignore")  # it may end within a character
    else:
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text, damaged = raw.decode("latin-1"), True
    begin = text.lstrip("\ufeff\x00 \t")
    if begin[:1] == "{":
        if cut:
            return LogLine(text, _cut_time(begin, now), None, damaged)
        try:
            head = _head.decode(text if begin is text else begin)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            head = None
        if head is not None:
            return LogLine(text, _json_time(head, now), head, damaged)
    return LogLine(text, _plain_time(begin[:200], now), None, damaged)


def summary(line: LogLine) -> str:
    """What a person would read of the line: a JSON line's message with its most telling fields, else the text."""
    fields = line.fields
    if not fields:
        return " ".join(line.text.split())
    said = next((str(fields[key]) for key in _TEXT_KEYS if fields.get(key)), "")
    rest = [
        f"{key}={value}"
        for key, value in fields.items()
        if key not in (*_TIME_KEYS, *_LEVEL_KEYS) and isinstance(value, str | int | float) and str(value) != said
    ]
    return " ".join(part for part in (line.level.upper(), said, *rest) if part)


def at_least(level: str, wanted: str) -> bool:
    """Whether ``level`` is ``wanted`` or worse; a line without a level is not."""
    return bool(level) and LEVELS.index(level) >= LEVELS.index(wanted)


def _json_time(head: _Head, now: float) -> float | None:
    """The time of the first key that holds one, in the order of ``_TIME_KEYS``."""
    for value in (
        head.timestamp,
        head.time,
        head.ts,
        head.at_timestamp,
        head.datetime,
        head.asctime,
        head.date,
        head.t,
    ):
        if value is None or isinstance(value, bool):
            continue
        if isinstance(value, str):
            moment = _text_time(value, now)
        elif isinstance(value, int | float):
            moment = _unix(value)
        else:
            continue
        if moment is not None:
            return moment
    return None


def _text_time(value: str, now: float) -> float | None:
    moment = _iso_time(value) or _plain_time(value.strip()[:200], now)
    if moment is not None:
        return moment
    try:
        return _unix(float(value))
    except ValueError:
        return None


def _iso_time(text: str) -> float | None:
    """The common form with a zone, by far the quickest way."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.timestamp() if moment.tzinfo is not None else None
    except (ValueError, OverflowError, OSError):
        return None


def _cut_time(text: str, now: float) -> float | None:
    """The time in the beginning of a JSON line whose end was not read."""
    for found in _CUT_TIME.finditer(text):
        moment = _text_time(found[1], now) if found[1] is not None else _unix(float(found[2]))
        if moment is not None:
            return moment
    return None


def _unix(number: float) -> float | None:
    """Seconds, from seconds, milliseconds, micro- or nanoseconds since 1970."""
    if not -1e20 < number < 1e20:  # an integer may be too large for a float
        return None
    for scale in (1.0, 1e3, 1e6, 1e9):
        if 1e8 <= number / scale < 1e10:
            return number / scale
    return None


def _json_level(head: _Head) -> str:
    for value in (head.level, head.levelname, head.severity, head.log_level, head.lvl, head.dotted_level):
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
    except (ValueError, KeyError, OverflowError, OSError):
        return None
    return None


def _offset(zone: str) -> float:
    if zone in ("Z", "UTC"):
        return 0.0
    digits = zone[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return float(seconds if zone[0] == "+" else -seconds)
