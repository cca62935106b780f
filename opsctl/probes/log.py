"""Lines of the service's own log on this host that match a pattern, within a window."""

from __future__ import annotations

import re
import time
from collections import Counter
from datetime import UTC, datetime

import msgspec

from opsctl.clients.logfile import LogTail, read_tail
from opsctl.clients.logline import LEVELS, LogLine, at_least, summary
from opsctl.durations import format_duration, format_quantity, parse_quantity
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.model import Evidence, Finding, Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.quantities import judged
from opsctl.probes.registry import Params, probe
from opsctl.redact import printable, redact

_SAMPLES = 3
_WIDTH = 200  # characters of a sample line


class LinesParams(Params, frozen=True, kw_only=True):
    """``log``: a log of the profile. ``pattern``, or several under names in ``patterns`` (regular expressions).

    ``level``: only lines of this level or worse are looked at ("" = all). ``within``: the window before now ("" = the
    service's own, so that a log and the signals beside it tell about the same time).
    The finding holds when more than ``above`` lines match, or, with ``share_above``, when more than this part of the
    lines looked at match; ``level`` is then "error" unless given, and fewer than ``min`` such lines are too few.
    """

    log: str
    finding: str
    pattern: str = ""
    patterns: dict[str, str] = {}
    level: str = ""
    within: str | float = ""
    above: int = 0
    share_above: str | float | None = None
    min: int = 3

    def __post_init__(self) -> None:
        if self.within != "" and parse_quantity(self.within, "s") <= 0:
            raise ValueError("within must be more than nothing")
        if not self.pattern and not self.patterns:
            raise ValueError("pattern or patterns is needed")
        if self.level and self.level not in LEVELS:
            raise ValueError(f"level is one of {', '.join(LEVELS)}")
        for text in (self.pattern, *self.patterns.values()):
            try:
                re.compile(text)
            except re.error as error:
                raise ValueError(f"the pattern {text} is not a regular expression: {error}") from None
        if self.share_above is not None:
            parse_quantity(self.share_above, "ratio")


class _Count(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted: lines looked at, lines that match any pattern, per pattern, and the newest matches."""

    looked_at: int
    matched: int
    by_name: dict[str, int]
    samples: tuple[str, ...]


@probe(
    "log.lines",
    params=LinesParams,
    local=True,
    asks="the end of a log file (at most 4 MiB), read on this host",
    privilege="read permission on the file",
    cost="reads at most 4 MiB, twice that over a rotation",
)
def lines(look: Look, params: LinesParams) -> Seen:
    """Count matching lines of the window; samples are redacted and shortened."""
    log = look.profile.logs.get(params.log)
    if log is None:
        raise NotConfigured(f"{look.profile.service} defines no log {params.log}")
    if log.path.startswith("kubernetes:"):
        raise CouldNotLook("unsupported", f"the log {params.log} is in Kubernetes ({log.path}), not in a file here")
    within = parse_quantity(look.profile.window if params.within == "" else params.within, "s")
    setting = f"profile {look.profile.service}, logs.{params.log}"
    deadline = time.monotonic() + look.remaining()
    tail = read_tail(
        log.path, since=look.now - within, until=look.now, format=log.format, deadline=deadline, setting=setting
    )
    if not tail.lines:
        newest = f"its newest line is from {_clock(tail.end)}" if tail.end is not None else "it is empty"
        says = f"{tail.path} has no line of the last {format_duration(within)}: {newest}"
        raise CouldNotLook("no-data", says, address=tail.path, setting=setting)
    if tail.timeless:
        says = f"the lines of {tail.path} carry no time, so those of the last {format_duration(within)} are not known"
        raise CouldNotLook("bad-answer", says, address=tail.path, setting=setting)
    level = params.level or ("error" if params.share_above is not None else "")
    count = _count(tail.lines, params, level, deadline, tail.path)
    seconds = within if tail.complete or tail.start is None else max(1.0, look.now - tail.start)
    finding = _judged(params, count, tail, within, seconds, level)
    evidence = Evidence(
        subject=f"log {params.log}",
        source=f"log {tail.path}",
        setting=setting,
        query=params.pattern or ", ".join(f"{name}: {text}" for name, text in params.patterns.items()),
        window=format_duration(within),
        sampled_at=datetime.now(UTC),
        values=_values(count, tail, seconds),
    )
    return Seen(evidence=(evidence,), findings=(finding,))


def _count(found: tuple[LogLine, ...], params: LinesParams, level: str, deadline: float, path: str) -> _Count:
    named = {**({"match": params.pattern} if params.pattern else {}), **params.patterns}
    patterns = {name: re.compile(text) for name, text in named.items()}
    by_name: Counter[str] = Counter(dict.fromkeys(patterns, 0))
    newest: list[LogLine] = []
    looked_at = matched = 0
    inherited = ""
    for number, line in enumerate(found):
        if number % 1000 == 0 and time.monotonic() > deadline:
            says = f"searching {path} was not finished in time ({number} of {len(found)} lines)"
            raise CouldNotLook("timeout", says, address=path)
        # A stack trace's lines are of the level of the line they belong to.
        inherited = line.level or ("" if line.parsed else inherited)
        if level and not (inherited and at_least(inherited, level)):
            continue
        # Lines that go on with the one before are searched, but one event is counted once in the share's base.
        looked_at += line.parsed
        hits = [name for name, pattern in patterns.items() if pattern.search(line.text)]
        by_name.update(hits)
        if hits:
            matched += 1
            newest = [*newest[1 - _SAMPLES :], line]
    samples = tuple(_short(line) for line in newest)
    return _Count(looked_at=max(looked_at, matched), matched=matched, by_name=dict(by_name), samples=samples)


def _judged(params: LinesParams, count: _Count, tail: LogTail, within: float, seconds: float, level: str) -> Finding:
    kind = f"{level} lines" if level else "lines"
    window = format_duration(within)
    if params.share_above is not None:
        bound = parse_quantity(params.share_above, "ratio")
        share = count.matched / count.looked_at if count.looked_at else 0.0
        says = f"{count.matched} of {count.looked_at} {kind} in {window} match" + (
            f" ({format_quantity(share, 'ratio', beside=bound)}, bound {format_quantity(bound, 'ratio')})"
            if count.looked_at
            else ""
        )
        if 0 < count.looked_at < params.min and count.matched:
            return Finding(id=params.finding, state="unknown", says=f"{says}: too few to judge", reason="too-few")
        if not tail.complete:
            says += f"; only the last {format_duration(round(seconds))} could be read"
        return judged(
            params.finding,
            share > bound,
            says,
            measured=share,
            threshold=bound,
            unit="ratio",
            parameter="share_above",
        )
    says = f"{count.matched} {kind} in {window} match, bound {params.above}"
    if not tail.complete:
        says = f"{count.matched} {kind} in the last {format_duration(round(seconds))} of {window} match"
        if count.matched <= params.above:
            says += "; the rest is beyond the 4 MiB that are read"
            return Finding(id=params.finding, state="unknown", says=says, reason="too-large")
    return judged(
        params.finding,
        count.matched > params.above,
        says,
        measured=float(count.matched),
        threshold=float(params.above),
        unit="count",
        parameter="above",
    )


def _values(count: _Count, tail: LogTail, seconds: float) -> tuple[Value, ...]:
    share = count.matched / count.looked_at if count.looked_at else 0.0
    values = [
        Value(name="matched", value=count.matched, unit="count", at_least=not tail.complete),
        Value(name="lines_looked_at", value=count.looked_at, unit="count"),
        Value(name="share", value=share, unit="ratio"),
        Value(name="rate", value=count.matched / seconds if seconds > 0 else 0.0, unit="per_second"),
    ]
    if len(count.by_name) > 1:
        values += [
            Value(name="pattern", value=number, unit="count", labels={"pattern": name})
            for name, number in count.by_name.items()
        ]
    odd = {"lines not understood": tail.unparsed, "lines cut": tail.cut, "lines not UTF-8": tail.damaged}
    values += [Value(name=name, value=number, unit="count") for name, number in odd.items() if number]
    values += [Value(name="line", value=text) for text in count.samples]
    return tuple(values)


def _short(line: LogLine) -> str:
    # Redacted before it is shortened: a secret cut in half would no longer look like one.
    text = redact(printable(summary(line)))
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _clock(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
