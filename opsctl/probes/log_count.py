"""Lines of a log's window counted by patterns: what log.lines and a symptom in a log share."""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from opsctl.clients.logfile import LogWindow
from opsctl.clients.logline import LogLine, at_least, summary
from opsctl.durations import format_duration
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.model import Evidence, Value
from opsctl.probes.look import Look
from opsctl.redact import printable, redact
from opsctl.services.model import LogFile

if TYPE_CHECKING:
    from opsctl.probes.log_pods import PodWindow

_SAMPLES = 3
_WIDTH = 200  # characters of a sample line


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted: lines looked at, lines that match any pattern, per pattern, and the newest matches.

    ``within``: the window in seconds; ``seconds``: the part of it that was read; ``first``: time of the first match;
    ``log``: the window that was read, with what is to be said about it.
    """

    log: LogWindow | PodWindow
    setting: str
    within: float
    seconds: float
    looked_at: int
    matched: int
    by_name: dict[str, int]
    samples: tuple[str, ...]
    first: float | None = None


def count_lines(look: Look, log: str, patterns: Mapping[str, str], within: float, level: str = "") -> Counted:
    """Count the lines of the last ``within`` seconds that match; without a pattern every line counts.

    ``patterns``: name -> regular expression; ``level``: lines of this level or worse only. Raises CouldNotLook when
    the window holds nothing to count, NotConfigured when the service defines no such log.
    """
    spec = look.profile.logs.get(log)
    if spec is None:
        raise NotConfigured(f"{look.profile.service} defines no log {log}")
    setting = f"profile {look.profile.service}, logs.{log}"
    window = _window(look, spec, within, setting)
    named = {name: re.compile(text) for name, text in patterns.items()}
    by_name: Counter[str] = Counter(dict.fromkeys(named, 0))
    searches = [(name, pattern.search) for name, pattern in named.items()]
    newest: deque[LogLine] = deque(maxlen=_SAMPLES)
    looked_at = matched = 0
    seen: float | None = None  # time of the newest line of the window
    inherited = ""
    first: float | None = None
    for line in window:
        seen = line.time
        if level:
            # A stack trace's lines are of the level of the line they belong to.
            inherited = line.level or ("" if line.parsed else inherited)
            if not (inherited and at_least(inherited, level)):
                continue
        # Lines that go on with the one before are searched, but one event is counted once in the share's base.
        looked_at += line.parsed
        hits = [name for name, search in searches if search(line.text)]
        if hits or not searches:
            by_name.update(hits)
            matched += 1
            newest.append(line)
            first = line.time if first is None else first
    if window.timeless:
        says = f"the lines of {window.path} carry no time, so those of the last {format_duration(within)} are not known"
        raise CouldNotLook("bad-answer", says, address=window.path, setting=setting)
    if seen is None:
        newest_is = f"its newest line is from {clock(window.end)}" if window.end is not None else "it is empty"
        says = f"{window.path} has no line of the last {format_duration(within)}: {newest_is}"
        raise CouldNotLook("no-data", says, address=window.path, setting=setting)
    return Counted(
        log=window,
        setting=setting,
        within=within,
        seconds=within if window.complete or window.start is None else min(within, max(1.0, look.now - window.start)),
        looked_at=max(looked_at, matched),
        matched=matched,
        by_name=dict(by_name),
        samples=tuple(_short(line) for line in newest),
        first=first,
    )


def _window(look: Look, spec: LogFile, within: float, setting: str) -> LogWindow | PodWindow:
    if spec.path.startswith("kubernetes:"):
        from opsctl.probes.log_pods import PodWindow

        return PodWindow(look, spec, since=look.now - within)
    return LogWindow(
        spec.path,
        since=look.now - within,
        until=look.now,
        format=spec.format,
        deadline=time.monotonic() + look.remaining(),
        setting=setting,
    )


def unread(counted: Counted) -> str:
    """What of the window was not read, for the end of a sentence."""
    log = counted.log
    why = "; ".join(log.notes) or f"{log.unread / 2**20:,.0f} MiB before that were left out"
    return f"only the last {format_duration(round(counted.seconds))} could be read ({why})"


def evidence_of(counted: Counted, log: str, query: str) -> Evidence:
    """What was counted where, with the newest matches and what was odd about the file."""
    return Evidence(
        subject=f"log {log}",
        source=f"log {counted.log.path}",
        setting=counted.setting,
        query=query,
        window=format_duration(counted.within),
        sampled_at=datetime.now(UTC),
        values=_values(counted),
    )


def _values(counted: Counted) -> tuple[Value, ...]:
    log, seconds = counted.log, counted.seconds
    share = counted.matched / counted.looked_at if counted.looked_at else 0.0
    values = [
        Value(name="matched", value=counted.matched, unit="count", at_least=not log.complete),
        Value(name="lines_looked_at", value=counted.looked_at, unit="count"),
        Value(name="share", value=share, unit="ratio"),
        Value(name="rate", value=counted.matched / seconds if seconds > 0 else 0.0, unit="per_second"),
    ]
    if len(counted.by_name) > 1:
        values += [
            Value(name="pattern", value=number, unit="count", labels={"pattern": name})
            for name, number in counted.by_name.items()
        ]
    odd = {"lines not understood": log.unparsed, "lines cut": log.cut, "lines not UTF-8": log.damaged}
    values += [Value(name=name, value=number, unit="count") for name, number in odd.items() if number]
    if log.set_back > 1:
        values.append(Value(name="clock went back by", value=log.set_back, unit="s"))
    if log.unread:
        values.append(Value(name="not read", value=log.unread, unit="bytes"))
    values += [Value(name="note", value=text) for text in log.notes]
    values += [Value(name="line", value=text) for text in counted.samples]
    return tuple(values)


def _short(line: LogLine) -> str:
    # Redacted before it is shortened: a secret cut in half would no longer look like one.
    text = redact(printable(summary(line)))
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def clock(moment: float) -> str:
    """A unix time in a sentence."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
