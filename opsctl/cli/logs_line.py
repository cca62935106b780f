"""One log line for people: fields, what was said, what kind of error it is; never a secret."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from opsctl.clients.logline import at_least, summary
from opsctl.redact import printable, redact

if TYPE_CHECKING:
    from opsctl.clients.logline import LogLine

WIDTH = 240  # characters of a line that are shown
_MAIL = re.compile(r"\b[A-Za-z0-9._%+-]+@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)\b")
# 10.0.0.7 - ana [21/Nov/2026:03:07:12 +0000] "GET /search HTTP/1.1" 200 512
_ACCESS = re.compile(r'^(\S+) \S+ (\S+) \[[^\]]{20,32}\] "([A-Z]+) (\S+)[^"]*" (\d{3}) ')
_PAIR = re.compile(r'(?<![\w.-])([A-Za-z_][\w.-]{0,40})=("(?:[^"\\]|\\.)*"|[^\s,;]+)')
# Where a line names no level: an exception's name, not the word failed in "0 failed" (domain-checks.md 1.4).
_RAISED = re.compile(r"\b(?:[A-Z]\w*(?:Error|Exception)|Traceback|panic:|FATAL|Segmentation fault)\b")
_PREFIX = re.compile(
    r"^\W{0,3}\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?\s?(?:Z|UTC|[+-]\d\d:?\d\d)?\]?\s*(?:[-|:]\s*)?"
    r"|^(?:<\d+>)?[A-Z][a-z]{2}\s+\d{1,2} \d\d:\d\d:\d\d\s+"
)
_WORDS = ("error", "error_type", "exc_type", "exception", "failure_reason", "reason", "err", "code")
_SAID = ("event", "message", "msg", "error")
_MASKED = re.compile(
    r"(?P<uuid>\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b)"
    r"|(?P<ip>\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b)"
    r"|(?P<id>\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[A-Za-z0-9][\w-]{7,}\b)"
    r"|(?P<n>(?<![A-Za-z_])\d+(?:[.,:]\d+)*)",
    re.I,
)


def clean(text: str) -> str:
    """Without secrets, the name part of e-mail addresses, and control characters; one line."""
    return _MAIL.sub(r"[redacted]@\1", redact(" ".join(printable(text).split())))


def shown(line: LogLine, width: int = WIDTH) -> str:
    """The line as it is printed, shortened."""
    text = clean(summary(line))
    return text if len(text) <= width else text[: width - 1] + "…"


def fields_of(line: LogLine) -> dict[str, Any]:
    """A JSON line's fields; of a plain one what an access log tells, else its ``name=value`` words."""
    if line.json:
        return line.fields
    found = _ACCESS.match(line.text)
    if found is not None:
        names = ("client_host", "user", "method", "path", "status_code")
        return dict(zip(names, found.groups(), strict=True))
    return {name: value.strip('"') for name, value in _PAIR.findall(line.text)}


def value_of(line: LogLine, name: str) -> str | None:
    """One field as text; ``a.b`` looks into an object. None when the line has none."""
    fields = fields_of(line)
    value: Any = fields.get(name)
    if value is None and "." in name:
        value = fields
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    if value is None or isinstance(value, dict | list):
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_bad(line: LogLine, level: str) -> bool:
    """Whether the line is of that level or worse; one without a level when it tells of an exception or a 5xx."""
    if line.level:
        return at_least(line.level, level)
    if line.json:
        return False
    found = _ACCESS.match(line.text)
    return found[5] >= "500" if found is not None else bool(_RAISED.search(line.text))


def template(line: LogLine) -> str:
    """What kind of line it is: its message without what changes from one to the next."""
    if line.json:
        fields = line.fields
        said = [str(fields[key]) for key in _SAID if fields.get(key)][:1]
        for key in _WORDS:
            value = fields.get(key)
            if isinstance(value, dict):
                value = value.get("type") or value.get("message")
            if isinstance(value, str) and value and value not in said:
                said.append(value.partition("\n")[0])
        text = ": ".join(said) if said else line.text
    else:
        text = _PREFIX.sub("", line.text, count=1)
    return _MASKED.sub(_mask, text[:400])


def _mask(found: re.Match[str]) -> str:
    return f"<{found.lastgroup}>"
