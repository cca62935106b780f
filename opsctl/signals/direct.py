"""A declared signal evaluated on two scrapes of the service's own metrics page, without a Prometheus.

The same rules as PromQL where it has them: a counter that fell was reset and counts from 0, a series that is new in
the second scrape counts from 0, buckets are told apart by the number in ``le``, the sum comes before the quantile.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from opsctl.errors import Reason
from opsctl.signals.exposition import Page, Picker, unescaped
from opsctl.signals.growth import Scrapes
from opsctl.signals.histogram import quantile
from opsctl.signals.model import Row, Signal
from opsctl.signals.outcome import MISSING_PART, Outcome, settle
from opsctl.signals.shape import Source, events_of, histogram_of, kind_of, min_count_of, needed, sources, unit_for

Key = tuple[str, ...]
_LOOKBACK = 300.0  # seconds: PromQL does not see an older sample either


class _Absent(Exception):
    """Nothing to evaluate: the reason and a sentence."""

    def __init__(self, reason: Reason, says: str) -> None:
        super().__init__(says)
        self.reason: Reason = reason
        self.says = says


class _Moved(NamedTuple):
    """What counters counted between the scrapes, by label values; ``seconds`` they had for it."""

    by: dict[Key, float]
    seconds: float


def evaluate(signal: Signal, scrapes: Scrapes, *, window: float) -> Outcome:
    """Rows of the signal, or why there are none; never raises for what a page holds.

    ``window`` (seconds) is what an ``increase`` is about; the scrapes may cover less of it, then it is a lower bound.
    """
    kind = kind_of(signal)
    if kind == "promql":
        return Outcome(reason="unsupported", says="it is written in PromQL, which needs a Prometheus")
    try:
        rows, metrics = _rows(signal, kind, scrapes, window)
    except _Absent as absent:
        return Outcome(reason=absent.reason, says=absent.says)
    part = sources(signal.ratio.of, signal) if signal.ratio is not None else ()
    missing = (MISSING_PART,) if part and not any(scrapes.second.has(source.metric) for source in part) else ()
    notes = scrapes.second.notes(metrics)
    settled = settle(rows, least=min_count_of(signal), window=scrapes.elapsed)
    return settled._replace(notes=(*settled.notes, *(missing if settled.rows else ()), *notes))


def shows(signal: Signal, page: Page) -> bool:
    """Whether the page has a series without which the signal has no value."""
    for source in needed(signal):
        group = _Grouping(source, ())
        if any(group(raw) is not None for raw, _, _ in page.samples(source.metric)):
            return True
    return False


def _rows(signal: Signal, kind: str, scrapes: Scrapes, window: float) -> tuple[list[Row], list[str]]:
    unit, by = unit_for(signal), signal.by

    def base(raw: float) -> float:
        return raw * unit.times / unit.over * signal.scale

    if kind in ("quantile", "share_above"):
        buckets = histogram_of(signal).named(f"{histogram_of(signal).metric}_bucket")
        groups = _buckets(buckets, scrapes, by)
        if groups and not any(math.isfinite(edge) for edges in groups.values() for edge in edges):
            says = f"{buckets.metric} has no bucket but +Inf: a native histogram needs a Prometheus"
            raise _Absent("unsupported", says)
        if signal.quantile is not None:
            found = {key: quantile(signal.quantile, edges) for key, edges in groups.items()}
            rows = [_row(by, k, base(q.value), q.events, q.at_least, exceeds=True) for k, q in found.items()]
            return rows, [buckets.metric]
        edge = signal.share_above if signal.share_above is not None else math.nan
        return [_share(by, k, edges, edge, buckets.metric) for k, edges in groups.items()], [buckets.metric]
    if kind == "mean":
        name = histogram_of(signal)
        counts = _moved((name.named(f"{name.metric}_count"),), scrapes, by)
        sums = _moved((name.named(f"{name.metric}_sum"),), scrapes, by)
        rows = [_row(by, k, base(_divide(sums.by.get(k, math.nan), n)), n) for k, n in counts.by.items()]
        return rows, [f"{name.metric}_count", f"{name.metric}_sum"]
    if signal.ratio is not None:
        over, of = sources(signal.ratio.over, signal), sources(signal.ratio.of, signal)
        whole = _moved(over, scrapes, by)
        events = _moved(events_of(signal), scrapes, by) if events_of(signal) != over and events_of(signal) else whole
        part = _moved(of, scrapes, by, missing=True)
        rows = [
            # per second each, in case the two are refreshed at different times
            _row(by, k, base(_divide(part.by.get(k, 0.0) / part.seconds, n / whole.seconds)), events.by.get(k))
            for k, n in whole.by.items()
        ]
        return rows, [s.metric for s in (*over, *of)]
    if signal.rate is not None or signal.increase is not None:
        counter = sources(signal.rate or signal.increase or "", signal)
        moved = _moved(counter, scrapes, by)
        if signal.rate is not None:
            return [_row(by, k, base(n / moved.seconds), n) for k, n in moved.by.items()], [counter[0].metric]
        short = moved.seconds < window * 0.999  # what was not watched may hold more
        return [_row(by, k, base(n), n, short) for k, n in moved.by.items()], [counter[0].metric]
    gauge = sources(signal.gauge or signal.age or "", signal)[0]
    convert: Callable[[float], float] = base
    if signal.age is not None:
        now = scrapes.second.time
        values = _gauges(gauge, scrapes.second, by, lambda raw: now - raw * unit.times / unit.over if raw > 0 else None)

        def convert(raw: float) -> float:
            return raw * signal.scale
    else:
        values = _gauges(gauge, scrapes.second, by, lambda raw: raw)
    return [_row(by, k, convert(_aggregate(signal.agg, found))) for k, found in values.items()], [gauge.metric]


def _row(
    by: Sequence[str],
    key: Key,
    value: float,
    count: float | None = None,
    at_least: bool = False,
    *,
    exceeds: bool = False,
) -> Row:
    labels = {name: text for name, text in zip(by, key, strict=True) if text}
    return Row(labels=labels, value=value, count=count, at_least=at_least, exceeds=at_least and exceeds)


def _divide(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan


def _share(by: Sequence[str], key: Key, edges: dict[float, float], edge: float, metric: str) -> Row:
    if edge not in edges:
        known = ", ".join(f"{e:g}" for e in sorted(edges) if math.isfinite(e))
        raise _Absent("unsupported", f"{metric} has no bucket edge {edge:g}; it has {known or 'none'}")
    total = edges.get(math.inf, 0.0)
    return _row(by, key, 1 - _divide(edges[edge], total), total)


def _buckets(source: Source, scrapes: Scrapes, by: tuple[str, ...]) -> dict[Key, dict[float, float]]:
    moved = _moved((source,), scrapes, ("le", *by))
    groups: dict[Key, dict[float, float]] = {}
    for (le, *key), count in moved.by.items():
        try:
            edge = float(le)
        except ValueError:
            continue  # a bucket without a readable edge belongs to no bucket
        group = groups.setdefault(tuple(key), {})
        group[edge] = group.get(edge, 0.0) + count
    return groups


def _moved(chosen: Iterable[Source], scrapes: Scrapes, labels: tuple[str, ...], *, missing: bool = False) -> _Moved:
    """What the counters counted, by label values. A missing counter is an error, or with ``missing`` counts 0."""
    total: dict[Key, float] = {}
    seconds = scrapes.elapsed
    names = []
    seen = 0
    frozen = True
    for source in chosen:
        names.append(source.metric)
        group = _Grouping(source, labels)
        growth = scrapes.growth(source.metric)
        matched = 0
        for raw, grown in growth:
            key = group(raw)
            if key is not None:
                total[key] = total.get(key, 0.0) + grown
                matched += 1
        seen += matched
        if matched:
            frozen = frozen and growth.frozen
            seconds = growth.seconds
    what = " and ".join(dict.fromkeys(names))
    if seen and frozen:
        raise _Absent("stale", f"the page repeats the same samples of {what}: they carry the same time in both scrapes")
    if not seen and not missing:
        there = [name for name in names if scrapes.second.has(name)]
        raise _Absent("no-data", f"no series of {what} matches" if there else f"the page has no {what}")
    return _Moved(total, seconds)


class _Grouping:
    """From a line's labels to the wanted label values, or None when a matcher turns the line away."""

    def __init__(self, source: Source, labels: tuple[str, ...]) -> None:
        self._edges = labels[:1] == ("le",)
        self._labels = labels[1:] if self._edges else labels
        self._matchers = source.matchers
        self._pick = Picker((*self._labels, *(m.label for m in self._matchers)))
        self._pick_edge = Picker(("le",))
        self._known: dict[tuple[bytes, ...], Key | None] = {}
        # The lines of a histogram's child differ in le alone: what is before and after it is looked at once.
        self._around: tuple[bytes, bytes] | None = None
        self._by_edge: dict[bytes, Key | None] = {}
        self._groups: dict[Key | None, dict[bytes, Key | None]] = {}

    def __call__(self, raw: bytes) -> Key | None:
        if not self._edges:
            return self._group(raw)
        head, mark, tail = raw.rpartition(b',le="')
        edge, _, rest = tail.partition(b'"')
        if (head, rest) != self._around:
            # le stands first, or is written with blanks, or what was found lies inside another label's value
            if not mark or b"\\" in raw or head.count(b'"') & 1:
                group = self._group(raw)
                return None if group is None else (unescaped(self._pick_edge(raw)[0]), *group)
            self._around = (head, rest)
            self._by_edge = self._groups.setdefault(self._group(head + rest), {})
        try:
            return self._by_edge[edge]
        except KeyError:
            group = self._group(head + rest)
            key = self._by_edge[edge] = None if group is None else (unescaped(edge), *group)
            return key

    def _group(self, raw: bytes) -> Key | None:
        picked = self._pick(raw)
        try:
            return self._known[picked]
        except KeyError:
            texts = [unescaped(value) for value in picked]
            wanted = len(self._labels)
            matched = all(m.matches(t) for m, t in zip(self._matchers, texts[wanted:], strict=True))
            key = self._known[picked] = tuple(texts[:wanted]) if matched else None
            return key


def _gauges(
    source: Source, page: Page, by: tuple[str, ...], take: Callable[[float], float | None]
) -> dict[Key, list[float]]:
    group = _Grouping(source, by)
    found: dict[Key, list[float]] = defaultdict(list)
    old = unset = 0
    for raw, value, stamp in page.samples(source.metric, once=True):
        key = group(raw)
        if key is None:
            continue
        if stamp and page.time - (page.seconds(stamp) or page.time) > _LOOKBACK:
            old += 1
            continue
        taken = take(value)
        if taken is None:
            unset += 1
            continue
        found[key].append(taken)
    if not found:
        if old:
            raise _Absent("stale", f"the samples of {source.metric} are older than {_LOOKBACK:.0f} s")
        if unset:
            raise _Absent("no-data", f"{source.metric} is 0: it was never set")
        there = page.has(source.metric)
        raise _Absent(
            "no-data", f"{'no series of' if there else 'the page has no'} {source.metric}{' matches' if there else ''}"
        )
    return found


def _aggregate(name: str, values: list[float]) -> float:
    """As PromQL: max and min pass NaN over when there is a number, sum and avg do not."""
    if name in ("max", "min"):
        numbers = [v for v in values if v == v] or [math.nan]
        return max(numbers) if name == "max" else min(numbers)
    total = math.fsum(values) if all(map(math.isfinite, values)) else sum(values)
    return total if name == "sum" else total / len(values)
