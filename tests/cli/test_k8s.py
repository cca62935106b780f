"""`opsctl k8s` as a user runs it, against a real control plane: one screen each, and what is not seen is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.acceptance.session import Session
from tests.servers.kube import Kube
from tests.servers.kube_objects import autoscaler


def session(folder: Path, kube: Kube, namespace: str, *workloads: str, config: Path | None = None) -> Session:
    """A user whose only service is the shop, with these Deployments in that namespace."""
    books = folder / "runbooks"
    (books / "services").mkdir(parents=True)
    profile: dict[str, Any] = {
        "service": "shop",
        "endpoints": {"kubernetes": {"kind": "kubernetes"}},
        "kubernetes": {"namespace": namespace, "workloads": {name: {"name": name} for name in workloads}},
    }
    (books / "services" / "shop.yaml").write_text(json.dumps(profile))
    return Session(folder, KUBECONFIG=str(config or kube.admin))


def test_status_on_one_screen(kube: Kube, tmp_path: Path) -> None:
    namespace = kube.namespace("k8s")
    kube.rolled_out(kube.deploy(namespace, replicas=2))
    kube.deploy(namespace, "worker", replicas=1, behaviour="crashloop")
    kube.wait(
        f"apis/apps/v1/namespaces/{namespace}/deployments/worker", lambda obj: obj["status"].get("updatedReplicas")
    )
    kube.pods(namespace, lambda pods: len(pods) == 3 and all(p["status"].get("containerStatuses") for p in pods))
    scalers = f"apis/autoscaling/v1/namespaces/{namespace}/horizontalpodautoscalers"
    kube.call("POST", scalers, autoscaler("api", minimum=2, maximum=4))
    budgets = f"apis/policy/v1beta1/namespaces/{namespace}/poddisruptionbudgets"
    selector = {"matchLabels": {"app": "api"}}
    kube.call("POST", budgets, {"metadata": {"name": "api"}, "spec": {"minAvailable": 1, "selector": selector}})
    kube.wait(f"{budgets}/api", lambda item: item["status"].get("disruptionsAllowed") == 1)
    quotas = f"api/v1/namespaces/{namespace}/resourcequotas"
    kube.call("POST", quotas, {"metadata": {"name": "team"}, "spec": {"hard": {"pods": "10"}}})
    kube.wait(f"{quotas}/team", lambda item: item.get("status", {}).get("used", {}).get("pods") == "3")

    user = session(tmp_path, kube, namespace, "api", "worker")
    shown = user.opsctl("--runbooks", "runbooks", "k8s", "status", "-s", "shop", check=(0,)).out
    lines = shown.splitlines()
    assert lines[0].startswith(f"kubernetes test/{namespace}  ")
    assert lines[1].split() == ["WORKLOAD", "READY", "ROLLOUT", "PODS"]
    assert lines[2].split() == ["deployment/api", "2/2", "complete", "2", "ready"]
    assert "of at most 4 replicas" in shown
    assert "budget api of Deployment api allows 1 evictions (2 healthy, 1 needed)" in " ".join(shown.split())
    worker = next(line for line in lines if line.startswith("deployment/worker"))
    assert worker.split()[1:] == ["0/1", "under", "way", "1", "CrashLoopBackOff"]
    assert "CrashLoopBackOff: back-off 5m0s restarting failed container (7 restarts)" in " ".join(shown.split())
    assert "    team: pods 3 of 10 used" in lines

    data = user.opsctl("--runbooks", "runbooks", "k8s", "status", "--workload", "worker", "-s", "shop", "-o", "json")
    (only,) = data.json()["workloads"]
    assert (data.code, only["workload"], only["available"], only["wanted"]) == (0, "deployment/worker", 0, 1)
    assert only["trouble"][0]["restarts"] == 7


def test_events_newest_first_with_counts_and_top_says_that_nothing_is_measured(kube: Kube, tmp_path: Path) -> None:
    kube.metrics_off()
    namespace = kube.namespace("k8s")
    kube.rolled_out(kube.deploy(namespace, limits={"memory": "512Mi"}, requests={"cpu": "100m"}))
    where = f"api/v1/namespaces/{namespace}/events"

    def event(name: str, about: str, **fields: Any) -> None:
        involved = {"kind": "Pod", "name": about, "namespace": namespace}
        kube.call(
            "POST", where, {"metadata": {"name": name}, "involvedObject": involved, "reason": "Unhealthy", **fields}
        )

    old = {"lastTimestamp": "2031-01-01T00:00:00Z", "firstTimestamp": "2030-12-31T00:00:00Z", "count": 12}
    event("old", "api-1-2", type="Warning", message="Readiness probe failed: token=hunter2secret\x1b[31m", **old)
    series = {"count": 3, "lastObservedTime": "2031-01-01T00:00:05.000000Z"}
    more = {"reportingComponent": "kubelet", "reportingInstance": "n", "action": "Probing", "lastTimestamp": None}
    event(
        "new",
        "lonely-1",
        type="Warning",
        message="newer",
        eventTime="2030-12-31T00:00:00.000000Z",
        series=series,
        **more,
    )
    user = session(tmp_path, kube, namespace, "api")
    argv = ("--runbooks", "runbooks", "k8s", "events", "-s", "shop")
    shown = user.opsctl(*argv, "--warnings", check=(0,)).out
    first, second = [line for line in shown.splitlines() if " warning " in line]
    assert "Pod lonely-1" in first, "the newest of all its times counts, lastTimestamp or not"
    assert "(3 times" in first
    assert "Pod api-1-2  Unhealthy (12 times since 00:00:00 UTC)" in second
    assert "hunter2secret" not in shown
    assert "\x1b" not in shown
    data = user.opsctl(*argv, "--workload", "api", "-o", "json").json()["events"]
    assert "Pod lonely-1" not in {each["object"] for each in data}
    assert {"Pod api-1-2", "Deployment api"} <= {each["object"] for each in data}
    cut = user.opsctl(*argv, "--limit", "1", check=(0,)).out
    assert "older ones; see them with --limit " in cut

    top = user.opsctl("--runbooks", "runbooks", "k8s", "top", "-s", "shop", check=(3,)).out
    row = next(line for line in top.splitlines() if line.startswith("api-"))
    assert row.count("not measured") == 2
    assert "request 0.1 CPUs" in row
    assert "limit 512 MiB" in row
    assert "use is not measured: no metrics-server" in top


def test_top_beside_limits(kube: Kube, tmp_path: Path) -> None:
    namespace = kube.namespace("k8s")
    kube.metrics_on()
    try:
        usage = {"cpu": "50m", "memory": "120Mi"}
        kube.rolled_out(kube.deploy(namespace, limits={"memory": "128Mi"}, requests={"cpu": "100m"}, notes=usage))
        metrics = f"apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods"
        kube.wait(metrics, lambda found: found["items"])
        user = session(tmp_path, kube, namespace, "api")
        shown = user.opsctl("--runbooks", "runbooks", "k8s", "top", "-s", "shop", check=(0,)).out
        row = " ".join(next(line for line in shown.splitlines() if line.startswith("api-")).split())
        assert row.endswith("main 0.05 CPUs request 0.1 CPUs (50%) 120 MiB limit 128 MiB (94%)")
        data = user.opsctl("--runbooks", "runbooks", "k8s", "top", "-s", "shop", "-o", "json", check=(0,)).json()
        asked = 128 * 2**20  # without a request of its own the limit counts as one
        assert data["containers"][0]["memory"] == {"used": 120 * 2**20, "request": asked, "limit": asked}
    finally:
        kube.metrics_off()


def test_what_cannot_be_looked_at_ends_in_one_sentence(kube: Kube, tmp_path: Path) -> None:
    namespace = kube.namespace("k8s")
    user = session(tmp_path / "viewer", kube, namespace, "api", config=kube.viewer)
    done = user.opsctl("--runbooks", "runbooks", "k8s", "status", "-s", "shop")
    assert done.code == 77
    assert f'user viewer may not get deployments "api" in namespace {namespace}; missing is Role' in done.err
    absent = session(tmp_path / "absent", kube, namespace, "api")
    gone = absent.opsctl("--runbooks", "runbooks", "k8s", "top", "-s", "shop")
    assert gone.code == 69
    assert f"namespace {namespace} has no Deployment, StatefulSet or DaemonSet api" in gone.err
    wrong = absent.opsctl("--runbooks", "runbooks", "k8s", "status", "-s", "shop", "--workload", "job/x")
    assert (wrong.code, wrong.out) == (64, "")
    assert "--workload job/x names no kind that opsctl acts on" in wrong.err
    none = Session(tmp_path / "none")
    assert none.opsctl("k8s", "status", "-s", "vritti").code == 78
