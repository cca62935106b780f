"""The sentences of a diagnosis: what is the matter, and what to do next. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from opsctl.model import Finding, Unknown, VerdictWord
from opsctl.runbooks.model import CauseSpec
from opsctl.runbooks.verdict import OBJECTIVE, SYMPTOM


def sentence(
    service: str,
    word: VerdictWord,
    finding: Finding | None,
    findings: Sequence[Finding],
    not_configured: Sequence[Unknown],
) -> str:
    """The report's first sentence: the service, the number against its objective, since when."""
    if finding is None:
        if not_configured and not findings:
            return f"not configured: {not_configured[0].says}"
        absent = next((u for u in not_configured if u.probe == "signal.objectives"), None)
        return f"{service}: {absent.says if absent else 'no objective decides this runbook'}"
    if word == "unknown":
        return f"{service}: could not tell; {finding.says}"
    if word == "ok" and finding.id not in (OBJECTIVE, SYMPTOM):
        return f"{service}: no check found anything wrong"  # which of many is not worth a headline
    return f"{service}: {finding.says}"


def next_steps(spec: CauseSpec, service: str, runbooks: Sequence[str]) -> tuple[str, ...]:
    """What to go on with for a cause: commands that exist here, else the runbook's advice in words."""
    commands = tuple(f"opsctl diagnose {name} -s {service}" for name in spec.try_ if name in runbooks)
    return commands + ((spec.advice,) if spec.advice else ())
