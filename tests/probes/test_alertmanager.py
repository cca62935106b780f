"""alertmanager.alerts against a real Alertmanager: evidence, never a finding."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.probes.alertmanager import alerts
from opsctl.probes.registry import NoParams, get
from opsctl.services.model import Profile
from tests.fakes import badserver as bad
from tests.fakes.endpoints import look_at, values
from tests.fakes.recording import Recorder

if TYPE_CHECKING:
    from tests.servers.alertmanager import Alertmanager


def test_alerts_of_the_service_come_first(alertmanagers: list[Alertmanager]) -> None:
    server = alertmanagers[1]
    now = datetime.now(UTC)
    ends = (now + timedelta(minutes=5)).isoformat()

    def alert(name: str, ago: float, **labels: str) -> dict[str, object]:
        began = (now - timedelta(seconds=ago)).isoformat()
        return {
            "labels": {"alertname": name, **labels},
            "annotations": {"summary": "told"},
            "startsAt": began,
            "endsAt": ends,
        }

    server.post("/api/v2/alerts", [alert("DiskFull", 600, host="a"), alert("HighLatencyP99", 60, job="probe-mine")])
    profile = Profile(service="mine", prometheus_labels={"job": "probe-mine"})
    with Recorder(upstream=server.url) as recorder:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            seen = alerts(look_at({"alertmanager": recorder.url}, profile, seconds=30), NoParams())
            if values(seen).get("alerts_of_service") == 1 and "DiskFull a" in values(seen):
                break
            time.sleep(0.1)
        recorder.assert_only_reads()
    assert seen.findings == ()
    (evidence,) = seen.evidence
    assert evidence.source == f"alertmanager {recorder.url}"
    shown = [value for value in evidence.values if value.labels]
    assert shown[0].name == "HighLatencyP99"
    assert shown[0].labels == {"job": "probe-mine"}
    assert shown[0].note.startswith("since 20")
    assert shown[0].note.endswith("; told")


def test_a_storm_is_cut_and_counted() -> None:
    storm = [
        {
            "labels": {"alertname": f"A{number}"},
            "status": {"state": "suppressed", "silencedBy": ["s1"], "inhibitedBy": []},
        }
        for number in range(500)
    ]
    with Recorder({"/api/v2/alerts": json.dumps(storm)}) as server:
        seen = alerts(look_at({"alertmanager": server.url}), NoParams())
    assert values(seen)["alerts"] == 500
    assert values(seen)["not_shown"] == 480
    assert len(seen.evidence[0].values) == 23
    assert seen.evidence[0].values[2].note == "silenced by s1"


def test_it_never_decides() -> None:
    probe = get("alertmanager.alerts")
    assert probe is not None
    assert not probe.emits
    assert not probe.local


def test_could_not_look() -> None:
    with pytest.raises(CouldNotLook) as caught:
        alerts(look_at({"alertmanager": f"http://127.0.0.1:{bad.refusing_port()}"}), NoParams())
    assert caught.value.reason == "refused"
    with pytest.raises(CouldNotLook) as caught:
        alerts(look_at({"alertmanager": "http://127.0.0.1:1"}, at=1.0), NoParams())
    assert caught.value.reason == "no-history"
    with pytest.raises(NotConfigured):
        alerts(look_at({}), NoParams())
