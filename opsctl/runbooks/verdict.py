"""The verdict of a diagnosis, from its objectives. Pure. Unknown is never healthy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from opsctl.model import Evidence, Finding, Measured, Point, Severity, Value, VerdictWord

OBJECTIVE = "signal.objective-broken"
SYMPTOM = "symptom.shown"
WORD: dict[Severity, VerdictWord] = {"sev1": "critical", "sev2": "critical", "sev3": "warning", "sev4": "warning"}
EXIT: dict[VerdictWord, int] = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}


class Verdict(NamedTuple):
    """The word, the finding that decided it (None if there is none)."""

    word: VerdictWord
    finding: Finding | None


def word_of(finding: Finding) -> VerdictWord:
    """The verdict word of one objective's finding: pending is a warning, whatever its band."""
    if finding.state == "unknown":
        return "unknown"
    if finding.state == "ok":
        return "ok"
    if finding.pending:
        return "warning"
    return WORD.get(finding.severity or "sev3", "warning")


def decide(findings: Sequence[Finding], decides: Sequence[str] = ()) -> Verdict:
    """The worst broken objective, symptom or finding named in ``decides``; without one, what could not be measured.

    A finding without a severity of its own counts as sev3.
    """
    objectives = [f for f in findings if f.id in (OBJECTIVE, SYMPTOM, *decides)]
    order: dict[VerdictWord, int] = {"critical": 0, "warning": 1, "unknown": 2, "ok": 3}
    best = min(
        objectives,
        key=lambda f: (order[word_of(f)], f.pending, f.severity or "sev9", -_excess(f)),
        default=None,
    )
    return Verdict(word_of(best), best) if best is not None else Verdict("unknown", None)


def _excess(finding: Finding) -> float:
    if finding.measured is None or not finding.threshold:
        return 0.0
    return abs(finding.measured / finding.threshold)


def headline(finding: Finding | None, evidence: Sequence[Evidence]) -> Measured | None:
    """The number that decided, with its history for the sparkline."""
    if finding is None or finding.state == "unknown":
        return None
    value = _value_of(finding, evidence)
    series: tuple[Point, ...] = value.series if value is not None else ()
    return Measured(
        signal=value.name if value is not None else finding.says.partition(" ")[0],
        value=finding.measured,
        unit=finding.unit,
        objective=finding.threshold,
        at_least=value.at_least if value is not None else False,
        since=finding.since,
        pending=finding.pending,
        series=series,
    )


def _value_of(finding: Finding, evidence: Sequence[Evidence]) -> Value | None:
    values = [value for item in evidence if item.id in finding.evidence for value in item.values]
    exact = [value for value in values if value.value == finding.measured]
    return next(iter(exact or [value for value in values if value.series]), None)
