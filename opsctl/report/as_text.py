"""A report as text for a terminal (experience.md): verdict, number, causes with evidence, what could not be looked at,
what changed, what to run next. 80 columns; colour only adds."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from opsctl.durations import format_duration, format_quantity
from opsctl.model import CauseResult, Evidence, Finding, Measured, Report
from opsctl.report import unseen
from opsctl.report.sparkline import sparkline
from opsctl.report.style import Style

_MARK = {"confirmed": "confirmed", "possible": "possible", "refuted": "refuted", "not-measured": "not measured"}


def render(report: Report, style: Style) -> str:
    """The whole report; ends with a newline."""
    sentences = unseen.told(report.unknown)
    # Those that stand elsewhere already: in a note, or (added by _causes) under a cause.
    told = {text for says, text in sentences.items() if any(says.rstrip(".") in note for note in report.notes)}
    causes = _causes(report, sentences, told, style)
    parts = [
        _head(report, style),
        causes,
        _objectives(report, style),
        _unknowns([text for text in dict.fromkeys(sentences.values()) if text not in told], style),
        _absent(report, style),
        _changes(report, style),
        _notes(report.notes, style),
        _next(report, style),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(report: Report, style: Style) -> str:
    words = [style.verdict(report.verdict)]
    if report.severity is not None:
        words.append(report.severity)
    line = "  ".join([*words, report.says])
    lines = _wrap(line, style, indent="", hang="    ")
    measured = report.measured
    if measured is not None and len(measured.series) > 1:
        spark = sparkline([p.value for p in measured.series], unicode=style.unicode)
        lines.append(f"    {spark}  {_span(measured)}")
    detail = _own_words(report)
    if detail:
        lines.extend(_wrap(f"({detail})", style, indent="    ", hang="     "))
    return "\n".join(lines)


def _span(measured: Measured) -> str:
    first, last = measured.series[0], measured.series[-1]
    top = max(measured.series, key=lambda p: p.value if p.value == p.value else float("-inf"))
    span = format_duration(max(1.0, round(last.time - first.time)))
    return f"{span}, highest {format_quantity(top.value, measured.unit)}"


def _own_words(report: Report) -> str:
    words: list[str] = []
    if report.severity_label:
        words.append(f"{report.severity_label} in {report.service}'s own words")
    if report.escalation:
        words.append(f"next escalation: {report.escalation}")
    if report.at is not None:
        words.append(f"as of {_clock(report.at, full=True)}")
    return "; ".join(words)


def _causes(report: Report, sentences: Mapping[str, str], told: set[str], style: Style) -> str:
    if not report.causes:
        return ""
    if report.verdict == "ok":
        return _beside(report, style)
    title = _causes_title(report)
    gap = " " * (style.width - 1 - len(title) - len("checks"))
    lines = [style.paint(title, "bold") + gap + "checks"]
    findings = {f.id: f for f in report.findings if f.state != "unknown"}
    for f in report.findings:
        if f.state == "breach":
            findings[f.id] = f
    evidence = {e.id: e for e in report.evidence}
    likewise: list[str] = []  # not measured, for reasons that stand above already
    for number, cause in enumerate((c for c in report.causes if c.status != "refuted"), 1):
        if cause.status == "not-measured":
            why = _why_not(cause, report.findings, evidence, sentences)
            if why and not set(why) - told:
                likewise.append(cause.cause)
                continue
            lines.append(_cause_line("?", cause, style))
            for text in why:
                if text not in told:
                    lines.extend(_wrap(text, style, indent="      ", hang="        "))
            told.update(why)
        else:
            lines.append(_cause_line(str(number), cause, style))
            lines.extend(_cause_evidence(cause, findings, evidence, style))
    refuted = [
        c.cause + (f" ({c.measured} of {c.checks} checks)" if c.measured < c.checks else "")
        for c in report.causes
        if c.status == "refuted"
    ]
    for mark, names in ((" ?  not measured likewise", likewise), (" -  refuted", refuted)):
        if names:
            lines.extend(_wrap(f"{mark}: {', '.join(names)}", style, indent="", hang="    "))
    return "\n".join(lines)


def _why_not(
    cause: CauseResult, findings: Iterable[Finding], evidence: Mapping[str, Evidence], sentences: Mapping[str, str]
) -> list[str]:
    """Why nothing speaks for or against a cause; at most three reasons."""
    why: list[str] = []
    for finding in findings:
        if finding.id in cause.not_measured and finding.state == "unknown":
            failed = [e.unknown.says for id in finding.evidence if (e := evidence.get(id)) and e.unknown is not None]
            texts = [finding.says] if finding.says in sentences else failed or [finding.says]
            why += [sentences.get(text, text.rstrip(".")) for text in texts]
    return list(dict.fromkeys(why))[:3]


def _beside(report: Report, style: Style) -> str:
    """What was seen although the objective is met: nothing to explain, but worth a line each."""
    seen = {f.id: f for f in report.findings if f.state == "breach" and not f.id.startswith("signal.")}
    if not seen:
        return ""
    lines = [style.paint("Seen all the same (the objective is met, so none of it is a cause)", "bold")]
    for finding in seen.values():
        lines.extend(_wrap(f"{finding.id}: {finding.says.rstrip('.')}", style, indent="    ", hang="      "))
    return "\n".join(lines)


def _causes_title(report: Report) -> str:
    if any(c.status == "confirmed" for c in report.causes):
        return "Likely causes" if report.verdict != "unknown" else "Likely causes, if it is broken"
    return "No cause was confirmed"


def _cause_line(mark: str, cause: CauseResult, style: Style) -> str:
    status = _MARK[cause.status]
    checks = f"{cause.measured} of {cause.checks}"
    room = style.width - 4 - 14 - 8
    says = cause.says.rstrip(".")
    says_lines = textwrap.wrap(says, room) or [""]
    looks = {"confirmed": ("bold", "red"), "possible": ("yellow",)}.get(cause.status, ("dim",))
    first = f" {mark:<3}{says_lines[0]:<{room}} {style.paint(f'{status:<13}', *looks)}{checks:>7}"
    return "\n".join([first.rstrip(), *(f"    {line}" for line in says_lines[1:])])


def _cause_evidence(
    cause: CauseResult,
    findings: Mapping[str, Finding],
    evidence: Mapping[str, Evidence],
    style: Style,
) -> list[str]:
    lines: list[str] = []
    for id in cause.confirmed:
        finding = findings.get(id)
        if finding is None:
            continue
        source = next((evidence[e].source for e in finding.evidence if e in evidence), "")
        tail = f"  [{unseen.place(source)}]" if source else ""
        lines.extend(
            _wrap(finding.says.rstrip(".") + style.paint(tail, "dim"), style, indent="      ", hang="        ")
        )
        lines.extend(_sample(finding, evidence, style))
    if cause.status == "possible":
        for id in cause.refuted:
            against = findings.get(id)
            if against is not None:
                lines.extend(_wrap(f"against it: {against.says.rstrip('.')}", style, indent="      ", hang="        "))
    return lines


def _sample(finding: Finding, evidence: Mapping[str, Evidence], style: Style) -> list[str]:
    """The newest log line behind a finding, on one line."""
    values = (v for e in finding.evidence if e in evidence for v in evidence[e].values)
    line = next((str(v.value) for v in values if v.name == "line"), "")
    room = style.width - 8
    short = line if len(line) <= room else line[: room - 1] + ("…" if style.unicode else "~")
    return ["        " + style.paint(short, "dim")] if short else []


def _objectives(report: Report, style: Style) -> str:
    """The other objectives of this runbook, where there are several."""
    rows = [f for f in report.findings if f.id.startswith("signal.objective") or f.id == "signal.target-missed"]
    if len(rows) < 2:
        return ""
    lines = [style.paint("Objectives", "bold")]
    for f in rows:
        word = {"ok": "ok", "breach": "pending" if f.pending else "broken", "unknown": "unknown"}[f.state]
        if f.id == "signal.target-missed" and f.state == "breach":
            word = "missed"
        lines.extend(_wrap(f"{word:<8} {f.says.rstrip('.')}", style, indent="    ", hang="             "))
    return "\n".join(lines)


def _unknowns(texts: Iterable[str], style: Style) -> str:
    lines = [line for text in texts for line in _wrap(text, style, indent="    ", hang="      ")]
    return "\n".join([style.paint("Could not look at", "bold"), *lines]) if lines else ""


def _absent(report: Report, style: Style) -> str:
    """What the first sentence says already is not said again."""
    texts = unseen.absent(item for item in report.not_configured if item.says.rstrip(".") not in report.says)
    if not texts:
        return ""
    lines = [style.paint("Not configured for this service (not the same as healthy)", "bold")]
    for text in texts:
        lines.extend(_wrap(text, style, indent="    ", hang="      "))
    return "\n".join(lines)


def _changes(report: Report, style: Style) -> str:
    if not report.changes:
        return ""
    since = report.measured.since if report.measured is not None else None
    title = "What changed" + (f" (nearest to {_clock(since)} first)" if since is not None else "")
    lines = [style.paint(title, "bold")]
    for change in report.changes[:8]:
        what = change.subject
        if change.system not in ("kubernetes", "service"):
            what = f"{change.system} {unseen.place(change.subject)}"
        lines.extend(_wrap(f"{_clock(change.at)}  {what}: {change.says}", style, indent="    ", hang="               "))
    if len(report.changes) > 8:
        lines.append(f"    and {len(report.changes) - 8} more (-o json)")
    return "\n".join(lines)


def _notes(notes: tuple[str, ...], style: Style) -> str:
    lines = [line for text in notes for line in _wrap(text, style, indent="Note  ", hang="      ")]
    return "\n".join(lines)


def _next(report: Report, style: Style) -> str:
    steps = list(report.next)
    if not steps:
        return ""
    lines = []
    for index, step in enumerate(steps):
        head = style.paint("Next", "bold") + "  " if index == 0 else "      "
        if step.startswith("opsctl "):
            lines.append(head + step)
        else:
            lines.extend(_wrap(step, style, indent=head, hang="        "))
    return "\n".join(lines)


def _clock(moment: datetime, *, full: bool = False) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if full else f"{moment.astimezone(UTC):%H:%M} UTC"


def _wrap(text: str, style: Style, *, indent: str, hang: str) -> list[str]:
    escapes = len(indent) and indent.startswith("\x1b")
    width = style.width + (len(indent) - 6 if escapes else 0)
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=hang, break_long_words=False, break_on_hyphens=False
    ) or [indent.rstrip()]
