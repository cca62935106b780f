"""PrometheusReader against a real Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opsctl.clients.prometheus import PrometheusReader
from opsctl.errors import CouldNotLook
from tests.fakes.endpoints import endpoint
from tests.fakes.recording import Recorder

if TYPE_CHECKING:
    from tests.servers.prometheus import Prometheus

RULES = """
groups:
  - name: mine
    interval: 1s
    rules:
      - {alert: Always, expr: vector(1), labels: {severity: none}}
      - {record: broken, expr: 'up + on() {__name__=~"go_gc_duration_seconds|up"}'}
"""


@pytest.fixture
def reader(prometheus: Prometheus) -> Iterator[PrometheusReader]:
    reader = PrometheusReader(endpoint(prometheus.url, name="prometheus"))
    prometheus.wait_for("up")
    yield reader
    reader.close()


def failure_of(reader: PrometheusReader, expr: str) -> CouldNotLook:
    with pytest.raises(CouldNotLook) as caught:
        reader.query(expr, timeout=30)
    return caught.value


def test_instant_query(reader: PrometheusReader, prometheus: Prometheus) -> None:
    (series,) = reader.query("up", timeout=30).series
    assert series.labels == {"__name__": "up", "job": "prometheus", "instance": f"127.0.0.1:{prometheus.port}"}
    assert series.value == 1
    assert abs(series.time - time.time()) < 60


def test_an_empty_vector_is_an_answer(reader: PrometheusReader) -> None:
    assert reader.query("no_such_metric", timeout=30).series == ()


def test_scalars_and_values_that_are_no_numbers(reader: PrometheusReader) -> None:
    assert reader.query("42", timeout=30).series[0].value == 42
    nan = reader.query("vector(0) / 0", timeout=30).series[0].value
    assert nan != nan
    assert reader.query("-vector(1) / 0", timeout=30).series[0].value == float("-inf")


def test_at_a_time(reader: PrometheusReader) -> None:
    then = time.time() - 3600
    assert reader.query("vector(1)", at=then, timeout=30).series[0].time == pytest.approx(then, abs=0.01)
    assert reader.query("up", at=then - 86400, timeout=30).series == ()


@pytest.mark.parametrize(
    ("expr", "words"),
    [
        ("up{", "parse error"),
        ("rate(up)", "expected type range vector"),
        ('up + on() {__name__=~"up|go_gc_duration_seconds"}', "duplicate series"),
        ("", "bad data"),
    ],
)
def test_a_wrong_question_is_the_questions_fault(reader: PrometheusReader, expr: str, words: str) -> None:
    failed = failure_of(reader, expr)
    assert failed.reason == "bad-query"
    assert words in failed.says
    assert (failed.address, failed.setting) == (reader.address, "test")


def test_a_question_that_takes_too_long(reader: PrometheusReader) -> None:
    # 100 ms are over before a million points are computed; the server gives up by itself.
    with pytest.raises(CouldNotLook) as caught:
        reader.query("max_over_time((sum by (__name__) (rate({__name__=~'.+'}[1d])))[60d:1s])", timeout=0.1)
    assert caught.value.reason in ("timeout", "too-large")


def test_too_many_samples(tmp_path: Path) -> None:
    body = (
        '{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory"}'
    )
    with Recorder({"/api/v1/query": (422, "application/json", body.encode())}) as server:
        assert failure_of(PrometheusReader(endpoint(server.url)), "up").reason == "too-large"


def test_range_query(reader: PrometheusReader) -> None:
    now = time.time()
    (series,) = reader.query_range("vector(7)", start=now - 60, end=now, step=15, timeout=30)
    assert [point.value for point in series.points] == [7] * 5
    assert series.points[0].time == pytest.approx(now - 60, abs=0.01)
    assert reader.query_range("no_such_metric", start=now - 60, end=now, step=15, timeout=30) == ()


def test_the_step_is_raised_to_what_prometheus_accepts(reader: PrometheusReader) -> None:
    now = time.time()
    ranges = reader.query_range("vector(1)", start=now - 86400, end=now, step=1, timeout=30)
    assert 10_000 < len(ranges[0].points) <= 11_000
    assert ranges.step > 7


@pytest.mark.needs("prometheus")
def test_rules_targets_and_state(tmp_path: Path) -> None:
    from tests.servers.prometheus import start_prometheus, static

    server = start_prometheus(tmp_path, rules=RULES)
    try:
        server.configure([static("self", f"127.0.0.1:{server.port}"), static("dead", "127.0.0.1:1")], rules=RULES)
        server.reload()
        server.wait_for('up{job="dead"}', lambda value: value == 0)
        server.wait_for('ALERTS{alertname="Always",alertstate="firing"}')
        server.wait_for("prometheus_rule_evaluation_failures_total", lambda value: value > 0)
        reader = PrometheusReader(endpoint(server.url))
        reader.ready()
        targets = {target.labels["job"]: target for target in reader.targets(30)}
        assert targets["self"].health == "up"
        assert targets["dead"].health == "down"
        assert "connection refused" in targets["dead"].last_error
        (group,) = reader.rules(30)
        health = {rule.name: rule for rule in group.rules}
        assert health["Always"].health == "ok"
        assert health["Always"].state == "firing"
        assert health["broken"].health == "err"
        assert "duplicate series" in health["broken"].last_error
        info = reader.runtimeinfo(30)
        assert info.reload_config_success is True
        assert info.last_config_time is not None
        assert info.last_config_time >= info.start_time.replace(microsecond=0)
        (alert,) = reader.alerts(30)
        assert (alert.labels["alertname"], alert.state) == ("Always", "firing")
    finally:
        server.stop()
    with pytest.raises(CouldNotLook) as caught:
        reader.query("up")
    assert caught.value.reason == "refused"


def test_reads_only_and_the_prefix_of_a_path() -> None:
    answer = '{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["partial"],"infos":["i"]}'
    with Recorder({"/select/0/prometheus/api/v1/query": answer}) as server:
        instant = PrometheusReader(endpoint(f"{server.url}/select/0/prometheus/")).query("up")
        server.assert_only_reads()
    assert instant.warnings == ("partial", "i")


@pytest.mark.parametrize("status", [403, 404, 405])
def test_where_only_get_is_let_through(status: int) -> None:
    answer = b'{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}'

    def only_get(seen: object) -> tuple[int, str, bytes]:
        posted = getattr(seen, "method", "") == "POST"
        return (status, "text/plain", b"no") if posted else (200, "application/json", answer)

    with Recorder({"/api/v1/query": only_get}) as server:
        reader = PrometheusReader(endpoint(server.url))
        assert [reader.query("2").series[0].value for _ in range(3)] == [2, 2, 2]
        assert [seen.method for seen in server.seen] == ["POST", "GET", "GET", "GET"]


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (400, "bad_data", "bad-query"),
        (422, "execution", "bad-query"),
        (503, "timeout", "timeout"),
        (503, "canceled", "timeout"),
        (500, "internal", "server-error"),
        (503, "unavailable", "server-error"),
        (429, "too_many_requests", "throttled"),
        (404, "not_found", "not-found"),
        (401, "bad_data", "unauthorized"),
    ],
)
def test_error_answers(status: int, kind: str, reason: str) -> None:
    body = f'{{"status":"error","errorType":"{kind}","error":"it\\u001b[31m said so"}}'.encode()
    with Recorder({"/api/v1/query": (status, "application/json", body)}) as server:
        failed = failure_of(PrometheusReader(endpoint(server.url)), "up")
    assert failed.reason == reason
    assert "\x1b" not in failed.says


def test_native_histograms_are_left_out_and_said() -> None:
    answer = """{"status":"success","data":{"resultType":"vector","result":[
        {"metric":{"a":"b"},"histogram":[1,{"count":"3","sum":"2"}]}, {"metric":{},"value":[1,"5"]}]}}"""
    with Recorder({"/api/v1/query": answer}) as server:
        instant = PrometheusReader(endpoint(server.url)).query("x")
    assert [series.value for series in instant.series] == [5]
    assert instant.warnings == ("1 of 2 series are native histograms and were left out",)


@pytest.mark.parametrize(
    "data",
    [
        '{"resultType":"matrix","result":[]}',
        '{"resultType":"vector","result":[{"metric":{},"value":[1,"many"]}]}',
        '{"resultType":"vector","result":[{"value":[1]}]}',
        "[]",
        "null",
    ],
)
def test_a_success_of_another_shape_is_not_believed(data: str) -> None:
    with Recorder({"/api/v1/query": f'{{"status":"success","data":{data}}}'}) as server:
        assert failure_of(PrometheusReader(endpoint(server.url)), "up").reason == "bad-answer"
