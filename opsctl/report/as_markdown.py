"""A report as Markdown for a ticket: verdict first, then number, causes with evidence, what could not be looked at,
what changed, what to run next. Only what GitHub, GitLab, Jira and Linear all understand; no HTML."""

from __future__ import annotations

from collections.abc import Iterable

from opsctl.durations import format_quantity
from opsctl.model import CauseResult, Change, Report
from opsctl.report import unseen
from opsctl.report.apart import apart
from opsctl.report.markdown_text import block, code, plain
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

_MOST = 40  # lines of one list
_QUERIES = 6


def render(report: Report) -> str:
    """The whole report; ends with a newline."""
    told = outline(report)
    parts = [
        _head(report, told),
        _causes(told),
        _decided(told),
        _listed("Could not look at", told.unknown),
        _listed("Not configured for this service (not the same as healthy)", told.absent),
        _changes(report, told),
        _listed("Notes", report.notes),
        _next(told),
        _queries(told),
        _foot(report),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _head(report: Report, told: Outline) -> list[str]:
    severity = f" ({report.severity})" if report.severity is not None else ""
    place = f" in {plain(report.context)}" if report.context else ""
    asked = f"{plain(report.runbook)} on {plain(report.service)}{place}"
    lines = [f"## {report.verdict.upper()}{severity}: {asked}", "", f"**{plain(report.says)}**"]
    facts = _facts(report, told)
    if told.own_words:
        facts.append(plain(told.own_words))
    return [*lines, "", *(f"- {fact}" for fact in facts)] if facts else lines


def _facts(report: Report, told: Outline) -> list[str]:
    """The number against its objective, since when, and how it went."""
    measured = report.measured
    facts: list[str] = []
    if measured is not None and measured.value is not None:
        value = format_quantity(measured.value, measured.unit, beside=measured.objective, at_least=measured.at_least)
        against = ""
        if measured.objective is not None:
            against = f", objective {plain(format_quantity(measured.objective, measured.unit))}"
        since = f", since {clock(measured.since, full=True)}" if measured.since is not None else ""
        facts.append(f"{code(measured.signal)} {plain(value)}{against}{since}")
    if measured is not None and told.span:
        facts.append(f"{code(sparkline([p.value for p in measured.series]))} {plain(told.span)}".strip())
    return facts


def _causes(told: Outline) -> list[str]:
    if told.beside:
        rows = (f"{code(f.id)}: {plain(f.says)}" for f in told.beside)
        return _section("Seen all the same (the objective is met, so none of it is a cause)", rows)
    if not told.causes and not told.likewise and not told.refuted:
        return []
    lines = [f"### {told.title}", ""]
    if told.causes:
        lines += ["| | Cause | Status | Checks | Evidence |", "| --- | --- | --- | --- | --- |"]
        lines += [_row(one) for one in told.causes[:_MOST]]
    also = []
    if told.likewise:
        also.append(f"Not measured likewise: {', '.join(code(name) for name in told.likewise)}")
    if told.refuted:
        also.append(f"Refuted: {', '.join(_refuted(cause) for cause in told.refuted)}")
    if also:
        lines += ([""] if told.causes else []) + [f"- {line}" for line in also]
    samples = [(one.mark, r.sample) for one in told.causes for r in one.speak_for if r.sample]
    for mark, sample in samples[:_MOST]:
        lines += ["", f"A line behind cause {mark}:", "", *block(sample, "text")]
    return lines


def _row(one: Hypothesis) -> str:
    cause = one.cause
    evidence = [_reason(r) for r in one.speak_for] + [f"against it: {_reason(r)}" for r in one.against]
    evidence += [plain(text) for text in one.why]
    says = f"**{plain(one.says)}** ({code(cause.cause)})"
    checks = f"{cause.measured} of {cause.checks}"
    cells = (one.mark, says, STATUS[cause.status], checks, "; ".join(evidence))
    return f"| {' | '.join(cells)} |"


def _reason(reason: Reason) -> str:
    source = f" ({code(unseen.place(reason.source), 300)})" if reason.source else ""
    return plain(reason.says, 600) + source


def _refuted(cause: CauseResult) -> str:
    partly = f" ({cause.measured} of {cause.checks} checks)" if cause.measured < cause.checks else ""
    return f"{code(cause.cause)}{partly}"


def _decided(told: Outline) -> list[str]:
    return _section("Objectives", (f"{word}: {plain(f.says)}" for word, f in told.decided))


def _listed(title: str, texts: Iterable[str]) -> list[str]:
    return _section(title, (plain(text) for text in texts))


def _changes(report: Report, told: Outline) -> list[str]:
    since = report.measured.since if report.measured is not None else None
    title = "What changed" + (f", nearest to {clock(since)} first" if since is not None else "")
    rows = (
        f"{clock(c.at, full=True)}{_apart(c)}: {plain(what_changed(c))}: {plain(c.says, 600)}" for c in told.changes
    )
    return _section(title, rows)


def _next(told: Outline) -> list[str]:
    """Commands in a block that can be copied, advice in words."""
    if not told.next:
        return []
    lines = ["### Next", ""]
    commands = [step for step in told.next if is_command(step)]
    if commands:
        lines += block("\n".join(commands), "sh")
    words = [f"- {plain(step)}" for step in told.next if not is_command(step)]
    return [*lines, *([""] if commands and words else []), *words]


def _queries(told: Outline) -> list[str]:
    """What was asked for the evidence of confirmed causes, so that it can be asked again."""
    evidence = {
        e.id: e for one in told.causes if one.cause.status == "confirmed" for r in one.speak_for for e in r.evidence
    }
    lines: list[str] = []
    for one in [e for e in evidence.values() if e.query][:_QUERIES]:
        lines += ["", f"{plain(one.subject, 300)}, {code(one.source, 300)}:", "", *block(one.query)]
    return ["### Asked for it", *lines] if lines else []


def _foot(report: Report) -> list[str]:
    runbook = f"Runbook {plain(report.runbook)}"
    given = ", ".join(f"{plain(name)} {code(value)}" for name, value in report.parameters.items())
    facts = [
        runbook + (f" {code(report.runbook_digest)}" if report.runbook_digest else ""),
        f"opsctl {plain(report.opsctl)}" if report.opsctl else "",
        f"looked at {clock(report.started_at, full=True)}",
        f"parameters {given}" if given else "",
        "times in UTC",
    ]
    return ["---", "", f"{'; '.join(filter(None, facts))}."]


def _section(title: str, rows: Iterable[str]) -> list[str]:
    listed = list(rows)
    if not listed:
        return []
    more = [f"- and {len(listed) - _MOST} more (`-o json`)"] if len(listed) > _MOST else []
    return [f"### {title}", "", *(f"- {row}" for row in listed[:_MOST]), *more]


def _apart(change: Change) -> str:
    """`` (4 min before)``, counted from the onset."""
    return f" ({apart(change)})" if change.offset is not None else ""
