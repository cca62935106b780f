"""Plots and the timeline of changes as SVG. Lengths across are shares of the width, so that letters keep their size on
a phone; colours come from the page's style, and nothing is told by colour alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from opsctl.durations import format_duration, format_quantity
from opsctl.model import Bound, Change, Point
from opsctl.report.html_text import Html, joined, tag
from opsctl.report.outline import clock, what_changed
from opsctl.report.plot import Axis, Plot, Scale, scale, time_ticks, value_ticks

TOP, HEIGHT = 22.0, 150.0  # of the plot's area, in pixels
_FLOOR = TOP + HEIGHT
_WIDE = 1000.0  # the inner drawing's own width; it is stretched to the page's
_APART = 0.075  # two changes nearer than this share of the width stand in two rows
_TONE = {"sev1": "critical", "sev2": "critical", "sev3": "warning", "sev4": "warning"}


def figure(plot: Plot, span: Axis, changes: Sequence[Change], *, number: int) -> Html:
    """One signal against its bands, the onset and the changes marked."""
    room = scale(plot)
    drawn = joined(
        _grid(room, plot.unit),
        _bands(plot, room),
        _curve(plot, span, room),
        *(_upright(span.share(c.at.timestamp()), "change") for c in changes if _inside(c, span)),
        _bounds(plot, room),
        _onset(plot, span),
        _end(plot, span, room),
        _clock_row(span, _FLOOR + 16),
    )
    name = plot.findings[0].says.partition(",")[0] if plot.findings else plot.signal
    picture = tag(
        "svg",
        tag("title", f"{plot.signal} over time", id=f"plot{number}-title"),
        tag("desc", _told(plot, span), id=f"plot{number}-desc"),
        drawn,
        role="img",
        aria_labelledby=f"plot{number}-title plot{number}-desc",
        width="100%",
        height=_FLOOR + 24,
        class_="plot",
    )
    return tag("figure", tag("figcaption", tag("h3", name), _caption(plot)), picture)


def _caption(plot: Plot) -> Html:
    """The bands in words: ``broken above 50 ms for 5m (P2)``."""
    words = []
    for bound in plot.bounds:
        holds = f" for {format_duration(bound.holds)}" if 0 < bound.holds < 1e9 else ""
        word = bound.label or bound.severity
        words.append(
            f"{bound.side} {format_quantity(bound.value, plot.unit)[:24]}{holds}{f' ({word})' if word else ''}"
        )
    return tag("p", f"{plot.signal}; broken {'; '.join(words)}"[:600], class_="soft") if words else Html("")


def _told(plot: Plot, span: Axis) -> str:
    """The plot in words, for those who cannot see it."""
    known = [p for p in plot.points if math.isfinite(p.value)]
    low, high = min(known, key=lambda p: p.value), max(known, key=lambda p: p.value)
    words = [
        f"{format_duration(max(1.0, round(span.end - span.start)))} up to the time looked at",
        f"from {format_quantity(known[0].value, plot.unit)} to {format_quantity(known[-1].value, plot.unit)}",
        f"lowest {format_quantity(low.value, plot.unit)}, highest {format_quantity(high.value, plot.unit)}",
        *(_bound_words(b, plot.unit) for b in plot.bounds),
    ]
    return "; ".join(words)[:600]


def _bound_words(bound: Bound, unit: str) -> str:
    word = bound.label or bound.severity or "objective"
    return f"{word} {bound.side} {format_quantity(bound.value, unit)[:24]}"


def _grid(room: Scale, unit: str) -> Html:
    lines: list[Html] = []
    for value, label in value_ticks(room, unit):
        y = _y(room, value)
        lines.append(tag("line", class_="grid", x1="0", x2="100%", y1=y, y2=y))
        if y > TOP + 14:
            lines.append(tag("text", label, x=2, y=y - 4))
    return joined(*lines)


def _bands(plot: Plot, room: Scale) -> Html:
    """Each band from its bound on: where two overlap, the worse one is darker."""
    parts: list[Html] = []
    for bound in plot.bounds:
        if not room.low <= bound.value <= room.high:
            continue
        y = _y(room, bound.value)
        start, height = (TOP, y - TOP) if bound.side == "above" else (y, _FLOOR - y)
        parts.append(tag("rect", class_=f"band {_tone(bound)}", x="0", width="100%", y=start, height=max(0.0, height)))
    return joined(*parts)


def _bounds(plot: Plot, room: Scale) -> Html:
    """The bounds as lines, named where there is room: the mildest first."""
    parts: list[Html] = []
    named: list[float] = []
    for bound in plot.bounds:
        if not room.low <= bound.value <= room.high:
            continue
        y = _y(room, bound.value)
        inner = [tag("line", x1="0", x2="100%", y1=y, y2=y)]
        at = y - 5 if bound.side == "above" else y + 14
        if all(abs(at - other) >= 14 for other in named) and TOP + 8 <= at <= _FLOOR - 2:
            named.append(at)
            words = _bound_words(bound, plot.unit)
            if bound is plot.bounds[0]:
                words = f"objective {format_quantity(bound.value, plot.unit)[:24]}" + (
                    f", {word}" if (word := bound.label or bound.severity) else ""
                )
            inner.append(tag("text", words, x="99.5%", y=at, text_anchor="end"))
        parts.append(tag("g", *inner, class_=f"bound {_tone(bound)}"))
    return joined(*parts)


def _tone(bound: Bound) -> str:
    return _TONE.get(bound.severity or "", "warning")


def _curve(plot: Plot, span: Axis, room: Scale) -> Html:
    """The values as one line per unbroken run; what stands alone is a dot."""
    lines: list[str] = []
    areas: list[str] = []
    dots: list[Html] = []
    for run in _runs(plot.points):
        places = [(span.share(p.time) * _WIDE, _y(room, p.value)) for p in run]
        if len(places) == 1:
            x, y = places[0]
            dots.append(tag("circle", class_="dot", cx=f"{x / _WIDE:.2%}", cy=y, r=3))
            continue
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        lines.append(f"M{path}")
        areas.append(f"M{places[0][0]:.1f},{_FLOOR:g} L{path} L{places[-1][0]:.1f},{_FLOOR:g}Z")
    inner = tag(
        "svg",
        tag("path", class_="area", d=" ".join(areas)),
        tag("path", class_="value", d=" ".join(lines), vector_effect="non-scaling-stroke"),
        width="100%",
        height=_FLOOR,
        viewBox=f"0 0 {_WIDE:g} {_FLOOR:g}",
        preserveAspectRatio="none",
    )
    return joined(inner, *dots) if lines else joined(*dots)


def _runs(points: Sequence[Point]) -> list[list[Point]]:
    """Points without a gap between them: no NaN, no hole of more than three and a half usual steps."""
    steps = sorted(b.time - a.time for a, b in pairwise(points))
    most = 3.5 * steps[len(steps) // 2] if steps else 0.0
    runs: list[list[Point]] = []
    last: Point | None = None
    for point in points:
        if math.isfinite(point.value):
            if last is None or point.time - last.time > most:
                runs.append([])
            runs[-1].append(point)
            last = point
        else:
            last = None
    return runs


def _onset(plot: Plot, span: Axis) -> Html:
    if plot.since is None:
        return Html("")
    share = span.share(plot.since)
    before = share > 0.7
    label = tag(
        "text",
        f"since {clock(datetime.fromtimestamp(plot.since, UTC))}",
        x=f"{share:.2%}",
        y=TOP - 8,
        dx=-5 if before else 5,
        text_anchor="end" if before else "start",
    )
    return tag("g", _upright(share, "", top=TOP - 18), label, class_="onset")


def _end(plot: Plot, span: Axis, room: Scale) -> Html:
    """A dot at the newest value."""
    last = next((p for p in reversed(plot.points) if math.isfinite(p.value)), None)
    if last is None:
        return Html("")
    return tag("circle", class_="dot", cx=f"{min(0.995, span.share(last.time)):.2%}", cy=_y(room, last.value), r=3.5)


def _upright(share: float, kind: str, top: float = TOP) -> Html:
    line = tag("line", x1=f"{share:.2%}", x2=f"{share:.2%}", y1=top, y2=_FLOOR)
    return tag("g", line, class_=kind) if kind else line


def _clock_row(span: Axis, y: float) -> Html:
    marks: list[Html] = [tag("line", class_="grid", x1="0", x2="100%", y1=y - 16, y2=y - 16)]
    for moment, label in time_ticks(span):
        share = span.share(moment)
        side = "start" if share < 0.05 else "end" if share > 0.95 else "middle"
        marks.append(tag("text", label, x=f"{share:.2%}", y=y, text_anchor=side))
    return joined(*marks)


def _y(room: Scale, value: float) -> float:
    return TOP + (1.0 - room.share(value)) * HEIGHT


def _inside(change: Change, span: Axis) -> bool:
    return span.start <= change.at.timestamp() <= span.end


def timeline(changes: Sequence[Change], span: Axis, *, alone: bool) -> Html:
    """The changes as numbered marks on the time that the plots share; ``alone``: no plot above names the time."""
    marks: list[Html] = []
    rows: list[float] = []  # the share of the last mark in each row
    order = sorted((c.at.timestamp(), n) for n, c in enumerate(changes, 1) if _inside(c, span))
    for moment, number in order:
        share = min(0.965, max(0.035, span.share(moment)))
        row = next((r for r, last in enumerate(rows) if share - last >= _APART), len(rows))
        rows[row : row + 1] = [share]
        y, x = 12.0 + 24 * row, f"{share:.2%}"
        mark = (tag("circle", cx=x, cy=y, r=9.5), tag("text", str(number), x=x, y=y + 4, text_anchor="middle"))
        marks.append(tag("g", *mark, class_="change"))
    if not marks:
        return Html("")
    height = 24.0 * len(rows) + 2
    told = "; ".join(f"{clock(c.at)} {what_changed(c)}" for c in changes)
    return tag(
        "svg",
        tag("title", "When it changed", id="changes-title"),
        tag("desc", told[:600], id="changes-desc"),
        _clock_row(span, height + 16) if alone else Html(""),
        *marks,
        role="img",
        aria_labelledby="changes-title changes-desc",
        width="100%",
        height=height + (24 if alone else 0),
    )
