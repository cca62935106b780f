"""From what a probe saw to ok, warning, critical or unknown. Pure.

By the monitoring plugins' guideline a system that does not answer, or whose name is not known, is critical, not
unknown; unknown is what only we may not see.
"""

from __future__ import annotations

from opsctl.errors import CouldNotLook, Reason
from opsctl.healthcheck.model import Check, tidy, worst
from opsctl.model import Finding, Seen, VerdictWord
from opsctl.runbooks.verdict import WORD

GONE: frozenset[Reason] = frozenset({"refused", "unresolved", "timeout", "closed", "tls", "server-error", "slots-full"})
# Conditions that leave the service working, or nearly; every other one is critical.
_MILD = frozenset(
    {
        "http.slow",
        "service.alert-firing-mild",
        "redis.slow",
        "redis.replica",
        "kyrodb.slow",
        "kyrodb.degraded",
        "postgres.standby",
        "metrics.disabled",
        "kubernetes.degraded",
        "kubernetes.rollout-stuck",
        "kubernetes.rollout-paused",
        "kubernetes.quota-exceeded",
    }
)
_COUNTS = frozenset({"prometheus.target-missing"})
_OBJECTIVES = frozenset({"signal.objective-broken"})


def state_of(finding: Finding) -> VerdictWord:
    """What one finding means here."""
    if finding.state == "ok":
        return "ok"
    if finding.state == "unknown":
        return "critical" if finding.reason in GONE else "unknown"
    if finding.id in _OBJECTIVES:
        return "warning" if finding.pending else WORD.get(finding.severity or "sev3", "warning")
    return "warning" if finding.id in _MILD else "critical"


def judged(name: str, system: str, seen: Seen, wanted: frozenset[str], seconds: float) -> Check:
    """One check of what a probe saw; ``wanted``: the findings that count here, empty = all."""
    findings = [finding for finding in seen.findings if not wanted or finding.id in wanted]
    states = [(state_of(finding), finding) for finding in findings]
    state = worst(word for word, _ in states)
    # What is measured says more than what follows from it.
    telling = [f for word, f in states if word == state]
    if state != "ok":
        telling = [f for f in telling if f.state == "breach"] or telling
    else:  # one sentence is enough, and one that counts what is there rather than what is not
        telling = ([f for f in telling if f.id in _COUNTS] or telling)[:1]
    says = "; ".join(dict.fromkeys(finding.says.rstrip(".") for finding in telling)) or "no answer could be judged"
    answers = [v.value for e in seen.evidence for v in e.values if v.name == "answer_seconds" and not v.at_least]
    number = answers[0] if answers else None
    first = seen.evidence[0] if seen.evidence else None
    return Check(
        name=name,
        system=system,
        state=state,
        says=tidy(says),
        address=tidy(first.source.partition(" ")[2]) if first is not None else "",
        setting=tidy(first.setting) if first is not None else "",
        reason=next((f.reason for f in telling if f.reason is not None), None) if state != "ok" else None,
        seconds=round(seconds, 3),
        answered=round(number, 4) if isinstance(number, float | int) else None,
    )


def lost(name: str, system: str, failure: CouldNotLook, seconds: float) -> Check:
    """One check that had no answer."""
    return Check(
        name=name,
        system=system,
        state="critical" if failure.reason in GONE else "unknown",
        says=tidy(failure.says),
        address=tidy(failure.address),
        setting=tidy(failure.setting),
        reason=failure.reason,
        seconds=round(seconds, 3),
    )
