"""A declared signal as one PromQL expression, ready to paste, in base units; and the questions beside it.

The traps of domain-checks 2.5 are answered here for Prometheus: a counter's first event (a), a missing numerator (b),
few samples (d), rate before quantile (e), the two spellings of a bucket edge (i), units (j).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import NamedTuple

from opsctl.signals.model import Signal
from opsctl.signals.shape import (
    Matcher,
    Source,
    edge_pattern,
    events_of,
    histogram_of,
    kind_of,
    min_count_of,
    problems,
    sources,
    unit_for,
)
from opsctl.signals.units import Unit

_STEPS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))


class Compiled(NamedTuple):
    """One signal for Prometheus. ``window`` in seconds.

    ``expr``: the value(s). ``counts``: events in the window per row ("" = none are counted); for a histogram also by
    ``le``, so that it shows the highest bucket too. ``newest``: unix time of the newest sample (gauges). ``presence``:
    empty when Prometheus has no series of the metric at all; ``part``: the same for a ratio's numerator. ``guarded``:
    ``expr`` only where enough events are behind it, for looking at the past.
    """

    kind: str
    expr: str
    counts: str
    newest: str
    presence: str
    part: str
    guarded: str
    unit: str
    window: float
    min_count: float
    by: tuple[str, ...]
    selects: tuple[str, ...]  # the selectors that must have series


def compile_signal(signal: Signal, *, labels: Mapping[str, str] | None = None, window: float = 300.0) -> Compiled:
    """Compile for Prometheus; ``labels`` are matchers added to every selector, ``window`` is in seconds.

    Raises ValueError for a declaration that ``shape.problems`` complains about.
    """
    wrong = problems(signal)
    if wrong:
        raise ValueError("; ".join(wrong))
    kind, by, span = kind_of(signal), signal.by, range_text(window)
    parts = _parts(signal, kind, labels, window)
    unit = unit_for(signal)
    changes = unit.times != 1 or unit.over != 1 or signal.scale != 1
    if kind == "age":
        unit = Unit("s")  # the time was converted before it was taken from now
    elif changes and kind in ("mean", "ratio", "share_above", "promql"):
        parts = parts._replace(expr=f"({parts.expr})")
    expr = parts.expr + _factors(unit, signal.scale)
    least = min_count_of(signal) if parts.counts else 0.0
    guarded = f"({expr}) and ({parts.events or parts.counts} >= {_number(least)})" if least > 0 else expr
    return Compiled(
        kind=kind,
        expr=expr,
        counts=parts.counts,
        newest=parts.newest,
        presence=_presence(parts.present, span),
        part=_presence(sources(signal.ratio.of, signal, labels), span) if signal.ratio is not None else "",
        guarded=guarded,
        unit=unit.base,
        window=window,
        min_count=least,
        by=by,
        selects=tuple(_select(source) for source in parts.present),
    )


class _Parts(NamedTuple):
    """``present``: the series without which there is nothing; ``events``: ``counts`` without ``le``."""

    expr: str
    present: tuple[Source, ...] = ()
    counts: str = ""
    events: str = ""
    newest: str = ""


def _parts(signal: Signal, kind: str, labels: Mapping[str, str] | None, window: float) -> _Parts:
    """The expression in the raw metric's unit, and what goes with it."""
    by, span = signal.by, range_text(window)
    if kind in ("quantile", "share_above"):
        base = histogram_of(signal, labels)
        return _of_buckets(signal, base.named(f"{base.metric}_bucket"), span)
    if kind == "mean":
        base = histogram_of(signal, labels)
        count = base.named(f"{base.metric}_count")
        expr = f"{_rate(base.named(f'{base.metric}_sum'), span, by)} / ({_rate(count, span, by)} > 0)"
        return _Parts(expr, (count,), counts=_over(by, f"increase({_select(count)}[{span}])"))
    if signal.ratio is not None:
        over, events = sources(signal.ratio.over, signal, labels), events_of(signal, labels)
        whole = _counted(over, window, by, per_second=True)
        part = _counted(sources(signal.ratio.of, signal, labels), window, by, per_second=True)
        seen = " or ".join(f"last_over_time({_select(source)}[{span}])" for source in over)
        missing = f"0 * {_over(by, seen, 'group')}" if by else "vector(0)"
        counts = _counted(events, window, by, per_second=False) if events else ""
        return _Parts(f"({part} or {missing}) / ({whole} > 0)", events or over, counts=counts)
    if signal.rate is not None or signal.increase is not None:
        counter = sources(signal.rate or signal.increase or "", signal, labels)
        expr = _counted(counter, window, by, per_second=signal.rate is not None)
        counts = "" if signal.min_count is None else _counted(counter, window, by, per_second=False)
        return _Parts(expr, counter, counts=counts)
    if signal.promql is not None:
        return _Parts(signal.promql)
    gauge = sources(signal.gauge or signal.age or "", signal, labels)
    chosen = _select(gauge[0])
    newest = _over(by, f"timestamp({chosen})", "max")
    if signal.age is not None:
        # a client library's time gauge is 0 until it is set: that is "never", not "56 years ago"
        chosen = f"time() - ({chosen} > 0){_factors(unit_for(signal))}"
    return _Parts(_over(by, chosen, signal.agg), gauge, newest=newest)


def _of_buckets(signal: Signal, buckets: Source, span: str) -> _Parts:
    by, all_ = signal.by, buckets.having(Matcher("le", "=", "+Inf"))
    counts = _over(("le", *by), f"increase({_select(buckets)}[{span}])")
    events = _over(by, f"increase({_select(all_)}[{span}])")
    if signal.quantile is not None:
        rated = _over(("le", *by), f"rate({_select(buckets)}[{span}])")
        expr = f"histogram_quantile({_number(signal.quantile)}, {rated})"
    else:
        edge = Matcher("le", "=~", edge_pattern(signal.share_above or 0.0))
        expr = f"1 - {_rate(buckets.having(edge), span, by)} / ({_rate(all_, span, by)} > 0)"
    return _Parts(expr, (buckets,), counts=counts, events=events)


def _presence(chosen: tuple[Source, ...], span: str) -> str:
    return " or ".join(f"count(last_over_time({_select(source)}[{span}]))" for source in chosen)


def _rate(source: Source, span: str, by: tuple[str, ...]) -> str:
    return _over(by, f"rate({_select(source)}[{span}])")


def _counted(chosen: tuple[Source, ...], window: float, by: tuple[str, ...], *, per_second: bool) -> str:
    """The sum of what counters counted in the window, the first event of a new series included (trap a).

    ``rate`` and ``increase`` see only differences, so what a series counted up to its first sample is lost: a burst
    of errors of a new kind can be invisible. A series that was absent one window ago, on a target that was scraped
    well at that time, did not exist in the process; it has counted everything it shows since then.
    """
    span = range_text(window)
    terms = []
    for number, source in enumerate(chosen):
        one = _select(source)
        born = f"{one} unless {one} offset {span} and on (job, instance) up offset {span} == 1"
        term = (
            f"({born}) / {_number(window)} or rate({one}[{span}])"
            if per_second
            else f"{born} or increase({one}[{span}])"
        )
        # Two metrics with equal labels would be one series to "or": mark each with its own label first.
        terms.append(term if len(chosen) == 1 else f'label_replace({term}, "opsctl_part", "{number}", "", "")')
    return _over(by, " or ".join(terms))


def _over(by: tuple[str, ...], inner: str, aggregation: str = "sum") -> str:
    return f"{aggregation} by ({', '.join(by)}) ({inner})" if by else f"{aggregation}({inner})"


def _select(source: Source) -> str:
    inside = ", ".join(f'{m.label}{m.op}"{escape(m.value)}"' for m in source.matchers)
    return f"{source.metric}{{{inside}}}" if inside else source.metric


def _factors(unit: Unit, scale: float = 1.0) -> str:
    """What turns the raw unit into the base unit."""
    return "".join(f" {op} {_number(n)}" for op, n in (("*", unit.times), ("/", unit.over), ("*", scale)) if n != 1)


def escape(value: str) -> str:
    """A label value for a double-quoted PromQL string."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def range_text(seconds: float) -> str:
    """A range or offset as Prometheus writes it: 300 -> 5m, 90 -> 90s, 2.5 -> 2500ms. Raises ValueError below 1 ms."""
    whole = round(seconds * 1000)
    if whole < 1:
        raise ValueError(f"a window of {seconds:g} s is too short")
    return next(f"{whole // size}{unit}" for unit, size in _STEPS if whole % size == 0)


@functools.cache  # the questions beside signals of one metric are the same
def check_promql(expr: str) -> str | None:
    """What is wrong with a PromQL expression, in one sentence, or None. For profiles, runbooks and rules."""
    import promql_parser

    if not expr.strip():
        return "the expression is empty"
    try:
        promql_parser.parse(expr)
    except ValueError as error:
        return str(error)
    return None


def check_signal(signal: Signal) -> list[str]:
    """Everything wrong with a signal, its compiled PromQL parsed; [] when both evaluators can take it."""
    try:
        compiled = compile_signal(signal)
    except ValueError:
        return problems(signal)
    whole = check_promql(compiled.guarded)
    texts = {compiled.expr, compiled.counts, compiled.newest, compiled.presence, compiled.part, ""} - {compiled.guarded}
    if whole is None:  # parsing is the most of a lint: what stands in it, in parentheses, was parsed with it
        texts = {text for text in texts if not any(f"({text}{end}" in compiled.guarded for end in (")", " >="))}
    return list(dict.fromkeys(filter(None, (whole, *(check_promql(text) for text in sorted(texts) if text)))))


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
