"""The sentences of a diagnosis: what is the matter, and what to do next. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from opsctl.model import Finding, Unknown, VerdictWord
from opsctl.runbooks.chosen import concerns
from opsctl.runbooks.model import CauseSpec, Runbook
from opsctl.runbooks.verdict import OBJECTIVE, SYMPTOM
from opsctl.services.model import Profile


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


def next_steps(spec: CauseSpec, service: str, runbooks: Sequence[str], remedies: Sequence[str] = ()) -> tuple[str, ...]:
    """What to go on with for a cause: commands that exist here (``remedies``: those that act), then advice in words."""
    commands = tuple(f"opsctl diagnose {name} -s {service}" for name in spec.try_ if name in runbooks)
    return (*commands, *remedies, *((spec.advice,) if spec.advice else ()))


def remedies(runbook: Runbook, profile: Profile, cause: str) -> tuple[str, ...]:
    """The commands of the runbook's actions that answer this cause, in its order; each shows a plan first."""
    return tuple(
        f"opsctl remediate {runbook.runbook} {mitigation.command} -s {profile.service}"
        for mitigation in runbook.mitigation
        if cause in mitigation.causes
        and (not mitigation.services or profile.service in mitigation.services)
        and concerns(profile, mitigation.needs)
    )
