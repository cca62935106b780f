"""kubernetes.usage through the real API server's aggregation; numbers from the simulated node (K8-8)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opsctl.model import Seen
from opsctl.probes.kubernetes_quantity import binary, cpus, quantity
from opsctl.probes.kubernetes_usage import judge, measures
from tests.probes.kubernetes_look import finding, look_at, run, states
from tests.servers.kube import Kube
from tests.servers.web import start_web

LIMITS = {"cpu": "500m", "memory": "512Mi"}


@pytest.fixture(scope="module")
def measured(kube: Kube) -> Iterator[Kube]:
    """The control plane with metrics.k8s.io."""
    kube.metrics_off()
    kube.metrics_on()
    yield kube
    kube.metrics_off()


def usage(kube: Kube, cpu: str, memory: str, limits: dict[str, str] | None = None, **params: Any) -> Seen:
    namespace = kube.namespace()
    notes = {"cpu": cpu, "memory": memory}
    kube.rolled_out(kube.deploy(namespace, replicas=2, limits=LIMITS if limits is None else limits, notes=notes))
    return run("kubernetes.usage", look_at(kube.admin, namespace), **params)


def test_far_from_the_limits(measured: Kube) -> None:
    seen = usage(measured, "100m", "256Mi")
    assert states(seen) == {"cpu-near-limit": "ok", "memory-near-limit": "ok"}
    memory = finding(seen, "memory-near-limit")
    assert (memory.measured, memory.threshold, memory.unit) == (0.5, 0.9, "ratio")
    assert "uses 256 MiB of its memory limit of 512 MiB (50%, objective at most 90%)" in memory.says
    assert seen.evidence[0].window == "30s"
    assert {"cpu", "memory", "measured pods"} == {value.name for value in seen.evidence[0].values}


def test_near_the_limits(measured: Kube) -> None:
    seen = usage(measured, "480m", "500Mi")
    assert states(seen) == {"cpu-near-limit": "breach", "memory-near-limit": "breach"}
    assert "uses 0.48 CPUs of its CPU limit of 0.5 CPUs (96%" in finding(seen, "cpu-near-limit").says
    assert finding(seen, "cpu-near-limit").says.endswith("as does 1 more")
    other = usage(measured, "480m", "500Mi", above=0.99)
    assert states(other) == {"cpu-near-limit": "ok", "memory-near-limit": "ok"}


def test_without_a_limit_there_is_nothing_to_be_near_to(measured: Kube) -> None:
    seen = usage(measured, "4", "256Mi", limits={"memory": "512Mi"})
    assert states(seen) == {"cpu-near-limit": "ok", "memory-near-limit": "ok"}
    assert finding(seen, "cpu-near-limit").says == (
        "Deployment api: no container has a CPU limit (8 CPUs used by 2 containers)"
    )
    assert finding(seen, "cpu-near-limit").measured is None


def test_pods_that_nobody_measured(measured: Kube) -> None:
    namespace = measured.namespace()
    measured.rolled_out(measured.deploy(namespace, replicas=0))
    seen = run("kubernetes.usage", look_at(measured.admin, namespace))
    assert set(states(seen).values()) == {"unknown"}
    assert finding(seen, "cpu-near-limit").reason == "no-data"


def test_without_metrics_server_it_is_unknown(kube: Kube) -> None:
    kube.metrics_off()
    seen = usage(kube, "480m", "500Mi")
    assert set(states(seen).values()) == {"unknown"}
    told = finding(seen, "cpu-near-limit")
    assert (told.reason, told.says) == (
        "unsupported",
        "no metrics-server: the API server does not offer metrics.k8s.io",
    )


def test_a_metrics_server_that_is_down_or_stands_still(tmp_path: Path) -> None:
    """Scripted answers, in the form that API servers give them."""
    web = start_web()
    config = {
        "current-context": "test",
        "clusters": [{"name": "c", "cluster": {"server": web.url}}],
        "users": [],
        "contexts": [{"name": "test", "context": {"cluster": "c"}}],
    }
    (tmp_path / "config").write_text(json.dumps(config))
    deployment = {"kind": "Deployment", "metadata": {"name": "api"}, "spec": {"selector": {"matchLabels": {"a": "b"}}}}
    path = "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods"
    down = {"kind": "Status", "code": 503, "reason": "ServiceUnavailable", "message": "the server is currently unable"}
    web.pages["/apis/apps/v1/namespaces/shop/deployments/api"] = json.dumps(deployment)
    web.pages["/api/v1/namespaces/shop/pods"] = '{"kind": "PodList", "items": []}'
    web.pages[path] = lambda: (503, json.dumps(down))
    try:
        seen = run("kubernetes.usage", look_at(tmp_path / "config", "shop"))
        assert finding(seen, "cpu-near-limit").reason == "server-error"
        old = {"metadata": {"name": "api-1"}, "timestamp": "2020-01-01T00:00:00Z", "containers": []}
        web.pages[path] = json.dumps({"kind": "PodMetricsList", "items": [old]})
        seen = run("kubernetes.usage", look_at(tmp_path / "config", "shop"))
        assert finding(seen, "cpu-near-limit").reason == "stale"
    finally:
        web.stop()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("250m", 0.25),
        ("2", 2.0),
        ("1.5", 1.5),
        ("128Mi", 128 * 2**20),
        ("1e3", 1000.0),
        ("1E3", 1000.0),
        ("2E", 2e18),
        ("12345678n", 0.012345678),
        ("100u", 0.0001),
        ("1k", 1000.0),
        ("1Ki", 1024.0),
        (".5", 0.5),
        (3, 3.0),
        ("", None),
        ("much", None),
        ("1mi", None),
        (None, None),
        (True, None),
    ],
)
def test_quantities(text: object, value: float | None) -> None:
    assert quantity(text) == (None if value is None else pytest.approx(value))


def test_numbers_are_shown_as_people_write_them() -> None:
    assert (cpus(0.25), cpus(2.0)) == ("0.25 CPUs", "2 CPUs")
    assert (binary(512 * 2**20), binary(1.5 * 2**30), binary(5 * 2**40)) == ("512 MiB", "1.5 GiB", "5 TiB")


def test_a_cut_list_clears_nobody() -> None:
    told = [{"metadata": {"name": "p"}, "containers": [{"name": "c", "usage": {"cpu": "1"}}]}]
    pods = [{"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "2"}}}]}}]
    found = measures(told, pods, "cpu")
    assert judge("x", "CPU", found, 0.9, cpus).state == "ok"
    assert judge("x", "CPU", found, 0.9, cpus, "only some were read").state == "unknown"
    assert judge("x", "CPU", found, 0.4, cpus, "only some were read").state == "breach"
    assert judge("x", "CPU", [], 0.9, cpus).state == "unknown"
