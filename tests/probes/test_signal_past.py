"""signal.usual, signal.onset-after, signal.rising on a real Prometheus' past."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from opsctl.model import Point
from opsctl.probes.signal_trend import trend
from opsctl.services.model import Profile
from opsctl.signals.model import Band, Objective, Signal
from opsctl.signals.reader import SignalReader
from tests.servers.prometheus import start_prometheus
from tests.servers.web import start_web
from tests.signals.pages import START, Line, backfill, look, only, run, signals

EVERY = 30.0
LENGTH = 9000.0
NOW = START + LENGTH
STARTED = NOW - 900.0  # the process began anew
SLOW = NOW - 600.0  # and five minutes later it was slow

PROFILE = Profile(
    service="app",
    signals={
        "request_rate": Signal(rate="requests_total"),
        "spiking": Signal(rate="spiking_total"),
        "seldom": Signal(rate="seldom_total"),
        "new": Signal(rate="new_total"),
        "latency": Signal(gauge="latency_seconds", unit="s"),
        "quick": Signal(gauge="quick_seconds", unit="s"),
        "always": Signal(gauge="always_seconds", unit="s"),
        "process_started": Signal(gauge="process_start_time_seconds", unit="s"),
        "old_start": Signal(gauge="old_start_seconds", unit="s"),
        "never": Signal(gauge="never_seconds", unit="s"),
        "leak": Signal(gauge="leak_bytes"),
        "plateau": Signal(gauge="plateau_bytes"),
        "saw": Signal(gauge="saw_bytes"),
    },
    objectives=(
        Objective(
            id="o", runbook="high-latency", signal="latency", bands=(Band(above="50ms", for_="2m", severity="P2"),)
        ),
        Objective(id="q", runbook="fine", signal="quick", bands=(Band(above="50ms", severity="P2"),)),
        Objective(id="a", runbook="always", signal="always", bands=(Band(above="50ms", severity="P2"),)),
        Objective(id="n", runbook="none", signal="new", bands=(Band(above=5, severity="P2"),)),
    ),
    baselines={"new": (1.0, 4.0)},
    capacity={"seldom": 100.0},
)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignalReader]:
    at: dict[float, list[Line]] = {}
    for step in range(int(LENGTH / EVERY) + 1):
        t = step * EVERY
        moment = START + t
        at[moment] = [
            Line("requests_total", {}, 10 * t),
            Line("spiking_total", {}, 10 * t + 40 * max(0.0, t - (LENGTH - 600))),
            Line("seldom_total", {}, float(t // 1200) + 3 * (t >= LENGTH - 60)),
            Line("new_total", {}, 10 * t if t >= LENGTH - 1200 else None),
            Line("latency_seconds", {}, 0.2 if moment >= SLOW else 0.01),
            Line("quick_seconds", {}, 0.01),
            Line("always_seconds", {}, 0.2),
            Line("process_start_time_seconds", {}, STARTED if moment >= STARTED else START - 5000),
            Line("old_start_seconds", {}, START - 5000),
            Line("never_seconds", {}, 0.0),
            Line("leak_bytes", {}, 1e8 + 2e4 * t + 1e6 * (step % 3)),
            Line("plateau_bytes", {}, 1e8 + 1e6 * (step % 7)),
            Line("saw_bytes", {}, 1e8 * (1 + (t % 300) / 300)),
        ]
    server = start_prometheus(tmp_path_factory.mktemp("past"), backfill=backfill(at))
    yield signals(prometheus=server.url, window=300.0, scrape_interval=EVERY)
    server.stop()


@pytest.mark.needs("prometheus")
def test_usual_traffic_and_a_spike(past: SignalReader) -> None:
    where = look(PROFILE, past, at=NOW)
    usual = only(run("signal.usual", where, signal="request_rate", finding="local.x"))
    assert (usual.state, usual.measured) == ("ok", pytest.approx(10.0))
    spike = only(run("signal.usual", where, signal="spiking", finding="local.x", above=2))
    assert spike.state == "breach"
    assert "1h ago 10/s, 5.0 times as much" in spike.says
    assert only(run("signal.usual", where, signal="spiking", finding="local.x", above=6)).state == "ok"


@pytest.mark.needs("prometheus")
def test_a_handful_of_events_is_no_spike(past: SignalReader) -> None:
    found = only(run("signal.usual", look(PROFILE, past, at=NOW), signal="seldom", finding="local.x", above=1.5))
    assert found.state == "ok"
    floor = run("signal.usual", look(PROFILE, past, at=NOW), signal="spiking", finding="local.x", floor=60)
    assert only(floor).state == "ok"


@pytest.mark.needs("prometheus")
def test_without_a_past_the_offset_and_then_the_profile_tell_what_is_usual(past: SignalReader) -> None:
    where = look(PROFILE, past, at=NOW)
    offset = only(run("signal.usual", where, signal="new", finding="local.x", offset="10m"))
    assert (offset.state, "10m ago" in offset.says) == ("ok", True)
    healthy = only(run("signal.usual", where, signal="new", finding="local.x"))
    assert healthy.state == "breach"
    assert "the healthy high 4/s" in healthy.says


def test_usual_by_scrape_is_known_only_from_the_profile() -> None:
    counts = itertools.count(1)
    web = start_web(
        {"/metrics": lambda: f"# HELP x x\nrequests_total {1000 * (n := next(counts))}\nseldom_total {1000 * n}\n"}
    )
    where = look(PROFILE, signals(metrics=f"{web.url}/metrics", pause=0.05))
    unknown = only(run("signal.usual", where, signal="request_rate", finding="local.x"))
    capacity = only(run("signal.usual", where, signal="seldom", finding="local.x"))
    web.stop()
    assert (unknown.state, unknown.reason) == ("unknown", "no-history")
    assert (capacity.state, capacity.threshold_from) == ("breach", "profile capacity")


@pytest.mark.needs("prometheus")
def test_trouble_soon_after_a_start(past: SignalReader) -> None:
    seen = run(
        "signal.onset-after", look(PROFILE, past, at=NOW), signal="process_started", within="10m", finding="local.x"
    )
    found = only(seen)
    assert (found.state, found.unit) == ("breach", "s")
    assert found.measured == pytest.approx(300, abs=EVERY)
    assert found.says.startswith(
        f"process_started {datetime.fromtimestamp(STARTED, UTC):%H:%M:%S} UTC, the objective broke"
    )
    [change] = seen.changes
    assert (change.at, change.system, change.subject) == (datetime.fromtimestamp(STARTED, UTC), "service", "app")

    late = run(
        "signal.onset-after", look(PROFILE, past, at=NOW), signal="process_started", within="2m", finding="local.x"
    )
    assert only(late).state == "ok"


@pytest.mark.needs("prometheus")
def test_trouble_long_after_a_start_or_none_at_all(past: SignalReader) -> None:
    old = run("signal.onset-after", look(PROFILE, past, at=NOW), signal="old_start", finding="local.x")
    assert only(old).state == "ok"
    fine = run(
        "signal.onset-after", look(PROFILE, past, at=NOW, runbook="fine"), signal="process_started", finding="local.x"
    )
    assert only(fine).says == "no objective is broken"
    always = run(
        "signal.onset-after", look(PROFILE, past, at=NOW, runbook="always"), signal="process_started", finding="local.x"
    )
    assert only(always).state == "ok", "it was slow before the start"


@pytest.mark.needs("prometheus")
def test_an_onset_that_is_not_known(past: SignalReader) -> None:
    never = only(run("signal.onset-after", look(PROFILE, past, at=NOW), signal="never", finding="local.x"))
    assert (never.state, never.reason) == ("unknown", "no-data")
    page = "# HELP x x\nprocess_start_time_seconds 1700000000\nlatency_seconds 0.2\n"
    web = start_web({"/metrics": page})
    where = look(PROFILE, signals(metrics=f"{web.url}/metrics", pause=0.05))
    found = only(run("signal.onset-after", where, signal="process_started", finding="local.x"))
    web.stop()
    assert (found.state, found.reason) == ("unknown", "no-history")


@pytest.mark.needs("prometheus")
@pytest.mark.parametrize(("signal", "state"), [("leak", "breach"), ("plateau", "ok"), ("saw", "ok")])
def test_rising(past: SignalReader, signal: str, state: str) -> None:
    seen = run("signal.rising", look(PROFILE, past, at=NOW), signal=signal, finding="local.x", over="1h")
    assert only(seen).state == state, only(seen).says
    assert len(seen.evidence[0].values[0].series) > 20


@pytest.mark.needs("prometheus")
def test_a_trend_needs_a_past(past: SignalReader) -> None:
    short = only(run("signal.rising", look(PROFILE, past, at=START + 120), signal="leak", finding="local.x"))
    assert (short.state, short.reason) == ("unknown", "too-few")


def test_a_trend_is_not_moved_by_an_outlier() -> None:
    flat = [Point(float(i), 10.0) for i in range(20)]
    assert trend([*flat[:10], Point(10.5, 10_000.0), *flat[11:]])[0] == 0
    growth, steady = trend([Point(float(i), 10.0 + i) for i in range(21)])
    assert growth == pytest.approx(1.0)
    assert steady == 1.0
