"""What a valid profile leaves to think about: bounds inside the healthy range, placeholders, assumptions, gaps."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator
from itertools import pairwise

from opsctl.services import bands, names
from opsctl.services.checks import Fault, Path
from opsctl.services.model import Profile
from opsctl.signals.model import Objective
from opsctl.signals.shape import unit_for

_PLACEHOLDER = re.compile(
    r"^\s*$|\[[^\]]*\]|<[^>]+>|\b(?:TODO|FIXME|TBD|CHANGEME)\b|\byour[-_ ]|\bexample\.(?:com|org|net)\b", re.I
)
_ORDER = {"sev1": 1, "sev2": 2, "sev3": 3, "sev4": 4}


def advice(profile: Profile, runbooks: Collection[str]) -> Iterator[Fault]:
    """Warnings about a profile without errors; ``runbooks``: names that exist besides the known thirty."""
    for index, objective in enumerate(profile.objectives):
        path: Path = ("objectives", index)
        yield from _runbook(objective.runbook, runbooks, path)
        yield from _inside_baseline(profile, objective, path)
        yield from _order(profile, objective, path)
    for index, symptom in enumerate(profile.symptoms):
        yield from _runbook(symptom.runbook, runbooks, ("symptoms", index))
        if symptom.signal and not symptom.bands and not symptom.pattern:
            says = f"symptom {symptom.id}: no bound is given for {symptom.signal}, so it decides nothing"
            yield Fault("warning", ("symptoms", index), says)
    symptoms = {symptom.id.replace("-", "_") for symptom in profile.symptoms}
    for name in profile.baselines:
        if name not in profile.signals and name not in symptoms:
            yield Fault("warning", ("baselines", name), f"baseline {name}: there is no such signal")
    for part in ("contacts", "external"):
        for name, value in getattr(profile, part).items():
            if _PLACEHOLDER.search(value):
                yield Fault("warning", (part, name), f"{part}.{name} is a placeholder: {value or 'empty'}")
    for name, category in profile.categories.items():
        if not category.channel:
            yield Fault("warning", ("categories", name), f"category {name} has no channel")
        if name not in profile.severities:
            yield Fault("warning", ("categories", name), f"category {name} is not one of the severities")
        elif profile.severities[name] != category.severity:
            says = f"category {name} is {category.severity}, the severity of that name {profile.severities[name]}"
            yield Fault("warning", ("categories", name), says)
    if (profile.categories or profile.contacts) and not profile.escalation:
        yield Fault("warning", ("categories",), "there is no escalation: nobody is called when a problem stays")


def assumptions(profile: Profile) -> Iterator[Fault]:
    """Everything marked ``assumed: true``: bound to names or numbers that the source documents do not give."""
    for part in ("endpoints", "dependencies", "signals", "logs", "files", "adapters"):
        for name, item in getattr(profile, part).items():
            if item.assumed:
                yield Fault("assumed", (part, name), f"{part}.{name}: {item.note or 'not given by the source'}")
    if profile.kubernetes is not None:
        for name, workload in profile.kubernetes.workloads.items():
            if workload.assumed:
                says = f"kubernetes.workloads.{name}: {workload.note or 'not given by the source'}"
                yield Fault("assumed", ("kubernetes", "workloads", name), says)
    for part in ("objectives", "symptoms"):
        for index, item in enumerate(getattr(profile, part)):
            if item.assumed:
                yield Fault("assumed", (part, index), f"{part}.{item.id}: {item.note or 'not given by the source'}")


def _runbook(name: str, known: Collection[str], path: Path) -> Iterator[Fault]:
    from opsctl.nearest import suggestion

    if name and name not in known and name not in names.RUNBOOKS:
        says = f"there is no runbook {name}. {suggestion(name, {*known, *names.RUNBOOKS})}"
        yield Fault("warning", path, says)


def _inside_baseline(profile: Profile, objective: Objective, path: Path) -> Iterator[Fault]:
    """A bound that healthy values cross alerts for ever (B-03)."""
    baseline = profile.baselines.get(objective.signal)
    if baseline is None:
        return
    low, high = baseline
    for index, found in enumerate(_intervals(profile, objective)):
        crossed = found.low < high and found.high > low
        if crossed:
            bound = found.low if math.isfinite(found.low) else found.high
            says = (
                f"objective {objective.id}: the bound {bound:g} lies inside or under the healthy range of "
                f"{objective.signal}, {low:g} to {high:g}: it is broken when all is well"
            )
            yield Fault("warning", (*path, "bands", index), says)


def _order(profile: Profile, objective: Objective, path: Path) -> Iterator[Fault]:
    """Holes between bands, and severities that fall while the value gets worse; bands below and above apart."""
    read = list(zip(_intervals(profile, objective), objective.bands, strict=True))
    rising = sorted(((found, band) for found, band in read if band.below is None), key=lambda pair: pair[0])
    falling = sorted(
        ((found, band) for found, band in read if band.below is not None), reverse=True, key=lambda p: p[0]
    )
    for group in (rising, falling):
        for low, high in bands.gaps([found for found, _ in group]):
            says = f"objective {objective.id}: no band holds values between {low:g} and {high:g}"
            yield Fault("warning", path, says)
        for (_, milder), (_, worse) in pairwise(group):
            first, second = (
                _ORDER.get(profile.severities.get(band.severity, band.severity), 0) for band in (milder, worse)
            )
            if first and second and first < second:
                says = f"objective {objective.id}: the worse value has the milder severity {worse.severity}"
                yield Fault("warning", path, says)


def _intervals(profile: Profile, objective: Objective) -> list[bands.Interval]:
    unit = unit_for(profile.signals[objective.signal]).base
    return [bands.interval(band, unit) for band in objective.bands]
