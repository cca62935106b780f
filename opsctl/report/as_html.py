"""A report as one HTML page: nothing is fetched, nothing runs, everything from servers is text.

Readable on a phone, in the dark and on paper; the plots and the changes share one time axis.
"""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

from opsctl.durations import format_quantity
from opsctl.model import Change, Report
from opsctl.report import unseen
from opsctl.report.apart import apart
from opsctl.report.html_evidence import Folder, checks
from opsctl.report.html_plot import figure, timeline
from opsctl.report.html_text import Html, joined, shortened, tag
from opsctl.report.outline import (
    STATUS,
    Hypothesis,
    Outline,
    Reason,
    clock,
    is_command,
    outline,
    reasons,
    what_changed,
)
from opsctl.report.plot import axis, plots
from opsctl.report.tightened import tightened

_MOST_PLOTS = 8
_MOST_LISTED = 60  # lines of one list
LIMIT = 400_000  # bytes
_EVIDENCE_ROOM = 230_000  # characters of HTML for evidence
_SIGN = {"ok": "✓", "warning": "!", "critical": "✕", "unknown": "?"}


def render(report: Report) -> str:
    """The whole page, to be written as UTF-8: at most LIMIT bytes, if need be with shorter texts and lists."""
    page = _page(report, _EVIDENCE_ROOM)
    for longest, room in ((500, 120_000), (120, 60_000), (40, 20_000)):
        if len(page.encode("utf-8", "replace")) <= LIMIT:
            break
        page = _page(tightened(report, longest), room)
    return page


def _page(report: Report, room: int) -> str:
    told = outline(report)
    folder = Folder(report.evidence, room=room)
    moment = clock(report.at or report.started_at, full=True)
    title = f"{report.verdict.upper()}: {report.service} {report.runbook}, {moment}"
    body = tag(
        "main",
        _head(report, told),
        _seen(report, told),
        _causes(report, told, folder),
        _decided(told),
        _listed("Could not look at", told.unknown),
        _listed("Not configured for this service (not the same as healthy)", told.absent),
        _listed("Notes", report.notes),
        _next(told),
        _all(report, folder),
        _foot(report),
    )
    style = _style()
    policy = f"default-src 'none'; style-src '{_digest(style)}'; base-uri 'none'; form-action 'none'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="generator", content=f"opsctl {report.opsctl}"),
        tag("title", title),
        tag("style", Html(style)),
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', body), lang='en')}\n"


def _style() -> str:
    return Path(__file__).with_name("report.css").read_text(encoding="utf-8")


def _digest(style: str) -> str:
    """The style is named by its digest, so that no other one is obeyed."""
    import base64
    import hashlib

    return f"sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}"


def _head(report: Report, told: Outline) -> Html:
    place = f" in {report.context}" if report.context else ""
    moment = f"as of {clock(report.at, full=True)}" if report.at is not None else clock(report.started_at, full=True)
    severity = tag("strong", report.severity) if report.severity is not None else Html("")
    return tag(
        "header",
        tag("div", tag("span", f"{_SIGN[report.verdict]} {report.verdict.upper()}", class_="badge"), severity),
        tag("h1", shortened(report.says)),
        tag("p", f"{report.runbook} on {report.service}{place}, {moment}", class_="soft"),
        tag("p", told.own_words) if told.own_words else Html(""),
        _facts(report),
        class_=report.verdict,
    )


def _facts(report: Report) -> Html:
    """The number, what it is held against, since when, and how much could be looked at."""
    measured = report.measured
    facts: list[Html] = []

    def fact(name: str, value: str, kind: str = "", more: str = "") -> None:
        detail = tag("span", more[:60], class_="soft") if more else Html("")
        facts.append(tag("div", tag("dt", name), tag("dd", value[:60], " " if more else "", detail), class_=kind))

    if measured is not None and measured.value is not None:
        value = format_quantity(measured.value, measured.unit, beside=measured.objective, at_least=measured.at_least)
        fact("measured", value, "worst" if report.verdict in ("warning", "critical") else "")
        if measured.objective is not None:
            fact("objective", format_quantity(measured.objective, measured.unit))
        if measured.since is not None:
            seconds = ((report.at or report.started_at) - measured.since).total_seconds()
            lasted = f"for {format_quantity(float(round(seconds)), 's')}" if 1 <= seconds < 1e9 else ""
            fact("pending since" if measured.pending else "broken since", clock(measured.since), more=lasted)
    if report.findings:
        known = sum(f.state != "unknown" for f in report.findings)
        fact("checks made", f"{known} of {len(report.findings)}")
    return tag("dl", *facts, class_="facts") if facts else Html("")


def _seen(report: Report, told: Outline) -> Html:
    """The plots and below them the changes, on one time axis."""
    drawn = plots(report)[:_MOST_PLOTS]
    changes = told.changes[:_MOST_LISTED]
    if not drawn and not changes:
        return Html("")
    span = axis(report, drawn)
    figures = [figure(plot, span, changes, number=n) for n, plot in enumerate(drawn, 1)]
    items = [_change(n, change, report) for n, change in enumerate(changes, 1)]
    more = len(told.changes) - len(changes)
    if more > 0:
        items.append(tag("li", tag("span", ""), tag("span", f"and {more} more in the JSON report")))
    since = report.measured.since if report.measured is not None else None
    title = "What changed" + (f", nearest to {clock(since)} first" if since is not None else "")
    listed = (
        joined(tag("h2", title), timeline(changes, span, alone=not drawn), tag("ol", *items, class_="changes"))
        if changes
        else Html("")
    )
    return tag("section", *figures, listed)


def _change(number: int, change: Change, report: Report) -> Html:
    same = change.at.astimezone(UTC).date() == (report.at or report.started_at).astimezone(UTC).date()
    away = apart(change)
    return tag(
        "li",
        tag("span", tag("span", str(number), class_="number")),
        tag(
            "span",
            tag("strong", clock(change.at, full=not same)),
            f"  {shortened(what_changed(change), 200)}: {shortened(change.says, 500)}",
            tag("span", f"  {away}", class_="soft") if away else Html(""),
        ),
    )


def _causes(report: Report, told: Outline, folder: Folder) -> Html:
    parts = [_cause(one, folder) for one in told.causes[:_MOST_LISTED]]
    if told.likewise:
        parts.append(tag("p", f"Not measured likewise: {', '.join(told.likewise)}", class_="soft"))
    if told.refuted:
        rows = [
            tag(
                "li",
                tag("strong", c.says.rstrip(".")),
                f"  ({c.measured} of {c.checks} checks)",
                tag("ul", *(_reason(r) for r in reasons(report, c.refuted)[:6])),
            )
            for c in told.refuted[:_MOST_LISTED]
        ]
        count = f"{len(told.refuted)} cause{'s' if len(told.refuted) > 1 else ''}"
        parts.append(tag("details", tag("summary", f"Refuted: {count}, and what speaks against"), tag("ul", *rows)))
    if parts:
        return tag("section", tag("h2", told.title), *parts)
    if told.beside:
        rows = [tag("li", tag("code", f.id), f" {shortened(f.says)}") for f in told.beside]
        title = "Seen all the same (the objective is met, so none of it is a cause)"
        return tag("section", tag("h2", title), tag("ul", *rows))
    return Html("")


def _cause(one: Hypothesis, folder: Folder) -> Html:
    cause = one.cause
    status = tag("span", STATUS[cause.status], class_="status")
    count = tag("span", f"{cause.measured} of {cause.checks} checks", class_="soft")
    ids = [e.id for reason in (*one.speak_for, *one.against) for e in reason.evidence]
    steps = [tag("code", s, class_="command", tabindex="0") if is_command(s) else tag("p", s) for s in cause.next]
    return tag(
        "article",
        tag("h3", f"{one.mark}  {one.says}"),
        tag("p", status, "  ", count, "  ", tag("code", cause.cause)),
        tag("ul", *(_reason(r) for r in one.speak_for)) if one.speak_for else Html(""),
        tag("ul", *(_reason(r, "against it: ") for r in one.against)) if one.against else Html(""),
        tag("ul", *(tag("li", shortened(text)) for text in one.why)) if one.why else Html(""),
        folder.folded("Evidence", ids),
        *(steps if cause.status == "possible" else ()),
        class_=f"cause {cause.status}",
    )


def _reason(reason: Reason, lead: str = "") -> Html:
    source = (
        tag("span", f"  [{unseen.place(shortened(reason.source, 300))}]", class_="soft") if reason.source else Html("")
    )
    sample = tag("pre", shortened(reason.sample, 600)) if reason.sample else Html("")
    return tag("li", lead, shortened(reason.says), source, sample)


def _decided(told: Outline) -> Html:
    rows = [
        tag(
            "tr",
            tag("td", tag("span", word, class_=f"state {'breach' if f.state == 'breach' else f.state}")),
            tag("td", shortened(f.says, 500)),
        )
        for word, f in told.decided[:_MOST_LISTED]
    ]
    return (
        tag("section", tag("h2", "Objectives"), tag("table", tag("tbody", *rows), class_="rows")) if rows else Html("")
    )


def _listed(title: str, texts: tuple[str, ...]) -> Html:
    if not texts:
        return Html("")
    rows = [tag("li", shortened(text)) for text in texts[:_MOST_LISTED]]
    if len(texts) > _MOST_LISTED:
        rows.append(tag("li", f"and {len(texts) - _MOST_LISTED} more in the JSON report"))
    return tag("section", tag("h2", title), tag("ul", *rows))


def _next(told: Outline) -> Html:
    if not told.next:
        return Html("")
    steps = [
        tag("code", step, class_="command", tabindex="0") if is_command(step) else tag("p", shortened(step))
        for step in told.next
    ]
    return tag("section", tag("h2", "Next"), *steps)


def _all(report: Report, folder: Folder) -> Html:
    parts = [part for part in (checks(report.findings), folder.rest()) if part]
    return tag("section", tag("h2", "Everything that was looked at"), *parts) if parts else Html("")


def _foot(report: Report) -> Html:
    given = ", ".join(f"{name}={value}" for name, value in report.parameters.items())
    facts = [
        f"Runbook {report.runbook}" + (f" ({report.runbook_digest})" if report.runbook_digest else ""),
        f"opsctl {report.opsctl}" if report.opsctl else "",
        f"looked at {clock(report.started_at, full=True)} in {format_quantity(report.seconds, 's')}",
        f"parameters {given}" if given else "",
        "times in UTC",
        "the diagnosis changed nothing",
    ]
    return tag("footer", tag("p", shortened("; ".join(filter(None, facts)), 900) + "."))
