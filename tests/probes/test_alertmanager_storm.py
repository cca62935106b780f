"""The storm of alerts as a probe: on real servers, and where it came from by what they tell."""

from __future__ import annotations

import dataclasses
import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from opsctl.clients.alertmanager import AlertmanagerStatus, Cluster, Configuration, Peer, Version
from opsctl.clients.prometheus_answers import Rule, RuleGroup, RuntimeInfo, Series, Target
from opsctl.config.places import built_in
from opsctl.errors import CouldNotLook
from opsctl.probes.alertmanager_storm_causes import EMITS, explained
from opsctl.probes.alertmanager_storm_judge import conclude
from opsctl.services.load import load_profile
from tests.probes.looks import looking, run
from tests.probes.storms import NOW, SHOP, facts, some, symptoms
from tests.servers.alertmanager import start_alertmanager
from tests.servers.process import free_port
from tests.servers.prometheus import start_prometheus
from tests.servers.web import start_web

ROOT = {"alertname": "DatabaseDown", "database": "orders", "severity": "critical"}
SYMPTOMS = [
    {"alertname": name, "database": "orders", "service": f"shop-{n}", "severity": "warning"}
    for name in ("HighErrorRate", "HighLatency", "OrdersLate")
    for n in range(20)
]


def states(seen) -> dict[str, str]:
    return {
        finding.id.removeprefix("alertmanager.storm").lstrip("-") or "storm": finding.state for finding in seen.findings
    }


def values(seen, name: str) -> list:
    return [value for evidence in seen.evidence for value in evidence.values if value.name == name]


# Real servers ----------------------------------------------------------------------------------------------------


@pytest.mark.needs("alertmanager")
def test_a_real_storm_from_quiet_to_muted(tmp_path):
    server = start_alertmanager(tmp_path)
    try:
        with looking({"alertmanager": server.url}, profile=SHOP, runbook="alert-storm") as look:
            quiet = run(look, "alertmanager.storm")
            assert set(states(quiet).values()) == {"ok"}
            server.post_alerts(ROOT)
            time.sleep(0.3)
            server.post_alerts(*SYMPTOMS, {"alertname": "Watchdog"})
            server.wait_for_alerts(lambda alerts: len(alerts) == 62)
            seen = run(look, "alertmanager.storm")
            found = states(seen)
            assert (found["storm"], found["loud"], found["shared"]) == ("breach", "breach", "breach")
            assert found["targets-lost"] == "unknown"  # no Prometheus is configured: not known is not fine
            storm = next(finding for finding in seen.findings if finding.id == "alertmanager.storm")
            assert (storm.measured, storm.threshold, storm.threshold_from) == (61.0, 50.0, "AMAS-50")
            assert values(seen, "root_1")[0].labels["alertname"] == "DatabaseDown"
            assert {value.name for value in seen.evidence[0].values} >= {"HighErrorRate", "HighLatency", "OrdersLate"}
            (cluster,) = values(seen, "cluster")
            assert (cluster.value, cluster.note) == ("DatabaseDown", "stands for 61 alerts of 4 names")
            assert "equal: [database]" in values(seen, "inhibition")[0].value
            server.silence({"alertname": "HighErrorRate"})
            server.wait_for_alerts(lambda alerts: sum(bool(a["status"]["silencedBy"]) for a in alerts) == 20)
            muted = run(look, "alertmanager.storm")
            assert (states(muted)["storm"], states(muted)["loud"]) == ("breach", "ok")
            assert values(muted, "reach_people")[0].value == 41
            assert values(muted, "HighErrorRate")[0].note.endswith("muted")  # told, not hidden
            assert states(run(look, "alertmanager.storm", per_minute=61))["storm"] == "ok"
    finally:
        server.stop()


def _rule(expr: str, name: str = "EachSeries") -> list:
    return [{"name": "one", "rules": [{"alert": name, "expr": expr, "labels": {"severity": "warning"}}]}]


EACH = 'label_replace({job="self",alertname=""}, "series", "$1", "__name__", "(.+)")'


@pytest.mark.needs("prometheus")
def test_prometheus_alone_tells_a_rule_that_was_changed_then_lost_targets_then_flapping(tmp_path):
    server = start_prometheus(tmp_path)
    target = f"127.0.0.1:{server.port}"
    scrape = {"job_name": "self", "static_configs": [{"targets": [target]}]}
    try:
        begun = time.monotonic()
        server.configure([scrape])
        server.reload()
        server.wait_for('up{job="self"}')
        with looking({"prometheus": server.url}, profile=SHOP, runbook="alert-storm") as look:
            quiet = run(look, "alertmanager.storm")
            assert states(quiet)["storm"] == "ok"
            assert quiet.evidence[0].query == "ALERTS_FOR_STATE"
        # A start loads the configuration, too; a later load is meant, and its time is told in whole seconds.
        time.sleep(max(0.0, 6.6 - (time.monotonic() - begun)))
        server.configure([scrape], rules=_rule(f"{EACH} > -1000"))
        server.reload()
        server.wait_for('count(ALERTS{alertstate="firing"})', lambda many: many > 100)
        with looking({"prometheus": server.url}, profile=SHOP, runbook="alert-storm") as look:
            seen = run(look, "alertmanager.storm")
        assert (states(seen)["storm"], states(seen)["rule-changed"]) == ("breach", "breach")
        assert states(seen)["targets-lost"] == "ok"
        says = next(f.says for f in seen.findings if f.id == "alertmanager.storm-rule-changed")
        assert "EachSeries is 100% of" in says
        assert "the bound > -1000" in says
        # The same alerts on and off each second.
        server.configure([scrape], rules=_rule(f"{EACH} and on () (vector(time() % 2) < 1)"))
        server.reload()
        server.wait_for("min(changes(ALERTS_FOR_STATE[1m]))", lambda times: times >= 3)
        with looking({"prometheus": server.url}, profile=SHOP, runbook="alert-storm") as look:
            seen = run(look, "alertmanager.storm")
        assert (states(seen)["storm"], states(seen)["flapping"]) == ("breach", "breach")
        # The proxy through which it scrapes is gone.
        expr = 'label_replace(last_over_time({job="self",alertname=""}[10m]), "series", "$1", "__name__", "(.+)")'
        lost = {**scrape, "proxy_url": f"http://127.0.0.1:{free_port()}"}
        server.configure([lost], rules=_rule(f"{expr} and on (job) (up == 0)", "SeriesLost"))
        server.reload()
        server.wait_for('count(ALERTS{alertname="SeriesLost",alertstate="firing"})', lambda many: many > 100)
        with looking({"prometheus": server.url}, profile=SHOP, runbook="alert-storm") as look:
            seen = run(look, "alertmanager.storm")
        assert (states(seen)["storm"], states(seen)["targets-lost"]) == ("breach", "breach")
        assert "proxyconnect" in next(f.says for f in seen.findings if f.id == "alertmanager.storm-targets-lost")
    finally:
        server.stop()


@pytest.mark.needs("prometheus")
def test_a_week_of_history_says_what_is_usual_and_the_past_can_be_looked_at(tmp_path):
    now = time.time()
    lines = ["# TYPE up gauge"]
    first = now - now % 600 - 8 * 86400
    lines += [f'up{{job="x"}} 1 {first + 300 * n:.0f}' for n in range(8 * 288)]
    steps = [first + 600 * n for n in range(8 * 144 - 6)]
    lines += ["# TYPE ALERTS gauge"]
    for name in ("A", "B"):  # samples ten minutes apart: each is a new firing
        lines += [f'ALERTS{{alertname="{name}",alertstate="firing"}} 1 {at:.0f}' for at in steps]
    storm = now - 90_000
    for n in range(60):
        labels = f'alertname="C",instance="i{n}",severity="warning"'
        lines += [f'ALERTS{{{labels},alertstate="firing"}} 1 {storm + 60 * k:.0f}' for k in range(4)]
    lines += ["# TYPE ALERTS_FOR_STATE gauge"]
    for n in range(60):
        labels = f'alertname="C",instance="i{n}",severity="warning"'
        lines += [f"ALERTS_FOR_STATE{{{labels}}} {storm - 5:.0f} {storm + 60 * k:.0f}" for k in range(4)]
    rules = _rule('label_replace(vector(1), "n", "1", "", "") or label_replace(vector(1), "n", "2", "", "")', "New")
    for n in range(3, 25):
        rules[0]["rules"].append({"alert": "New", "expr": "vector(1)", "labels": {"n": str(n)}})
    server = start_prometheus(tmp_path, rules=rules, backfill="\n".join(lines))
    try:
        server.wait_for('count(ALERTS{alertname="New",alertstate="firing"})', lambda many: many >= 24)
        with looking({"prometheus": server.url}, profile=SHOP, runbook="alert-storm") as look:
            seen = run(look, "alertmanager.storm")
        storming = next(f for f in seen.findings if f.id == "alertmanager.storm")
        assert (storming.state, storming.threshold) == ("breach", 10.0)
        assert "7 days, 2 a minute" in storming.threshold_from
        at = storm + 30
        with looking({"prometheus": server.url}, profile=SHOP, runbook="alert-storm", at=at) as look:
            seen = run(dataclasses.replace(look, now=at), "alertmanager.storm")
        assert states(seen)["storm"] == "breach"
        assert values(seen, "root_1")[0].labels["alertname"] == "C"
    finally:
        server.stop()


def test_the_services_own_engine_is_asked_where_there_is_no_alertmanager():
    profile = load_profile("amas", [built_in()])
    begun = datetime.now(UTC) - timedelta(seconds=20)
    entries = [
        {"id": f"alert-{n}", "metric": f"m{n % 3}", "status": "firing", "severity": "high", "value": 1,
         "occurredAt": begun.isoformat().replace("+00:00", "Z")}
        for n in range(60)
    ]  # fmt: skip
    web = start_web({"/api/alerts/active": lambda: json.dumps(entries)})
    try:
        with looking({"alerts": f"{web.url}/api/alerts/active"}, profile=profile, runbook="alert-storm") as look:
            seen = run(look, "alertmanager.storm")
            storm = next(f for f in seen.findings if f.id == "alertmanager.storm")
            assert (storm.state, storm.severity, storm.severity_label) == ("breach", "sev2", "high")
            assert "alert engine" in seen.evidence[0].source
            entries[:] = []
            assert states(run(look, "alertmanager.storm"))["storm"] == "ok"
            web.pages["/api/alerts/active"] = '{"alerts": 7}'
            with pytest.raises(CouldNotLook, match="another shape"):
                run(look, "alertmanager.storm")
    finally:
        web.stop()


def test_nobody_there_is_no_quiet():
    with looking({"alertmanager": f"http://127.0.0.1:{free_port()}"}, profile=SHOP, runbook="alert-storm") as look:
        with pytest.raises(CouldNotLook) as failed:
            run(look, "alertmanager.storm")
        assert failed.value.reason == "refused"
    with looking({}, profile=SHOP, runbook="alert-storm") as look, pytest.raises(CouldNotLook, match="no endpoint"):
        run(look, "alertmanager.storm")


# Where it came from, by what is told -----------------------------------------------------------------------------


def causes(groups, failed=None, ask=lambda expr: [], **told) -> dict[str, str]:
    seen = facts(groups, **told)._replace(failed=failed or {})
    found = explained(seen, conclude(seen, SHOP, 50.0), ask)
    assert [one.id for one in found] == list(EMITS)
    return {one.id.removeprefix("alertmanager.storm-"): one.state for one in found}


def at(seconds_ago: float) -> datetime:
    return datetime.fromtimestamp(NOW - seconds_ago, UTC)


def runtime(started: float, loaded: float) -> RuntimeInfo:
    return RuntimeInfo(start_time=at(started), last_config_time=at(loaded))


CALM = {"runtime": runtime(90_000, 80_000), "flapping": (), "started": ()}
MANY = [some("HighErrorRate", 40, spread="pod"), some("HighLatency", 40, spread="pod")]
ONE = [some("DiskSpaceLow", 60)]


def test_without_a_storm_nothing_is_to_be_explained():
    assert set(causes([some("A", 3)], runtime=runtime(61, 61)).values()) == {"ok"}


@pytest.mark.parametrize(
    ("groups", "told", "wanted"),
    [
        (MANY, {}, ""),
        (ONE, {"runtime": runtime(9000, 90)}, "rule-changed"),
        (ONE, {"runtime": runtime(9000, 4000)}, ""),  # loaded long before
        (MANY, {"runtime": runtime(9000, 90)}, ""),  # two names: not one rule
        (ONE, {"runtime": runtime(80, 80)}, "monitor-restarted"),  # a start loads, too
        (ONE, {"runtime": runtime(900, 900)}, ""),
        (ONE, {"flapping": (Series(labels={"alertname": "DiskSpaceLow"}, time=NOW, value=55),)}, "flapping"),
        ([some("A", 60, version="1.2"), some("B", 5, version="1.2")], {}, "after-deploy"),
        ([some("A", 60, ago=60, job="api", spread="pod")],
         {"started": (Series(labels={"job": "api"}, time=NOW, value=NOW - 120),)}, "after-deploy"),
        ([some("NodeDown", node="n7"), *symptoms("A", "B", node="n7", count=40)], {}, "shared"),
        ([some("A", 60, ago=-300)], {}, "clock-skew"),
    ],
)  # fmt: skip
def test_each_cause_by_its_own_signs(groups, told, wanted):
    found = causes(groups, targets=(Target(labels={"job": "api"}, health="up"),), **{**CALM, **told})
    assert [name for name, state in found.items() if state == "breach"] == ([wanted] if wanted else [])
    assert "unknown" not in found.values()


def test_most_targets_lost_at_once_is_the_monitor_and_two_of_many_are_not():
    def targets(down: int, up: int) -> tuple[Target, ...]:
        bad = [Target(labels={"instance": str(n)}, health="down", last_error="no such host") for n in range(down)]
        return (*bad, *(Target(labels={"instance": f"u{n}"}, health="up") for n in range(up)))

    for down, up, state in ((5, 4, "breach"), (4, 5, "ok"), (2, 0, "breach"), (2, 1, "ok"), (0, 0, "ok")):
        assert causes(MANY, targets=targets(down, up), **CALM)["targets-lost"] == state, (down, up)


def test_the_same_alert_of_two_replicas_is_doubled():
    from opsctl.probes.alertmanager_storm_alert import StormAlert

    twice = [
        StormAlert(
            labels={"alertname": "A", "i": str(n), "replica": replica}, starts_at=at(60), fingerprint=f"{replica}{n}"
        )
        for n in range(30)
        for replica in ("a", "b")
    ]
    seen = facts([], **CALM)._replace(alerts=tuple(twice))
    found = {f.id: f.state for f in explained(seen, conclude(seen, SHOP, 50.0), lambda expr: [])}
    assert found["alertmanager.storm-doubled"] == "breach"


def test_members_that_do_not_know_each_other_tell_twice():
    def status(peers: int) -> AlertmanagerStatus:
        known = Cluster(status="ready", peers=tuple(Peer(name=str(n)) for n in range(peers)))
        return AlertmanagerStatus(config=Configuration(), version=Version(), cluster=known)

    assert causes(MANY, status=status(1), members=2, **CALM)["doubled"] == "breach"
    assert causes(MANY, status=status(2), members=2, **CALM)["doubled"] == "ok"
    assert causes(MANY, status=status(0), members=1, **CALM)["doubled"] == "ok"


def test_what_could_not_be_asked_is_unknown_not_fine():
    gone = CouldNotLook("refused", "nobody listens")
    failed = dict.fromkeys(("targets", "runtime", "flapping", "started"), gone)
    seen = facts(ONE)
    told = {k: v for k, v in seen.told.items() if k not in failed}
    seen = seen._replace(told=told, failed=failed)
    found = {f.id: f.state for f in explained(seen, conclude(seen, SHOP, 50.0), lambda expr: [])}
    unknown = {id.removeprefix("alertmanager.storm-") for id, state in found.items() if state == "unknown"}
    assert unknown == {"targets-lost", "monitor-restarted", "rule-changed", "flapping", "after-deploy"}


def test_how_far_the_values_are_over_the_changed_bound_is_told():
    rules = (RuleGroup(name="all", rules=(Rule(name="DiskSpaceLow", type="alerting", query="used / size > 0.5"),)),)
    seen = facts(ONE, **{**CALM, "rules": rules, "runtime": runtime(9000, 90)})
    found = explained(seen, conclude(seen, SHOP, 50.0), lambda expr: [0.51, 0.52, 0.9])
    says = next(f.says for f in found if f.id == "alertmanager.storm-rule-changed")
    assert says.endswith("their median is 0.52, the bound > 0.5")
