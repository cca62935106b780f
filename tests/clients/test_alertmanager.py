"""AlertmanagerReader against real Alertmanagers, and its error shapes."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from opsctl.clients.alertmanager import AlertmanagerReader
from opsctl.errors import CouldNotLook
from tests.fakes.endpoints import endpoint
from tests.fakes.recording import Recorder, Seen

if TYPE_CHECKING:
    from tests.servers.alertmanager import Alertmanager

BUSY = b"Limit of concurrent GET requests reached (8), try again later.\n"


def test_alerts_status_and_matchers(alertmanagers: list[Alertmanager]) -> None:
    server = alertmanagers[0]
    now = datetime.now(UTC)
    labels = [{"alertname": "H3", "service": f"s{number}", "quote": 'a"b'} for number in range(3)]
    ends = (now + timedelta(minutes=5)).isoformat()
    server.post(
        "/api/v2/alerts",
        [
            {"labels": each, "annotations": {"summary": "told"}, "startsAt": now.isoformat(), "endsAt": ends}
            for each in labels
        ],
    )
    silence = {
        "matchers": [{"name": "service", "value": "s1", "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": ends,
        "createdBy": "test",
        "comment": "test",
    }
    id = server.post("/api/v2/silences", silence)["silenceID"]
    reader = AlertmanagerReader(endpoint(server.url, name="alertmanager"))
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = {alert.labels["service"]: alert for alert in reader.alerts(['alertname="H3"'], 30)}
        if len(found) == 3 and found["s1"].status.state == "suppressed" and found["s0"].status.state == "active":
            break
        time.sleep(0.1)
    assert found["s1"].status.silenced_by == (id,)
    assert found["s0"].status.silenced_by == ()
    assert found["s0"].annotations == {"summary": "told"}
    assert found["s0"].starts_at is not None
    assert abs((found["s0"].starts_at - now).total_seconds()) < 1
    assert [receiver.name for receiver in found["s0"].receivers] == ["test"]
    both = reader.alerts(['alertname="H3"', 'service=~"s[02]"', 'quote="a\\"b"'], 30)
    assert {alert.labels["service"] for alert in both} == {"s0", "s2"}
    assert reader.alerts(['service="nobody"'], 30) == ()
    status = reader.status(30)
    assert status.version.version
    assert status.started is not None
    assert status.started < datetime.now(UTC)
    assert status.cluster.status in ("ready", "settling")
    with pytest.raises(CouldNotLook) as caught:
        reader.alerts(["not a matcher {{"], 30)
    assert caught.value.reason == "bad-query"
    assert "bad matcher format" in caught.value.says


@pytest.mark.parametrize(
    ("status", "kind", "body", "reason", "words"),
    [
        (400, "application/json", b'"bad matcher format: x"', "bad-query", "bad matcher format: x"),
        (422, "application/json", b'{"code":602,"message":"filter is required"}', "bad-query", "filter is required"),
        (415, "application/json", b'{"code":415,"message":"unsupported media type"}', "bad-query", "unsupported media"),
        (404, "application/json", b"", "not-found", "HTTP 404"),
        (500, "application/json", b'"internal trouble"', "server-error", "internal trouble"),
        (503, "text/plain", b"Exceeded configured timeout of 10s.\n", "timeout", "gave the request up"),
        (503, "text/plain", b"no", "server-error", "HTTP 503"),
        (410, "text/plain", b"", "unsupported", "no longer offers"),
        (401, "text/plain", b"Unauthorized", "unauthorized", "HTTP 401"),
    ],
)
def test_error_shapes(status: int, kind: str, body: bytes, reason: str, words: str) -> None:
    with Recorder({"/api/v2/alerts": (status, kind, body)}) as server:
        with pytest.raises(CouldNotLook) as caught:
            AlertmanagerReader(endpoint(server.url)).alerts()
        server.assert_only_reads()
    assert caught.value.reason == reason
    assert words in caught.value.says


def test_a_busy_server_is_asked_again() -> None:
    def busy_once(seen: Seen) -> tuple[int, str, bytes]:
        return (503, "text/plain", BUSY) if len(server.seen) < 2 else (200, "application/json", b"[]")

    with Recorder({"/api/v2/alerts": busy_once}) as server:
        assert AlertmanagerReader(endpoint(server.url)).alerts(timeout=30) == ()
        assert len(server.seen) == 2


def test_a_server_that_stays_busy_is_throttled() -> None:
    with Recorder({"/api/v2/alerts": (503, "text/plain", BUSY)}) as server:
        with pytest.raises(CouldNotLook) as caught:
            AlertmanagerReader(endpoint(server.url)).alerts(timeout=30)
        assert len(server.seen) == 4
    assert caught.value.reason == "throttled"
