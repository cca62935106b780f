"""`diagnose --at TIME` says of a past incident what was said while it lasted; `--since` widens the look back."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.acceptance.app import App, Counts, past
from tests.acceptance.session import Session, top, until
from tests.acceptance.shop import profile, session
from tests.servers.prometheus import start_prometheus, static

pytestmark = [pytest.mark.needs("prometheus"), pytest.mark.timeout(300)]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def signal_findings(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f["id"]: f for f in report["findings"] if f["probe"].startswith("signal.")}


def causes(report: dict[str, Any]) -> list[tuple[str, str, int]]:
    return [(c["cause"], c["status"], c["score"]) for c in report["causes"]]


@pytest.mark.slow
def test_the_past_equals_what_was_said_live(tmp_path):
    app = App(started=time.time() - 40)
    prometheus = start_prometheus(tmp_path / "prometheus", [static("shop", app.netloc)])
    try:
        prometheus.wait_for("count_over_time(up[60s])", lambda count: count >= 8)
        objective = {
            "id": "latency-p99",
            "runbook": "high-latency",
            "signal": "latency_p99",
            "bands": [{"above": "200ms", "for": "3s", "severity": "critical"}],
        }
        shop = session(tmp_path, profile({"prometheus": prometheus.url}, objectives=[objective]))
        code, report = shop.diagnose("high-latency", "shop")
        assert (code, report["verdict"]) == (0, "ok")

        app.change(latency=0.4, llm=0.7)
        broke = datetime.now(UTC)
        code, live = until(60, lambda: (lambda r: r if r[0] == 2 else None)(shop.diagnose("high-latency", "shop")))
        assert top(live) == "llm-slow"
        sampled = live["evidence"][0]["sampled_at"]
        onset = moment(live["measured"]["since"])
        assert abs(onset - broke) < timedelta(seconds=5)

        app.change(latency=0.02, llm=0.1)
        healed = until(60, lambda: shop.diagnose("high-latency", "shop")[0] == 0)
        assert healed
        code, later = shop.diagnose("high-latency", "shop", "--at", sampled)
    finally:
        prometheus.stop()
        app.stop()

    assert (code, later["verdict"], later["severity"], later["severity_label"]) == (2, "critical", "sev2", "critical")
    assert moment(later["at"]) == moment(sampled)
    assert later["says"] == live["says"]
    for name in ("signal", "value", "unit", "objective", "since"):
        assert later["measured"][name] == live["measured"][name]
    assert causes(later) == causes(live)
    now, then = signal_findings(live), signal_findings(later)
    assert then.keys() == now.keys()
    for id, finding in now.items():
        assert then[id]["state"] == finding["state"], id
        assert then[id].get("since") == finding.get("since")
        if "measured" in finding:
            assert then[id]["measured"] == pytest.approx(finding["measured"], rel=0.05), id
    # what has no past says so, and is not called healthy
    gone = {f["id"]: f["reason"] for f in later["findings"] if f["state"] == "unknown"}
    assert gone["prometheus.rule-failing"] == "no-history"
    assert {f["id"]: f["state"] for f in live["findings"]}["prometheus.rule-failing"] == "ok"


HOUR = 3600.0


@pytest.fixture(scope="module")
def incident(tmp_path_factory):
    """Three hours well, then from 100 to 40 minutes ago an incident that began 30 min after a restart, then well."""
    folder = tmp_path_factory.mktemp("past")
    now = time.time()
    counts = Counts(now - 20 * HOUR)
    phases = [
        (3 * HOUR, {}),
        (0.5 * HOUR, {"started": now - 130 * 60}),
        (HOUR, {"latency": 0.4, "llm": 0.7}),
        (40 * 60.0, {"latency": 0.02, "llm": 0.1}),
    ]
    prometheus = start_prometheus(folder / "prometheus", backfill=past(counts, phases, end=now))
    spec = profile({"prometheus": prometheus.url}, scrape_interval="15s", window="1m")
    yield session(folder, spec), now
    prometheus.stop()


def ago(session: tuple[Session, float], minutes: float) -> str:
    return f"{session[1] - minutes * 60:.0f}"


def test_during_the_incident(incident):
    code, report = incident[0].diagnose("high-latency", "shop", "--at", ago(incident, 60), "--since", "1h")
    assert (code, report["verdict"], top(report)) == (2, "critical", "llm-slow")
    onset = incident[1] - moment(report["measured"]["since"]).timestamp()
    assert onset == pytest.approx(100 * 60, abs=90)
    # the usual is that of an hour before: as many requests
    assert signal_findings(report)["local.traffic-spike"]["state"] == "ok"


@pytest.mark.parametrize("minutes", [110, 20])
def test_before_and_after_it(incident, minutes):
    code, report = incident[0].diagnose("high-latency", "shop", "--at", ago(incident, minutes))
    assert (code, report["verdict"]) == (0, "ok")


def test_at_takes_other_ways_to_say_it(incident):
    asked = datetime.fromtimestamp(incident[1] - 3600, UTC)
    since_then = time.time() - asked.timestamp()
    for text in (asked.isoformat(), f"{asked:%Y-%m-%dT%H:%M:%SZ}", f"{since_then:.0f}s ago"):
        code, report = incident[0].diagnose("high-latency", "shop", "--at", text)
        assert (code, report["severity"]) == (2, "sev2"), text
        assert abs(moment(report["at"]) - asked) < timedelta(seconds=30)


def test_since_widens_onset_and_changes(incident):
    """The restart was 30 minutes before the onset: it lies in the time looked through, or it does not."""

    def looked(since: str) -> dict[str, Any]:
        return incident[0].diagnose("high-latency", "shop", "--at", ago(incident, 50), "--since", since)[1]

    short, long = looked("10m"), looked("2h")
    assert short["changes"] == []
    assert [(c["subject"], c["says"]) for c in long["changes"]] == [("shop", "process started")]
    # ten minutes of history do not reach back to the onset 50 minutes before: it says so, and still is broken
    assert short["verdict"] == long["verdict"] == "critical"
    assert "more than" in short["says"]
    assert "more than" not in long["says"]
    assert long["measured"]["since"] < short["measured"]["since"]


def test_the_future_is_refused(incident):
    done = incident[0].opsctl("diagnose", "high-latency", "-s", "shop", "--at", f"{time.time() + 3600:.0f}")
    assert done.code == 64
    assert "future" in done.err


def test_the_text_says_of_when_it_speaks(incident):
    at = ago(incident, 60)
    done = incident[0].opsctl("diagnose", "high-latency", "-s", "shop", "--no-save", "--at", at, check=(2,))
    said = datetime.fromtimestamp(float(at), UTC)
    assert f"as of {said:%Y-%m-%d %H:%M:%S} UTC" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
