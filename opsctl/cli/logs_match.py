"""Lines that match: a regular expression (RE2: no pattern takes long), fields, a level; with lines around them."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from opsctl.cli.logs_count import Frequent
from opsctl.cli.logs_line import shown, value_of
from opsctl.clients.logline import at_least
from opsctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opsctl.clients.logline import LogLine

_FIELD = re.compile(r"([A-Za-z_@][\w.@-]*)(!=|=)(.*)", re.S)


class Hit(NamedTuple):
    """A line that matches, with those around it that are not shown with another hit already."""

    time: float
    line: str
    before: list[str]
    after: list[str]


class Found(NamedTuple):
    """``hits``: the newest of ``matched``."""

    matched: int
    hits: list[Hit]


class Matcher:
    """What a line must be. ``fields``: NAME=VALUE or NAME!=VALUE. Raises UsageError."""

    def __init__(self, pattern: str, fields: Sequence[str], level: str, *, ignore_case: bool = False) -> None:
        self._search = _compiled(pattern, ignore_case).search if pattern else None
        self._fields = [_field(text) for text in fields]
        self._level = level

    def matches(self, line: LogLine) -> bool:
        """Whether the line is wanted. A field that it has not is no value, and no other value either."""
        if self._search is not None and not self._search(line.text):
            return False
        if self._level and not at_least(line.level, self._level):
            return False
        for name, equal, wanted in self._fields:
            value = value_of(line, name)
            if value is None or (value == wanted) is not equal:
                return False
        return True


def matching(lines: Iterable[LogLine], wanted: Matcher, number: int, around: int) -> Found:
    """The newest ``number`` lines that match, each with up to ``around`` lines before and after it."""
    hits: deque[Hit] = deque(maxlen=number)
    earlier: deque[str] = deque(maxlen=around)
    matched = left = 0
    for line in lines:
        if wanted.matches(line):
            matched += 1
            hits.append(Hit(line.time or 0.0, shown(line), list(earlier), []))
            earlier.clear()
            left = around
        elif left:
            hits[-1].after.append(shown(line))
            left -= 1
        elif around:
            earlier.append(shown(line))
    return Found(matched, list(hits))


def counted(lines: Iterable[LogLine], wanted: Matcher, names: Sequence[str]) -> Frequent:
    """How often each value of these fields comes in the lines that match (B-56: the field, not the whole line)."""
    frequent = Frequent(names)
    for line in lines:
        if line.parsed and wanted.matches(line):
            frequent.add(line)
    return frequent


def _field(text: str) -> tuple[str, bool, str]:
    found = _FIELD.fullmatch(text)
    if found is None:
        raise UsageError(f"--field {text} is not NAME=VALUE", remedy="For instance --field status_code=503.")
    return found[1], found[2] == "=", found[3]


def _compiled(pattern: str, ignore_case: bool) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        told = error.args[0] if error.args else "not an expression"
        told = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
        raise UsageError(f"the pattern {pattern} is not a regular expression (RE2): {told}") from None
