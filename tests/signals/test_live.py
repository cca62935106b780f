"""What is said live, what is said of the same moment later, and what is said when Prometheus is gone."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from opsctl.model import Seen
from opsctl.services.model import Profile
from opsctl.signals.model import Band, Objective, Ratio, Selector, Signal
from tests.servers.prometheus import start_prometheus, static
from tests.servers.web import start_web
from tests.signals.pages import Line, backfill, look, run, signals

PROFILE = Profile(
    service="app",
    severities={"P1": "sev1", "P2": "sev2"},
    signals={
        "latency_p99": Signal(quantile=0.99, histogram="request_seconds", unit="s"),
        "error_ratio": Signal(
            ratio=Ratio(of=Selector(metric="requests_total", where={"code": "=~5.."}), over="requests_total")
        ),
        "depth": Signal(gauge="depth"),
        "process_started": Signal(gauge="process_start_time_seconds", unit="s"),
        "request_rate": Signal(rate="requests_total"),
    },
    objectives=(
        Objective(
            id="p99",
            runbook="r",
            signal="latency_p99",
            bands=(
                Band(above="50ms", up_to="100ms", for_="10s", severity="P2"),
                Band(above="100ms", for_="4s", severity="P1"),
            ),
        ),
        Objective(id="errors", runbook="r", signal="error_ratio", bands=(Band(above="10%", for_="2s", severity="P2"),)),
        Objective(id="depth", runbook="r", signal="depth", bands=(Band(at_least=500, severity="P2"),)),
    ),
)


def lines(t: float, broken_at: float, *, started: float) -> list[Line]:
    """The page at second ``t`` of a service with 50 requests/s; from ``broken_at`` on they are slow and some fail."""
    bad = max(0.0, t - broken_at)
    good = t - bad
    edges = {"0.025": 50 * good, "0.1": 50 * good, "0.25": 50 * t, "+Inf": 50 * t}
    return [
        *(Line("request_seconds_bucket", {"le": le}, count) for le, count in edges.items()),
        Line("requests_total", {"code": "200"}, 50 * good + 30 * bad),
        Line("requests_total", {"code": "500"}, 20 * bad if bad else None),
        Line("depth", {}, 700.0 if bad else 3.0),
        Line("process_start_time_seconds", {}, started),
    ]


def text(found: list[Line]) -> str:
    rows = []
    for line in found:
        inside = ",".join(f'{name}="{value}"' for name, value in line.labels.items())
        if line.value is not None:
            rows.append(f"{line.metric}{{{inside}}} {line.value}")
    return "# HELP x x\n" + "\n".join(rows) + "\n"


@pytest.mark.needs("prometheus")
def test_a_past_moment_is_judged_as_it_was_judged_live(tmp_path: Path) -> None:
    """The samples reach into the future, so that the server really answers "now"; asked for that moment later, with
    more samples there, it must lead to the same findings, values, history and times."""
    now = round(time.time())
    start = now - 600.0
    at = {start + t: lines(t, 560.0, started=start - 60) for t in range(900)}
    server = start_prometheus(tmp_path, backfill=backfill(at))

    def ask(at: float | None) -> list[Seen]:
        reader = signals(prometheus=server.url, window=10.0)  # a new one each time: it remembers what it read
        where = look(PROFILE, reader, runbook="r", at=at, since=300.0)
        return [
            run("signal.objectives", where),
            run("signal.onset-after", where, signal="process_started", within="30s", finding="local.a"),
            run("signal.usual", where, signal="request_rate", offset="2m", finding="local.b"),
            run("signal.threshold", where, signal="depth", above=5, finding="local.c"),
        ]

    live = ask(None)  # each reading is taken at the server's own "now", a little after the one before it
    time.sleep(2.0)
    for number, seen in enumerate(live):
        for evidence in seen.evidence:
            assert evidence.unknown is None
            assert evidence.sampled_at is not None
            later = ask(evidence.sampled_at.timestamp())[number]
            assert evidence in later.evidence, "the same values, history, query and time"
    objectives = live[0]
    for finding, evidence in zip(objectives.findings, objectives.evidence, strict=True):
        assert evidence.sampled_at is not None
        assert finding in ask(evidence.sampled_at.timestamp())[0].findings
    server.stop()
    assert [(f.state, f.severity, f.pending) for f in objectives.findings] == [
        ("breach", "sev1", False),
        ("breach", "sev2", False),
        ("breach", "sev2", False),
    ]


@pytest.mark.needs("prometheus")
@pytest.mark.slow
def test_prometheus_and_two_scrapes_come_to_the_same_verdict(tmp_path: Path) -> None:
    """A real Prometheus scrapes a live page; then it is stopped, and the page alone must lead to the same bands."""
    began = time.time()
    broken: list[float] = []
    web = start_web(
        {"/metrics": lambda: text(lines(time.time() - began + 100, broken[0] if broken else 1e9, started=began - 100))}
    )
    server = start_prometheus(tmp_path, [static("app", web.netloc)])

    def ask(prometheus: str) -> tuple[Seen, tuple[str, ...]]:
        reader = signals(
            prometheus=prometheus, metrics=f"{web.url}/metrics", window=4.0, pause=3.0, labels={"job": "app"}
        )
        return run("signal.objectives", look(PROFILE, reader, runbook="r")), reader.notes()

    def bands(seen: Seen) -> list[tuple[object, ...]]:
        return [(f.id, f.state, f.severity, f.threshold) for f in seen.findings]

    server.wait_for("count_over_time(depth[1m]) >= 6")
    well, notes = ask(server.url)
    assert {f.state for f in well.findings} == {"ok"}, well.findings
    assert notes == ()
    assert bands(ask("http://127.0.0.1:1")[0]) == bands(well)

    broken.append(time.time() - began + 100)
    server.wait_for("sum(increase(requests_total{code='500'}[1m]))", lambda grown: grown > 180)  # nine seconds
    ill, _ = ask(server.url)
    assert [f.severity for f in ill.findings] == ["sev1", "sev2", "sev2"], ill.findings
    assert all(f.since is not None and not f.pending for f in ill.findings)
    url = server.url
    server.stop()
    alone, notes = ask(url)
    web.stop()
    assert bands(alone) == bands(ill)
    assert all("not known without Prometheus" in f.says for f in alone.findings)
    assert "Prometheus could not be asked" in notes[0]
    for one, other in zip(ill.findings, alone.findings, strict=True):
        assert other.measured == pytest.approx(one.measured, rel=0.2)
