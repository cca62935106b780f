"""signal.objectives on a real Prometheus' past and on scrapes: severity, since when, what is unknown."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from opsctl.errors import NotConfigured
from opsctl.model import Finding
from opsctl.services.model import Profile
from opsctl.signals.model import Band, Objective, Ratio, Selector, Signal
from opsctl.signals.reader import SignalReader
from tests.servers.prometheus import start_prometheus
from tests.servers.web import start_web
from tests.signals.pages import START, Line, backfill, look, only, run, signals

EVERY = 15.0
NOW = START + 3 * 3600.0

PROFILE = Profile(
    service="vritti",
    severities={"P1": "sev1", "P2": "sev2", "P3": "sev3"},
    scrape_interval="15s",
    signals={
        "latency_p99": Signal(quantile=0.99, histogram="request_seconds", unit="s", title="p99"),
        "error_ratio": Signal(
            ratio=Ratio(of=Selector(metric="requests_total", where={"status": "500"}), over="requests_total")
        ),
        "kyrodb_connected": Signal(gauge="connected", agg="min", by=("instance_name",)),
        "rare": Signal(quantile=0.99, histogram="rare_seconds", unit="s"),
    },
    objectives=(
        Objective(
            id="latency-p99",
            runbook="high-latency",
            signal="latency_p99",
            bands=(
                Band(above="50ms", up_to="100ms", for_="10m", severity="P3"),
                Band(above="100ms", for_="5m", severity="P2"),
            ),
            row="VRI-09",
        ),
        Objective(id="goal", runbook="high-latency", signal="latency_p99", kind="target", bands=(Band(above="30ms"),)),
        Objective(
            id="errors", runbook="high-error-rate", signal="error_ratio", bands=(Band(above="1%", severity="P3"),)
        ),
        Objective(id="kyro", runbook="kyrodb-down", signal="kyrodb_connected", bands=(Band(below=1, severity="P1"),)),
        Objective(id="rare", runbook="seldom", signal="rare", bands=(Band(above="1s", severity="P1"),)),
        Objective(id="absent", runbook="absent", signal="nowhere", bands=(Band(above="1s", severity="P1"),)),
    ),
)


def latency(slow: float, quick: float) -> list[Line]:
    """Counts so far of requests below 0.025, 0.05, 0.1, 0.2 s and in all."""
    edges = {"0.025": quick, "0.05": quick, "0.1": quick, "0.2": quick + slow, "+Inf": quick + slow}
    return [Line("request_seconds_bucket", {"le": le}, count) for le, count in edges.items()]


@pytest.fixture(scope="module")
def incident(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignalReader]:
    """Three hours of 10 requests/s of up to 25 ms; in the last 7 minutes all take between 100 and 200 ms."""
    at: dict[float, list[Line]] = {}
    for step in range(int(3 * 3600 / EVERY) + 1):
        t = step * EVERY
        slow = max(0.0, t - (3 * 3600 - 420))
        at[START + t] = [
            *latency(10 * slow, 10 * (t - slow)),
            Line("requests_total", {"status": "200"}, 10 * t),
            Line("connected", {"instance_name": "text"}, 1.0),
            Line("connected", {"instance_name": "image"}, 0.0 if slow else 1.0),
            Line("rare_seconds_bucket", {"le": "1"}, t // 600),
            Line("rare_seconds_bucket", {"le": "+Inf"}, t // 600),
        ]
    server = start_prometheus(tmp_path_factory.mktemp("incident"), backfill=backfill(at))
    yield signals(prometheus=server.url, window=60.0, scrape_interval=EVERY)
    server.stop()


def by_id(found: tuple[Finding, ...]) -> dict[str, Finding]:
    return {finding.id: finding for finding in found}


@pytest.mark.needs("prometheus")
def test_a_broken_objective_with_its_severity_and_since_when(incident: SignalReader) -> None:
    seen = run("signal.objectives", look(PROFILE, incident, at=NOW))
    broken = by_id(seen.findings)["signal.objective-broken"]
    assert (broken.state, broken.severity, broken.severity_label, broken.pending) == ("breach", "sev2", "P2", False)
    assert broken.measured == pytest.approx(0.199)
    assert (broken.threshold, broken.unit, broken.threshold_from) == (0.05, "s", "VRI-09")
    assert broken.since is not None
    assert 300 <= NOW - broken.since.timestamp() <= 435
    assert broken.says.startswith("p99 199 ms, objective 50 ms, broken for 6")
    assert "P2 above 100 ms" in broken.says

    target = by_id(seen.findings)["signal.target-missed"]
    assert (target.state, target.severity) == ("breach", None)
    assert "target 30 ms" in target.says


@pytest.mark.needs("prometheus")
def test_the_evidence_can_be_pasted_and_drawn(incident: SignalReader) -> None:
    [evidence] = run("signal.objectives", look(PROFILE, incident, at=NOW)).evidence
    assert evidence.query == "histogram_quantile(0.99, sum by (le) (rate(request_seconds_bucket[1m])))"
    assert evidence.source.startswith("prometheus http://127.0.0.1:")
    assert evidence.setting == "test prometheus"
    assert evidence.sampled_at == datetime.fromtimestamp(NOW, UTC)
    value = evidence.values[0]
    assert (value.name, value.unit, value.note) == ("latency_p99", "s", "600 events")
    assert 60 <= len(value.series) <= 120
    assert value.series[0].value == pytest.approx(0.02475)
    assert max(point.value for point in value.series) == pytest.approx(0.199)
    # twice the longest "for", 30 windows, and what was asked for to look back
    assert value.series[-1].time - value.series[0].time == pytest.approx(1800, abs=30)
    [longer] = run("signal.objectives", look(PROFILE, incident, at=NOW, since=7200.0)).evidence
    assert longer.values[0].series[-1].time - longer.values[0].series[0].time == pytest.approx(7200, abs=120)


@pytest.mark.needs("prometheus")
@pytest.mark.parametrize(
    ("minutes_ago", "state", "pending", "label"),
    [(8, "ok", False, ""), (4, "breach", True, "P2"), (0, "breach", False, "P2")],
)
def test_the_past_is_judged_as_it_was(
    incident: SignalReader, minutes_ago: int, state: str, pending: bool, label: str
) -> None:
    at = NOW - minutes_ago * 60
    found = by_id(run("signal.objectives", look(PROFILE, incident, at=at)).findings)["signal.objective-broken"]
    assert (found.state, found.pending, found.severity_label) == (state, pending, label)


@pytest.mark.needs("prometheus")
def test_within_the_objective_is_an_explicit_answer(incident: SignalReader) -> None:
    found = only(run("signal.objectives", look(PROFILE, incident, runbook="high-error-rate", at=NOW)))
    assert (found.state, found.measured, found.threshold) == ("ok", 0.0, 0.01)
    assert found.says == "error_ratio 0 %, objective 1 %: within it"


@pytest.mark.needs("prometheus")
def test_of_several_rows_the_worst_is_named(incident: SignalReader) -> None:
    seen = run("signal.objectives", look(PROFILE, incident, runbook="kyrodb-down", at=NOW))
    found = only(seen)
    assert (found.state, found.severity, found.measured) == ("breach", "sev1", 0.0)
    assert found.says.startswith("kyrodb_connected (instance_name=image) 0, objective at least 1, broken for")
    assert [value.labels["instance_name"] for value in seen.evidence[0].values] == ["image", "text"]


@pytest.mark.needs("prometheus")
def test_too_few_events_are_unknown_and_say_so(incident: SignalReader) -> None:
    seen = run("signal.objectives", look(PROFILE, incident, runbook="seldom", at=NOW))
    found = only(seen)
    assert (found.state, found.reason) == ("unknown", "too-few")
    assert "100 are needed to judge" in found.says
    assert seen.evidence[0].unknown is not None
    assert seen.evidence[0].query


def test_a_signal_that_the_profile_lacks_is_not_healthy(incident: SignalReader) -> None:
    found = only(run("signal.objectives", look(PROFILE, incident, runbook="absent", at=NOW)))
    assert (found.state, found.reason) == ("unknown", "not-configured")


def test_a_runbook_without_an_objective_is_not_configured() -> None:
    with pytest.raises(NotConfigured, match="vritti defines no objective for budget"):
        run("signal.objectives", look(PROFILE, signals(), runbook="budget"))


def test_without_prometheus_the_band_counts_and_the_duration_is_not_known() -> None:
    began = time.monotonic()

    def page() -> str:
        requests = 10_000 + 2000 * (time.monotonic() - began)
        lines = latency(requests, 0.0)
        return "# HELP x x\n" + "".join(f'{x.metric}{{le="{x.labels["le"]}"}} {x.value}\n' for x in lines)

    web = start_web({"/metrics": page})
    seen = run("signal.objectives", look(PROFILE, signals(metrics=f"{web.url}/metrics")))
    web.stop()
    found = by_id(seen.findings)["signal.objective-broken"]
    assert (found.state, found.severity, found.pending, found.since) == ("breach", "sev2", False, None)
    assert "how long is not known without Prometheus" in found.says
    assert found.measured == pytest.approx(0.199)
    assert seen.evidence[0].source == f"scrape {web.url}/metrics"
    assert seen.evidence[0].query == ""


def test_no_source_at_all_is_unknown_for_every_objective() -> None:
    seen = run("signal.objectives", look(PROFILE, signals(prometheus="http://127.0.0.1:1")))
    assert {finding.state for finding in seen.findings} == {"unknown"}
    assert {finding.reason for finding in seen.findings} == {"refused"}
    assert seen.evidence[0].unknown is not None
    assert seen.evidence[0].unknown.setting == "test prometheus"
