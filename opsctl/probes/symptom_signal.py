"""A symptom in a signal: held against its bands like an objective; without bands its value is shown and not judged."""

from __future__ import annotations

import msgspec

from opsctl.durations import parse_duration
from opsctl.model import Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.signal_objectives import finding_of, judge_one
from opsctl.probes.signal_reading import evidence, read, thinned
from opsctl.probes.symptom import SHOWN, name_of, origin
from opsctl.services.model import Symptom
from opsctl.signals.model import Objective
from opsctl.signals.objective import falling


def by_signal(look: Look, symptom: Symptom) -> Seen:
    """Raises NotConfigured when the service does not define the signal."""
    if not symptom.bands:
        window = parse_duration(symptom.within) if symptom.within else None
        told = evidence(look, read(look, symptom.signal, window=window))
        note = Value(name="note", value=f"{name_of(symptom)}: it is shown, not judged, since no bound is set")
        return Seen(evidence=(msgspec.structs.replace(told, values=(*told.values, note)),))
    objective = Objective(
        id=symptom.id, runbook=symptom.runbook, signal=symptom.signal, bands=symptom.bands, row=origin(symptom)
    )
    judged = judge_one(look, objective)
    lowest = falling(objective)
    points = thinned(judged.history.points, lowest=lowest) if judged.history is not None else ()
    found = finding_of(look, judged)
    says = f"{name_of(symptom)}: {found.says}"
    return Seen(
        evidence=(evidence(look, judged.reading, points, lowest=lowest),),
        findings=(msgspec.structs.replace(found, id=SHOWN, says=says),),
    )
