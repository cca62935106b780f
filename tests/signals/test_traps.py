"""The traps of domain-checks 2.5 (a) to (k), each against a real Prometheus where it can bite.

Every test looks through the SignalReader, as a diagnosis does; most look a second time at the same samples directly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from opsctl.signals.direct import evaluate
from opsctl.signals.exposition import Page
from opsctl.signals.model import Band, Objective, Ratio, Selector, Signal
from opsctl.signals.objective import judge
from opsctl.signals.promql import compile_signal
from opsctl.signals.reader import SignalReader
from tests.servers.prometheus import start_prometheus, static
from tests.servers.web import start_web
from tests.signals.pages import START, Line, backfill, scrapes, signals

pytestmark = pytest.mark.needs("prometheus")

EVERY = 15.0  # seconds between samples
NOW = START + 1800.0
Shape = Callable[[float], float | None]


def grow(rate: float, start: float = 1000.0) -> Shape:
    """A counter that grows by ``rate`` per second."""
    return lambda t: start + rate * t


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignalReader]:
    """Half an hour of a service: series by name, each a function of the seconds since START."""
    spike = 1740.0  # what began a minute before NOW

    def born(at: float, value: float) -> Shape:
        return lambda t: value if t >= at else None

    shapes: list[tuple[str, dict[str, str], Shape]] = [
        # (a) the first event of a kind, and a burst in one scrape interval
        ("dead_letters_total", {"reason": "known"}, grow(0.0, 7.0)),
        ("dead_letters_total", {"reason": "new"}, born(spike, 1.0)),
        ("failures_total", {"kind": "burst"}, born(spike, 120.0)),
        # (b) requests, none of which fails
        ("requests_total", {"status": "200", "version": "1"}, grow(4.0)),
        ("quiet_total", {}, grow(0.0, 3.0)),
        ("seldom_total", {}, lambda t: float(t // 300)),
        # (e) two pods: one slow with few requests
        *buckets("pods_seconds", {"pod": "a"}, {0.1: 10.0, 1.0: 10.0, 5.0: 10.0}),
        *buckets("pods_seconds", {"pod": "b"}, {0.1: 0.0, 1.0: 0.02, 5.0: 0.1}),
        # (c) everything takes longer than the highest bucket
        *buckets("slow_seconds", {}, {1.0: 0.0, 5.0: 0.0}, all_=5.0),
        # (d) a handful of requests
        *buckets("rare_seconds", {}, {0.1: 0.01, 1.0: 0.02, 5.0: 0.03}),
        # (i) the same edge in two spellings (targets scraped by 2.x and 3.x)
        *buckets("spelt_seconds", {"pod": "a"}, {1.0: 1.0, 5.0: 1.0}, all_=2.0),
        *buckets("spelt_seconds", {"pod": "b"}, {1.0: 0.0, 5.0: 2.0}, all_=2.0, spelling=".1f"),
        # (j) milliseconds
        *buckets("write_duration", {}, {250.0: 5.0, 500.0: 10.0, 1000.0: 10.0}),
        # (k) a gauge that falls to 0 at midnight
        ("daily_cost_usd", {}, lambda t: 49.0 if t < 1500 else 0.4),
        # (g) a target that died ten minutes ago; its last value stays visible for five minutes
        ("depth", {"queue": "dead"}, lambda t: 900.0 if t <= 1200 else None),
        ("depth", {"queue": "fading"}, lambda t: 900.0 if t <= 1650 else None),
    ]
    at: dict[float, list[Line]] = {}
    for step in range(int(1800 / EVERY) + 1):
        t = step * EVERY
        at[START + t] = [Line(name, labels, shape(t)) for name, labels, shape in shapes]
    server = start_prometheus(tmp_path_factory.mktemp("past"), backfill=backfill(at))
    yield signals(prometheus=server.url, window=300.0, scrape_interval=EVERY, labels={"job": "app"})
    server.stop()


def buckets(
    name: str, labels: Mapping[str, str], rates: Mapping[float, float], *, all_: float = 0.0, spelling: str = "g"
) -> list[tuple[str, dict[str, str], Shape]]:
    """A histogram whose cumulative buckets grow by these rates; ``all_`` is the rate of +Inf if higher."""
    top = max(all_, *rates.values())
    found = []
    for edge, rate in rates.items():
        text = f"{edge:.1f}" if spelling == ".1f" and edge == int(edge) else f"{edge:g}"
        found.append((f"{name}_bucket", {**labels, "le": text}, grow(rate)))
    return [
        *found,
        (f"{name}_bucket", {**labels, "le": "+Inf"}, grow(top)),
        (f"{name}_count", dict(labels), grow(top)),
        (f"{name}_sum", dict(labels), grow(top * 0.3)),
    ]


def reason(reader: SignalReader, signal: Signal, at: float = NOW) -> str:
    """Why there is no value."""
    reading = reader.read("x", signal, at=at)
    assert reading.unknown is not None, reading.rows
    return reading.unknown.reason


def test_trap_a_the_first_event_of_a_counter_is_counted(past: SignalReader) -> None:
    plain = past.read("plain", Signal(promql='increase(dead_letters_total{reason="new"}[5m])'), at=NOW)
    assert plain.value == 0, "increase() alone does not see a counter that is born at 1"
    reading = past.read("new", Signal(increase="dead_letters_total", by=("reason",)), at=NOW)
    assert {row.labels["reason"]: row.value for row in reading.rows} == {"known": 0.0, "new": 1.0}

    # a burst inside one scrape interval, by rate and by ratio
    rate = past.read("rate", Signal(rate="failures_total"), at=NOW)
    assert rate.value == pytest.approx(120 / 300)
    ratio = past.read("ratio", Signal(ratio=Ratio(of="failures_total", over="requests_total")), at=NOW)
    assert ratio.value == pytest.approx(120 / 1200, rel=0.01)

    page = [Line("dead_letters_total", {"reason": "known"}, 7.0)]
    direct = evaluate(
        Signal(increase="dead_letters_total", by=("reason",)),
        scrapes(page, [*page, Line("dead_letters_total", {"reason": "new"}, 1.0)]),
        window=10.0,
    )
    assert {row.labels["reason"]: row.value for row in direct.rows} == {"known": 0.0, "new": 1.0}


def test_trap_a_a_series_that_prometheus_merely_had_not_scraped_is_not_taken_for_new(
    tmp_path: Path,
) -> None:
    """The counter is large and old; only the target is new to Prometheus. Without ``up`` there is no birth."""
    at = {START + t: [Line("old_total", {}, 1_000_000.0 + t)] for t in (1000.0, 1015.0, 1030.0)}
    server = start_prometheus(tmp_path, backfill=backfill(at))
    reader = signals(prometheus=server.url, window=300.0, scrape_interval=15.0)
    reading = reader.read("x", Signal(increase="old_total"), at=START + 1030)
    server.stop()
    assert reading.value is not None
    assert 30 <= reading.value <= 60


def test_trap_b_no_failing_request_is_a_ratio_of_zero_and_no_request_is_no_ratio(past: SignalReader) -> None:
    five = Selector(metric="requests_total", where={"status": "=~5.."})
    empty = past.read("raw", Signal(promql='sum(rate(requests_total{status=~"5.."}[5m]))'), at=NOW)
    assert empty.rows == (), "in PromQL the ratio would be empty"
    none = past.read("none", Signal(ratio=Ratio(of=five, over="requests_total")), at=NOW)
    assert none.value == 0
    assert "no series of the numerator" in none.note
    by = past.read("by", Signal(ratio=Ratio(of=five, over="requests_total"), by=("version",)), at=NOW)
    assert [(row.labels, row.value) for row in by.rows] == [({"version": "1"}, 0.0)]
    assert reason(past, Signal(ratio=Ratio(of=five, over="quiet_total"))) == "too-few"
    assert reason(past, Signal(ratio=Ratio(of=five, over="nowhere_total"))) == "no-data"


def test_trap_c_a_quantile_above_the_highest_bucket_is_a_lower_bound(past: SignalReader) -> None:
    reading = past.read("p99", Signal(quantile=0.99, histogram="slow_seconds", unit="s"), at=NOW)
    assert [(row.value, row.at_least) for row in reading.rows] == [(5.0, True)]

    def judged(bound: str) -> tuple[bool, str | None]:
        found = judge(Objective(id="o", runbook="r", signal="p99", bands=(Band(above=bound),)), reading, None, {})
        return found.band is not None, found.reason

    assert judged("2s") == (True, None)
    assert judged("5s") == (True, None), "in the +Inf bucket: more than 5 s"
    assert judged("10s") == (False, "unsupported"), "it may be 6 s or 60 s"


def test_trap_d_a_quantile_of_few_samples_is_not_given(past: SignalReader) -> None:
    p99 = Signal(quantile=0.99, histogram="rare_seconds", unit="s")
    reading = past.read("p99", p99, at=NOW)
    assert reading.unknown is not None
    assert reading.unknown.reason == "too-few"
    assert "only 9 events in 5m; 100 are needed" in reading.unknown.says
    few = Signal(quantile=0.5, histogram="rare_seconds", unit="s", min_count=5)
    assert past.read("p50", few, at=NOW).value is not None
    assert reason(past, Signal(ratio=Ratio(of="quiet_total", over="seldom_total"))) == "too-few"


def test_trap_e_rates_are_added_before_the_quantile(past: SignalReader) -> None:
    """Pod b is slow and has 1 % of the requests: the mean of the two pods' percentiles would say 2.5 s."""
    query = compile_signal(Signal(quantile=0.9, histogram="pods_seconds"), window=300).expr
    assert query == "histogram_quantile(0.9, sum by (le) (rate(pods_seconds_bucket[5m])))"
    whole = past.read("p90", Signal(quantile=0.9, histogram="pods_seconds", unit="s"), at=NOW).value
    averaged = past.read(
        "avg", Signal(promql="avg(histogram_quantile(0.9, sum by (le, pod) (rate(pods_seconds_bucket[5m]))))"), at=NOW
    ).value
    assert whole is not None
    assert averaged is not None
    assert whole < 0.1 < 2 < averaged


def test_trap_f_the_window_is_at_least_four_scrape_intervals(past: SignalReader) -> None:
    reading = past.read("x", Signal(rate="requests_total", window="15s"), at=NOW)
    assert reading.value == pytest.approx(4.0)
    assert "[1m]" in reading.query
    assert reading.window == "1m"
    assert "window 15s raised to 1m" in reading.note
    assert past.read("y", Signal(rate="requests_total"), at=NOW, window=15.0).window == "1m"


def test_trap_g_an_old_sample_is_not_the_present(past: SignalReader) -> None:
    """Instant selectors see samples of the last five minutes."""
    assert reason(past, Signal(gauge="depth", where={"queue": "dead"})) == "no-data"
    raw = past.read("raw", Signal(promql='depth{queue="fading"}'), at=NOW)
    assert raw.value == 900.0, "Prometheus still shows it"
    fading = past.read("fading", Signal(gauge="depth", where={"queue": "fading"}), at=NOW)
    assert fading.unknown is not None
    assert fading.unknown.reason == "stale"
    assert "150 s old" in fading.unknown.says


def test_trap_h_a_target_that_is_gone_is_not_a_value_of_zero(past: SignalReader) -> None:
    for signal in (Signal(gauge="nothing"), Signal(rate="nothing_total"), Signal(age="nothing_time"),
                   Signal(quantile=0.9, histogram="nothing_seconds"), Signal(promql="nothing")):  # fmt: skip
        assert reason(past, signal) == "no-data"


def test_trap_i_an_edge_is_found_in_both_spellings(past: SignalReader) -> None:
    share = past.read("share", Signal(share_above=5, histogram="spelt_seconds"), at=NOW)
    assert share.value == pytest.approx(1 / 4)
    assert 'le=~"5|5\\\\.0"' in share.query
    # one edge, not two: half of pod a's and all of pod b's requests lie below 5 s
    median = past.read("p50", Signal(quantile=0.5, histogram="spelt_seconds", unit="s"), at=NOW)
    assert median.value == pytest.approx(1 + 4 * (2 - 1) / (3 - 1))
    rate = past.read("rate", Signal(rate=Selector(metric="spelt_seconds_bucket", where={"le": "5"})), at=NOW)
    assert rate.value == pytest.approx(3.0)
    missing = past.read("none", Signal(share_above=2, histogram="spelt_seconds"), at=NOW)
    assert missing.unknown is not None
    assert missing.unknown.reason == "unsupported"
    assert "no bucket edge 2; it has 1, 5" in missing.unknown.says

    text = (
        'h_bucket{le="5"} %d\nh_bucket{le="+Inf"} %d\nh_bucket{pod="b",le="5.0"} %d\nh_bucket{pod="b",le="+Inf"} %d\n'
    )
    pages = (Page((text % (0, 0, 0, 0)).encode()), Page((text % (10, 20, 20, 20)).encode()))
    direct = evaluate(
        Signal(share_above=5, histogram="h"), type(scrapes([], [Line("x", {}, 1)]))(*pages, 10.0), window=10
    )
    assert direct.rows[0].value == pytest.approx(1 / 4)


def test_trap_j_milliseconds_become_seconds(past: SignalReader) -> None:
    p99 = past.read("p99", Signal(quantile=0.5, histogram="write_duration", unit="ms"), at=NOW)
    assert p99.unit == "s"
    assert p99.value == pytest.approx(0.25)
    assert "/ 1000" in p99.query
    found = judge(
        Objective(id="o", runbook="r", signal="p99", bands=(Band(above="200ms"),)), p99, None, {}
    )  # seconds and milliseconds compare
    assert found.bound == pytest.approx(0.2)
    assert found.band is not None


def test_trap_k_a_gauge_that_is_reset_is_read_as_it_is(past: SignalReader) -> None:
    """The day's cost falls to 0 at midnight: neither a counter reset to be made up for nor a negative rate."""
    assert past.read("cost", Signal(gauge="daily_cost_usd", unit="usd"), at=NOW).value == pytest.approx(0.4)
    history = past.history("cost", Signal(gauge="daily_cost_usd", unit="usd"), start=NOW - 900, end=NOW, step=60)
    assert {point.value for point in history.points} == {49.0, 0.4}


def test_trap_h_up_says_only_that_the_page_was_read(tmp_path: Path) -> None:
    """A live target that answers without the metric: ``up`` is 1, the signal is unknown and not healthy."""
    web = start_web({"/metrics": "# HELP other x\nother 1\n"})
    server = start_prometheus(tmp_path, [static("app", web.netloc)])
    server.wait_for('up{job="app"}')
    reading = signals(prometheus=server.url, metrics=f"{web.url}/metrics").read("x", Signal(gauge="depth"))
    server.stop()
    web.stop()
    assert reading.unknown is not None
    assert reading.unknown.reason == "no-data"
    assert not reading.direct
