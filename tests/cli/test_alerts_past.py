"""History, volume, noise and digest: on a Prometheus with a past of its own, and a service's own engine."""

import json
import time

import pytest

from tests.cli.test_alerts import OWN, opsctl, told
from tests.servers.prometheus import start_prometheus
from tests.servers.web import start_web


def _past(now):
    """Flapping fires for 5 minutes six times, Steady fires for 40 minutes once; one sample a minute."""
    lines = ["# TYPE ALERTS gauge"]
    for name, times in {
        "Flapping": [now - 7200 - hour * 1200 + m * 60 for hour in range(5, -1, -1) for m in range(6)],
        "Steady": [now - 9000 + m * 60 for m in range(41)],
    }.items():
        lines += [f'ALERTS{{alertname="{name}",alertstate="firing",service="vritti"}} 1 {at:.0f}' for at in times]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    now = time.time()
    server = start_prometheus(tmp_path_factory.mktemp("past"), backfill=_past(now))
    yield server
    server.stop()


@pytest.mark.needs("prometheus")
def test_the_past_of_alerts_is_told(prometheus, tmp_path):
    at = ["--prometheus-url", prometheus.url]
    found = told(tmp_path, "alerts", "history", "--since", "6h", *at)
    assert found["step"] == 15.0
    assert sorted(one["name"] for one in found["firings"]) == ["Flapping"] * 6 + ["Steady"]
    # A sample holds for five minutes more in a backfilled past: nothing says that the series ended.
    steady = next(one for one in found["firings"] if one["name"] == "Steady")
    assert 2400 <= steady["seconds"] <= 2700
    said = opsctl(tmp_path, "alerts", "history", "--since", "6h", "Steady", *at).stdout
    assert said.startswith("1 firing of 1 alert in 6h, looked every 15s\nSteady, ")
    assert opsctl(tmp_path, "alerts", "history", "Nobody", *at).stdout.startswith("Nothing fired in the last 24h")


@pytest.mark.needs("prometheus")
def test_days_have_their_kind(prometheus, tmp_path):
    found = told(tmp_path, "alerts", "volume", "--prometheus-url", prometheus.url)
    assert len(found["days"]) == 7
    assert sum(one["alerts"] for one in found["days"]) in (6, 7)  # at midnight a firing may lie across two looks
    one = told(tmp_path, "alerts", "volume", "--day", "2020-02-29", "--prometheus-url", prometheus.url)["days"]
    assert one == [{"day": "2020-02-29", "alerts": 0, "kind": "healthy", "expected_notifications": "0-1", "over": True}]


@pytest.mark.needs("prometheus")
def test_what_flaps_comes_first(prometheus, tmp_path):
    web = start_web({"/api/v2/silences": "[]"})
    try:
        at = ["--prometheus-url", prometheus.url, "--alertmanager-url", web.url]
        found = told(tmp_path, "alerts", "noise", "--since", "6h", *at)
        assert [(one["name"], one["times"], one["never_acted_on"]) for one in found["alerts"]] == [
            ("Flapping", 6, True),
            ("Steady", 1, False),
        ]
        said = opsctl(tmp_path, "alerts", "noise", "--since", "6h", *at)
        assert "always short, never silenced" in said.stdout
        assert "Whether somebody acted is not recorded" in said.stdout
    finally:
        web.stop()
    done = opsctl(tmp_path, "alerts", "noise", "--since", "6h", "--prometheus-url", prometheus.url)
    assert done.returncode == 3
    assert "silences are not known" in done.stderr


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["history"], 78),
        (["history", "--since", "5s"], 64),
        (["noise", "--since", "1y"], 64),
        (["volume", "--day", "someday", "--prometheus-url", "http://127.0.0.1:9"], 64),
        (["volume", "--day", "2999-01-01", "--prometheus-url", "http://127.0.0.1:9"], 64),
        (["volume", "--prometheus-url", "http://127.0.0.1:9"], 69),
        (["digest"], 78),
        (["digest", "--alertmanager-url", "http://127.0.0.1:9"], 69),
    ],
)
def test_mistakes_and_servers_that_are_away_are_told(tmp_path, argv, code):
    done = opsctl(tmp_path, "alerts", *argv)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("opsctl: ")
    assert done.stderr.count("\n") == 1


def test_a_services_own_history_is_read(tmp_path):
    gone = {**OWN, "id": "alert-000000", "status": "resolved", "occurredAt": "2020-01-01T00:00:00Z"}
    web = start_web({"/api/alerts/history": json.dumps([gone, {**OWN, "occurredAt": time.time() * 1000}])})
    config = tmp_path / "opsctl.yaml"
    config.write_text(json.dumps({"contexts": {"a": {"services": {"amas": {"endpoints": {"app": web.url}}}}}}))
    try:
        argv = ["--config", str(config), "--context", "a", "alerts", "history", "-s", "amas"]
        found = told(tmp_path, *argv)
        assert found["kept"] == 2
        assert [(one["id"], one["mapped"]) for one in found["entries"]] == [("alert-000001", "sev2")]
        said = opsctl(tmp_path, *argv).stdout
        assert said.startswith("1 of the 2 that amas remembers\nfiring    decision.latency.p99, high (sev2)")
    finally:
        web.stop()


def _alert(name, began, **labels):
    return {
        "labels": {"alertname": name, "service": "threads", **labels},
        "annotations": {"summary": "engagement *fell*"},
        "startsAt": began,
        "fingerprint": name,
        "receivers": [{"name": "mail"}],
        "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
    }


def test_a_digest_holds_what_is_unresolved_of_a_category(tmp_path):
    alerts = [
        _alert("LowEngagement", "2026-01-01T00:00:00Z", severity="warning", category="business"),
        _alert("ServiceDown", "2026-01-01T00:00:00Z", severity="critical"),
    ]
    web = start_web({"/api/v2/alerts": json.dumps(alerts)})
    try:
        argv = ["alerts", "digest", "--category", "business", "--alertmanager-url", web.url]
        found = told(tmp_path, *argv)["alerts"]
        assert [(one["name"], one["overdue"]) for one in found] == [("LowEngagement", True)]
        text = opsctl(tmp_path, *argv).stdout
        assert text.startswith("1 unresolved business alert at ")
        assert "overdue: a response is due within 2h" in text
        markdown = opsctl(tmp_path, *argv, "-o", "markdown").stdout
        assert markdown.startswith("# 1 unresolved business alert\n")
        assert "- engagement \\*fell\\*" in markdown
        none = opsctl(tmp_path, "alerts", "digest", "--category", "infrastructure", "--alertmanager-url", web.url)
        assert (none.returncode, none.stdout[:29]) == (0, "0 unresolved infrastructure a")
    finally:
        web.stop()
