"""What a diagnosis may take of an operator's machine: 120 MB over all backends, 250 MB with a metrics page of 50 MB."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.app import App
from tests.acceptance.session import Session, valid
from tests.acceptance.shop import profile, session
from tests.fakes.kyrodb import Kyrodb
from tests.servers.prometheus import start_prometheus, static
from tests.servers.web import start_web

pytestmark = pytest.mark.timeout(300)

MB = 10**6
# A small process between pytest and opsctl: a child's peak counts from the size of the process that started it.
MEASURE = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps({"code": done.returncode, "out": done.stdout, "err": done.stderr, "peak": peak}))
"""


def peak(session: Session, *argv: str) -> tuple[float, int, dict[str, Any]]:
    """Bytes that one command held at most, its exit code and its report."""
    command = [sys.executable, "-S", "-c", MEASURE, sys.executable, "-m", "opsctl", *argv, "-o", "json", "--no-save"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=session.folder, env=session.environ, timeout=120, check=True
    )
    told = json.loads(done.stdout)
    assert told["err"] == ""
    report = json.loads(told["out"])
    valid(report)
    return float(told["peak"]), told["code"], report


@pytest.mark.slow
@pytest.mark.needs("prometheus", "alertmanager", "postgres", "redis", "kube")
@pytest.mark.parametrize("runbook", ["high-latency", "high-error-rate"])
def test_all_backends_at_once(runbook, tmp_path, alertmanagers, postgres, redis_server, kube):
    app = App()
    prometheus = start_prometheus(tmp_path / "prometheus", [static("shop", app.netloc)])
    kyrodb = Kyrodb()
    namespace = kube.namespace("memory")
    kube.rolled_out(kube.deploy(namespace, "shop", replicas=3))
    places = {
        "metrics": app.url,
        "prometheus": prometheus.url,
        "alertmanager": alertmanagers[0].url,
        "postgres": postgres.dsn("opsctl_read", "danci"),
        "redis": redis_server.url,
        "kyrodb-text": kyrodb.address,
        "kyrodb-image": kyrodb.address,
        "kubernetes": str(kube.admin),
    }
    try:
        prometheus.wait_for("rate(http_request_duration_seconds_count[5s])", lambda value: value > 0)
        shop = session(tmp_path / "run", profile(places, namespace))
        held, code, report = peak(shop, "diagnose", runbook, "-s", "shop")
    finally:
        kyrodb.stop()
        prometheus.stop()
        app.stop()
    assert code == 0, report["says"]
    looked = {e["source"].partition(" ")[0] for e in report["evidence"] if "unknown" not in e}
    assert looked >= {"prometheus", "alertmanager", "postgres", "redis", "kyrodb", "kubernetes"}
    print(f"{runbook}: {held / MB:.0f} MB")
    assert held <= 120 * MB


class LargePage:
    """A page of 50 MB; the counters have grown from one scrape to the next."""

    def __init__(self) -> None:
        self.bodies = [self._made(0), self._made(500)]
        self.asked = 0

    def _made(self, more: int) -> bytes:
        edges = ("0.1", "0.25", "0.5", "1", "2.5", "+Inf")
        lines: list[str] = ["# TYPE http_request_duration_seconds histogram"]
        size = number = 0
        while size < 50 * MB:
            name = ("http_request_duration_seconds", "stored_seconds", "sent_seconds")[number % 3]
            labels = f'endpoint="/api/v1/resource/{number}",method="GET",pod="shop-{number % 40}"'
            counts = [(edge, (100 + more) * (n + 1)) for n, edge in enumerate(edges)]
            made = [f'{name}_bucket{{{labels},le="{edge}"}} {count}' for edge, count in counts]
            made += [f"{name}_count{{{labels}}} {counts[-1][1]}", f"{name}_sum{{{labels}}} {counts[-1][1] * 0.7:.3f}"]
            size += sum(map(len, made)) + len(made)
            number += 1
            lines += made
        return "\n".join(lines).encode() + b"\n"

    def __call__(self) -> bytes:
        self.asked += 1
        return self.bodies[self.asked % 2 - 1]


@pytest.fixture(scope="module")
def large() -> Iterator[tuple[LargePage, str]]:
    page = LargePage()
    web = start_web({"/metrics": page})
    yield page, f"{web.url}/metrics"
    web.stop()


@pytest.mark.slow
def test_a_metrics_page_of_50_mb(large, tmp_path):
    page, url = large
    assert len(page.bodies[0]) >= 50 * MB
    shop = session(tmp_path, profile({"metrics": url}))
    held, code, report = peak(shop, "diagnose", "high-latency", "-s", "shop", "--direct")
    assert (code, report["verdict"]) == (2, "critical"), report["says"]
    assert page.asked == 2
    print(f"page of {len(page.bodies[0]) / MB:.0f} MB: {held / MB:.0f} MB")
    assert held <= 250 * MB
