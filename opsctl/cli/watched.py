"""What several looks at one runbook add up to: when the verdict changed, a series that grows; and how it is told."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from opsctl.durations import format_duration
from opsctl.model import Point, Report, VerdictWord
from opsctl.redact import printable
from opsctl.report.as_text import render
from opsctl.report.style import Style

_MOST_POINTS = 2000
_KEYS = "  (q ends, r looks now)"
_TURNS = 4  # changes of verdict that are shown


class Turn(NamedTuple):
    """A change of verdict, seen at that moment (unix seconds)."""

    at: float
    before: VerdictWord
    after: VerdictWord


class Watched:
    """The looks so far. ``report`` is the last one, as it was made."""

    def __init__(self) -> None:
        self.report: Report | None = None
        self.looks = 0
        self.turns: list[Turn] = []
        self._signal = ""
        self._points: tuple[Point, ...] = ()

    def add(self, report: Report) -> Turn | None:
        """Take one more report; the change of verdict, if it is one."""
        turn = None
        if self.report is not None and report.verdict != self.report.verdict:
            turn = Turn(report.started_at.timestamp(), self.report.verdict, report.verdict)
            self.turns.append(turn)
        self.report = report
        self.looks += 1
        self._grow(report)
        return turn

    def _grow(self, report: Report) -> None:
        """Points of former looks, up to where the newest history begins; a look without history adds one point."""
        measured = report.measured
        if measured is None:
            return
        if measured.signal != self._signal:
            self._signal, self._points = measured.signal, ()
        fresh = measured.series
        if not fresh and measured.value is not None and math.isfinite(measured.value):
            fresh = (Point(report.started_at.timestamp(), measured.value),)
        if fresh:
            kept = tuple(p for p in self._points if p.time < fresh[0].time)
            self._points = (*kept, *fresh)[-_MOST_POINTS:]

    def grown(self) -> Report | None:
        """The last report with the series of all looks."""
        report = self.report
        if report is None or report.measured is None or report.measured.signal != self._signal:
            return report
        return msgspec.structs.replace(report, measured=msgspec.structs.replace(report.measured, series=self._points))


def line(report: Report, turn: Turn | None) -> str:
    """One look as one line for a log: time, verdict, headline, first cause, and what the verdict was before."""
    severity = f" {report.severity}" if report.severity is not None else ""
    was = f" (was {turn.before})" if turn is not None else ""
    cause = next((c for c in report.causes if c.status in ("confirmed", "possible")), None)
    first = f"; {cause.cause} {cause.status}" if cause is not None and report.verdict != "ok" else ""
    moment = f"{report.started_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    text = f"{moment} {report.verdict.upper()}{severity}{was} {report.says}{first}"
    return " ".join(printable(text).split())


def frame(watched: Watched, style: Style, *, title: str, now: float, due: float | None, began: float) -> list[str]:
    """The lines of the live view. ``due``: when the next look begins; None while one is made, since ``began``."""
    state = f"next in {_seconds(due - now)}" if due is not None else f"looking for {_seconds(now - began)}"
    age = _age(watched.report, now)
    right = ", ".join(filter(None, (f"look {watched.looks}" if watched.looks else "", age, state)))
    if style.width - len(title) - len(right) > len(_KEYS) + 2:
        title += _KEYS
    gap = style.width - len(title) - len(right)
    head = [f"{title}{' ' * gap}{right}"] if gap >= 2 else [title[: style.width], right[: style.width]]
    lines = [style.paint(text, "dim") for text in head]
    for turn in watched.turns[-_TURNS:]:
        fresh = turn is watched.turns[-1]
        text = f"{_clock(turn.at)}  {turn.before} -> {turn.after}"
        if fresh:
            text += f", {_seconds(now - turn.at)} ago"
        lines.append(style.paint(f"{'>' if fresh else ' '} {text}"[: style.width], *(("bold",) if fresh else ("dim",))))
    lines.append("")
    report = watched.grown()
    if report is None:
        return [*lines, "The first look is being made."]
    return [*lines, *render(report, style).rstrip("\n").split("\n")]


def _age(report: Report | None, now: float) -> str:
    """How old the newest sample of the last report is."""
    if report is None:
        return ""
    times = [e.sampled_at.timestamp() for e in report.evidence if e.sampled_at is not None]
    newest = min(max(times, default=report.started_at.timestamp()), now)
    return f"data {_seconds(now - newest)} old"


def _seconds(seconds: float) -> str:
    whole = max(0.0, float(round(seconds)))
    return f"{whole:.0f} s" if whole < 120 else format_duration(whole - whole % 60)


def _clock(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%H:%M:%S} UTC"
