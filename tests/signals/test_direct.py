"""Signals on two scrapes: resets, births, restarts, lower bounds, and the honest "unknown"."""

from __future__ import annotations

import math
from typing import Any

import pytest

from opsctl.signals.direct import evaluate
from opsctl.signals.exposition import Page
from opsctl.signals.growth import Scrapes
from opsctl.signals.model import Ratio, Selector, Signal
from opsctl.signals.outcome import Outcome


def look(signal: Signal, first: str, second: str, *, pause: float = 5.0, window: float = 300.0, **how: Any) -> Outcome:
    pages = (
        Page(("# HELP x x\n" + text).encode(), time=at) for text, at in ((first, 1000.0), (second, 1000.0 + pause))
    )
    return evaluate(signal, Scrapes(*pages, pause, **how), window=window)


def value(signal: Signal, first: str, second: str, **how: Any) -> float:
    outcome = look(signal, first, second, **how)
    assert len(outcome.rows) == 1, outcome
    return outcome.rows[0].value


def test_a_rate_is_growth_over_the_pause() -> None:
    assert value(Signal(rate="m"), "m 100", "m 150") == 10.0
    assert value(Signal(rate="m", scale=60), "m 100", "m 150") == 600.0


def test_a_counter_that_fell_was_reset() -> None:
    assert value(Signal(rate="m"), "m 100", "m 20") == 4.0


def test_a_series_born_in_between_counts_from_zero() -> None:
    assert value(Signal(rate="m"), "", "m 20") == 4.0


def test_a_series_that_is_gone_counts_nothing() -> None:
    assert value(Signal(rate="m"), 'm{a="1"} 5\nm{a="2"} 5', 'm{a="1"} 10') == 1.0


def test_after_a_restart_every_counter_counts_from_zero() -> None:
    assert value(Signal(rate="m"), "m 100", "m 150", restarted=True) == 30.0


def test_rows_by_label_and_matchers() -> None:
    page = "".join(f'm{{code="{c}",path="{p}"}} %d\n' for c, p in ((200, "/a"), (500, "/a"), (500, "/b"), (404, "/a")))
    signal = Signal(rate=Selector(metric="m", where={"code": "=~5..|404"}), by=("path",), where={"path": "!=/c"})
    found = {row.labels["path"]: row.value for row in look(signal, page % (0, 0, 0, 0), page % (5, 10, 20, 5)).rows}
    assert found == {"/a": 3.0, "/b": 4.0}
    assert look(Signal(rate="m", where={"path": "/z"}), page % (0, 0, 0, 0), page % (5, 10, 20, 5)).says.startswith(
        "no series"
    )


def test_a_label_that_is_absent_is_an_empty_label() -> None:
    signal = Signal(rate="m", where={"a": ""})
    assert value(signal, 'm 0\nm{a="1"} 0', 'm 5\nm{a="1"} 500') == 1.0
    rows = look(Signal(rate="m", by=("a",)), 'm 0\nm{a="1"} 0', 'm 5\nm{a="1"} 10').rows
    assert [(row.labels, row.value) for row in rows] == [({}, 1.0), ({"a": "1"}, 2.0)]


def test_a_ratio_without_a_failing_request_is_zero() -> None:
    signal = Signal(ratio=Ratio(of=Selector(metric="m", where={"code": "=~5.."}), over="m"))
    assert value(signal, 'm{code="200"} 0', 'm{code="200"} 50') == 0
    other = look(Signal(ratio=Ratio(of="errors", over="m")), "m 0", "m 50")
    assert other.rows[0].value == 0
    assert "no series of the numerator" in other.notes[0]


def test_a_ratio_without_requests_is_unknown() -> None:
    signal = Signal(ratio=Ratio(of="errors", over="m"))
    assert look(signal, "m 50", "m 50").reason == "too-few"
    assert look(signal, "m 50", "m 60").says == "only 10 events in 5s; 20 are needed to judge"
    assert look(signal, "errors 1", "errors 9").reason == "no-data"


def test_a_ratio_of_several_counters() -> None:
    signal = Signal(ratio=Ratio(of="hits", over=("hits", "misses")))
    assert value(signal, "hits 0\nmisses 0", "hits 75\nmisses 25") == 0.75
    assert value(signal, "hits 0", "hits 75") == 1.0


def test_seconds_per_request_have_the_unit_of_the_numerator() -> None:
    signal = Signal(ratio=Ratio(of="db_ms_sum", over="http_count"), unit="ms")
    assert value(signal, "db_ms_sum 0\nhttp_count 0", "db_ms_sum 5000\nhttp_count 100") == 0.05


def test_a_quantile_needs_events_and_an_infinite_bucket() -> None:
    signal = Signal(quantile=0.99, histogram="h_seconds")
    page = 'h_seconds_bucket{le="0.1"} %d\nh_seconds_bucket{le="1"} %d\nh_seconds_bucket{le="+Inf"} %d\n'
    assert value(signal, page % (0, 0, 0), page % (100, 200, 200)) == pytest.approx(0.982)
    assert look(signal, page % (0, 0, 0), page % (0, 0, 0)).says == "no events in 5s; 100 are needed to judge"
    assert look(signal, page % (0, 0, 0), page % (50, 60, 60)).reason == "too-few"
    assert look(Signal(quantile=0.99, histogram="h_seconds", min_count=0), 'h_seconds_bucket{le="1"} 0',
                'h_seconds_bucket{le="1"} 5').reason == "not-a-number"  # fmt: skip
    assert look(signal, "other 1", "other 2").says == "the page has no h_seconds_bucket"


def test_rows_with_few_events_are_left_out_and_said() -> None:
    signal = Signal(mean="h_seconds", by=("path",))
    page = "".join(f'h_seconds_sum{{path="{p}"}} %d\nh_seconds_count{{path="{p}"}} %d\n' for p in ("/a", "/b"))
    first, second = page % (0, 0, 0, 0), page % (5, 50, 9, 3)
    outcome = look(signal, first, second)
    assert [(row.labels["path"], row.value) for row in outcome.rows] == [("/a", 0.1)]
    assert outcome.notes == ("1 of 2 left out: fewer than 20 events in 5s",)


def test_an_increase_over_a_longer_window_is_a_lower_bound() -> None:
    outcome = look(Signal(increase="m"), "m 0", "m 3")
    assert [(row.value, row.at_least, row.exceeds) for row in outcome.rows] == [(3.0, True, False)]
    assert not look(Signal(increase="m"), "m 0", "m 3", window=5.0).rows[0].at_least


@pytest.mark.parametrize(("agg", "expected"), [("max", 9.0), ("min", 1.0), ("sum", 15.0), ("avg", 5.0)])
def test_gauges(agg: str, expected: float) -> None:
    page = 'g{a="1"} 1\ng{a="2"} 5\ng{a="3"} 9\n'
    assert value(Signal(gauge="g", agg=agg), page, page) == expected
    assert value(Signal(gauge="g", agg=agg, unit="percent"), page, page) == expected / 100


def test_a_gauge_that_is_not_a_number_is_unknown() -> None:
    assert look(Signal(gauge="g"), "g NaN", "g NaN").reason == "not-a-number"
    assert look(Signal(gauge="g"), "g +Inf", "g +Inf").says == "the value is infinite"
    assert value(Signal(gauge="g"), "", 'g{a="1"} NaN\ng{a="2"} 3') == 3.0


def test_an_age_and_a_time_that_was_never_set() -> None:
    assert value(Signal(age="t"), "", "t 905") == 100.0
    assert value(Signal(age="t", unit="ms"), "", "t 905000") == 100.0
    assert look(Signal(age="t"), "", "t 0").says == "t is 0: it was never set"


def test_samples_with_their_own_times() -> None:
    gauge = Signal(gauge="g")
    assert look(gauge, "", "g 5 1004000").rows[0].value == 5
    assert look(gauge, "", "g 5 600000").reason == "stale"
    rate = Signal(rate="m")
    assert value(rate, "m 0 990000", "m 100 1000000") == 10.0, "the samples are ten seconds apart, the scrapes five"
    assert look(rate, "m 0 990000", "m 0 990000").reason == "stale"


def test_promql_needs_a_prometheus() -> None:
    assert look(Signal(promql="sum(m)"), "m 1", "m 2").reason == "unsupported"


def test_unread_lines_are_said() -> None:
    outcome = look(Signal(rate="m"), 'm{a="1"} 0', 'm{a="1"} 5\nm{a="2" 5\nm{a="3"} x')
    assert outcome.rows[0].value == 1.0
    assert outcome.notes == ("2 lines of m could not be read",)


def test_a_counter_that_is_not_a_number_is_passed_over() -> None:
    outcome = look(Signal(rate="m"), 'm{a="1"} 0\nm{a="2"} 0', 'm{a="1"} 5\nm{a="2"} NaN')
    assert outcome.rows[0].value == 1.0
    assert not math.isnan(outcome.rows[0].value)
