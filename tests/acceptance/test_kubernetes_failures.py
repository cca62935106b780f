"""Each failure of Kubernetes, on a real API server: ``diagnose service-down`` names it first.

The objects are written as the controllers and kubelets of a cluster would leave them (opsctl/lab/kube_failures); no
controller runs beside, so that every failure stands still. test_threads_on_kubernetes has the real controllers.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from opsctl.lab.kube_failures import FAILURES, failure, healthy
from opsctl.lab.kube_writer import Writer
from tests.acceptance.session import Session, confirmed, top
from tests.servers.kube import Kube, start_kube
from tests.servers.kube_kubelet import Kubelet
from tests.servers.prometheus import Prometheus, start_prometheus
from tests.servers.web import Web

pytestmark = [pytest.mark.slow, pytest.mark.needs("prometheus", "kube"), pytest.mark.timeout(900)]

JOBS = ("orchestrator", "celery-worker", "persona-runtime")
CAUSE = {name: name for name in FAILURES} | {"liveness-failing": "probe-failing", "scrape-only": "scrape-only"}
# What Prometheus sees: jobs with no pod left that answers.
SILENT = {
    **dict.fromkeys(("crash-loop", "unschedulable", "probe-failing", "liveness-failing"), ("orchestrator",)),
    **dict.fromkeys(("rollout-paused", "scaled-to-zero", "starting", "scrape-only"), ("orchestrator",)),
    "node-lost": ("persona-runtime",),
}
CRITICAL = {*SILENT, "no-endpoints"}


class Told(NamedTuple):
    """What one diagnosis said, and how long it took. ``tries``: on a busy machine a server may answer too late."""

    code: int
    report: dict[str, Any]
    seconds: float
    tries: int = 1


class Cluster:
    """An API server with a namespace per failure, and one Prometheus that scrapes a page per namespace and job."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kube: Kube = start_kube(folder / "kube", controllers=False)
        self.kubelet = Kubelet(self.kube.files).start()
        self.writer = Writer(self.kube.url, self.kube.files.admin_token, str(self.kube.files.ca))
        self.web = Web()
        self.prometheus: Prometheus | None = None

    def put(self, namespace: str, name: str = "") -> None:
        objects = failure(name, namespace, kubelet_port=self.kubelet.port) if name else None
        self.writer.apply(namespace, objects or healthy(namespace, kubelet_port=self.kubelet.port))
        for job in JOBS:
            if job not in SILENT.get(namespace, ()):
                self.web.pages[f"/{namespace}/{job}"] = "process_start_time_seconds 1700000000\n"

    def watch(self, *namespaces: str) -> None:
        """Start a Prometheus that scrapes them each second, and wait until it has seen all of them."""
        configs = []
        for job in JOBS:
            pages = [
                {"targets": [self.web.netloc], "labels": {"namespace": each, "__metrics_path__": f"/{each}/{job}"}}
                for each in namespaces
            ]
            configs.append({"job_name": job, "static_configs": pages})
        self.prometheus = start_prometheus(self.folder / "prometheus", configs)
        self.prometheus.wait_for("min(count_over_time(up[60s]))", lambda count: count >= 4)

    def session(
        self, namespace: str, name: str = "", kubeconfig: Path | None = None, *, watched: bool = True
    ) -> Session:
        context: dict[str, Any] = {
            "kubernetes": {"kubeconfig": str(kubeconfig or self.kube.admin), "namespace": namespace},
            "services": {
                "threads": {"window": "5s", "for": "2s", "scrape_interval": "1s", "labels": {"namespace": namespace}}
            },
        }
        assert self.prometheus is not None
        context["prometheus"] = self.prometheus.url if watched else "http://127.0.0.1:1"
        folder = self.folder / f"{namespace}-{name or 'session'}"
        folder.mkdir()
        (folder / "opsctl.yaml").write_text(json.dumps({"current-context": "test", "contexts": {"test": context}}))
        return Session(folder)

    def diagnose(self, namespace: str, *more: str, name: str = "", expected: str = "") -> Told:
        """``expected``: the first cause, "" for none; where a probe ran out of time, it is looked again."""
        session = self.session(namespace, name)
        for tries in (1, 2, 3):
            began = time.monotonic()
            code, report = session.diagnose("service-down", "threads", *more)
            told = Told(code, report, time.monotonic() - began, tries)
            late = any(each["reason"] in ("timeout", "skipped") for each in report.get("unknown", ()))
            if not late or (top(report) == expected and report["verdict"] != "unknown"):
                break
        return told

    def stop(self) -> None:
        if self.prometheus is not None:
            self.prometheus.stop()
        self.web.stop()
        self.writer.close()
        self.kube.stop()
        self.kubelet.stop()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("failures"))
    try:
        for name in FAILURES:
            made.put(name, name)
        for name in ("scrape-only", "healthy"):
            made.put(name)
        made.watch(*FAILURES, "scrape-only", "healthy")
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def reports(cluster: Cluster) -> dict[str, Told]:
    """Every failure diagnosed once, and the healthy one; the table is printed."""

    def look(name: str) -> Told:
        more = ("--unready-for", "5m") if name == "starting" else ()
        return cluster.diagnose(name, *more, expected=CAUSE.get(name, ""))

    with ThreadPoolExecutor(3) as pool:
        told = dict(zip([*CAUSE, "healthy"], pool.map(look, [*CAUSE, "healthy"]), strict=True))
    lines = [f"{'failure':18} {'found first':18} {'verdict':9} {'seconds':>7} {'tries':>5}"]
    for name, each in told.items():
        found = f"{name:18} {top(each.report) or '-':18} {each.report['verdict']:9}"
        lines.append(f"{found} {each.seconds:7.1f} {each.tries:5}")
    print("\n" + "\n".join(lines))
    return told


@pytest.mark.parametrize("name", CAUSE)
def test_it_is_named_first(reports: dict[str, Told], name: str) -> None:
    told = reports[name]
    assert top(told.report) == CAUSE[name], (told.report["says"], confirmed(told.report))
    assert told.report["verdict"] == ("critical" if name in CRITICAL else "warning"), told.report["says"]
    assert told.code == {"critical": 2, "warning": 1}[told.report["verdict"]]


def test_healthy_confirms_nothing(reports: dict[str, Told]) -> None:
    report = reports["healthy"].report
    assert (report["verdict"], confirmed(report)) == ("ok", []), report["says"]


def says(report: dict[str, Any], id: str) -> str:
    return next(f["says"] for f in report["findings"] if f["id"] == f"kubernetes.{id}")


def test_what_is_told_of_each(reports: dict[str, Told]) -> None:
    """What, which object, numbers, since when; in the words of who knows."""
    crash = reports["crash-loop"].report
    assert "2 of 2 pods of Deployment orchestrator crash in a loop" in says(crash, "crash-loop")
    assert "7 restarts, last exit code 1" in says(crash, "crash-loop")
    log = next(e for e in crash["evidence"] if e["probe"] == "kubernetes.logs")
    assert "before its last restart" in log["subject"]
    assert any("KeyError" in str(value["value"]) for value in log["values"])
    changes = [c["says"] for c in crash["changes"] if c["subject"] == "Deployment orchestrator"]
    assert any(change.startswith("image 2.4.0 -> 2.4.1 (revision 1 -> 2, by kubectl") for change in changes)

    assert "exit code 137, OOMKilled: it exceeded its memory limit of 256Mi" in says(
        reports["oom-killed"].report, "oom-killed"
    )
    assert "not found (the name or tag does not exist)" in says(reports["image-pull"].report, "image-pull")
    assert "0/2 nodes are available: 2 Insufficient memory" in says(reports["unschedulable"].report, "unschedulable")
    nodes = next(e for e in reports["unschedulable"].report["evidence"] if e["probe"] == "kubernetes.nodes")
    assert any("of 8 GiB free" in value["note"] for value in nodes["values"])
    assert "Readiness probe failed: HTTP probe failed with statuscode: 503 (42 times" in says(
        reports["probe-failing"].report, "readiness-failing"
    )
    assert "Liveness probe failed" in says(reports["liveness-failing"].report, "liveness-failing")
    assert "node-lost-node-2 is not ready for 2m" in says(reports["node-lost"].report, "node-lost")
    assert "no progress within its deadline of 600 s" in says(reports["rollout-stuck"].report, "rollout-stuck")
    assert "paused half-way by kubectl" in says(reports["rollout-paused"].report, "rollout-paused")
    assert "it selects app=orchestrater, the pods" in says(reports["no-endpoints"].report, "service-mismatch")
    missing = reports["missing-config"].report
    assert 'configmap "orchestrator-settings-v2" not found' in says(missing, "missing-config")
    assert says(missing, "reference-missing").endswith("not there: ConfigMap orchestrator-settings-v2")
    assert "exceeded quota: team, requested: pods=1" in says(reports["quota-full"].report, "quota-exceeded")
    assert "wants more (cpu at 187 % of the requests, target 60 %)" in says(
        reports["hpa-at-max"].report, "hpa-wants-more"
    )
    assert "on purpose (spec.replicas 0), written by kubectl-scale at" in says(
        reports["scaled-to-zero"].report, "scaled-to-zero"
    )
    assert "has 2 of 2 replicas available: only its scraping fails" in says(
        reports["scrape-only"].report, "scrape-only"
    )
    every = json.dumps([told.report for told in reports.values()])
    assert "not-a-key" not in every  # of the Secret whose keys are looked at


def test_without_prometheus_the_cluster_decides(cluster: Cluster) -> None:
    session = cluster.session("crash-loop", "alone", watched=False)
    code, report = session.diagnose("service-down", "threads")
    assert (code, report["verdict"], report["severity"]) == (2, "critical", "sev1")
    assert top(report) == "crash-loop"
    assert "none of 2 wanted replicas is available, since" in report["says"]


def test_a_token_that_may_see_little_leaves_the_rest_working(cluster: Cluster) -> None:
    namespace = "oom-killed"
    rules = [
        {"apiGroups": ["", "apps"], "resources": ["pods", "deployments"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["services", "endpoints"], "verbs": ["list"]},
        {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": ["list"]},
    ]
    group = "rbac.authorization.k8s.io"
    rbac = f"apis/{group}/v1/namespaces/{namespace}"
    cluster.kube.call("POST", f"{rbac}/roles", {"metadata": {"name": "look"}, "rules": rules})
    subject = {"kind": "User", "name": "viewer", "apiGroup": group}
    role = {"kind": "Role", "name": "look", "apiGroup": group}
    cluster.kube.call(
        "POST", f"{rbac}/rolebindings", {"metadata": {"name": "look"}, "subjects": [subject], "roleRef": role}
    )
    session = cluster.session(namespace, "viewer", cluster.kube.viewer)
    code, report = session.diagnose("service-down", "threads")
    assert (code, top(report)) == (1, "oom-killed"), report["says"]
    states = {f["id"]: (f["state"], f.get("reason")) for f in report["findings"]}
    for id in ("node-lost", "liveness-failing", "rollout-recent", "reference-missing"):
        assert states[f"kubernetes.{id}"] == ("unknown", "forbidden")
    assert states["kubernetes.readiness-failing"] == ("ok", None)  # by the pods' own status
    assert states["kubernetes.no-endpoints"] == ("ok", None)  # by Endpoints, where EndpointSlices may not be seen
    told = json.dumps(report["unknown"])
    for rule in ("events", "pods/log", "replicasets", "configmaps"):
        assert f'resources [\\"{rule}\\"]' in told
    assert 'missing is ClusterRole: apiGroups [\\"\\"], resources [\\"nodes\\"], verbs [\\"list\\"]' in told


def test_nothing_is_written(cluster: Cluster) -> None:
    def versions() -> dict[str, str]:
        found = {}
        for path in ("api/v1", "apis/apps/v1", "apis/autoscaling/v1", "apis/discovery.k8s.io/v1beta1"):
            for kind in cluster.kube.call("GET", path)["resources"]:
                if kind["namespaced"] and "/" not in kind["name"] and "list" in kind["verbs"]:
                    for each in cluster.kube.call("GET", f"{path}/namespaces/node-lost/{kind['name']}")["items"]:
                        meta = each["metadata"]
                        found[f"{kind['name']} {meta['name']}"] = meta["resourceVersion"]
        return found

    before = versions()
    cluster.diagnose("node-lost", name="again")
    assert len(before) > 30
    assert versions() == before


def test_healed_it_is_healthy_again(cluster: Cluster) -> None:
    """The lab's way: the same namespace goes through a failure and back, and keeps its Deployments."""
    path = "apis/apps/v1/namespaces/quota-full/deployments/orchestrator"
    uid = cluster.kube.call("GET", path)["metadata"]["uid"]
    cluster.put("quota-full")
    assert cluster.kube.call("GET", path)["metadata"]["uid"] == uid
    told = cluster.diagnose("quota-full", name="healed")
    assert (told.report["verdict"], confirmed(told.report)) == ("ok", []), told.report["says"]
    cluster.writer.clear("quota-full")
    assert cluster.kube.call("GET", "api/v1/namespaces/quota-full/pods")["items"] == []
