"""prometheus.self against a real Prometheus, and against what only speaks a part of its API."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.model import Seen
from opsctl.probes.prometheus import self_
from opsctl.probes.registry import NoParams
from opsctl.services.model import Profile
from tests.fakes import badserver as bad
from tests.fakes.endpoints import look_at, says, states, values
from tests.fakes.recording import Recorder

if TYPE_CHECKING:
    from tests.servers.prometheus import Prometheus

BROKEN = """
groups:
  - name: mine
    interval: 1s
    rules:
      - {alert: Fine, expr: vector(0) > 1}
      - {record: broken, expr: 'up + on() {__name__=~"go_gc_duration_seconds|up"}'}
"""
ALL = ("prometheus.target-down", "prometheus.rule-failing", "prometheus.reload-failed")


def ask(url: str, labels: dict[str, str] | None = None, *, metrics: str = "", at: float | None = None) -> Seen:
    profile = Profile(service="mine", prometheus_labels=labels or {})
    urls = {"prometheus": url, **({"metrics": metrics} if metrics else {})}
    return self_(look_at(urls, profile, seconds=30, at=at, now=at), NoParams())


@pytest.mark.needs("prometheus")
def test_targets_rules_reload_and_changes(tmp_path: Path) -> None:
    from tests.servers.process import NotReady
    from tests.servers.prometheus import start_prometheus, static

    server = start_prometheus(tmp_path)
    try:
        jobs = [static("mine", f"127.0.0.1:{server.port}", "127.0.0.1:1"), static("other", f"127.0.0.1:{server.port}")]
        server.configure(jobs, rules=BROKEN)
        time.sleep(4)  # a configuration load within 2 s of the start is told as the start
        server.reload()
        server.wait_for('up{instance="127.0.0.1:1"}', lambda value: value == 0)
        server.wait_for("prometheus_rule_evaluation_failures_total", lambda value: value > 0)

        with Recorder(upstream=server.url) as recorder:
            seen = ask(recorder.url, {"job": "mine"})
            recorder.assert_only_reads()
        assert states(seen) == {ALL[0]: "breach", ALL[1]: "breach", ALL[2]: "ok"}
        assert says(seen, ALL[0]).startswith("1 of 2 scrape targets of mine are down: 127.0.0.1:1 (")
        assert "connection refused" in says(seen, ALL[0])
        assert says(seen, ALL[1]).startswith("1 of 2 rules fail: broken in mine (")
        assert values(seen)["target 127.0.0.1:1 mine"] == "down"
        assert [change.says for change in seen.changes] == ["started", "configuration loaded"]
        assert all(change.system == "prometheus" for change in seen.changes)
        assert seen.changes[0].at < seen.changes[1].at

        assert states(ask(server.url, {"job": "other"}))[ALL[0]] == "ok"
        assert states(ask(server.url, {"job": "=~oth.*"}))[ALL[0]] == "ok"
        assert states(ask(server.url, {"job": "!=mine"}))[ALL[0]] == "ok"
        assert states(ask(server.url, {"job": "none"}))[ALL[0]] == "unknown no-data"
        assert states(ask(server.url, {"job": "=~("}))[ALL[0]] == "unknown bad-query"
        # Without labels the service's own metrics address tells which targets are its.
        own = f"http://127.0.0.1:{server.port}/metrics"
        assert states(ask(server.url, metrics=own))[ALL[0]] == "ok"
        assert states(ask(server.url))[ALL[0]] == "unknown not-configured"

        then = ask(server.url, {"job": "mine"}, at=time.time())
        assert states(then) == {ALL[0]: "breach", ALL[1]: "unknown no-history", ALL[2]: "ok"}
        assert states(ask(server.url, {"job": "mine"}, at=time.time() - 86400))[ALL[0]] == "unknown no-data"

        (tmp_path / "prometheus.yml").write_text("scrape_configs: [{}]")
        with pytest.raises(NotReady):
            server.reload()
        seen = ask(server.url, {"job": "other"})
        assert states(seen)[ALL[2]] == "breach"
        assert says(seen, ALL[2]) == "Prometheus: the last configuration reload failed"
    finally:
        server.stop()


def test_a_start_is_one_change(prometheus: Prometheus) -> None:
    prometheus.wait_for("up")
    seen = ask(prometheus.url, {"job": "prometheus"})
    assert states(seen)[ALL[0]] == "ok"
    assert "started" in [change.says for change in seen.changes]


def test_what_only_speaks_the_query_api() -> None:
    with Recorder({}) as server:
        with pytest.raises(CouldNotLook) as caught:
            ask(server.url, {"job": "mine"})
        server.assert_only_reads()
    assert caught.value.reason == "not-found"
    rules = '{"status": "success", "data": {"groups": []}}'
    with Recorder({"/api/v1/rules": rules}) as server:
        seen = ask(server.url, {"job": "mine"})
    assert states(seen) == {ALL[0]: "unknown not-found", ALL[1]: "ok", ALL[2]: "unknown not-found"}
    assert [evidence.unknown is None for evidence in seen.evidence] == [False, True, False]


def test_a_dead_server_is_asked_once() -> None:
    with pytest.raises(CouldNotLook) as caught:
        ask(f"http://127.0.0.1:{bad.refusing_port()}", {"job": "mine"})
    assert caught.value.reason == "refused"
    with bad.BadServer(bad.oops) as server, pytest.raises(CouldNotLook):
        ask(server.url, {"job": "mine"})
    assert len(server.requests) == 1
    with pytest.raises(NotConfigured):
        self_(look_at({}), NoParams())
