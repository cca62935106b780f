"""What a declared signal reads: its metrics, and what each must be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from opsctl.services.live_model import Facts
from opsctl.signals.model import Signal
from opsctl.signals.shape import Matcher, Source, histogram_of, kind_of, sources

Role = Literal["histogram", "sum", "counter", "gauge"]

MANY = 10_000  # series of one metric: from here on every question costs, and a label probably holds what it should not
_SUFFIXES = ("_bucket", "_sum", "_count", "_total", "_created")


class Part(NamedTuple):
    """One metric of a signal. ``may_miss``: without it the signal still has a value (a ratio's numerator counts 0)."""

    source: Source
    role: Role
    may_miss: bool = False

    @property
    def metric(self) -> str:
        """Its name."""
        return self.source.metric

    @property
    def base(self) -> str:
        """The name a profile writes: a histogram's without ``_bucket``."""
        return self.metric.removesuffix("_bucket") if self.role == "histogram" else self.metric


def parts(signal: Signal, labels: Mapping[str, str]) -> tuple[Part, ...]:
    """The metrics of a signal with all matchers; () for PromQL of one's own."""
    kind = kind_of(signal)
    if kind in ("quantile", "share_above"):
        base = histogram_of(signal, labels)
        return (Part(base.named(f"{base.metric}_bucket"), "histogram"),)
    if kind == "mean":
        base = histogram_of(signal, labels)
        return (Part(base.named(f"{base.metric}_count"), "sum"), Part(base.named(f"{base.metric}_sum"), "sum"))
    if signal.ratio is not None:
        over = tuple(Part(source, "counter") for source in sources(signal.ratio.over, signal, labels))
        of = tuple(Part(source, "counter", may_miss=True) for source in sources(signal.ratio.of, signal, labels))
        return (*over, *of)
    if signal.rate is not None or signal.increase is not None:
        return tuple(Part(s, "counter") for s in sources(signal.rate or signal.increase or "", signal, labels))
    if signal.gauge is not None or signal.age is not None:
        return tuple(Part(s, "gauge") for s in sources(signal.gauge or signal.age or "", signal, labels))
    return ()


def family(metric: str) -> tuple[str, ...]:
    """The names under which a metric's TYPE may be declared."""
    found = [metric]
    found += [metric.removesuffix(suffix) for suffix in _SUFFIXES if metric.endswith(suffix)]
    return tuple(found)


def complaints(part: Part, facts: Facts, signal: Signal) -> list[str]:
    """What about a metric that is there misleads: its type, its labels, its size, its unit."""
    said = []
    kind = facts.type
    if part.role == "counter" and kind == "gauge":
        said.append(f"{part.metric} is a gauge, not a counter: a rate of it means nothing")
    if part.role == "gauge" and kind == "counter":
        said.append(f"{part.metric} is a counter, not a gauge: it only grows; use rate or increase")
    if part.role == "histogram" and kind == "summary":
        said.append(f"{part.base} is a summary: it has no buckets")
    for label in signal.by:
        if label not in facts.labels:
            known = ", ".join(sorted(facts.labels - {"le", "__name__", "job", "instance"})) or "none of its own"
            said.append(f"{part.metric} has no label {label}, by which the signal is told apart (it has: {known})")
    for matcher in part.source.matchers:
        if _without_effect(matcher) and matcher.label not in facts.labels:
            said.append(f"{part.metric} has no label {matcher.label}, so {shown(matcher)} leaves nothing out")
    if facts.series > MANY:
        said.append(f"{part.metric} has {facts.series:,} series (more than {MANY:,}): questions will be slow")
    return [*said, *_unit(part, facts, signal)]


def shown(matcher: Matcher) -> str:
    """A matcher as PromQL writes it."""
    return f'{matcher.label}{matcher.op}"{matcher.value}"'


def _without_effect(matcher: Matcher) -> bool:
    """Whether a series without the label passes: the matcher then does not do what its author meant."""
    return matcher.matches("")


def _unit(part: Part, facts: Facts, signal: Signal) -> list[str]:
    """Milliseconds taken for seconds or the other way round; percent for a ratio."""
    name, unit = part.base, signal.unit
    seconds = unit in ("s", "seconds")
    if seconds and name.endswith(("_ms", "_milliseconds", "_millis")):
        return [f"{name} says milliseconds by its name, the signal says {unit}"]
    if unit == "ms" and name.endswith(("_seconds", "_seconds_bucket")):
        return [f"{name} says seconds by its name, the signal says ms"]
    if part.role == "histogram" and facts.edges:
        top = facts.edges[-1]
        if seconds and facts.edges[0] >= 1 and top >= 1000:
            return [f"the buckets of {name} reach from {facts.edges[0]:g} to {top:g}: milliseconds, not seconds?"]
        if unit == "ms" and top <= 60 and facts.edges[0] < 1:
            return [f"the buckets of {name} reach from {facts.edges[0]:g} to {top:g}: seconds, not milliseconds?"]
    if part.role == "gauge" and facts.high is not None:
        if unit == "ratio" and 1.5 < facts.high <= 100:
            return [f"{name} is {facts.high:g}, and a ratio is 0 to 1: percent?"]
        if unit == "percent" and 0 < facts.high <= 1 and facts.series > 0:
            return [f"{name} is {facts.high:g} at most: a ratio, not percent?"]
    return []
