"""The probes on monitoring itself, where servers that are bad in a certain way are easier made than found.

Real Prometheus and Alertmanager: tests/acceptance/test_monitoring_stale.py.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from opsctl.clients.prometheus_answers import Rule, RuleGroup
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.model import Finding, Seen
from opsctl.probes import registry
from opsctl.probes.alertmanager_receivers import silent_routes
from opsctl.probes.metrics_clock import Clock, judge
from opsctl.probes.own_page import Own, tried
from opsctl.probes.prometheus_service import rules_of
from opsctl.probes.prometheus_targets import in_words, kind_of
from opsctl.services.model import Profile, Symptom
from opsctl.signals.exposition import Page
from opsctl.signals.model import Signal
from tests.fakes import badserver as bad
from tests.fakes.endpoints import look_at, says, states
from tests.fakes.recording import Recorder

OWN = {"request_rate": Signal(rate="app_requests_total"), "queue_depth": Signal(gauge="app_queue_size")}
MINE = Profile(service="mine", prometheus_labels={"job": "mine"}, signals=OWN)


def ask(id: str, urls: dict[str, str], profile: Profile = MINE, **params: Any) -> Seen:
    probe = registry.get(id)
    assert probe is not None
    seen = probe.run(look_at(urls, profile, seconds=20), probe.params(**params))
    assert {finding.id for finding in seen.findings} == set(probe.emits)
    return seen


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        ('Get "http://h:1/m": dial tcp 127.0.0.1:1: connect: connection refused', "target-unreachable", ""),
        ('Get "http://x:1/m": dial tcp: lookup x on 10.0.0.2:53: no such host', "target-unreachable", ""),
        ('Get "http://h:1/m": dial tcp 10.9.9.9:1: i/o timeout', "target-unreachable", ""),
        ('Get "http://h:1/m": context deadline exceeded', "scrape-timeout", ""),
        ("server returned HTTP status 503 Service Unavailable", "scrape-failing", "HTTP 503 Service Unavailable"),
        ("server returned HTTP status 401 Unauthorized", "scrape-failing", "HTTP 401 Unauthorized"),
        ('expected value after metric, got "is" ("NAME") while parsing', "scrape-failing", "not readable"),
        ('"INVALID" is not a valid start token', "scrape-failing", "not readable"),
        ("body size limit exceeded", "scrape-failing", "over a limit"),
        ("sample_limit exceeded", "scrape-failing", "over a limit"),
        ('Get "http://h:1/m": EOF', "scrape-failing", "broken off"),
        ('Get "https://h:1/m": x509: certificate has expired', "scrape-failing", "TLS"),
        ("something that no version says yet", "scrape-failing", ""),
    ],
)
def test_what_a_scrape_error_means(error: str, kind: str, words: str) -> None:
    assert kind_of(error) == f"prometheus.{kind}"
    if kind == "scrape-failing":
        assert in_words(error) == words


def test_a_prometheus_that_reads_its_log_is_not_ready() -> None:
    starting = (503, "text/plain", b"Service Unavailable")
    replay = json.dumps({"status": "success", "data": {"min": 0, "max": 17, "current": 3}})
    with Recorder({"/-/ready": starting, "/api/v1/status/walreplay": replay}) as server:
        seen = ask("prometheus.ready", {"prometheus": server.url})
    assert states(seen) == {"prometheus.unreachable": "breach"}
    assert says(seen, "prometheus.unreachable") == "Prometheus is reading its write-ahead log: segment 3 of 17"
    with Recorder({"/-/ready": starting}) as server:
        seen = ask("prometheus.ready", {"prometheus": server.url})
    assert says(seen, "prometheus.unreachable").startswith("Prometheus: HTTP 503 from ")


def test_what_is_no_answer_about_prometheus() -> None:
    for behaviour, reason in ((bad.unauthorized, "unauthorized"), (bad.forbidden, "forbidden")):
        with bad.BadServer(behaviour) as server, pytest.raises(CouldNotLook) as caught:
            ask("prometheus.ready", {"prometheus": server.url})
        assert caught.value.reason == reason
    with pytest.raises(NotConfigured):
        ask("prometheus.ready", {})
    vector = {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "1"]}]}}
    with Recorder({"/api/v1/query": json.dumps(vector)}) as mimir:  # it has no /-/ready under its prefix
        assert states(ask("prometheus.ready", {"prometheus": mimir.url})) == {"prometheus.unreachable": "ok"}


@pytest.mark.parametrize("how", ["refuses", "hangs", "closes"])
def test_a_prometheus_that_is_down(how: str) -> None:
    if how == "refuses":
        seen = ask("prometheus.ready", {"prometheus": f"http://127.0.0.1:{bad.refusing_port()}"})
    else:
        with bad.BadServer(getattr(bad, how)) as server:
            look = look_at({"prometheus": server.url}, MINE, seconds=1.0)
            probe = registry.get("prometheus.ready")
            assert probe is not None
            seen = probe.run(look, probe.params())
    assert states(seen) == {"prometheus.unreachable": "breach"}


def test_the_severity_is_the_profiles() -> None:
    symptom = Symptom(id="s", runbook="high-latency", severity="low")
    profile = Profile(service="mine", severities={"low": "sev4"}, symptoms=(symptom,))
    seen = ask("prometheus.ready", {"prometheus": f"http://127.0.0.1:{bad.refusing_port()}"}, profile)
    assert (seen.findings[0].severity, seen.findings[0].severity_label) == ("sev4", "low")


GOOD = b'# TYPE app_requests_total counter\napp_requests_total{a="x}"} 5\napp_queue_size NaN\nprocess_open_fds 3\n'


def page_states(body: bytes, profile: Profile = MINE) -> dict[str, str]:
    with Recorder({"/metrics": body}) as app:
        found = states(ask("metrics.page", {"metrics": f"{app.url}/metrics"}, profile))
    return {id.removeprefix("metrics."): state for id, state in found.items()}


def test_the_metrics_page() -> None:
    fine = {"unreachable": "ok", "broken": "ok", "disabled": "ok"}
    assert page_states(GOOD) == fine
    assert page_states(GOOD + b'app_requests_total{a="y"} 5 # {trace="1"} 0.1\n') == fine
    assert page_states(GOOD + b"half a line\n") == {**fine, "broken": "breach"}
    assert page_states(GOOD + b"app_queue_size 1\n") == {**fine, "broken": "breach"}  # there twice
    assert page_states(b"<html>log in</html>") == {**fine, "broken": "breach", "disabled": "unknown bad-answer"}
    assert page_states(b"process_open_fds 3\n") == {**fine, "disabled": "breach"}
    assert page_states(b"") == {**fine, "disabled": "breach"}
    assert page_states(b"process_open_fds 3\n", Profile(service="mine"))["disabled"] == "unknown not-configured"
    guessed = Profile(service="mine", signals={"q": Signal(gauge="app_queue_size", assumed=True)})
    assert page_states(b"process_open_fds 3\n", guessed)["disabled"] == "unknown no-data"


def test_a_metrics_page_that_is_an_error_or_is_gone() -> None:
    with bad.BadServer(bad.oops) as server:
        found = states(ask("metrics.page", {"metrics": server.url}))
    assert found == {
        "metrics.unreachable": "ok",
        "metrics.broken": "breach",
        "metrics.disabled": "unknown server-error",
    }
    found = states(ask("metrics.page", {"metrics": f"http://127.0.0.1:{bad.refusing_port()}"}))
    assert found["metrics.unreachable"] == "breach"
    with bad.BadServer(bad.unauthorized) as server, pytest.raises(CouldNotLook):
        ask("metrics.page", {"metrics": server.url})


def test_clocks() -> None:
    def told(*clocks: Clock) -> Finding:
        return judge(list(clocks), 10.0)

    assert told(Clock("mine", 300.0, 0.6)).state == "breach"
    assert told(Clock("mine", 10.4, 0.6)).state == "ok"  # a Date header tells whole seconds only
    apart = told(Clock("mine", -300.0, 0.6), Clock("Prometheus", 0.1, 0.1))
    assert apart.state == "breach"
    assert apart.measured == pytest.approx(300.1)
    assert apart.says == "the clock of Prometheus is 5 min ahead of that of mine, bound 10 s"
    alone = told(Clock("mine", 300.2, 0.6), Clock("Prometheus", 300.1, 0.1))
    assert alone.state == "ok"
    assert alone.says.endswith("this machine's own differs from them by 5 min")


def own(text: str, clock: float) -> Own:
    return Own(Page(text.encode(), time=time.time()), clock)


def test_what_fails_lately() -> None:
    def between(first: str, second: str, past: float | None = None) -> tuple[float, float, bool]:
        pages = own(first, 10.0), own(second, 13.0)
        found = tried(pages, "failed_total", "asked_total", {}, lambda metric: past)
        return found.failed, found.tried, found.fails

    assert between("asked_total 5\nfailed_total 0\n", "asked_total 9\nfailed_total 0\n") == (0, 4, False)
    assert between("asked_total 5\nfailed_total 0\n", "asked_total 9\nfailed_total 4\n") == (4, 4, True)
    assert between("asked_total 5\nfailed_total 0\n", "asked_total 15\nfailed_total 1\n") == (1, 10, False)
    # Nothing was tried between the two: it failed once, which is over; or it never worked.
    still = "asked_total 9\nfailed_total 4\n"
    assert between(still, still) == (0, 0, False)
    assert between("asked_total 4\nfailed_total 4\n", "asked_total 4\nfailed_total 4\n") == (4, 4, True)
    assert between(still, still, past=3.0) == (3, 3, True)


def test_receivers_that_tell_nobody() -> None:
    text = """
route: {receiver: pager, routes: [{receiver: nobody}, {matchers: [a="b"], routes: [{receiver: mail}]}]}
receivers:
  - {name: pager, webhook_configs: [{url: <secret>}]}
  - {name: nobody}
  - {name: mail, email_configs: []}
  - {name: unused}
"""
    assert silent_routes(text) == ["mail", "nobody"]
    for wrong in ("", "[", "receivers: 5"):
        with pytest.raises(CouldNotLook):
            silent_routes(wrong)


@pytest.mark.parametrize(
    ("rule", "ours"),
    [
        (Rule(name="A", query="up == 0", labels={"service": "mine"}), True),
        (Rule(name="A", query="app_requests_total > 5", labels={"service": "other"}), False),
        (Rule(name="A", query="app_requests_total > 5"), True),
        (Rule(name="A", query="sum(rate(app_requests_total[5m])) > 5"), True),
        (Rule(name="A", query="my_app_requests_total_more > 5"), False),
        (Rule(name="A", query='app_requests_total{job="other"} > 5'), False),
        (Rule(name="A", query='up{job=~"mine|yours"} == 0'), True),
        (Rule(name="A", query='up{job=~"("} == 0'), False),
        (Rule(name="A", query="up == 0", labels={"component": "api"}), False),
        (Rule(name="A", query="vector(1)"), False),
    ],
)
def test_which_rules_watch_a_service(rule: Rule, ours: bool) -> None:
    groups = (RuleGroup(name="g", rules=(rule,)),)
    assert bool(rules_of(look_at({}, MINE), groups)) == ours


def test_every_change_probe_needs_no_parameters() -> None:
    probes = [probe for system in registry.MODULES for probe in registry.change_probes(system)]
    assert {"signal.started", "prometheus.changes", "alertmanager.changes", "kubernetes.history", "postgres.settings",
            "redis.restarted"} <= {probe.id for probe in probes}  # fmt: skip
    for probe in probes:
        assert probe.params() is not None
        assert not probe.local
