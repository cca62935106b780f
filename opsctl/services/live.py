"""Holds a service's profile against what is really measured: `opsctl service check`. Reads only."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from opsctl.config.endpoint import Endpoint
from opsctl.durations import format_duration, parse_duration
from opsctl.errors import CouldNotLook
from opsctl.services.live_answer import fix, judged, labels, renames, verdict
from opsctl.services.live_model import Checked, Facts, Likely, Lost, SignalCheck
from opsctl.services.live_names import likely
from opsctl.services.live_parts import Part, complaints, parts
from opsctl.services.live_sources import NO_LABEL, Catalogue, InPrometheus, OnPage
from opsctl.services.model import Profile
from opsctl.signals.model import Signal
from opsctl.signals.promql import compile_signal
from opsctl.signals.shape import Source, kind_of

_AT_ONCE = 6
_SLACK = 10.0  # seconds a sample may be late besides three scrapes


class Known(NamedTuple):
    """What one place knows of a part; ``where`` None: neither has it."""

    part: Part
    facts: Facts
    where: Catalogue | None
    failure: CouldNotLook | None = None


def check(
    profile: Profile,
    resolve: Callable[[str], Endpoint],
    *,
    file: str,
    built_in: bool = False,
    context: str = "",
    timeout: float = 20.0,
) -> Checked:
    """Every signal and objective of the profile, as of now. ``file``: where the profile is, to be shown in a fix;
    one that is ``built_in`` is not changed but copied.

    Never raises CouldNotLook: when nothing can be asked, the answer is unknown (exit 3).
    """
    until = time.monotonic() + timeout
    places, notes = _places(profile, resolve, until)
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            signals = tuple(pool.map(lambda name: _signal(profile, name, places, until), profile.signals))
            edges = dict(pool.map(lambda item: (item[0], _edges(profile, item[1], places)), profile.signals.items()))
    finally:
        for place in places:
            place.close()
    by_name = {found.signal: found for found in signals}
    objectives = tuple(judged(o, profile, by_name, edges) for o in profile.objectives)
    probable = renames(signals)
    code, says = verdict(signals, objectives)
    return Checked(
        service=profile.service,
        context=context,
        exit=code,
        says=says,
        sources=tuple(place.source for place in places),
        notes=tuple(notes),
        signals=signals,
        objectives=objectives,
        fix=fix(probable, profile.service, file, built_in=built_in),
        labels=labels(profile, places, signals),
    )


def _places(profile: Profile, resolve: Callable[[str], Endpoint], until: float) -> tuple[list[Catalogue], list[str]]:
    """Prometheus and the page, as far as they answer; a sentence for each that does not."""
    found: list[Catalogue] = []
    notes = []
    try:
        prometheus = InPrometheus(resolve("prometheus"), profile.prometheus_labels, until)
        prometheus.names()
        found.append(prometheus)
    except CouldNotLook as failure:
        notes.append(f"Prometheus could not be asked: {failure.says}")
    try:
        found.append(OnPage(resolve("metrics"), profile.prometheus_labels, until))
    except CouldNotLook as failure:
        if failure.reason != "not-configured" or not found:
            notes.append(f"the service's own metrics page could not be read: {failure.says}")
    return found, notes


def _signal(profile: Profile, name: str, places: Sequence[Catalogue], until: float) -> SignalCheck:
    signal = profile.signals[name]
    if not places:
        return SignalCheck(signal=name, state="unknown", assumed=signal.assumed, problems=("nothing could be asked",))
    if kind_of(signal) == "promql":
        return _own_words(profile, name, signal, places)
    known = [_known(part, places) for part in parts(signal, profile.prometheus_labels)]
    failure = next((k.failure for k in known if k.failure is not None), None)
    problems: list[str] = []
    lost: list[Lost] = []
    quiet: list[str] = []
    absent = stale = idle = False
    for one in known:
        part, facts = one.part, one.facts
        if one.failure is not None:
            problems.append(f"{part.metric} could not be looked at: {one.failure.says}")
            continue
        if one.where is None:
            if _just_idle(part, facts, signal, profile):
                idle = True
                quiet.append("nothing was counted yet: " + ("it is 0" if part.may_miss else "it has no value"))
                continue
            if (
                part.may_miss
                and not facts.all_series
                and any(o.part.metric == part.metric and not o.part.may_miss for o in known)
            ):
                continue  # told once
            absent = absent or not part.may_miss
            problems.append(_missing(part, facts))
            if not facts.all_series:
                lost.append(Lost(metric=part.base, likely=_likely(part, signal, places, until)))
            continue
        if one.where.name == "page" and places[0].name == "prometheus":
            problems.append(f"{part.metric} is on the service's own page only: this Prometheus has no such series")
        if facts.age is not None and facts.age > _fresh(profile):
            stale = True
            every = f"scraped every {profile.scrape_interval}"
            problems.append(f"the newest sample of {part.metric} is {format_duration(round(facts.age))} old ({every})")
        problems += complaints(part, facts, signal)
    quiet.sort()  # a ratio without its whole has no value, whatever its part is
    state = "missing" if absent else "stale" if stale else "suspect" if problems else "idle" if idle else "ok"
    ages = [one.facts.age for one in known if one.facts.age is not None]
    return SignalCheck(
        signal=name,
        state="unknown" if failure is not None else state,  # type: ignore[arg-type]
        metrics=tuple(dict.fromkeys(one.part.metric for one in known)),
        series=max((one.facts.series for one in known), default=0),
        age=round(max(ages), 3) if ages else None,
        source=next((one.where.name for one in known if one.where is not None), ""),
        assumed=signal.assumed,
        problems=tuple(dict.fromkeys(problems or quiet[:1])),
        lost=tuple(lost),
    )


def _known(part: Part, places: Sequence[Catalogue]) -> Known:
    """The first place that has the part; where none has, the facts of the first that knows anything."""
    best = Facts(metric=part.metric)
    for place in places:
        try:
            facts = place.facts(part.source)
        except CouldNotLook as failure:
            return Known(part, best, None, failure)
        if facts.series:
            return Known(part, facts, place)
        if (facts.all_series and not best.all_series) or (facts.type and not best.type and not best.all_series):
            best = facts
    return Known(part, best, None)


def _just_idle(part: Part, facts: Facts, signal: Signal, profile: Profile) -> bool:
    """Whether nothing was counted yet: a counter that is declared without a series, or whose label has other values.

    Client libraries show a counter with labels only from its first event on, its TYPE line before that. Where the
    value itself is an assumption, another value that is there is more likely to be what is meant.
    """
    if part.role == "gauge":
        return False
    if not facts.all_series:
        return bool(facts.type)
    ours = tuple(f"{label}=" for label in profile.prometheus_labels)
    for text in facts.failing:
        assumed = signal.assumed and '="' in text and not part.may_miss
        if NO_LABEL in text or text.startswith(ours or "\0") or assumed:
            return False
    return True


def _missing(part: Part, facts: Facts) -> str:
    if facts.all_series:
        return f"{part.metric} has {facts.all_series} series, and none passes {'; '.join(facts.failing)}"
    if part.may_miss:
        return f"there is no {part.metric}: it counts as 0, whether nothing happened yet or it is called otherwise"
    return f"there is no {part.metric}"


def _likely(part: Part, signal: Signal, places: Sequence[Catalogue], until: float) -> tuple[Likely, ...]:
    place = places[0]
    wanted = {*signal.by, *(m.label for m in part.source.matchers if m.label in signal.where)}

    def look(metric: str) -> Facts:
        if time.monotonic() > until:
            return Facts(metric=metric)
        return place.facts(Source(metric))

    try:
        return likely(part, wanted, place.names(), look)
    except CouldNotLook:
        return ()


def _own_words(profile: Profile, name: str, signal: Signal, places: Sequence[Catalogue]) -> SignalCheck:
    """A signal in PromQL: it has a value, or it has none."""
    place = places[0]
    if not isinstance(place, InPrometheus):
        says = "it is written in PromQL, which needs a Prometheus"
        return SignalCheck(signal=name, state="unknown", assumed=signal.assumed, problems=(says,))
    window = parse_duration(signal.window or profile.window)
    query = compile_signal(signal, labels=profile.prometheus_labels, window=window)
    try:
        series = place.ask(query.expr)
    except CouldNotLook as failure:
        return SignalCheck(signal=name, state="unknown", assumed=signal.assumed, problems=(failure.says,))
    none = () if series else (f"its PromQL gives nothing: {query.expr}",)
    return SignalCheck(
        signal=name,
        state="ok" if series else "missing",
        series=series,
        source=place.name if series else "",
        assumed=signal.assumed,
        problems=none,
    )


def _fresh(profile: Profile) -> float:
    return 3 * parse_duration(profile.scrape_interval) + _SLACK


def _edges(profile: Profile, signal: Signal, places: Sequence[Catalogue]) -> tuple[float, ...]:
    """The bucket edges of a signal's histogram; () when it has none or they cannot be had."""
    if signal.quantile is None and signal.share_above is None:
        return ()
    for part in parts(signal, profile.prometheus_labels):
        found = _known(part, places)
        return found.facts.edges
    return ()
