"""Where signals come from: Prometheus, a direct scrape in its place, or an honest "unknown"."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from opsctl.signals import reader as reader_module
from opsctl.signals.model import Ratio, Reading, Signal
from opsctl.signals.once import side_by_side
from tests.servers import process
from tests.servers.web import Web, start_web
from tests.signals.fake import FakePrometheus
from tests.signals.pages import signals

RATE = Signal(rate="requests_total")
ERRORS = Signal(ratio=Ratio(of="errors_total", over="requests_total"))
LEVEL = Signal(gauge="level")
Start = Callable[[Callable[[str], object]], FakePrometheus]


class Counting:
    """A metrics page whose counters grow with every scrape."""

    def __init__(self) -> None:
        self.scrapes = 0
        self.start = 1000.0

    def __call__(self) -> str:
        self.scrapes += 1
        n = self.scrapes
        return (
            f"# HELP x x\nrequests_total {n * 1000}\nerrors_total {n * 100}\nlevel {n}\n"
            f"process_start_time_seconds {self.start}\n"
        )


@pytest.fixture
def app() -> Iterator[Web]:
    page = Counting()
    web = start_web({"/metrics": page})
    yield web
    web.stop()


@pytest.fixture
def fake() -> Iterator[Start]:
    """Starts a small stand-in for Prometheus."""
    started: list[FakePrometheus] = []

    def start(reply: Callable[[str], object]) -> FakePrometheus:
        started.append(FakePrometheus(reply))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def hanging() -> Iterator[str]:
    """A server that takes connections and never answers."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


def refused() -> str:
    return f"http://127.0.0.1:{process.free_port()}"


def reason(reading: Reading) -> str:
    assert reading.unknown is not None, reading.rows
    return reading.unknown.reason


def test_a_refusing_prometheus_is_replaced_by_two_scrapes_for_all_signals(app: Web) -> None:
    prometheus = refused()
    reader = signals(prometheus=prometheus, metrics=f"{app.url}/metrics")
    asked = [lambda i=i: reader.read(f"s{i}", RATE if i % 2 else ERRORS) for i in range(10)]
    readings = side_by_side(asked)  # type: ignore[arg-type]
    assert all(r.direct and r.unknown is None for r in readings)
    assert {round(r.value or 0.0, 3) for r in readings[::2]} == {0.1}
    assert all((r.value or 0.0) > 500 for r in readings[1::2])
    assert len(app.requests) == 2
    assert readings[0].source == f"scrape {app.url}/metrics"
    assert readings[0].setting == "test metrics"
    [note] = reader.notes()
    assert "Prometheus could not be asked" in note
    assert "from test prometheus" in note
    assert f"direct scrape {app.url}/metrics" in note


def test_that_prometheus_hangs_is_found_out_once(app: Web, hanging: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "FIRST_ANSWER", 1.0)
    reader = signals(prometheus=hanging, metrics=f"{app.url}/metrics")
    began = time.monotonic()
    readings = [reader.read(f"s{i}", RATE) for i in range(10)]
    assert time.monotonic() - began < 8.0, "ten signals, one wait of a second"
    assert all(r.direct and r.unknown is None for r in readings)
    assert "did not answer" in reader.notes()[0] or "within" in reader.notes()[0]


def test_no_prometheus_at_all(app: Web) -> None:
    reader = signals(metrics=f"{app.url}/metrics")
    assert reader.read("x", RATE).direct
    assert reader.notes()[0].startswith("No Prometheus is configured. Signals were measured by direct scrape")
    history = reader.history("x", RATE, start=1.0, end=2.0, step=1.0)
    assert history.unknown is not None
    assert history.unknown.reason == "not-configured"


def test_nothing_is_configured() -> None:
    reader = signals()
    reading = reader.read("x", RATE)
    assert reason(reading) == "not-configured"
    assert reader.notes() == ()


def test_both_ways_are_shut() -> None:
    prometheus, metrics = refused(), refused()
    reading = signals(prometheus=prometheus, metrics=f"{metrics}/metrics").read("x", RATE)
    assert reading.unknown is not None
    assert reading.unknown.reason == "refused"
    assert reading.unknown.setting == "test prometheus"
    assert "without it" in reading.unknown.says
    assert metrics.removeprefix("http://") in reading.unknown.says


def test_the_past_is_never_scraped(app: Web) -> None:
    reader = signals(prometheus=refused(), metrics=f"{app.url}/metrics")
    assert reason(reader.read("x", RATE, at=time.time() - 600)) == "refused"
    direct = signals(prefer="direct", metrics=f"{app.url}/metrics")
    assert reason(direct.read("x", RATE, at=time.time() - 600)) == "no-history"
    assert app.requests == []


def test_prefer_direct_does_not_ask_prometheus(app: Web, fake: Start) -> None:
    prometheus = fake(lambda query: 1)
    reader = signals(prefer="direct", prometheus=prometheus.url, metrics=f"{app.url}/metrics")
    assert reader.read("x", RATE).direct
    assert reader.notes()[0].startswith("As asked, signals were measured by direct scrape")
    history = reader.history("x", RATE, start=1.0, end=2.0, step=1.0)
    assert history.unknown is not None
    assert history.unknown.reason == "no-history"
    assert prometheus.queries == []


def test_a_metric_that_prometheus_does_not_have_is_taken_from_the_page(app: Web, fake: Start) -> None:
    prometheus = fake(lambda query: 3 if "level" in query else [])
    reader = signals(prometheus=prometheus.url, metrics=f"{app.url}/metrics")
    assert not reader.read("level", LEVEL).direct
    rate = reader.read("rate", RATE)
    assert rate.direct
    assert rate.value is not None
    assert reader.notes() == (
        f"prometheus {prometheus.url} has no series for rate: measured by direct scrape {app.url}/metrics",
    )


def test_a_metric_that_neither_has_costs_no_pause(app: Web, fake: Start) -> None:
    prometheus = fake(lambda query: [])
    reader = signals(prometheus=prometheus.url, metrics=f"{app.url}/metrics", pause=60.0)
    reading = reader.read("x", Signal(rate="nothing_total"))
    assert reason(reading) == "no-data"
    assert not reading.direct
    assert "no series of nothing_total" in reading.unknown.says  # type: ignore[union-attr]
    assert len(app.requests) == 1


def test_a_page_whose_series_do_not_match_costs_no_pause_either(app: Web, fake: Start) -> None:
    reader = signals(prometheus=fake(lambda query: []).url, metrics=f"{app.url}/metrics", pause=60.0)
    reading = reader.read("x", Signal(rate="requests_total", where={"kind": "critical"}))
    assert (reason(reading), reading.direct, reader.notes()) == ("no-data", False, ())


def test_a_refused_query_is_not_an_absent_prometheus(app: Web, fake: Start) -> None:
    error = json.dumps({"status": "error", "errorType": "bad_data", "error": "unknown function"})
    prometheus = fake(lambda query: (400, error) if "bad" in query else 7)
    reader = signals(prometheus=prometheus.url, metrics=f"{app.url}/metrics")
    assert reason(reader.read("x", Signal(promql="bad(x)"))) == "bad-query"
    level = reader.read("level", LEVEL)
    assert (level.direct, level.value) == (False, 7.0)


def test_one_slow_query_does_not_condemn_a_prometheus_that_answers(app: Web, fake: Start) -> None:
    def reply(query: str) -> object:
        if "slow" in query:
            time.sleep(1.5)
        return 7

    prometheus = fake(reply)
    reader = signals(prometheus=prometheus.url, metrics=f"{app.url}/metrics")
    assert reader.read("level", LEVEL).value == 7
    slow = reader.read("slow", Signal(promql="slow"), timeout=0.3)
    assert reason(slow) in ("timeout", "unsupported")
    assert not reader.read("other", Signal(gauge="other")).direct


def test_a_slow_first_query_beside_quick_ones_gets_its_whole_time(
    app: Web, fake: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "FIRST_ANSWER", 1.0)

    def reply(query: str) -> object:
        if "slow" in query:
            time.sleep(1.6)
        return 7

    prometheus = fake(reply)
    reader = signals(prometheus=prometheus.url, metrics=f"{app.url}/metrics")
    slow, level = side_by_side(
        [lambda: reader.read("slow", Signal(promql="slow"), timeout=20.0), lambda: reader.read("level", LEVEL)]
    )
    assert (slow.value, slow.direct, level.value) == (7.0, False, 7.0)


def test_a_signal_is_asked_once_whoever_wants_it(fake: Start) -> None:
    prometheus = fake(lambda query: 7)
    reader = signals(prometheus=prometheus.url)
    threads = [threading.Thread(target=reader.read, args=("level", LEVEL)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(prometheus.queries) == 2, "its value and the time of its newest sample"


def test_the_deadline_ends_the_waiting(hanging: str) -> None:
    reader = signals(prometheus=hanging)
    began = time.monotonic()
    reading = reader.read("x", RATE, timeout=30.0, deadline=time.monotonic() + 0.3)
    assert reason(reading) == "timeout"
    assert time.monotonic() - began < 10.0


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ("<html>log in</html>", "bad-answer"),
        ('{"a": 1}', "bad-answer"),
        ("", "bad-answer"),
        ("# HELP x x\nother 1\n", "no-data"),
        (lambda: (500, "oops"), "server-error"),
        (lambda: (401, "who"), "unauthorized"),
        (lambda: (403, "no"), "forbidden"),
        (lambda: (404, "where"), "not-found"),
        (lambda: (429, "later"), "throttled"),
        ("# HELP x x\nrequests_total 5\n", "too-few"),
        ("# HELP x x\nrequests_total NaN\n", "no-data"),
    ],
)
def test_every_bad_page_is_a_typed_unknown(page: object, why: str) -> None:
    web = start_web({"/metrics": page})  # type: ignore[dict-item]
    reading = signals(metrics=f"{web.url}/metrics", pause=0.05).read("x", ERRORS)
    web.stop()
    assert reason(reading) == why


def test_pages_of_two_processes_are_not_compared() -> None:
    page = Counting()

    def balanced() -> str:
        text = page()
        page.start += 5000.0 if page.scrapes % 2 else -5000.0
        return text

    web = start_web({"/metrics": balanced})
    reader = signals(metrics=f"{web.url}/metrics", pause=0.05)
    reading = reader.read("x", RATE)
    level = reader.read("level", LEVEL)
    web.stop()
    assert reason(reading) == "bad-answer"
    assert "different processes" in reading.unknown.says  # type: ignore[union-attr]
    assert level.value == 1, "a gauge needs no comparison"


def test_a_process_that_started_anew_between_the_scrapes() -> None:
    page = Counting()

    def restarting() -> str:
        if page.scrapes == 1:
            page.start = time.time()
        return page()

    web = start_web({"/metrics": restarting})
    reading = signals(metrics=f"{web.url}/metrics", pause=0.3).read("x", Signal(increase="requests_total", window="1s"))
    web.stop()
    assert reading.value == 2000.0, "counted from 0, not from the dead process"
    assert "started anew" in reading.note
