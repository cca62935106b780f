"""Metrics pages that go wrong while the service is well; the clock that goes wrong; a process that stands still."""

from __future__ import annotations

import http.client
import os
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from opsctl.lab import clock, reranker
from opsctl.lab.child import Child
from opsctl.lab.exposed import metrics_page
from opsctl.lab.identity import HOST, free_ports, is_alive
from opsctl.lab.metrics import Registry, add_process_metrics
from opsctl.lab.part import Switches
from opsctl.lab.web import Request, serve
from opsctl.signals.exposition import Page

ASK = Request("GET", "/metrics", "", {}, b"", HOST)


@pytest.fixture
def exposed():
    registry, switches = Registry(), Switches()
    done = registry.counter("done_total", "Done.")
    add_process_metrics(registry, 1.0)
    yield metrics_page("amas", registry, switches), switches, done
    switches.set(frozenset())


def value(answer, name: str) -> list[float]:
    return [number for _, number, _ in Page(answer.body).samples(name)]


def test_numbers_stand_still_while_the_collector_is_stopped(exposed):
    page, switches, done = exposed
    done.add()
    switches.set(frozenset({"amas-collector-stopped"}))
    done.add()
    assert value(page(ASK), "done_total") == [1]
    switches.set(frozenset())
    assert value(page(ASK), "done_total") == [2]


def test_switched_off_by_its_flag_the_page_has_the_process_own_numbers_only(exposed):
    page, switches, _ = exposed
    switches.set(frozenset({"amas-metrics-disabled"}))
    assert value(page(ASK), "done_total") == []
    assert value(page(ASK), "process_start_time_seconds") == [1.0]


def test_a_page_that_breaks_keeps_its_good_lines(exposed):
    page, switches, done = exposed
    done.add()
    switches.set(frozenset({"amas-page-broken"}))
    assert value(page(ASK), "done_total") == [1]
    assert b"lab_exporter_build" in page(ASK).body
    assert value(page(ASK), "lab_exporter_build") == []
    switches.set(frozenset({"amas-page-500"}))
    assert page(ASK).status == 500


def test_faults_of_other_services_leave_the_page_alone(exposed):
    page, switches, done = exposed
    switches.set(frozenset({"insa-page-broken", "agro-page-500"}))
    done.add()
    assert value(page(ASK), "done_total") == [1]


def test_a_wrong_clock_shows_in_the_date_header_and_in_what_the_service_writes(exposed):
    page, switches, _ = exposed
    (port,) = free_ports(1)
    server = serve(port, {("GET", "/metrics"): page})

    def off() -> float:
        link = http.client.HTTPConnection(HOST, port, timeout=5)
        link.request("GET", "/metrics")
        answer = link.getresponse()
        answer.read()
        link.close()
        return parsedate_to_datetime(str(answer.getheader("Date"))).timestamp() - time.time()

    try:
        assert abs(off()) < 60
        switches.set(frozenset({"amas-clock-wrong"}))
        assert off() < clock.SKEW + 60
        assert clock.now() < time.time() + clock.SKEW + 60
        switches.set(frozenset())
        assert abs(off()) < 60
    finally:
        server.shutdown()
        server.server_close()


def test_a_sample_may_carry_its_time():
    registry = Registry()
    registry.gauge("queue", "Waiting.").at = 1700000000.5
    assert b"queue 0 1700000000500\n" in registry.page()


def test_a_frozen_part_takes_connections_and_answers_nothing_until_it_goes_on(tmp_path):
    (port,) = free_ports(1)
    child = Child("reranker", {"port": port}, Path(tmp_path) / "reranker.err")
    identity, _ = child.start(frozenset())

    def asks(timeout: float) -> int:
        link = http.client.HTTPConnection(HOST, port, timeout=timeout)
        try:
            link.request("POST", "/v2/rerank", b"{}")
            return link.getresponse().status
        finally:
            link.close()

    try:
        assert asks(10) == 200
        child.freeze(True)
        with pytest.raises(TimeoutError):
            asks(1)
        child.freeze(False)
        assert asks(10) == 200
        child.freeze(True)
    finally:
        child.stop()
    assert not is_alive(identity)
    assert identity.pid != os.getpid()
    assert reranker.SECONDS < reranker.SLOW_SECONDS
