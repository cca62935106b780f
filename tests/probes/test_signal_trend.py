"""signal.rising, signal.follows, signal.changed and signal.steady on a real Prometheus' past, and without one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from opsctl.model import Point
from opsctl.probes.signal_trend import correlation, trend
from opsctl.services.model import Profile
from opsctl.signals.model import Band, Objective, Signal
from opsctl.signals.reader import SignalReader
from tests.servers.prometheus import start_prometheus
from tests.servers.web import start_web
from tests.signals.pages import START, Line, backfill, look, only, run, signals

EVERY = 15.0
LENGTH = 3600.0
NOW = START + LENGTH
MIB = 2.0**20
ID = "local.x"
GAUGES = (
    "leak",
    "late_leak",
    "step",
    "flat",
    "deadline",
    "restored",
    "busy",
    "queue",
    "model",
    "process_started",
    "old",
)

PROFILE = Profile(
    service="app",
    signals={name: Signal(gauge=name, unit="bytes" if name in ("leak", "late_leak", "step") else "") for name in GAUGES}
    | {"deadline": Signal(gauge="deadline", unit="s"), "traffic": Signal(gauge="traffic")},
    objectives=(
        Objective(id="o", runbook="high-latency", signal="leak", bands=(Band(above=300 * MIB, severity="P2"),)),
    ),
)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignalReader]:
    """An hour; the last ten minutes bring a burst of traffic, a shorter deadline and a new process with a model."""
    at: dict[float, dict[str, float]] = {}
    for number in range(int(LENGTH / EVERY) + 1):
        t = number * EVERY
        late = t > LENGTH - 600
        traffic = 50.0 + 30 * late + number % 3
        at[START + t] = {
            "leak": (100 + t * 0.04 + number % 2) * MIB,
            "late_leak": (100 + max(0.0, t - (LENGTH - 300)) * 0.3 + (number % 5) * 0.2) * MIB,
            "step": (200.0 if t > LENGTH - 900 else 100.0) * MIB,
            "flat": 100.0 + number % 4,
            "deadline": 0.012 if late else 0.8,
            "restored": 0.012 if LENGTH - 1200 < t <= LENGTH - 600 else 0.8,
            "busy": 0.2 + 0.01 * traffic + (number % 4) * 0.01,
            "queue": 5.0 + 3 * math.sin(number),
            "model": 100.0 if not late else 150.0 if t < LENGTH - 540 else 900.0,
            "process_started": START + LENGTH - 600 if late else START - 9000,
            "old": START - 9000,
            "traffic": traffic,
        }
    lines = {moment: [Line(name, {}, value) for name, value in found.items()] for moment, found in at.items()}
    server = start_prometheus(tmp_path_factory.mktemp("trend"), backfill=backfill(lines))
    yield signals(prometheus=server.url, window=300.0, scrape_interval=EVERY)
    server.stop()


@pytest.mark.needs("prometheus")
def test_a_leak_and_when_it_fills_the_memory(past: SignalReader) -> None:
    where = look(PROFILE, past, at=NOW)
    found = only(run("signal.rising", where, signal="leak", finding=ID, until="objective"))
    assert found.state == "breach"
    assert found.says.startswith("leak went from 172 MiB to 244 MiB in 30m: growth ")
    assert "steady; at this rate it reaches 300 MiB in 23m" in found.says
    assert found.since == datetime.fromtimestamp(NOW - 1800, UTC)
    over = only(run("signal.rising", where, signal="leak", finding=ID, until=1024))
    assert "it is over 1 KiB already" in over.says


@pytest.mark.needs("prometheus")
def test_a_leak_that_began_only_lately(past: SignalReader) -> None:
    where = look(PROFILE, past, at=NOW)
    assert only(run("signal.rising", where, signal="late_leak", finding=ID)).state == "breach"
    # A part of the time must be enough to tell, but a step is no growth.
    assert only(run("signal.rising", where, signal="step", finding=ID)).state == "ok"
    assert only(run("signal.rising", where, signal="flat", finding=ID)).state == "ok"
    assert only(run("signal.rising", where, signal="leak", finding=ID, above="90%")).state == "ok"


@pytest.mark.needs("prometheus")
def test_use_that_follows_the_traffic(past: SignalReader) -> None:
    where = look(PROFILE, past, at=NOW)
    found = only(run("signal.follows", where, signal="busy", other="traffic", finding=ID))
    assert found.state == "breach"
    assert found.says.startswith("busy and traffic: correlation ")
    assert only(run("signal.follows", where, signal="queue", other="traffic", finding=ID)).state == "ok"
    still = only(run("signal.follows", where, signal="busy", other="flat", finding=ID))
    assert (still.state, still.says) == ("ok", "busy and flat: flat changed by 3% only, too little to be followed")


@pytest.mark.needs("prometheus")
def test_a_setting_that_was_changed(past: SignalReader) -> None:
    where = look(PROFILE, past, at=NOW)
    seen = run("signal.changed", where, signal="deadline", to="fell", finding=ID)
    found = only(seen)
    assert found.state == "breach"
    assert found.says.startswith("deadline fell from 800 ms to 12 ms at ")
    assert found.since is not None
    assert abs(found.since.timestamp() - (NOW - 600)) <= 2 * EVERY
    [change] = seen.changes
    assert (change.system, change.subject, change.says) == ("service", "app", "deadline 800 ms -> 12 ms")
    assert only(run("signal.changed", where, signal="deadline", to="rose", finding=ID)).state == "ok"
    assert only(run("signal.changed", where, signal="deadline", finding=ID)).state == "breach"
    # Set back since: what it is now is what it was.
    assert only(run("signal.changed", where, signal="restored", to="fell", finding=ID)).state == "ok"
    never = only(run("signal.changed", where, signal="deadline", finding=ID, within="5m"))
    assert (never.state, never.says) == ("ok", "deadline has been 12 ms for at least 5m")


@pytest.mark.needs("prometheus")
def test_memory_taken_at_the_start(past: SignalReader) -> None:
    where = look(PROFILE, past, at=NOW)
    found = only(run("signal.steady", where, signal="model", finding=ID))
    assert (found.state, found.says) == ("breach", "model was 900 to 900 since the process started 10m ago")
    # A process that started long ago: as far back as is looked.
    assert only(run("signal.steady", where, signal="leak", started="old", finding=ID)).state == "ok"
    flat = only(run("signal.steady", where, signal="flat", started="old", finding=ID))
    assert flat.says == "flat was 100 to 103 over 30m"


PROBES: tuple[tuple[str, dict[str, str]], ...] = (
    ("signal.rising", {}),
    ("signal.changed", {}),
    ("signal.steady", {}),
    ("signal.follows", {"other": "traffic"}),
)


@pytest.mark.parametrize(("id", "more"), PROBES)
def test_without_prometheus_there_is_no_past(id: str, more: dict[str, str]) -> None:
    web = start_web({"/metrics": "# HELP leak x\nleak 5\ntraffic 3\nprocess_started 1\n"})
    found = only(run(id, look(PROFILE, signals(metrics=f"{web.url}/metrics")), signal="leak", finding=ID, **more))
    web.stop()
    assert (found.state, found.reason) == ("unknown", "no-history")


@pytest.mark.needs("prometheus")
@pytest.mark.parametrize(("id", "more"), PROBES)
def test_too_short_a_past_is_unknown(past: SignalReader, id: str, more: dict[str, str]) -> None:
    over = "within" if id == "signal.changed" else "over"
    found = only(run(id, look(PROFILE, past, at=START + 5), signal="leak", finding=ID, **{over: "15s"}, **more))
    assert (found.state, found.reason) in (("unknown", "too-few"), ("unknown", "no-data"))


@pytest.mark.parametrize(
    ("id", "wrong"),
    [
        ("signal.rising", {"above": "much"}),
        ("signal.rising", {"over": "0s"}),
        ("signal.rising", {"until": "soon"}),
        ("signal.changed", {"to": "down"}),
        ("signal.changed", {"within": "0s"}),
        ("signal.steady", {"within": "often"}),
        ("signal.follows", {"other": "traffic", "above": 2}),
    ],
)
def test_parameters_are_checked_when_they_load(id: str, wrong: dict[str, object]) -> None:
    import msgspec

    from opsctl.probes.registry import get

    probe = get(id)
    assert probe is not None
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"signal": "leak", "finding": ID, **wrong}, probe.params)


def test_the_arithmetic() -> None:
    points = [Point(float(n), 100.0 + n) for n in range(20)]
    growth, steady = trend(points)
    assert growth == pytest.approx(19 / 109.5)
    assert steady == 1.0
    assert correlation([(1, 2), (2, 4), (3, 6)]) == pytest.approx(1.0)
    assert correlation([(1, 6), (2, 4), (3, 2)]) == pytest.approx(-1.0)
    assert correlation([(1, 5), (2, 5)]) == 0.0
