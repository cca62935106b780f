"""What a declared signal comes down to: its kind, the metrics it reads, its matchers, its unit.

Both evaluators start from here, so that they cannot read a declaration differently.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

from opsctl.signals.model import Selector, Signal
from opsctl.signals.units import Unit, unit_of

KINDS = ("quantile", "mean", "share_above", "rate", "increase", "ratio", "gauge", "age", "promql")
AGGREGATIONS = ("max", "min", "sum", "avg")

# Fewer events than this say nothing: a p99 needs a hundred (domain-checks 2.5 d), a share some twenty.
MIN_COUNT = {"quantile": 100.0, "mean": 20.0, "share_above": 20.0, "ratio": 20.0}

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class Matcher(NamedTuple):
    """One label matcher; ``op`` is one of ``=``, ``!=``, ``=~``, ``!~``."""

    label: str
    op: str
    value: str

    def matches(self, value: str) -> bool:
        """Whether a label value passes ("" for an absent label). Regular expressions are anchored, as in PromQL."""
        if self.op in ("=", "!="):
            return (value == self.value) == (self.op == "=")
        return bool(re.fullmatch(self.value, value)) == (self.op == "=~")


class Source(NamedTuple):
    """The series of one metric."""

    metric: str
    matchers: tuple[Matcher, ...] = ()

    def named(self, metric: str) -> Source:
        """The same matchers on another metric (a histogram's ``_bucket``, ``_sum``, ``_count``)."""
        return Source(metric, self.matchers)

    def having(self, *matchers: Matcher) -> Source:
        """With more matchers."""
        return Source(self.metric, (*self.matchers, *matchers))


def kind_of(signal: Signal) -> str:
    """The one kind key that is set. Raises ValueError when there is none or more than one."""
    found = [kind for kind in KINDS if getattr(signal, kind) is not None]
    if len(found) != 1:
        says = "sets " + " and ".join(found) if found else "sets none of " + ", ".join(KINDS)
        raise ValueError(f"the signal {says}; it needs exactly one")
    return found[0]


def matchers_of(where: Mapping[str, str]) -> tuple[Matcher, ...]:
    """Matchers from a ``where`` mapping: ``=~``, ``!~`` or ``!=`` in front of the value, else equality.

    A bucket edge (``le``) is met in every spelling.
    """
    found = []
    for label, value in where.items():
        op = value[:2] if value[:2] in ("=~", "!~", "!=") else ""
        found.append(Matcher(label, op or "=", value[len(op) :]))
        if label == "le" and not op and (edge := _finite(value)) is not None:
            found[-1] = Matcher(label, "=~", edge_pattern(edge))
    return tuple(found)


def _finite(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def edge_pattern(edge: float) -> str:
    """A regular expression for every spelling of a bucket edge: 3.x writes 5.0 where 2.x kept 5 (trap i)."""
    spellings = {repr(float(edge)), f"{edge:g}"}
    if edge == int(edge) and abs(edge) < 1e15:
        spellings |= {str(int(edge)), f"{int(edge)}.0"}
    mantissa, e, exponent = repr(float(edge)).partition("e")
    if e:
        spellings.add(f"{mantissa}e{int(exponent):+03d}")
    return "|".join(re.escape(s).replace(r"\-", "-") for s in sorted(spellings, key=lambda s: (len(s), s)))


def sources(
    chosen: str | Selector | tuple[str | Selector, ...], signal: Signal, labels: Mapping[str, str] | None = None
) -> tuple[Source, ...]:
    """The metrics that a counter, gauge or ratio part names. A selector's own matchers win over the signal's,
    those over ``labels`` (the profile's, known to Prometheus only)."""
    common = {**(labels or {}), **signal.where}
    found = []
    for one in chosen if isinstance(chosen, tuple) else (chosen,):
        metric, own = (one.metric, one.where) if isinstance(one, Selector) else (one, {})
        found.append(Source(metric, matchers_of({**common, **own})))
    return tuple(found)


def histogram_of(signal: Signal, labels: Mapping[str, str] | None = None) -> Source:
    """The histogram of a quantile, mean or share_above, by its base name (``_bucket`` is taken off)."""
    name = signal.histogram or signal.mean or ""
    return sources(name.removesuffix("_bucket"), signal, labels)[0]


def unit_for(signal: Signal) -> Unit:
    """The unit of a signal's readings and how the raw value becomes one."""
    kind = kind_of(signal)
    if kind == "share_above":
        return unit_of("ratio")
    if kind == "ratio":
        return unit_of(signal.unit, otherwise="ratio")
    if kind == "rate":
        return unit_of(signal.unit, otherwise="per_second")
    if kind == "increase":
        return unit_of(signal.unit, otherwise="count")
    if kind == "age":
        return unit_of(signal.unit, otherwise="s")
    if kind in ("quantile", "mean"):
        return unit_of(signal.unit, histogram_of(signal).metric)
    if kind == "gauge" and signal.gauge is not None:
        return unit_of(signal.unit, sources(signal.gauge, signal)[0].metric)
    return unit_of(signal.unit)


def min_count_of(signal: Signal) -> float:
    """Events in the window that a value needs; 0 = any number."""
    if signal.min_count is not None:
        return signal.min_count
    kind = kind_of(signal)
    if kind == "ratio" and not events_of(signal):
        return 0.0
    return MIN_COUNT.get(kind, 0.0)


def events_of(signal: Signal, labels: Mapping[str, str] | None = None) -> tuple[Source, ...]:
    """The counters that count a ratio's events: its ``over``, where seconds (``_sum``) are counted by their ``_count``.

    () when the denominator counts no events (for instance ``…_seconds_total``).
    """
    if signal.ratio is None:
        return ()
    found = []
    for source in sources(signal.ratio.over, signal, labels):
        if source.metric.endswith(("_seconds_total", "_bytes_total", "_usd_total")):
            return ()
        base, seconds, _ = source.metric.rpartition("_sum")
        found.append(source.named(f"{base}_count") if seconds and source.metric.endswith("_sum") else source)
    return tuple(found)


def needed(signal: Signal) -> tuple[Source, ...]:
    """The series of which at least one must be on a metrics page for a signal to have a value."""
    if signal.ratio is not None:
        return sources(signal.ratio.over, signal)
    if signal.histogram is not None or signal.mean is not None:
        base = histogram_of(signal)
        return (base.named(base.metric + ("_count" if signal.mean is not None else "_bucket")),)
    return _all_sources(signal)


def problems(signal: Signal) -> list[str]:
    """What is wrong with a declaration, one sentence each; [] when it can be evaluated. Does not parse PromQL."""
    try:
        kind = kind_of(signal)
    except ValueError as error:
        return [str(error)]
    wrong = []
    if (kind in ("quantile", "share_above")) != (signal.histogram is not None):
        wrong.append("histogram belongs to quantile and share_above, and they need it")
    if signal.quantile is not None and not 0 < signal.quantile < 1:
        wrong.append(f"quantile {signal.quantile:g} is not between 0 and 1")
    if signal.agg not in AGGREGATIONS:
        wrong.append(f"agg {signal.agg} is not one of {', '.join(AGGREGATIONS)}")
    if kind == "promql" and (signal.where or signal.by or signal.min_count is not None):
        wrong.append("promql takes no where, by or min_count: write them into the expression")
    if signal.ratio is not None and (signal.ratio.of == () or signal.ratio.over == ()):
        wrong.append("ratio needs at least one counter in of and in over")
    for source in _all_sources(signal):
        if not _NAME.fullmatch(source.metric):
            wrong.append(f"{source.metric!r} is not a metric name")
        wrong += [f"{m.label!r} is not a label name" for m in source.matchers if not _LABEL.fullmatch(m.label)]
        for matcher in source.matchers:
            if matcher.op in ("=~", "!~"):
                try:
                    re.compile(matcher.value)
                except re.error as error:
                    wrong.append(f"the matcher of {matcher.label} is not a regular expression: {error}")
    wrong += [f"by: {label!r} is not a label name" for label in signal.by if not _LABEL.fullmatch(label)]
    return list(dict.fromkeys(wrong))


def metrics_of(signal: Signal) -> tuple[str, ...]:
    """The metrics that a declaration reads, a histogram by its base name; none of an expression in PromQL."""
    return tuple(dict.fromkeys(source.metric.removesuffix("_bucket") for source in _all_sources(signal)))


def _all_sources(signal: Signal) -> tuple[Source, ...]:
    chosen: list[str | Selector] = [
        c for c in (signal.rate, signal.increase, signal.gauge, signal.age) if c is not None
    ]
    if signal.histogram or signal.mean:
        chosen.append(signal.histogram or signal.mean or "")
    if signal.ratio is not None:
        for part in (signal.ratio.of, signal.ratio.over):
            chosen += part if isinstance(part, tuple) else (part,)
    return sources(tuple(chosen), signal)
