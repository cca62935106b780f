"""Listing and explaining alerts of a real Alertmanager pair and Prometheus, and what is said when servers fail."""

import json
import os
import subprocess
import sys
import time

import pytest

from tests.fakes.badserver import BadServer
from tests.servers.alertmanager import start_alertmanagers
from tests.servers.prometheus import start_prometheus
from tests.servers.web import start_web

CONFIG = {
    "route": {
        "receiver": "team",
        "group_by": ["alertname"],
        "group_wait": "10s",
        "routes": [{"receiver": "pager", "matchers": ['severity="critical"'], "continue": True}],
    },
    "receivers": [{"name": "team"}, {"name": "pager"}],
    "inhibit_rules": [
        {"source_matchers": ['alertname="ServiceDown"'], "target_matchers": ['alertname="LowCacheHitRate"']}
    ],
}
RULES = [
    {
        "name": "test",
        "rules": [
            {"alert": "SoonSlow", "expr": "vector(1)", "for": "1h", "labels": {"service": "api", "severity": "warning"}}
        ],
    }
]


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alerts")
    pair = start_alertmanagers(folder / "am", configuration=CONFIG)
    prometheus = start_prometheus(folder / "prometheus")
    prometheus.configure(rules=RULES)
    prometheus.reload()
    down = {"alertname": "ServiceDown", "service": "vritti", "severity": "P1"}
    pair[0].post_alerts(down, {"alertname": "LowCacheHitRate", "service": "vritti", "severity": "P3"})
    pair[1].post_alerts(down, annotations={"summary": "it is \x1b[31mdown"})
    pair[1].post_alerts({"alertname": "HighLatency", "service": "vritti", "severity": "critical", "instance": "b"})
    pair[0].silence({"alertname": "HighLatency"}, comment="rolling restart")
    pair[1].wait_for_alerts(lambda found: any(one["status"]["silencedBy"] for one in found))
    pair[0].wait_for_alerts(lambda found: any(one["status"]["inhibitedBy"] for one in found))
    until = time.monotonic() + 60
    while not prometheus.query("ALERTS_FOR_STATE"):
        assert time.monotonic() < until
        time.sleep(0.2)
    yield pair, prometheus
    for server in (*pair, prometheus):
        server.stop()


def opsctl(home, *argv, **env):
    done = subprocess.run(
        [sys.executable, "-m", "opsctl", *argv],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "TZ": "UTC", **env},
        cwd=home,
    )
    assert "Traceback" not in done.stderr
    return done


def told(home, *argv, code=0, **env):
    done = opsctl(home, *argv, "-o", "json", **env)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def at(stack):
    pair, prometheus = stack
    return ["--alertmanager-url", ",".join(one.url for one in pair), "--prometheus-url", prometheus.url]


@pytest.mark.needs("alertmanager", "prometheus")
def test_alerts_of_all_members_and_pending_ones_are_listed_once(stack, tmp_path):
    found = told(tmp_path, "alerts", "list", *at(stack))
    states = {one["name"]: one["state"] for one in found["alerts"]}
    assert states == {
        "ServiceDown": "active",
        "SoonSlow": "pending",
        "LowCacheHitRate": "inhibited",
        "HighLatency": "silenced",
    }
    assert (found["total"], found["complete"]) == (4, True)
    down, slow = (next(one for one in found["alerts"] if one["name"] == name) for name in ("ServiceDown", "SoonSlow"))
    assert (down["mapped"], down["command"]) == ("sev1", "opsctl diagnose service-down -s vritti")
    assert slow["since"]
    silenced = next(one for one in found["alerts"] if one["name"] == "HighLatency")["silenced_by"][0]
    assert (silenced["author"], silenced["comment"]) == ("test", "rolling restart")


@pytest.mark.needs("alertmanager", "prometheus")
def test_the_text_says_who_silenced_and_what_to_run(stack, tmp_path):
    said = opsctl(tmp_path, "alerts", "list", *at(stack)).stdout
    assert said.startswith("1 active, 1 silenced, 1 inhibited, 1 pending\n")
    assert "rolling restart" in said
    assert "by test" in said
    assert "opsctl diagnose service-down -s vritti" in said
    assert "\x1b" not in said


@pytest.mark.needs("alertmanager", "prometheus")
@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--state", "active"], ["ServiceDown"]),
        (["--state", "silenced,inhibited"], ["HighLatency", "LowCacheHitRate"]),
        (["--state", "pending"], ["SoonSlow"]),
        (["service=vritti", "severity!=P3"], ["HighLatency", "ServiceDown"]),
        (["SoonSlow"], ["SoonSlow"]),
        (["service=nowhere"], []),
    ],
)
def test_states_and_matchers_choose(stack, tmp_path, words, names):
    found = told(tmp_path, "alerts", "list", *words, *at(stack))
    assert sorted(one["name"] for one in found["alerts"]) == names


@pytest.mark.needs("alertmanager", "prometheus")
def test_groups_and_the_limit_say_what_was_cut(stack, tmp_path):
    found = told(tmp_path, "alerts", "list", "--group-by", "service", *at(stack))
    assert [(group["labels"], len(group["alerts"])) for group in found["groups"]] == [
        ({"service": "vritti"}, 3),
        ({"service": "api"}, 1),
    ]
    said = opsctl(tmp_path, "alerts", "list", "--limit", "1", *at(stack)).stdout
    assert "3 more alerts are not shown" in said


@pytest.mark.needs("alertmanager", "prometheus")
def test_an_alert_is_explained(stack, tmp_path):
    found = told(tmp_path, "alerts", "explain", "HighLatency", *at(stack)[:2])["alerts"][0]
    assert [route["receiver"] for route in found["routes"]] == ["pager"]
    assert found["routes"][0]["path"] == [[], ['severity="critical"']]
    assert (found["routes"][0]["group_wait"], found["routes"][0]["group_interval"]) == (10.0, 300.0)
    assert found["routes"][0]["next_estimate"] is None
    assert found["silenced_by"][0]["comment"] == "rolling restart"
    said = opsctl(tmp_path, "alerts", "explain", "LowCacheHitRate", *at(stack)[:2]).stdout
    assert "inhibited by ServiceDown" in said
    assert 'alertname="ServiceDown" mutes alertname="LowCacheHitRate"' in said
    down = told(tmp_path, "alerts", "explain", "ServiceDown", *at(stack)[:2])["alerts"][0]
    assert down["routes"][0]["next_estimate"]
    by_id = told(tmp_path, "alerts", "explain", down["fingerprint"][:8], *at(stack)[:2])["alerts"][0]
    assert by_id["name"] == "ServiceDown"


@pytest.mark.needs("alertmanager", "prometheus")
def test_an_alert_that_does_not_fire_is_routed_all_the_same(stack, tmp_path):
    found = told(tmp_path, "alerts", "explain", "Other", "severity=critical", *at(stack)[:2])["alerts"][0]
    assert (found["fires"], found["routes"][0]["receiver"]) == (False, "pager")
    done = opsctl(tmp_path, "alerts", "explain", "x=~nobody", *at(stack)[:2])
    assert (done.returncode, done.stdout) == (64, "")


@pytest.mark.needs("alertmanager", "prometheus")
def test_a_member_that_does_not_answer_is_named(stack, tmp_path):
    pair, prometheus = stack
    url = f"{pair[0].url},http://127.0.0.1:9"
    done = opsctl(tmp_path, "alerts", "list", "--alertmanager-url", url, "--prometheus-url", prometheus.url)
    assert done.returncode == 3
    assert "http://127.0.0.1:9 did not answer" in done.stderr
    assert "ServiceDown" in done.stdout
    assert "(not complete)" in done.stdout


NEW = [  # as 0.28 and later answer
    {
        "labels": {"alertname": "Backup", "severity": "warning"},
        "annotations": {},
        "startsAt": "2026-11-21T01:00:00.123Z",
        "endsAt": "2026-11-21T09:00:00Z",
        "updatedAt": "2026-11-21T01:00:00Z",
        "fingerprint": "00aa11bb22cc33dd",
        "receivers": [{"name": "team", "labels": {"owner": "x"}}],
        "generatorURL": "http://p/graph",
        "status": {"state": "suppressed", "silencedBy": [], "inhibitedBy": [], "mutedBy": ["weekend"]},
    }
]


def test_an_alert_muted_by_a_time_interval_is_told_so(tmp_path):
    web = start_web({"/api/v2/alerts": json.dumps(NEW)})
    try:
        said = opsctl(tmp_path, "alerts", "list", "--alertmanager-url", web.url)
        assert said.returncode == 0
        assert "muted by the time interval weekend" in said.stdout
        assert "pending alerts are not known" in said.stderr
    finally:
        web.stop()


OWN = {
    "id": "alert-000001",
    "metric": "decision.latency.p99",
    "status": "firing",
    "severity": "high",
    "value": 550,
    "threshold": 500,
    "occurredAt": "2026-11-21T03:00:00.000Z",
    "message": "Decision latency P99 exceeds 500ms",
}


def test_a_services_own_alerts_come_in_the_same_model(tmp_path):
    web = start_web({"/api/alerts/active": json.dumps([OWN]), "/empty/api/alerts/active": "[]"})
    config = tmp_path / "opsctl.yaml"
    config.write_text(json.dumps({"contexts": {"a": {"services": {"amas": {"endpoints": {"app": web.url}}}}}}))
    try:
        found = told(tmp_path, "--config", str(config), "--context", "a", "alerts", "list", "-s", "amas")
        one = found["alerts"][0]
        assert (one["name"], one["mapped"], one["value"], one["threshold"]) == (OWN["metric"], "sev2", 550, 500)
        assert one["command"].endswith("diagnose high-latency -s amas")
        assert one["since"] == "2026-11-21T03:00:00Z"
        web.pages["/api/alerts/active"] = "[]"
        quiet = opsctl(tmp_path, "--config", str(config), "--context", "a", "alerts", "list", "-s", "amas")
        assert (quiet.returncode, quiet.stdout) == (0, "Nothing fires or is pending.\n")
    finally:
        web.stop()


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (410, "gone", "410"),
        (503, "Limit of concurrent GET requests reached (8), try again later.\n", "busy"),
        (200, "<html><body>login</body></html>", "not JSON"),
        (200, '[{"labels": 3}]', "another shape"),
        (500, '"database is on fire"', "500"),
    ],
)
@pytest.mark.parametrize("command", [["list"], ["explain", "X"]])
def test_a_bad_answer_is_one_sentence(tmp_path, command, status, body, says):
    web = start_web({"/api/v2/alerts": lambda: (status, body)})
    try:
        done = opsctl(tmp_path, "alerts", *command, "--alertmanager-url", web.url)
    finally:
        web.stop()
    assert (done.returncode, done.stdout) == (69, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_server_that_hangs_is_given_up_and_prometheus_is_shown_instead(tmp_path):
    vector = {"metric": {"alertname": "ServiceDown", "service": "vritti"}, "value": [1.0, "1795230000"]}
    answer = {"status": "success", "data": {"resultType": "vector", "result": [vector]}}
    web = start_web({"/api/v1/query": json.dumps(answer)})
    with BadServer(lambda talk: talk.wait(60)) as hangs:
        argv = ["alerts", "list", "--alertmanager-url", hangs.url, "--timeout", "1s"]
        alone = opsctl(tmp_path, *argv)
        done = opsctl(tmp_path, *argv, "--state", "active", "--prometheus-url", web.url)
    web.stop()
    assert alone.returncode == 69
    assert done.returncode == 69
    assert "ServiceDown" in done.stdout
    assert "(not complete)" in done.stdout
    assert "whether any of it is silenced is not known" in done.stderr


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["list"], 78),
        (["list", "--state", "loud"], 64),
        (["list", "--group-by", ","], 64),
        (["list", "--timeout", "0s"], 64),
        (["list", "a=~("], 64),
        (["explain"], 64),
        (["explain", "X"], 78),
        (["nothing"], 64),
    ],
)
def test_mistakes_are_told_in_a_sentence(tmp_path, argv, code):
    done = opsctl(tmp_path, "alerts", *argv)
    assert done.returncode == code
    assert done.stderr.startswith("opsctl: ")


def test_a_list_that_takes_too_long_gives_alertmanagers_own_count(tmp_path):
    def late():
        time.sleep(3)
        return "[]"

    page = 'alertmanager_alerts{state="active"} 48000\nalertmanager_alerts{state="suppressed"} 2000\n'
    web = start_web({"/api/v2/alerts": late, "/metrics": page})
    try:
        argv = ["alerts", "list", "--alertmanager-url", web.url, "--timeout", "1s"]
        done = opsctl(tmp_path, *argv)
        filtered = opsctl(tmp_path, *argv, "service=api")
    finally:
        web.stop()
    assert done.returncode == 69
    assert "own count: 48,000 active, 2,000 suppressed (not complete)" in done.stdout
    assert (filtered.returncode, filtered.stdout) == (69, "")
