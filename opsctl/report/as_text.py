"""A report as text for a terminal (experience.md): verdict, number, causes with evidence, what could not be looked at,
what changed, what to run next. 80 columns; colour only adds."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from opsctl.model import Report
from opsctl.redact import printable
from opsctl.report import unseen
from opsctl.report.apart import apart
from opsctl.report.outline import (
    STATUS,
    Hypothesis,
    Outline,
    Reason,
    clock,
    is_command,
    outline,
    what_changed,
)
from opsctl.report.sparkline import sparkline
from opsctl.report.style import Style

_CHANGES = 8


def render(report: Report, style: Style) -> str:
    """The whole report; ends with a newline."""
    told = outline(report)
    parts = [
        _head(report, told, style),
        _causes(told, style),
        _beside(told, style),
        _objectives(told, style),
        _listed("Could not look at", told.unknown, style),
        _listed("Not configured for this service (not the same as healthy)", told.absent, style),
        _changes(report, told, style),
        "\n".join(line for text in report.notes for line in _wrap(text, style, indent="Note  ", hang="      ")),
        _next(told, style),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(report: Report, told: Outline, style: Style) -> str:
    words = [style.verdict(report.verdict)]
    if report.severity is not None:
        words.append(report.severity)
    lines = _wrap("  ".join([*words, report.says]), style, indent="", hang="    ")
    measured = report.measured
    if measured is not None and len(measured.series) > 1:
        spark = sparkline([p.value for p in measured.series], unicode=style.unicode)
        lines.append(f"    {spark}  {told.span}".rstrip())
    if told.own_words:
        lines.extend(_wrap(f"({told.own_words})", style, indent="    ", hang="     "))
    return "\n".join(lines)


def _causes(told: Outline, style: Style) -> str:
    if not told.causes and not told.likewise and not told.refuted:
        return ""
    gap = " " * (style.width - 1 - len(told.title) - len("checks"))
    lines = [style.paint(told.title, "bold") + gap + "checks"]
    for one in told.causes:
        lines.append(_cause_line(one, style))
        for text in one.why:
            lines.extend(_wrap(text, style, indent="      ", hang="        "))
        for reason in one.speak_for:
            lines.extend(_reason(reason, style))
        for against in one.against:
            lines.extend(_wrap(f"against it: {against.says}", style, indent="      ", hang="        "))
    refuted = [
        c.cause + (f" ({c.measured} of {c.checks} checks)" if c.measured < c.checks else "") for c in told.refuted
    ]
    for mark, names in ((" ?  not measured likewise", told.likewise), (" -  refuted", refuted)):
        if names:
            lines.extend(_wrap(f"{mark}: {', '.join(names)}", style, indent="", hang="    "))
    return "\n".join(lines)


def _cause_line(one: Hypothesis, style: Style) -> str:
    status, checks = STATUS[one.cause.status], f"{one.cause.measured} of {one.cause.checks}"
    room = style.width - 4 - 14 - 8
    says = textwrap.wrap(printable(one.says), room) or [""]
    looks = {"confirmed": ("bold", "red"), "possible": ("yellow",)}.get(one.cause.status, ("dim",))
    first = f" {one.mark:<3}{says[0]:<{room}} {style.paint(f'{status:<13}', *looks)}{checks:>7}"
    return "\n".join([first.rstrip(), *(f"    {line}" for line in says[1:])])


def _reason(reason: Reason, style: Style) -> list[str]:
    """The finding's sentence with its source, and the newest log line behind it, on one line."""
    tail = f"  [{unseen.place(reason.source)}]" if reason.source else ""
    lines = _wrap(reason.says + style.paint(tail, "dim"), style, indent="      ", hang="        ")
    room, sample = style.width - 8, " ".join(printable(reason.sample).split())
    short = sample if len(sample) <= room else sample[: room - 1] + ("…" if style.unicode else "~")
    return [*lines, "        " + style.paint(short, "dim")] if short else lines


def _beside(told: Outline, style: Style) -> str:
    """What was seen although the objective is met."""
    texts = [f"{finding.id}: {finding.says.rstrip('.')}" for finding in told.beside]
    return _listed("Seen all the same (the objective is met, so none of it is a cause)", texts, style)


def _objectives(told: Outline, style: Style) -> str:
    """All that decides the verdict, and the targets, where there are several."""
    if not told.decided:
        return ""
    lines = [style.paint("Objectives", "bold")]
    for word, finding in told.decided:
        lines.extend(_wrap(f"{word:<8} {finding.says.rstrip('.')}", style, indent="    ", hang="             "))
    return "\n".join(lines)


def _listed(title: str, texts: Iterable[str], style: Style) -> str:
    lines = [line for text in texts for line in _wrap(text, style, indent="    ", hang="      ")]
    return "\n".join([style.paint(title, "bold"), *lines]) if lines else ""


def _changes(report: Report, told: Outline, style: Style) -> str:
    if not told.changes:
        return ""
    since = report.measured.since if report.measured is not None else None
    title = "What changed" + (f" (nearest to {clock(since)} first)" if since is not None else "")
    lines = [style.paint(title, "bold")]
    for change in told.changes[:_CHANGES]:
        far = f"  {apart(change):<13}" if change.offset is not None else ""
        when = f"{clock(change.at)}{far}  "
        text = f"{when}{what_changed(change)}: {change.says}"
        lines.extend(_wrap(text, style, indent="    ", hang=" " * min(4 + len(when), style.width // 2)))
    if len(told.changes) > _CHANGES:
        lines.append(f"    and {len(told.changes) - _CHANGES} more (-o json)")
    return "\n".join(lines)


def _next(told: Outline, style: Style) -> str:
    lines: list[str] = []
    for index, step in enumerate(told.next):
        head = style.paint("Next", "bold") + "  " if index == 0 else "      "
        if is_command(step):
            only = "     plan only; changes nothing" if step.startswith("opsctl remediate") else ""
            fits = len(printable(step)) + len(only) + 6 <= style.width
            lines.append(head + printable(step) + (style.paint(only, "dim") if fits else ""))
        else:
            lines.extend(_wrap(step, style, indent=head, hang="        "))
    return "\n".join(lines)


def _wrap(text: str, style: Style, *, indent: str, hang: str) -> list[str]:
    escapes = len(indent) and indent.startswith("\x1b")
    width = style.width + (len(indent) - 6 if escapes else 0)
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=hang, break_long_words=False, break_on_hyphens=False
    ) or [indent.rstrip()]
