"""Compiled PromQL: what is asked, that it can be pasted, that nothing can break out of it."""

from __future__ import annotations

import pytest

from opsctl.signals.model import Ratio, Selector, Signal
from opsctl.signals.promql import check_promql, check_signal, compile_signal, range_text

EVERY_KIND = {
    "quantile": Signal(quantile=0.99, histogram="h_seconds"),
    "mean": Signal(mean="h_seconds", by=("endpoint",)),
    "share_above": Signal(share_above=0.05, histogram="h_seconds"),
    "rate": Signal(rate="c_total", by=("a", "b")),
    "increase": Signal(increase=Selector(metric="c_total", where={"code": "=~5.."}), min_count=3),
    "ratio": Signal(ratio=Ratio(of="a_total", over=("a_total", "b_total")), by=("k",)),
    "gauge": Signal(gauge="g", agg="avg", unit="percent"),
    "age": Signal(age="t_seconds", by=("job",)),
    "promql": Signal(promql="sum(rate(x[5m]))", unit="ms"),
}


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_kind_compiles_to_promql_that_parses(kind: str) -> None:
    compiled = compile_signal(EVERY_KIND[kind], labels={"job": "app"}, window=300)
    assert compiled.kind == kind
    for expr in (compiled.expr, compiled.counts, compiled.newest, compiled.presence, compiled.part, compiled.guarded):
        assert not expr or check_promql(expr) is None, expr
    assert check_signal(EVERY_KIND[kind]) == []


def test_what_the_reader_of_a_report_pastes() -> None:
    def text(signal: Signal) -> str:
        return compile_signal(signal, labels={"job": "v"}, window=300).expr

    assert text(Signal(quantile=0.99, histogram="h", by=("e",), unit="ms")) == (
        'histogram_quantile(0.99, sum by (le, e) (rate(h_bucket{job="v"}[5m]))) / 1000'
    )
    assert text(Signal(mean="h")) == 'sum(rate(h_sum{job="v"}[5m])) / (sum(rate(h_count{job="v"}[5m])) > 0)'
    assert text(Signal(gauge="g", agg="min", where={"type": "decision"})) == 'min(g{job="v", type="decision"})'
    assert text(Signal(age="t")) == 'max(time() - (t{job="v"} > 0))'
    assert text(Signal(promql="up == 0")) == "up == 0"
    assert text(Signal(promql="a + b", scale=60)) == "(a + b) * 60"


def test_label_values_cannot_break_out_of_their_quotes() -> None:
    odd = 'x"} or vector(1) # \\ \n'
    compiled = compile_signal(Signal(gauge="g", where={"a": odd, "b": "=~a|\\d+", "c": "!=z", "d": '!~"'}))
    assert compiled.expr == 'max(g{a="x\\"} or vector(1) # \\\\ \\n", b=~"a|\\\\d+", c!="z", d!~"\\""})'
    assert check_promql(compiled.expr) is None


def test_a_selectors_own_matchers_win() -> None:
    signal = Signal(rate=Selector(metric="c", where={"code": "500"}), where={"code": "200", "job": "b"})
    assert 'c{job="b", code="500"}' in compile_signal(signal, labels={"job": "a"}).expr


def test_windows_are_written_as_prometheus_wants_them() -> None:
    assert [range_text(s) for s in (300, 90, 15, 2.5, 3600, 86400, 0.25)] == [
        "5m",
        "90s",
        "15s",
        "2500ms",
        "1h",
        "1d",
        "250ms",
    ]
    with pytest.raises(ValueError, match="too short"):
        range_text(0)


def test_the_events_behind_a_value_are_counted_where_few_would_mislead() -> None:
    assert compile_signal(EVERY_KIND["quantile"]).min_count == 100
    assert compile_signal(EVERY_KIND["ratio"]).min_count == 20
    assert compile_signal(EVERY_KIND["increase"]).min_count == 3
    assert compile_signal(EVERY_KIND["rate"]).counts == ""
    # seconds over seconds: the denominator counts no events
    assert compile_signal(Signal(ratio=Ratio(of="a_seconds_total", over="b_seconds_total"))).counts == ""
    assert "b_count" in compile_signal(Signal(ratio=Ratio(of="a_sum", over="b_sum"))).counts


@pytest.mark.parametrize("expr", ["", "  ", "sum(", "rate(x)", "{}", 'x{a=~"("}', "sum(rate(x[5m]) by (a)", "foo bar"])
def test_broken_promql_is_told(expr: str) -> None:
    says = check_promql(expr)
    assert says
    assert "\n" not in says.strip()


def test_every_function_and_operator_prometheus_has_is_taken() -> None:
    for expr in (
        'predict_linear(node_filesystem_avail_bytes{mountpoint="/pg"}[1h], 4*3600) < 0',
        "a / on (x) group_left (y) b > bool 1",
        "max_over_time(rate(x[5m])[30m:1m] offset 1w)",
        'absent(up{job="a"}) or topk(5, x) unless y',
        "x @ 1700000000 and histogram_quantile(0.9, y)",
    ):
        assert check_promql(expr) is None, expr


@pytest.mark.parametrize(
    ("signal", "says"),
    [
        (Signal(), "none of"),
        (Signal(gauge="a", rate="b"), "rate and gauge"),
        (Signal(quantile=0.9), "histogram"),
        (Signal(quantile=99, histogram="h"), "between 0 and 1"),
        (Signal(gauge="a", histogram="h"), "histogram"),
        (Signal(gauge="a", agg="median"), "median"),
        (Signal(gauge="http.requests"), "not a metric name"),
        (Signal(gauge="a", where={"a-b": "1"}), "not a label name"),
        (Signal(gauge="a", where={"a": "=~("}), "regular expression"),
        (Signal(promql="a", by=("b",)), "promql takes no"),
        (Signal(promql="sum("), "unclosed"),
        (Signal(ratio=Ratio(of=(), over="a")), "at least one counter"),
    ],
)
def test_what_is_wrong_with_a_declaration_is_said(signal: Signal, says: str) -> None:
    wrong = check_signal(signal)
    assert says in "; ".join(wrong)
    if signal.promql is None:
        with pytest.raises(ValueError, match=r"."):
            compile_signal(signal)
