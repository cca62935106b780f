"""What every format tells, in the order of telling, before it is laid out: so that text, Markdown and HTML agree.

Each sentence stands once: a failure that a note or a cause tells is not told again further down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from opsctl.durations import format_duration, format_quantity
from opsctl.model import CauseResult, CauseStatus, Change, Evidence, Finding, Measured, Report
from opsctl.report import unseen

STATUS: dict[CauseStatus, str] = {
    "confirmed": "confirmed",
    "possible": "possible",
    "refuted": "refuted",
    "not-measured": "not measured",
}
OBJECTIVE, TARGET, SYMPTOM = "signal.objective-broken", "signal.target-missed", "symptom.shown"


class Reason(NamedTuple):
    """One finding that speaks for or against a cause, with where it was seen and the newest log line behind it."""

    finding: Finding
    says: str
    source: str
    sample: str
    evidence: tuple[Evidence, ...]


class Hypothesis(NamedTuple):
    """A cause as it is told. ``why``: why nothing could be measured, without what was told before it."""

    mark: str  # its number, or ?
    cause: CauseResult
    says: str
    speak_for: tuple[Reason, ...]
    against: tuple[Reason, ...]
    why: tuple[str, ...]


class Outline(NamedTuple):
    """A report's parts. ``likewise``: causes not measured for reasons told above."""

    own_words: str
    span: str
    title: str
    causes: tuple[Hypothesis, ...]
    likewise: tuple[str, ...]
    refuted: tuple[CauseResult, ...]
    beside: tuple[Finding, ...]
    decided: tuple[tuple[str, Finding], ...]
    unknown: tuple[str, ...]
    absent: tuple[str, ...]
    changes: tuple[Change, ...]
    next: tuple[str, ...]


def outline(report: Report) -> Outline:
    """The report's parts, each sentence once."""
    sentences = unseen.told(report.unknown)
    # Those that stand elsewhere already: in a note, or (added below) under a cause.
    told = {text for says, text in sentences.items() if any(says.rstrip(".") in note for note in report.notes)}
    explained = report.causes if report.verdict != "ok" else ()
    causes, likewise = _hypotheses(report, explained, sentences, told)
    return Outline(
        own_words=_own_words(report),
        span=_span(report.measured),
        title=_title(report),
        causes=causes,
        likewise=likewise,
        refuted=tuple(c for c in explained if c.status == "refuted"),
        beside=_beside(report) if report.verdict == "ok" else (),
        decided=_decided(report),
        unknown=tuple(text for text in dict.fromkeys(sentences.values()) if text not in told),
        absent=tuple(
            # What the first sentence says already is not said again.
            unseen.absent(item for item in report.not_configured if item.says.rstrip(".") not in report.says)
        ),
        changes=report.changes,
        next=report.next,
    )


def clock(moment: datetime, *, full: bool = False) -> str:
    """``03:00 UTC``, or with ``full`` the date and the seconds, too."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if full else f"{moment.astimezone(UTC):%H:%M} UTC"


def what_changed(change: Change) -> str:
    """What a change happened to: its subject, with the system where the subject alone does not say it."""
    if change.system in ("kubernetes", "service"):
        return change.subject
    return f"{change.system} {unseen.place(change.subject)}"


def is_command(step: str) -> bool:
    """Whether a next step can be pasted; the others are advice in words."""
    return step.startswith("opsctl ") and "\n" not in step


def _own_words(report: Report) -> str:
    words: list[str] = []
    if report.severity_label:
        words.append(f"{report.severity_label} in {report.service}'s own words")
    if report.escalation:
        words.append(f"next escalation: {report.escalation}")
    if report.at is not None:
        words.append(f"as of {clock(report.at, full=True)}")
    return "; ".join(words)


def _span(measured: Measured | None) -> str:
    """``10m, highest 142 ms``: what the sparkline covers."""
    if measured is None or len(measured.series) < 2:
        return ""
    first, last = measured.series[0], measured.series[-1]
    top = max(measured.series, key=lambda p: p.value if p.value == p.value else float("-inf"))
    try:
        span = format_duration(max(1.0, round(last.time - first.time)))
    except (ValueError, OverflowError):  # times that are none, in an edited report
        return ""
    return f"{span}, highest {format_quantity(top.value, measured.unit)}"


def _title(report: Report) -> str:
    if any(c.status == "confirmed" for c in report.causes):
        return "Likely causes" if report.verdict != "unknown" else "Likely causes, if it is broken"
    return "No cause was confirmed"


def _hypotheses(
    report: Report, causes: Iterable[CauseResult], sentences: Mapping[str, str], told: set[str]
) -> tuple[tuple[Hypothesis, ...], tuple[str, ...]]:
    """The causes that are not refuted, and those not measured for reasons told before. Adds to ``told``."""
    evidence = {e.id: e for e in report.evidence}
    found: list[Hypothesis] = []
    likewise: list[str] = []
    for number, cause in enumerate((c for c in causes if c.status != "refuted"), 1):
        says = cause.says.rstrip(".")
        if cause.status == "not-measured":
            why = _why_not(cause, report.findings, evidence, sentences)
            if why and not set(why) - told:
                likewise.append(cause.cause)
                continue
            found.append(Hypothesis("?", cause, says, (), (), tuple(text for text in why if text not in told)))
            told.update(why)
            continue
        speak_for = reasons(report, cause.confirmed)
        against = reasons(report, cause.refuted) if cause.status == "possible" else ()
        found.append(Hypothesis(str(number), cause, says, speak_for, against, ()))
    return tuple(found), tuple(likewise)


def reasons(report: Report, ids: Iterable[str]) -> tuple[Reason, ...]:
    """The findings of those ids with what is behind them; what could not be told is left out."""
    findings = {f.id: f for f in report.findings if f.state != "unknown"}
    findings |= {f.id: f for f in report.findings if f.state == "breach"}
    evidence = {e.id: e for e in report.evidence}
    found: list[Reason] = []
    for id in ids:
        finding = findings.get(id)
        if finding is None:
            continue
        behind = tuple(evidence[e] for e in finding.evidence if e in evidence)
        lines = (str(v.value) for e in behind for v in e.values if v.name == "line")
        source = behind[0].source if behind else ""
        found.append(Reason(finding, finding.says.rstrip("."), source, next(lines, ""), behind))
    return tuple(found)


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


def _beside(report: Report) -> tuple[Finding, ...]:
    """What was seen although the objective is met: nothing to explain, but worth a line each."""
    deciding = _deciding(report)
    found = {f.id: f for f in report.findings if f.state == "breach" and f.id not in deciding}
    return tuple(f for f in found.values() if not f.id.startswith("signal."))


def _deciding(report: Report) -> set[str]:
    return {OBJECTIVE, TARGET, SYMPTOM, *report.decides}


def _decided(report: Report) -> tuple[tuple[str, Finding], ...]:
    """What the verdict was decided by, and the targets, where there are several: a word and the finding each.

    The headline's own sentence first, then what is broken, what could not be told, what is met.
    """
    ids = _deciding(report)
    order = {"breach": 0, "unknown": 1, "ok": 2}
    # One failure leaves many findings unknown: it is told once.
    unique = {("" if f.state == "unknown" else f.id, f.says): f for f in report.findings if f.id in ids}
    checks = [f for f in unique.values() if f.id not in (OBJECTIVE, TARGET, SYMPTOM)]
    fine = [f for f in checks if f.state == "ok"]
    # What speaks for a cause, or could not be looked at, stands in its own place.
    told = {id for cause in report.causes if cause.status in ("confirmed", "possible") for id in cause.confirmed}
    elsewhere = [f for f in checks if f.state == "unknown" or f.id in told] + (fine if len(fine) > 1 else [])
    rest = [f for f in unique.values() if f not in elsewhere]
    rows = sorted(rest, key=lambda f: (order[f.state], f.pending, f.severity or "sev9"))
    if len(fine) > 1:  # a runbook of many checks: what is well is counted
        rows.append(Finding(id="", state="ok", says=f"{len(fine)} more checks found nothing wrong"))
    return tuple((_word(f), f) for f in rows) if len(rows) > 1 else ()


def _word(finding: Finding) -> str:
    if finding.state != "breach":
        return finding.state
    if finding.id == TARGET:
        return "missed"
    if finding.id == SYMPTOM:
        return "shown"
    if finding.pending:
        return "pending"
    return "broken" if finding.id == OBJECTIVE else "breach"
