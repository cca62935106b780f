"""A symptom in a log: lines that match, counted over the window and held against the bands."""

from __future__ import annotations

from datetime import UTC, datetime

from opsctl.durations import format_duration, format_quantity, parse_quantity
from opsctl.model import Finding, Seen
from opsctl.probes.log_count import count_lines, evidence_of, unread
from opsctl.probes.look import Look
from opsctl.probes.symptom import SHOWN, name_of, origin
from opsctl.services.model import Symptom
from opsctl.signals.model import Band, Objective, Reading, Row
from opsctl.signals.objective import falling, judge

_ANY = (Band(above=0),)


def by_log(look: Look, symptom: Symptom) -> Seen:
    """Without bands one matching line shows the symptom; without a pattern every line counts.

    ``within`` is the window ("" = the service's own). Raises CouldNotLook as reading the log does.
    """
    within = parse_quantity(symptom.within or look.profile.window, "s")
    named = {"match": symptom.pattern} if symptom.pattern else {}
    counted = count_lines(look, symptom.log, named, within)
    bands = symptom.bands or _ANY
    objective = Objective(id=symptom.id, runbook=symptom.runbook, signal="matched", bands=bands)
    reading = Reading(signal="matched", unit="count", rows=(Row(value=float(counted.matched)),))
    verdict = judge(objective, reading, None, look.profile.severities)
    window = format_duration(within)
    kind = "matching lines" if symptom.pattern else "lines"
    bound = format_quantity(verdict.objective, "count")
    least = " at least" if falling(objective) else ""
    says = f"{name_of(symptom)}: {counted.matched} {kind} in {counted.log.path} in {window}, bound{least} {bound}"
    evidence = evidence_of(counted, symptom.log, symptom.pattern)
    broken = verdict.band is not None
    if not counted.log.complete and broken is falling(objective):
        # More lines lie before what was read: they could only make it more.
        says += f"; {unread(counted)}"
        found = Finding(id=SHOWN, state="unknown", says=says, reason="too-large", threshold_from=origin(symptom))
        return Seen(evidence=(evidence,), findings=(found,))
    if broken and not falling(objective) and counted.first is not None:
        says += f", the first at {datetime.fromtimestamp(counted.first, UTC):%H:%M:%S} UTC"
    found = Finding(
        id=SHOWN,
        state="breach" if broken else "ok",
        says=says,
        severity=verdict.severity,
        severity_label=verdict.band.severity if verdict.band is not None else "",
        measured=float(counted.matched),
        threshold=verdict.objective,
        unit="count",
        threshold_from=origin(symptom),
        since=datetime.fromtimestamp(counted.first, UTC) if broken and counted.first is not None else None,
    )
    return Seen(evidence=(evidence,), findings=(found,))
