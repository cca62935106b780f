"""The small pieces of the simulated services: breaker, metrics page, HTTP, switches."""

from __future__ import annotations

import http.client
import time

from opsctl.lab.identity import HOST, free_ports
from opsctl.lab.insa import CLOSED, FAILURES, OPEN, REST, TRYING, Breaker
from opsctl.lab.metrics import Registry, add_process_metrics
from opsctl.lab.part import Switches
from opsctl.lab.web import Answer, serve
from opsctl.signals.exposition import Page, labels_of


def test_the_breaker_opens_after_failures_in_a_row_and_closes_after_a_good_trial(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("opsctl.lab.insa.time.monotonic", lambda: now[0])
    breaker = Breaker()
    for _ in range(FAILURES - 1):
        breaker.note(False)
    breaker.note(True)  # not in a row
    for _ in range(FAILURES - 1):
        breaker.note(False)
    assert breaker.state == CLOSED
    breaker.note(False)
    assert breaker.state == OPEN
    assert not breaker.allows()
    now[0] += REST + 0.1
    assert breaker.allows()
    assert breaker.state == TRYING
    assert not breaker.allows()  # one trial at a time
    breaker.note(False)
    assert breaker.state == OPEN
    now[0] += REST + 0.1
    assert breaker.allows()
    breaker.note(True)
    assert breaker.state == CLOSED


def test_the_metrics_page_is_what_our_own_reader_and_prometheus_read():
    registry = Registry()
    errors = registry.counter("errors_total", "Errors.", "error_type")
    errors.add('say "no"\\\n', by=2)
    seconds = registry.histogram("request_seconds", "Time.", ("route",), (0.1, 0.5))
    for value in (0.05, 0.1, 0.3, 7.0):
        seconds.observe(value, "/x")
    add_process_metrics(registry, started=1234.5)
    page = Page(registry.page())
    read = {
        name: {tuple(sorted(labels_of(raw).items())): value for raw, value, _ in page.samples(name)}
        for name in ("errors_total", "request_seconds_bucket", "request_seconds_count", "process_start_time_seconds")
    }
    assert read["errors_total"] == {(("error_type", 'say "no"\\\n'),): 2}
    buckets = {dict(labels)["le"]: value for labels, value in read["request_seconds_bucket"].items()}
    assert buckets == {"0.1": 2, "0.5": 3, "+Inf": 4}
    assert read["request_seconds_count"] == {(("route", "/x"),): 4}
    assert read["process_start_time_seconds"] == {(): 1234.5}
    assert page.type_of("request_seconds") == "histogram"
    for name in ("process_resident_memory_bytes", "process_cpu_seconds_total"):
        assert next(iter(page.samples(name)))[1] > 0
    assert sum(page.skipped.values()) == 0


def test_http_answers_stay_on_one_connection_and_unknown_paths_are_told_from_wrong_methods():
    (port,) = free_ports(1)
    server = serve(
        port,
        {
            ("POST", "/echo"): lambda request: Answer(200, request.json()),
            ("GET", "/of/"): lambda request: Answer(200, {"tail": request.tail}),
        },
    )
    link = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        for method, path, body, expected in (
            ("POST", "/echo", '{"a": 1}', (200, b'{"a": 1}')),
            ("POST", "/echo", "not json", (200, b"{}")),
            ("GET", "/of/7?x=1", None, (200, b'{"tail": "7"}')),
            ("GET", "/echo", None, (405, None)),
            ("GET", "/nowhere", None, (404, None)),
        ):
            link.request(method, path, body)
            answer = link.getresponse()
            found = answer.read()
            assert answer.status == expected[0], path
            if expected[1] is not None:
                assert found == expected[1]
        assert link.sock is not None  # never closed by the server
    finally:
        link.close()
        server.shutdown()
        server.server_close()


def test_switches_tell_of_each_change_before_it_counts_as_done():
    switches = Switches()
    seen: list[frozenset[str]] = []
    switches.when_changed(seen.append)
    switches.set(frozenset({"kyrodb-slow"}))
    assert "kyrodb-slow" in switches
    assert seen == [frozenset({"kyrodb-slow"})]
    switches.set(frozenset())
    assert "kyrodb-slow" not in switches


def test_a_crowd_keeps_its_rate_and_never_has_more_requests_under_way_than_threads():
    from opsctl.lab.traffic_call import Call, Crowd

    (port,) = free_ports(1)
    busy: list[int] = [0]
    most: list[int] = [0]
    count: list[int] = [0]

    def slow(_request) -> Answer:
        busy[0] += 1
        most[0] = max(most[0], busy[0])
        count[0] += 1
        time.sleep(0.3)
        busy[0] -= 1
        return Answer(200, {})

    server = serve(port, {("GET", "/"): slow})
    Crowd(port, 1000, 4, lambda _chance: Call("GET", "/")).run()
    time.sleep(2.0)
    assert 1 <= most[0] <= 4
    assert 1 <= count[0] <= 4 * 2.0 / 0.3 + 4
    server.shutdown()
    server.server_close()
