"""Somebody else's service, known to nobody: `opsctl service new`, then a diagnosis, with a Prometheus and without."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.app import App, Counts, past
from tests.acceptance.session import Session, confirmed
from tests.servers.prometheus import start_prometheus

MINE = ("diagnose", "high-latency", "-s", "mine", "--no-save")


@pytest.fixture
def app() -> Iterator[App]:
    one = App(latency=0.02)
    yield one
    one.stop()


@pytest.fixture
def mine(tmp_path: Path, app: App) -> Session:
    """A user in a new folder who runs what the help says, and nothing more."""
    (tmp_path / "runbooks").mkdir()
    session = Session(tmp_path)
    done = session.opsctl("service", "new", "mine", "--metrics", app.url, check=(0,))
    lines = (tmp_path / "runbooks" / "services" / "mine.yaml").read_text().splitlines()
    assert len([line for line in lines if not line.startswith("#")]) <= 20
    assert "opsctl diagnose high-latency -s mine" in done.out
    session.opsctl("service", "lint", "mine", check=(0,))
    assert "mine" in session.opsctl("service", "list", check=(0,)).out
    hurry = {"current-context": "test", "contexts": {"test": {"services": {"mine": {"direct_pause": "1s"}}}}}
    (tmp_path / "opsctl.yaml").write_text(json.dumps(hurry))
    return session


def test_by_direct_scrape(mine, app):
    code, report = mine.diagnose("high-latency", "mine")
    assert (code, report["verdict"], report["says"].endswith("within it")) == (0, "ok", True)
    assert any("direct scrape" in note for note in report["notes"])
    app.change(latency=1.6)
    code, report = mine.diagnose("high-latency", "mine")
    assert (code, report["verdict"], report["severity"]) == (2, "critical", "sev1")
    assert report["measured"]["value"] == pytest.approx(2.4, abs=0.15)
    assert report["measured"]["objective"] == 0.5
    app.change(latency=0.4)
    code, report = mine.diagnose("high-latency", "mine")
    assert (code, report["verdict"], report["severity"]) == (1, "warning", "sev3")


def test_the_text_of_a_service_with_two_signals(mine, app):
    """What the service does not define is told in a few lines, not in a dozen."""
    app.change(latency=1.6)
    text = mine.opsctl(*MINE, check=(2,)).out
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 32, text
    assert lines[0].startswith("CRITICAL  sev1  mine: latency_p99 2.")
    flat = " ".join(text.split())
    assert flat.count("mine defines no signal") == 1
    assert "how long is not known without Prometheus" in flat
    assert "Not configured for this service (not the same as healthy)" in flat


def test_without_traffic_nothing_is_called_healthy(mine, app):
    app.change(rate=0.0)
    code, report = mine.diagnose("high-latency", "mine")
    assert (code, report["verdict"]) == (3, "unknown")
    assert report["findings"][0]["reason"] in ("too-few", "no-data", "not-a-number")


@pytest.mark.needs("prometheus")
@pytest.mark.parametrize(
    ("minutes", "code", "severity"),
    [(0, 0, None), (1, 1, "sev3"), (10, 2, "sev1")],
    ids=["well", "for-too-short-a-time", "broken"],
)
def test_by_prometheus(mine, tmp_path, minutes, code, severity):
    """The bands of the start: a warning counts after five minutes, a critical one after two."""
    now = time.time()
    phases = [(3600.0 - minutes * 60, {"latency": 0.02}), (minutes * 60.0, {"latency": 1.6})]
    prometheus = start_prometheus(tmp_path / "prometheus", backfill=past(Counts(now - 86400), phases, end=now))
    mine.environ["PROMETHEUS_URL"] = prometheus.url
    try:
        exit, report = mine.diagnose("high-latency", "mine")
    finally:
        prometheus.stop()
    assert (exit, report["measured"].get("pending", False)) == (code, minutes == 1)
    if minutes == 10:
        assert (report["severity"], confirmed(report)) == (severity, [])
        since = report["measured"]["since"]
        assert since < report["started_at"]
        assert "broken for" in report["says"]
    assert not any("direct" in note for note in report["notes"])
    assert report["evidence"][0]["source"] == f"prometheus {prometheus.url}"
    assert report["evidence"][0]["setting"] == "env PROMETHEUS_URL"
