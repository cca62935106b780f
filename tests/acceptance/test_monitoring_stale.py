"""monitoring-stale on services that nobody knows: each broken in one way, all watched by one Prometheus."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.session import Session, confirmed, top, until
from tests.servers import process
from tests.servers.alertmanager import start_alertmanager
from tests.servers.prometheus import start_prometheus, static
from tests.servers.web import Web

pytestmark = [pytest.mark.slow, pytest.mark.needs("prometheus", "alertmanager"), pytest.mark.timeout(300)]

RATE = 40.0  # requests a second
PROCESS = "process_cpu_seconds_total {cpu:.3f}\nprocess_start_time_seconds {started:.0f}\n"
OWN = "# TYPE app_requests_total counter\napp_requests_total {requests}\napp_queue_size 0\n"


def page(began: float, form: str = PROCESS + OWN) -> Callable[[], str]:
    """A metrics page of a service that has been busy since ``began``."""

    def show() -> str:
        busy = time.time() - began
        return form.format(cpu=busy * 0.2, started=began, requests=round(busy * RATE))

    return show


def frozen(began: float, at: float) -> Callable[[], str]:
    """The process works on, but from ``at`` on its own numbers stand still."""

    def show() -> str:
        now = time.time()
        numbers = OWN.format(requests=round((min(now, at) - began) * RATE))
        return PROCESS.format(cpu=(now - began) * 0.2, started=began) + numbers

    return show


def late(show: Callable[[], str]) -> Callable[[], str]:
    """The page, but later than Prometheus waits."""

    def wait() -> str:
        time.sleep(2.0)
        return show()

    return wait


def watched(name: str, extra: str = "") -> dict[str, Any]:
    rules = [{"alert": "Down", "expr": f'up{{job="{name}"}} == 0', "for": "1h", "labels": {"service": name}}]
    if extra:
        rules.append({"alert": "Wrong", "expr": extra, "labels": {"service": name}})
    return {"name": name, "rules": rules}


def profile(name: str, places: dict[str, str], **signals: Any) -> dict[str, Any]:
    return {
        "service": name,
        "scrape_interval": "1s",
        "window": "5s",
        "direct_pause": "2s",
        "severities": {"low": "sev4", "high": "sev2"},
        "prometheus_labels": {"job": name},
        "endpoints": {kind: {"kind": kind, "url": url} for kind, url in places.items()},
        "signals": {
            "request_rate": {"rate": "app_requests_total", "unit": "per_second"},
            "queue_depth": {"gauge": "app_queue_size", "unit": "count"},
            "cpu_cores": {"rate": "process_cpu_seconds_total", "unit": "count"},
            "up": {"gauge": "up", "agg": "min", "unit": "count"},
            **signals,
        },
        "symptoms": [
            {"id": "seen", "runbook": "monitoring-stale", "signal": "up", "bands": [{"below": 1, "severity": "high"}]}
        ],
    }


EXPECTED = {  # service -> the cause that comes first
    "well": "",
    "refuses": "target-down",
    "answers-500": "scrape-failing",
    "garbage": "scrape-failing",
    "slow-page": "scrape-failing",
    "unknown-job": "target-missing",
    "disabled": "metrics-disabled",
    "stands-still": "collector-stopped",
    "old-collection": "collector-stopped",
    "clock-ahead": "clock-skew",
    "bad-rule": "rule-failing",
    "no-rule": "rules-missing",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """All services at once; they have been busy for ten minutes, one of them stands still since its start here."""
    folder: Path = tmp_path_factory.mktemp("stale")
    began = time.time() - 600
    webs = {name: Web({"/metrics": page(began)}) for name in EXPECTED if name != "refuses"}
    webs["answers-500"].pages["/metrics"] = lambda: (500, "collector failed\n")
    webs["garbage"].pages["/metrics"] = "app_requests_total 5\nthis is {no metrics page\n"
    webs["slow-page"]._server.handle_error = lambda *request: None  # type: ignore[method-assign]  # who asked is gone
    webs["slow-page"].pages["/metrics"] = late(page(began))
    webs["disabled"].pages["/metrics"] = page(began, PROCESS)
    webs["stands-still"].pages["/metrics"] = frozen(began, time.time() + 16)
    webs["old-collection"].pages["/metrics"] = page(began, PROCESS + OWN + f"app_collected_seconds {began:.0f}\n")
    handler: Any = webs["clock-ahead"]._server.RequestHandlerClass
    handler.date_time_string = lambda self, timestamp=None: formatdate(time.time() + 300, usegmt=True)
    places = {name: web.netloc for name, web in webs.items()} | {"refuses": f"127.0.0.1:{process.free_port()}"}
    hook = f"http://127.0.0.1:{process.free_port()}/nobody"
    alertmanager = start_alertmanager(folder / "alertmanager", hook)
    prometheus = start_prometheus(folder / "prometheus")
    jobs = [static(name, place) for name, place in places.items() if name != "unknown-job"]
    wrong = 'up{job="bad-rule"} + on() {__name__=~"app_requests_total|up",job="bad-rule"}'
    groups = [watched(name, wrong if name == "bad-rule" else "") for name in EXPECTED if name != "no-rule"]
    prometheus.configure(jobs, rules=groups, alertmanagers=[alertmanager.url])
    prometheus.reload()
    books = folder / "books" / "services"
    books.mkdir(parents=True)
    aged = {"collection_age": {"age": "app_collected_seconds", "unit": "s"}}
    for name, place in places.items():
        urls = {"prometheus": prometheus.url, "alertmanager": alertmanager.url, "metrics": f"http://{place}/metrics"}
        spec = profile(name, urls, **(aged if name == "old-collection" else {}))
        (books / f"{name}.yaml").write_text(json.dumps(spec))
    prometheus.wait_for("prometheus_rule_evaluation_failures_total or vector(1)")
    prometheus.wait_for('up{job="well"}')
    prometheus.wait_for('rate(app_requests_total{job="stands-still"}[5s])', lambda value: value > 0)
    prometheus.wait_for('rate(app_requests_total{job="stands-still"}[5s])', lambda value: value == 0)
    mine = Session(folder, OPSCTL_RUNBOOKS=str(folder / "books"))
    yield {"mine": mine, "prometheus": prometheus, "alertmanager": alertmanager}
    for web in webs.values():
        web.stop()
    prometheus.stop()
    alertmanager.stop()


def look(stack: dict[str, Any], service: str) -> tuple[int, dict[str, Any]]:
    mine: Session = stack["mine"]
    return mine.diagnose("monitoring-stale", service)


def test_each_cause_is_named_first(stack: dict[str, Any]) -> None:
    with ThreadPoolExecutor(2) as pool:
        reports = dict(zip(EXPECTED, pool.map(lambda name: look(stack, name), EXPECTED), strict=True))
    found = {name: top(report) for name, (_, report) in reports.items()}
    assert found == EXPECTED
    assert {name: confirmed(report) for name, (_, report) in reports.items() if name != "slow-page"} == {
        name: [cause] if cause else [] for name, cause in EXPECTED.items() if name != "slow-page"
    }
    code, healthy = reports.pop("well")
    assert (code, healthy["verdict"]) == (0, "ok"), healthy["says"]
    assert not healthy.get("unknown")
    for name, (code, report) in reports.items():
        assert code in (1, 2), name
        assert report["verdict"] in ("warning", "critical"), name
    said = {name: report["causes"][0] for name, (_, report) in reports.items()}
    assert all(cause["evidence"] for cause in said.values())
    evidence = {name: json.dumps(report["evidence"]) for name, (_, report) in reports.items()}
    assert "connection refused" in evidence["refuses"]
    assert "HTTP status 500" in evidence["answers-500"]
    assert "many-to-many" in evidence["bad-rule"] or "multiple matches" in evidence["bad-rule"]


def test_when_messages_fail(stack: dict[str, Any]) -> None:
    """An alert that fires and a receiver that refuses; then an Alertmanager that is gone; then a Prometheus."""
    alertmanager, prometheus = stack["alertmanager"], stack["prometheus"]
    alertmanager.post_alerts({"alertname": "Anything", "service": "another"})
    assert until(60, lambda: top(look(stack, "well")[1]) == "delivery-failing")
    alertmanager.stop()
    code, report = look(stack, "well")
    assert (code, top(report)) == (2, "alertmanager-unreachable")
    assert report["severity"] == "sev2"
    prometheus.stop()
    try:
        code, report = look(stack, "well")
        assert (code, confirmed(report)) == (2, ["prometheus-down", "alertmanager-unreachable"])
        # The service's own page is looked at all the same.
        states = {f["id"]: f["state"] for f in report["findings"]}
        assert [states[f"metrics.{id}"] for id in ("unreachable", "broken", "disabled", "stopped")] == ["ok"] * 4
    finally:
        alertmanager.start()
        prometheus.start()
