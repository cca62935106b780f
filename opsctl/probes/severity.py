"""What a runbook's condition means to a service, for findings that show the condition without an objective."""

from __future__ import annotations

from opsctl.model import Severity
from opsctl.probes.look import Look


def worst_severity(look: Look) -> tuple[Severity | None, str]:
    """The worst severity among the bands and symptoms of this runbook, and the service's own word for it."""
    words = [
        band.severity
        for objective in look.profile.objectives
        if objective.runbook == look.runbook and objective.kind == "alert"
        for band in objective.bands
    ]
    words += [symptom.severity for symptom in look.profile.symptoms if symptom.runbook == look.runbook]
    mapped = [(severity, word) for word in words if (severity := look.profile.severities.get(word)) is not None]
    return min(mapped, default=(None, ""))
