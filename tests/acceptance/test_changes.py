"""What changed, on real servers: restarts, configuration loads, silences, versions; beside a report and alone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.acceptance.app import App
from tests.acceptance.session import Session
from tests.acceptance.shop import profile, session
from tests.servers.alertmanager import Alertmanager, start_alertmanager
from tests.servers.postgres import Postgres, start_postgres
from tests.servers.prometheus import Prometheus, start_prometheus, static
from tests.servers.redis import Redis, start_redis

pytestmark = [pytest.mark.needs("prometheus", "alertmanager", "postgres", "redis"), pytest.mark.timeout(300)]

RULES = [{"name": "shop", "rules": [{"alert": "Slow", "expr": 'up{job="shop"} == 0'}]}]


class Stack(NamedTuple):
    """A shop with everything that can change; all of it has been up for a while when a test begins."""

    app: App
    prometheus: Prometheus
    alertmanager: Alertmanager
    postgres: Postgres
    redis: Redis
    mine: Session

    def configure(self, rules: list[dict[str, Any]]) -> None:
        own = static("prometheus", f"127.0.0.1:{self.prometheus.port}")
        self.prometheus.configure([static("shop", self.app.netloc), own], rules=rules)

    def changes(self, *more: str, code: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = self.mine.opsctl("changes", "-s", "shop", "-o", "json", *more, check=(code,)).json()
        return found


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("changes")
    app = App()
    prometheus = start_prometheus(folder / "prometheus")
    alertmanager = start_alertmanager(folder / "alertmanager")
    postgres, redis = start_postgres(folder / "postgres"), start_redis(folder / "redis")
    places = {
        "prometheus": prometheus.url,
        "alertmanager": alertmanager.url,
        "metrics": app.url,
        "postgres": postgres.dsn(),
        "redis": redis.url,
    }
    one = Stack(app, prometheus, alertmanager, postgres, redis, session(folder / "mine", profile(places)))
    one.configure(RULES)
    prometheus.reload()
    prometheus.wait_for('up{job="shop"}')
    prometheus.wait_for("prometheus_rule_group_rules")
    yield one
    for server in (app, prometheus, alertmanager, redis):
        server.stop()
    postgres.close()


def told(found: dict[str, Any]) -> list[str]:
    """``system: says`` of each change, the newest first."""
    return [f"{change['system']}: {change['says']}" for change in found["changes"]]


def pasts(seconds: float) -> None:
    """Let time pass: a configuration load within a few seconds of a start is told as the start."""
    time.sleep(seconds)


def test_nothing_changed_says_where_it_looked(stack: Stack) -> None:
    pasts(2.0)
    found = stack.changes("--since", "1s")
    assert found["changes"] == []
    systems = {source["source"].partition(" ")[0] for source in found["sources"]}
    assert systems == {"prometheus", "alertmanager", "postgres", "redis"}
    text = stack.mine.opsctl("changes", "-s", "shop", "--since", "1s", check=(0,)).out
    assert text.startswith("Nothing changed for shop from ")
    for place in (stack.prometheus.url, stack.alertmanager.url):
        assert place.removeprefix("http://") in text


def test_every_change_on_real_servers(stack: Stack) -> None:
    pasts(2.5)
    began = time.time()
    stack.postgres.restart()
    stack.redis.stop()
    stack.redis.start()
    stack.alertmanager.post_alerts({"alertname": "Slow", "service": "shop", "severity": "warning"})
    stack.alertmanager.wait_for_alerts()
    stack.alertmanager.silence({"service": "shop", "severity": "warning"}, seconds=1800, comment="deploy of 1.5")
    stack.alertmanager.silence({"service": "another"}, seconds=1800, comment="theirs")
    pasts(5.5)
    stack.postgres.sql("SELECT pg_reload_conf()")
    os.kill(stack.prometheus.server.pid, signal.SIGHUP)
    pasts(2.5)
    stack.configure([{"name": "shop", "rules": [*RULES[0]["rules"], {"record": "a", "expr": "vector(1)"}]}])
    stack.prometheus.reload()
    stack.prometheus.wait_for("min_over_time(prometheus_rule_group_rules[4s])", lambda value: value == 2)
    stack.app.change(started=time.time())
    stack.prometheus.wait_for("process_start_time_seconds{job='shop'}", lambda value: value > began)

    found = stack.changes("--since", "10m")
    found["changes"] = [c for c in found["changes"] if datetime.fromisoformat(c["at"]).timestamp() >= began - 1.5]
    lines = told(found)
    assert lines.count("postgres: started") == 1
    assert lines.count("redis: started") == 1
    assert lines.count("prometheus: configuration loaded") == 2  # by signal, and by request
    assert "prometheus: rule group shop: 1 -> 2 rules" in lines
    assert lines.count("service: process started") == 1
    assert lines.count("postgres: read its configuration") == 1
    (ours,) = [line for line in lines if "severity" in line]
    assert ours.startswith("alertmanager: silence of service=shop, severity=warning, by test, “deploy of 1.5”, until ")
    assert ours.endswith("; it mutes 1 alert of shop now")
    assert any("service=another" in line for line in lines)
    times = [datetime.fromisoformat(change["at"]) for change in found["changes"]]
    assert times == sorted(times, reverse=True)

    text = stack.mine.opsctl("changes", "-s", "shop", "--since", "5m", "--around", f"{began:.0f}", check=(0,)).out
    assert "UTC first" in text.splitlines()[0] + text.splitlines()[1]
    assert " after " in text


def test_beside_a_report(stack: Stack) -> None:
    """A runbook that asks none of the change probes has them all the same; they find nothing and decide nothing."""
    book = stack.mine.folder / "books" / "shop-slow.yaml"
    book.write_text(
        "runbook: shop-slow\ntitle: t\nmeaning: m\nimpact: i\ndiagnosis:\n  - probe: signal.objectives\n"
        "  - probe: signal.threshold\n    with: {signal: latency_p99, above: 100ms, finding: local.slow}\n"
        "causes:\n  - {cause: slow, says: It is slow., confirms: [local.slow]}\n"
    )
    spec = stack.mine.folder / "books" / "services" / "shop.yaml"
    spec.write_text(spec.read_text().replace('"runbook": "high-latency"', '"runbook": "shop-slow"'))
    pasts(1.0)
    stack.redis.stop()
    stack.redis.start()
    pasts(1.0)
    stack.app.change(latency=0.8)
    stack.prometheus.wait_for(
        'histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{job="shop"}[5s])))',
        lambda value: value > 0.5,
    )
    code, report = stack.mine.diagnose("shop-slow", "shop")
    assert (code, report["verdict"]) == (2, "critical")
    assert {f["id"] for f in report["findings"]} == {"signal.objective-broken", "local.slow"}
    first = report["changes"][0]
    assert (first["system"], first["says"], first["rank"]) == ("redis", "started", 1)
    assert -30 < first["offset"] <= 15
    assert not report.get("unknown")
    assert not report.get("not_configured")


def test_a_source_that_cannot_be_looked_at(stack: Stack) -> None:
    stack.redis.stop()
    try:
        found = stack.changes("--since", "1h", code=3)
        text = stack.mine.opsctl("changes", "-s", "shop", check=(3,)).out
    finally:
        stack.redis.start()
    (gone,) = found["unknown"]
    assert (gone["reason"], gone["address"].rpartition(":")[2][:5]) == ("refused", str(stack.redis.port))
    assert gone["setting"]
    assert "Could not look at" in text
    assert f"127.0.0.1:{stack.redis.port}" in text
    assert "prometheus: started" in told(found)


def test_a_new_version(tmp_path: Path) -> None:
    """A version label of the service's build_info, as Prometheus saw it change."""
    now = time.time()
    labels = 'job="shop",instance="past"'
    lines = [f'shop_build_info{{{labels},version="{v}"}} 1 {now - ago:.3f}' for v, span in
             (("1.4", range(600, 300, -5)), ("1.5", range(300, 0, -5))) for ago in span]  # fmt: skip
    server = start_prometheus(tmp_path / "prometheus", backfill="\n".join(lines))
    try:
        mine = session(tmp_path, profile({"prometheus": server.url, "metrics": "http://127.0.0.1:1/metrics"}))
        found = mine.opsctl("changes", "-s", "shop", "--since", "10m", "-o", "json").json()
    finally:
        server.stop()
    (new,) = [change for change in found["changes"] if change["system"] == "service"]
    assert (new["says"], new["subject"]) == ("version 1.4 -> 1.5 (shop_build_info)", "shop")
