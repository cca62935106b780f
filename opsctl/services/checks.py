"""What a well-typed profile can still get wrong: names that point nowhere, contradicting bands, broken PromQL.

``faults`` is what loading looks at too, so it stays cheap; ``advice`` and ``assumptions`` are for the lint.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from opsctl.durations import parse_duration
from opsctl.services import bands, names
from opsctl.services.model import EndpointSpec, Profile, Symptom
from opsctl.signals.model import Objective, Signal
from opsctl.signals.shape import kind_of, problems, unit_for

Path = tuple[str | int, ...]

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_SIGNAL_NAME = re.compile(r"[a-z][a-z0-9_]*")
_RANGE = re.compile(r"\[([0-9][0-9a-z]*)\]")  # of a rate in raw PromQL; a subquery's has a colon
_COUNTED = ("quantile", "mean", "share_above", "rate", "increase", "ratio")


class Fault(NamedTuple):
    """``level``: error (refused), warning (works, but look at it). ``path``: where in the file."""

    level: str
    path: Path
    says: str


def faults(profile: Profile) -> Iterator[Fault]:
    """Errors of a profile, in the order of its parts."""
    if not _NAME.fullmatch(profile.service):
        yield Fault("error", ("service",), "the name of a service is written in a-z, 0-9 and -")
    for key in ("scrape_interval", "window", "direct_pause"):
        yield from _duration(getattr(profile, key), (key,), positive=True)
    for name, endpoint in profile.endpoints.items():
        yield from _endpoint(name, endpoint)
    for name, dependency in profile.dependencies.items():
        for wanted in dependency.endpoints:
            yield from _known("endpoint", wanted, profile.endpoints, ("dependencies", name))
    for name, signal in profile.signals.items():
        yield from _signal(profile, name, signal)
    yield from _twice("objective", [o.id for o in profile.objectives], "objectives")
    for index, objective in enumerate(profile.objectives):
        yield from _objective(profile, objective, ("objectives", index))
    yield from _twice("symptom", [s.id for s in profile.symptoms], "symptoms")
    for index, symptom in enumerate(profile.symptoms):
        yield from _symptom(profile, symptom, ("symptoms", index))
    yield from _rest(profile)


def _endpoint(name: str, endpoint: EndpointSpec) -> Iterator[Fault]:
    path: Path = ("endpoints", name)
    begins = names.ENDPOINT_KINDS.get(endpoint.kind)
    if begins is None:
        yield Fault(
            "error", path, f"endpoint {name}: unknown kind {endpoint.kind}{_hint(endpoint.kind, names.ENDPOINT_KINDS)}"
        )
        return
    fitting = names.ENDPOINT_NAMES.get(name, (endpoint.kind,))
    if endpoint.kind not in fitting:
        yield Fault("error", path, f"endpoint {name} must be of kind {' or '.join(fitting)}, not {endpoint.kind}")
    if endpoint.url and not endpoint.url.startswith(begins):
        yield Fault("error", path, f"endpoint {name}: the url must begin with {' or '.join(begins)}")
    if re.search(r"://[^/@:\s]*:[^/@\s]+@|password=", endpoint.url):
        yield Fault(
            "error", path, f"endpoint {name}: a password does not belong into a profile; name an environment variable"
        )
    if endpoint.env and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", endpoint.env):
        yield Fault("error", path, f"endpoint {name}: {endpoint.env!r} is not a variable's name")


def _signal(profile: Profile, name: str, signal: Signal) -> Iterator[Fault]:
    path: Path = ("signals", name)
    if not _SIGNAL_NAME.fullmatch(name):
        yield Fault("error", path, f"signal {name}: names are written in a-z, 0-9 and _")
    wrong = problems(signal)
    for says in wrong:
        yield Fault("error", path, f"signal {name}: {says}")
    if signal.unit and signal.unit not in names.UNITS and not re.fullmatch(names.UNIT_PATTERN, signal.unit):
        yield Fault(
            "error", (*path, "unit"), f"signal {name}: unknown unit {signal.unit}{_hint(signal.unit, names.UNITS)}"
        )
    if signal.window:
        yield from _duration(signal.window, (*path, "window"), positive=True)
    if signal.promql is not None:
        from opsctl.signals.promql import check_promql

        broken = check_promql(signal.promql)
        if broken is not None:
            yield Fault("error", (*path, "promql"), f"signal {name}: the PromQL does not parse: {broken}")
    if not wrong:
        yield from _short_window(profile, name, signal)


def _short_window(profile: Profile, name: str, signal: Signal) -> Iterator[Fault]:
    """A rate needs at least four scrapes in its window (domain-checks 2.5 f)."""
    counted = kind_of(signal) in _COUNTED
    written = [signal.window or profile.window] if counted else _RANGE.findall(signal.promql or "")
    try:
        least = 4 * parse_duration(profile.scrape_interval)
        short = [window for window in written if parse_duration(window) < least]
    except ValueError:
        return  # told elsewhere
    for window in short:
        says = f"signal {name}: a window of {window} holds fewer than four scrapes of {profile.scrape_interval}"
        yield Fault("error", ("signals", name), says)


def _objective(profile: Profile, objective: Objective, path: Path) -> Iterator[Fault]:
    name = f"objective {objective.id}"
    if objective.kind not in names.OBJECTIVE_KINDS:
        yield Fault(
            "error", path, f"{name}: unknown kind {objective.kind}{_hint(objective.kind, names.OBJECTIVE_KINDS)}"
        )
    if not objective.runbook and objective.kind == "alert":
        yield Fault("error", path, f"{name} decides no runbook: name one, or make it a target")
    signal = profile.signals.get(objective.signal)
    yield from _known("signal", objective.signal, profile.signals, (*path, "signal"))
    if not objective.bands:
        yield Fault("error", path, f"{name} has no band")
    unit = "" if signal is None or problems(signal) else unit_for(signal).base
    read: list[bands.Interval] = []
    for index, band in enumerate(objective.bands):
        where: Path = (*path, "bands", index)
        try:
            read.append(bands.interval(band, unit))
        except ValueError as error:
            yield Fault("error", where, f"{name}: {error}")
        yield from _duration(band.for_, where)
        if band.severity:
            yield from _known("severity", band.severity, _severities(profile), where)
        elif objective.kind == "alert":
            yield Fault("error", where, f"{name}: the band has no severity")
    if len(read) == len(objective.bands):
        for first, second in bands.conflicts(read):
            says = f"{name}: bands {first + 1} and {second + 1} share values; give the lower one up_to (or down_to)"
            yield Fault("error", (*path, "bands", second), says)


def _symptom(profile: Profile, symptom: Symptom, path: Path) -> Iterator[Fault]:
    if symptom.log:
        yield from _known("log", symptom.log, profile.logs, (*path, "log"))
    if symptom.endpoint:
        yield from _known("endpoint", symptom.endpoint, profile.endpoints, (*path, "endpoint"))
    if symptom.signal:
        yield from _known("signal", symptom.signal, profile.signals, (*path, "signal"))
    for severity in (symptom.severity, *(band.severity for band in symptom.bands)):
        if severity:
            yield from _known("severity", severity, _severities(profile), path)
    if symptom.within:
        yield from _duration(symptom.within, path, positive=True)
    if not symptom.runbook:
        yield Fault("error", path, f"symptom {symptom.id} belongs to no runbook")
    for band in symptom.bands:
        try:
            bands.interval(band)
        except ValueError as error:
            yield Fault("error", path, f"symptom {symptom.id}: {error}")
    try:
        re.compile(symptom.pattern)
    except re.error as error:
        yield Fault("error", path, f"symptom {symptom.id}: the pattern is not a regular expression: {error}")


def _rest(profile: Profile) -> Iterator[Fault]:
    for name, adapter in profile.adapters.items():
        path: Path = ("adapters", name)
        if adapter.kind not in names.ADAPTER_KINDS:
            says = f"adapter {name}: unknown kind {adapter.kind}{_hint(adapter.kind, names.ADAPTER_KINDS)}"
            yield Fault("error", path, says)
        if adapter.kind == "command" and not adapter.argv:
            yield Fault("error", path, f"adapter {name}: a command needs argv")
        if adapter.unit.startswith("-"):
            yield Fault("error", path, f"adapter {name}: the name of a unit cannot begin with -")
        if adapter.endpoint:
            yield from _known("endpoint", adapter.endpoint, profile.endpoints, path)
    for index, step in enumerate(profile.escalation):
        yield from _duration(step.after, ("escalation", index))
        if step.severity:
            yield from _known("severity", step.severity, _severities(profile), ("escalation", index))
    for name, category in profile.categories.items():
        if category.respond_within:
            yield from _duration(category.respond_within, ("categories", name))
    for prefix, ttl in profile.cache.items():
        yield from _duration(ttl, ("cache", prefix))
    for name, (low, high) in profile.baselines.items():
        if low > high:
            yield Fault("error", ("baselines", name), f"baseline {name}: low {low:g} is above high {high:g}")


def _severities(profile: Profile) -> list[str]:
    """The service's words; the common scale stands for itself."""
    return [*profile.severities, "sev1", "sev2", "sev3", "sev4"]


def _known(kind: str, name: str, known: Iterable[str], path: Path) -> Iterator[Fault]:
    if name not in (all_names := set(known)):
        yield Fault("error", path, f"there is no {kind} {name}{_hint(name, all_names)}")


def _hint(name: str, known: Iterable[str]) -> str:
    from opsctl.nearest import suggestion

    said = suggestion(name, known)
    return f". {said}".rstrip("?.") if said else ""


def _duration(text: str, path: Path, *, positive: bool = False) -> Iterator[Fault]:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        yield Fault("error", path, str(error))
        return
    if positive and seconds <= 0:
        yield Fault("error", path, f"{path[-1]} must be longer than 0s")


def _twice(kind: str, ids: list[str], part: str) -> Iterator[Fault]:
    for index, id in enumerate(ids):
        if id in ids[:index]:
            yield Fault("error", (part, index), f"{kind} {id} is there twice")
