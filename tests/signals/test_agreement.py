"""Both evaluators say the same about the same samples: more than 500 generated sets in one real Prometheus."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from opsctl.signals.direct import evaluate
from opsctl.signals.model import Ratio, Reading, Row, Selector, Signal
from opsctl.signals.once import side_by_side
from opsctl.signals.outcome import Outcome
from opsctl.signals.reader import SignalReader
from tests.servers.prometheus import start_prometheus
from tests.signals.pages import START, Line, backfill, scrapes, signals

SETS = 520
PAUSE = 10.0
NOW = START + PAUSE
FEW = 3.0  # min_count of the sets: small ones must be refused by both

pytestmark = [pytest.mark.needs("prometheus"), pytest.mark.slow, pytest.mark.timeout(600)]

labels = st.fixed_dictionaries(
    {
        "endpoint": st.sampled_from(["/a", "/b", 'q"\\', "new\nline", "ü"]),
        "status": st.sampled_from(["200", "404", "500"]),
    }
)


class Counter(NamedTuple):
    """One child of a counter in both scrapes; None: it is not there."""

    labels: dict[str, str]
    first: float | None
    second: float | None


class Buckets(NamedTuple):
    """One child of a histogram: events per bucket in both scrapes, the last one +Inf."""

    labels: dict[str, str]
    first: tuple[int, ...]
    second: tuple[int, ...]


class Case(NamedTuple):
    """A generated set of samples."""

    requests: list[Counter]
    failures: list[Counter]
    edges: tuple[float, ...]
    spelling: str
    latency: list[Buckets]
    gauges: list[Counter]
    q: float
    share: int  # index of an edge
    agg: str


def once_each(items: list[Any]) -> list[Any]:
    """The items with distinct labels: one series is written once."""
    return list({frozenset(item.labels.items()): item for item in items}.values())


whole = st.integers(0, 10_000).map(float)
counters = st.lists(st.builds(Counter, labels, st.one_of(whole, whole, st.none()), whole), min_size=1, max_size=5).map(
    once_each
)
numbers = st.one_of(st.floats(-1e9, 1e9, allow_subnormal=False), st.just(math.nan), st.just(math.inf))


@st.composite
def histograms(draw: st.DrawFn) -> tuple[tuple[float, ...], list[Buckets]]:
    """Edges (below zero too) and children; some counts fall (a reset of that child)."""
    some = st.sampled_from([-1.0, 0.0, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 250.0, 500.0])
    edges = tuple(sorted(draw(st.sets(some, min_size=1, max_size=7))))
    counts = st.lists(st.integers(0, 40), min_size=len(edges) + 1, max_size=len(edges) + 1).map(tuple)
    child = st.builds(Buckets, labels, counts, counts)
    return edges, once_each(draw(st.lists(child, min_size=1, max_size=4)))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    edges, latency = draw(histograms())
    gauges = st.lists(st.builds(Counter, labels, st.none(), numbers), min_size=1, max_size=4).map(once_each)
    return Case(
        requests=draw(counters),
        failures=draw(counters),
        edges=edges,
        spelling=draw(st.sampled_from(["g", ".1f", "both"])),
        latency=latency,
        gauges=draw(gauges),
        q=draw(st.floats(0.01, 0.99)),
        share=draw(st.integers(0, len(edges) - 1)),
        agg=draw(st.sampled_from(["max", "min", "sum", "avg"])),
    )


def generated(count: int) -> list[Case]:
    """``count`` distinct sets, the same in every run."""
    found: dict[str, Case] = {}

    @settings(
        max_examples=2 * count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def collect(case: Case) -> None:
        assume(not on_the_edge(case))
        if len(found) < count:
            found.setdefault(repr(case), case)

    collect()
    return list(found.values())


def edge_text(edge: float, spelling: str, number: int) -> str:
    """2.x keeps 5 and 0.05, 3.x and some clients write 5.0; one page may hold both."""
    if math.isinf(edge):
        return "+Inf"
    whole_number = edge == int(edge)
    style = ("g", ".1f")[number % 2] if spelling == "both" else spelling
    return f"{edge:.1f}" if whole_number and style == ".1f" else f"{edge:g}"


def moved(first: float | None, second: float) -> float:
    """What a counter counted: a fall is a reset, a birth counts from 0."""
    return second if first is None or second < first else second - first


def cumulative(counts: Sequence[int]) -> list[float]:
    return [float(sum(counts[: i + 1])) for i in range(len(counts))]


def bucket_growth(case: Case, child: Buckets) -> list[float]:
    return [moved(a, b) for a, b in zip(cumulative(child.first), cumulative(child.second), strict=True)]


def on_the_edge(case: Case) -> bool:
    """A rank that meets a bucket's count exactly: there the last bit of a float decides between two edges that have
    nothing between them, in Prometheus itself too (its counts are rates, ours are counts)."""
    groups: dict[str, list[float]] = {"": [0.0] * (len(case.edges) + 1)}
    for child in case.latency:
        for key in ("", child.labels["endpoint"]):
            have = groups.setdefault(key, [0.0] * (len(case.edges) + 1))
            groups[key] = [x + y for x, y in zip(have, bucket_growth(case, child), strict=True)]
    return any(
        abs(case.q * counts[-1] - count) <= 1e-9 * max(1.0, counts[-1])
        for counts in groups.values()
        for count in counts
    )


def lines(number: int, case: Case, *, second: bool) -> list[Line]:
    """The page of one set in one scrape."""
    name = f"c{number}"
    found = []
    for metric, children in (("requests_total", case.requests), ("failures_total", case.failures)):
        found += [Line(f"{name}_{metric}", c.labels, c.second if second else c.first) for c in children]
    for index, child in enumerate(case.latency):
        counts = cumulative(child.second if second else child.first)
        for edge, count in zip((*case.edges, math.inf), counts, strict=True):
            found.append(
                Line(f"{name}_latency_bucket", {**child.labels, "le": edge_text(edge, case.spelling, index)}, count)
            )
        found.append(Line(f"{name}_latency_sum", child.labels, counts[-1] * 1.7))
        found.append(Line(f"{name}_latency_count", child.labels, counts[-1]))
    for gauge in case.gauges:
        found.append(Line(f"{name}_level", gauge.labels, gauge.second))
    found.append(Line(f"{name}_done_timestamp_ms", {}, (START - 50.0 - number) * 1000))
    return found


def declared(number: int, case: Case) -> dict[str, Signal]:
    """Every kind of signal on the set's metrics."""
    name = f"c{number}"
    latency, requests, failures = f"{name}_latency", f"{name}_requests_total", f"{name}_failures_total"
    five = Selector(metric=requests, where={"status": "=~5.."})
    few: dict[str, Any] = {"min_count": FEW}
    return {
        "quantile": Signal(quantile=case.q, histogram=latency, unit="ms", **few),
        "quantile_by": Signal(quantile=case.q, histogram=latency, by=("endpoint",), where={"status": "!=404"}, **few),
        "mean": Signal(mean=latency, **few),
        "mean_by": Signal(mean=latency, by=("endpoint",), **few),
        "share": Signal(share_above=case.edges[case.share], histogram=latency, **few),
        "ratio": Signal(ratio=Ratio(of=five, over=requests), **few),
        "ratio_by": Signal(ratio=Ratio(of=failures, over=(requests, failures)), by=("endpoint",), **few),
        "ratio_sum": Signal(ratio=Ratio(of=f"{latency}_sum", over=f"{latency}_count"), unit="ms", **few),
        "rate": Signal(rate=requests, scale=60.0),
        "rate_by": Signal(rate=requests, by=("endpoint", "status"), where={"status": "!~4.."}),
        "increase": Signal(increase=failures, by=("status",)),
        "gauge": Signal(gauge=f"{name}_level", agg=case.agg),
        "gauge_by": Signal(gauge=f"{name}_level", agg=case.agg, by=("endpoint",), unit="percent"),
        "age": Signal(age=f"{name}_done_timestamp_ms", unit="ms"),
    }


class World(NamedTuple):
    """All sets, in one Prometheus."""

    cases: list[Case]
    reader: SignalReader


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    found = generated(SETS)
    first = [line for number, case in enumerate(found) for line in lines(number, case, second=False)]
    second = [line for number, case in enumerate(found) for line in lines(number, case, second=True)]
    text = backfill({START: first, NOW: second})
    server = start_prometheus(tmp_path_factory.mktemp("agreement"), backfill=text)
    # a window of exactly the pause, so that both look at exactly the two samples
    yield World(found, signals(prometheus=server.url, window=PAUSE, scrape_interval=0.1, labels={"job": "app"}))
    server.stop()


def rows_of(answer: Reading | Outcome) -> dict[tuple[tuple[str, str], ...], Row]:
    return {tuple(sorted(row.labels.items())): row for row in answer.rows}


def differs(name: str, prometheus: Reading, direct: Outcome) -> str:
    """What the two evaluators disagree about, or ""."""
    theirs, ours = rows_of(prometheus), rows_of(direct)
    if theirs.keys() != ours.keys():
        reasons = (prometheus.unknown.says if prometheus.unknown else "", direct.says)
        return f"{name}: rows {sorted(theirs)} {reasons[0]!r}, direct {sorted(ours)} {reasons[1]!r}"
    for key, row in theirs.items():
        mine = ours[key]
        if not math.isclose(row.value, mine.value, rel_tol=1e-6, abs_tol=1e-9):
            return f"{name}{dict(key)}: {row.value!r}, direct {mine.value!r}"
        if row.at_least != mine.at_least or row.exceeds != mine.exceeds:
            return f"{name}{dict(key)}: at_least {row.at_least}, direct {mine.at_least}"
        if row.count is not None and mine.count is not None and not math.isclose(row.count, mine.count, rel_tol=1e-6):
            return f"{name}{dict(key)}: {row.count} events, direct {mine.count}"
    if (prometheus.unknown is None) != (direct.reason is None):
        return f"{name}: {prometheus.unknown}, direct {direct.reason}"
    if prometheus.unknown is not None and prometheus.unknown.reason != direct.reason:
        return (
            f"{name}: {prometheus.unknown.reason} ({prometheus.unknown.says}), direct {direct.reason} ({direct.says})"
        )
    return ""


def test_at_least_500_sets_give_the_same_readings(world: World) -> None:
    """Ratios, quantiles, means, shares, rates, increases, gauges and ages, to a relative 1e-6.

    The window is exactly the time between the two samples, so there is nothing for Prometheus to extrapolate: its
    factor (see the next test) is 1 and even rates must agree.
    """
    assert len(world.cases) >= 500
    wrong: list[str] = []
    compared: dict[str, int] = {}
    for number, case in enumerate(world.cases):
        two = scrapes(lines(number, case, second=False), lines(number, case, second=True), PAUSE)
        chosen = declared(number, case)
        asked = [lambda n=n, s=s, c=number: world.reader.read(f"c{c}_{n}", s, at=NOW) for n, s in chosen.items()]
        for (name, signal), reading in zip(chosen.items(), side_by_side(asked), strict=True):
            outcome = evaluate(signal, two, window=PAUSE)
            if text := differs(f"c{number}_{name}", reading, outcome):
                wrong.append(f"{text}\n    {case}")
            compared[name] = compared.get(name, 0) + bool(outcome.rows)
    assert not wrong, f"{len(wrong)} differ:\n" + "\n".join(wrong[:10])
    # the sets are not mostly empty ones
    assert min(compared.values()) > SETS / 4, compared


def factor(first: float, growth: float, window: float, late: float) -> float:
    """How much Prometheus lengthens what it saw between two samples PAUSE apart, for a range of ``window`` seconds
    that ends ``late`` seconds after the second sample.

    Its documented rule (functions ``rate`` and ``increase``: extrapolation to the ends of the range, bounded): each
    side is extended up to the range's end when that is nearer than 1.1 times the average distance of samples, else
    by half that distance; to the left never beyond the point where the counter would have been zero.
    """
    to_start, to_end = window - late - PAUSE, late
    if growth > 0:
        to_start = min(to_start, PAUSE * first / growth)
    seen = PAUSE
    for side in (to_start, to_end):
        seen += side if side < 1.1 * PAUSE else PAUSE / 2
    return seen / PAUSE


@pytest.mark.parametrize(("window", "late"), [(30.0, 0.0), (25.0, 3.0), (60.0, 14.0), (21.0, 10.5)])
def test_rates_differ_by_prometheus_extrapolation_and_nothing_else(world: World, window: float, late: float) -> None:
    """With a window longer than the two samples, ``rate`` is what the direct evaluator counted, times the documented
    factor, over the window: exactly, per series. Ratios then agree to 1e-6 where no counter was near zero (there the
    factor of each series is its own, and a ratio of rates carries that; direct evaluation does not extrapolate).
    """
    checked = 0
    for number, case in enumerate(world.cases[:250]):
        # series that are there in both scrapes: Prometheus sees no rate in a single sample
        children = [c for c in case.requests if c.first is not None]
        if not children:
            continue
        growths = [(c.first or 0.0, moved(c.first, c.second or 0.0)) for c in children]
        expected = sum(growth * factor(first, growth, window, late) for first, growth in growths)
        steady = Signal(promql=f"sum(increase(c{number}_requests_total[{window:g}s]))")
        reading = world.reader.read("steady", steady, at=NOW + late)
        assert reading.value == pytest.approx(expected, rel=1e-6, abs=1e-9), case
        direct = sum(growth for _, growth in growths)
        assert direct * (1 - 1e-9) <= expected <= direct * 3.2 + 1e-9  # 1 + 2 * 1.1, the most the rule allows
        checked += 1
        five = Signal(ratio=Ratio(of=Selector(metric=f"c{number}_requests_total", where={"status": "=~5.."}),
                                  over=f"c{number}_requests_total"), min_count=0)  # fmt: skip
        plain = len(children) == len(case.requests) and direct > 0
        if plain and len({factor(f, g, window, late) for f, g in growths if g > 0}) == 1:
            two = scrapes(lines(number, case, second=False), lines(number, case, second=True), PAUSE)
            theirs = world.reader.read("five", five, at=NOW + late, window=window)
            assert theirs.value == pytest.approx(evaluate(five, two, window=window).rows[0].value, rel=1e-6), case
    assert checked > 100
