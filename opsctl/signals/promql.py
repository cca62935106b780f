"""A declared signal as one PromQL expression, ready to paste, in base units; and the questions beside it.

The traps of domain-checks 2.5 are answered here for Prometheus: a counter's first event (a), a missing numerator (b),
few samples (d), rate before quantile (e), the two spellings of a bucket edge (i), units (j).
"""

from __future__ import annotations

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
    counts = newest = ""
    unit = unit_for(signal)
    present: tuple[Source, ...] = ()
    if kind in ("quantile", "share_above", "mean"):
        base = histogram_of(signal, labels)
        if kind == "mean":
            present = (base.named(f"{base.metric}_count"),)
            counts = _over(by, f"increase({_select(present[0])}[{span}])")
            expr = f"{_rate(base.named(f'{base.metric}_sum'), span, by)} / ({_rate(present[0], span, by)} > 0)"
        else:
            present = (base.named(f"{base.metric}_bucket"),)
            counts = _over(("le", *by), f"increase({_select(present[0])}[{span}])")
            expr = _of_buckets(signal, present[0], span)
    elif signal.ratio is not None:
        over = sources(signal.ratio.over, signal, labels)
        present = events_of(signal, labels) or over
        whole = _counted(over, window, by, per_second=True)
        part = _counted(sources(signal.ratio.of, signal, labels), window, by, per_second=True)
        seen = " or ".join(f"last_over_time({_select(source)}[{span}])" for source in over)
        missing = f"0 * {_over(by, seen, 'group')}" if by else "vector(0)"
        expr = f"({part} or {missing}) / ({whole} > 0)"
        if events_of(signal):
            counts = _counted(present, window, by, per_second=False)
    elif signal.rate is not None or signal.increase is not None:
        present = sources(signal.rate or signal.increase or "", signal, labels)
        expr = _counted(present, window, by, per_second=signal.rate is not None)
        counts = "" if signal.min_count is None else _counted(present, window, by, per_second=False)
    elif signal.promql is not None:
        expr = signal.promql
    else:
        present = sources(signal.gauge or signal.age or "", signal, labels)
        chosen = _select(present[0])
        newest = _over(by, f"timestamp({chosen})", "max")
        if signal.age is not None:
            unit_text = _convert("", unit).strip()
            # a client library's time gauge is 0 until it is set: that is "never", not "56 years ago"
            expr = _over(by, f"time() - ({chosen} > 0){' ' + unit_text if unit_text else ''}", signal.agg)
            unit = Unit("s")
        else:
            expr = _over(by, chosen, signal.agg)
    expr = _convert(expr, unit, signal.scale)
    least = min_count_of(signal) if counts else 0.0
    return Compiled(
        kind=kind,
        expr=expr,
        counts=counts,
        newest=newest,
        presence=_presence(present, span),
        part=_presence(sources(signal.ratio.of, signal, labels), span) if signal.ratio is not None else "",
        guarded=_guard(expr, counts, kind, least, by, present),
        unit=unit.base,
        window=window,
        min_count=least,
        by=by,
        selects=tuple(_select(source) for source in present),
    )


def _of_buckets(signal: Signal, buckets: Source, span: str) -> str:
    if signal.quantile is not None:
        rated = _over(("le", *signal.by), f"rate({_select(buckets)}[{span}])")
        return f"histogram_quantile({_number(signal.quantile)}, {rated})"
    assert signal.share_above is not None
    edge = Matcher("le", "=~", edge_pattern(signal.share_above))
    under = _rate(buckets.having(edge), span, signal.by)
    return f"1 - {under} / ({_rate(buckets.having(Matcher('le', '=', '+Inf')), span, signal.by)} > 0)"


def _guard(expr: str, counts: str, kind: str, least: float, by: tuple[str, ...], present: tuple[Source, ...]) -> str:
    if not counts or least <= 0:
        return expr
    if kind in ("quantile", "share_above"):
        span = counts[counts.rindex("[") + 1 : counts.rindex("]")]
        counts = _over(by, f"increase({_select(present[0].having(Matcher('le', '=', '+Inf')))}[{span}])")
    return f"({expr}) and ({counts} >= {_number(least)})"


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


def _convert(expr: str, unit: Unit, scale: float = 1.0) -> str:
    factors = "".join(f" {op} {_number(n)}" for op, n in (("*", unit.times), ("/", unit.over), ("*", scale)) if n != 1)
    return f"({expr}){factors}" if factors and expr and " " in expr else f"{expr}{factors}"


def escape(value: str) -> str:
    """A label value for a double-quoted PromQL string."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def range_text(seconds: float) -> str:
    """A range or offset as Prometheus writes it: 300 -> 5m, 90 -> 90s, 2.5 -> 2500ms. Raises ValueError below 1 ms."""
    whole = round(seconds * 1000)
    if whole < 1:
        raise ValueError(f"a window of {seconds:g} s is too short")
    return next(f"{whole // size}{unit}" for unit, size in _STEPS if whole % size == 0)


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
    wrong = problems(signal)
    if wrong:
        return wrong
    compiled = compile_signal(signal)
    texts = dict.fromkeys(
        (compiled.expr, compiled.counts, compiled.newest, compiled.presence, compiled.part, compiled.guarded)
    )
    return list(dict.fromkeys(says for text in texts if text and (says := check_promql(text))))


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
