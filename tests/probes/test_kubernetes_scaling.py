"""kubernetes.scaling and kubernetes.access against a real API server and its controllers (K8-9, K8-1).

The API versions of newer servers are held by small recorded answers, in the last part of the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opsctl.model import Seen
from tests.probes.kubernetes_look import finding, look_at, run, states
from tests.servers.kube import Kube
from tests.servers.kube_objects import autoscaler, template
from tests.servers.web import Web, start_web

HPA, MORE, QUOTA, PDB = "hpa-at-max", "hpa-wants-more", "quota-full", "pdb-blocks"


def scaling(kube: Kube, namespace: str, **params: Any) -> Seen:
    return run("kubernetes.scaling", look_at(kube.admin, namespace), **params)


def test_nothing_stands_in_the_way(kube: Kube) -> None:
    namespace = kube.namespace()
    kube.rolled_out(kube.deploy(namespace))
    seen = scaling(kube, namespace)
    assert states(seen) == {HPA: "ok", MORE: "ok", QUOTA: "ok", PDB: "ok"}
    assert finding(seen, HPA).says == "no autoscaler scales the service's workloads"
    assert finding(seen, QUOTA).says == f"namespace {namespace} has no resource quota"
    assert finding(seen, PDB).says == "no disruption budget covers the service's pods"


def test_an_autoscaler_that_the_real_controller_drove_to_its_maximum(kube: Kube) -> None:
    namespace = kube.namespace()
    kube.metrics_off()
    kube.metrics_on()
    try:
        path = kube.deploy(namespace, requests={"cpu": "100m"}, notes={"cpu": "400m"})
        kube.rolled_out(path)
        scalers = f"apis/autoscaling/v1/namespaces/{namespace}/horizontalpodautoscalers"
        kube.call("POST", scalers, autoscaler("api", maximum=3))
        kube.wait(path, lambda obj: obj["spec"]["replicas"] == 3, timeout=90)
        kube.rolled_out(path)
        beta = f"apis/autoscaling/v2beta2/namespaces/{namespace}/horizontalpodautoscalers/api"
        kube.wait(beta, lambda obj: obj["status"]["currentReplicas"] == 3)
        kube.wait(
            beta, lambda obj: any(c.get("reason") == "TooManyReplicas" for c in obj["status"].get("conditions", ()))
        )
        seen = scaling(kube, namespace)
    finally:
        kube.metrics_off()
    assert states(seen) == {HPA: "breach", MORE: "breach", QUOTA: "ok", PDB: "ok"}
    at_max = finding(seen, HPA)
    assert at_max.says == "autoscaler api of Deployment api has 3 of at most 3 replicas and wants more"
    assert at_max.measured == 3
    more = finding(seen, MORE).says
    assert more == f"{at_max.says} (cpu at 400 % of the requests, target 50 %)"
    shown = seen.evidence[0].values[0]
    assert "minimum 1, maximum 3. " in shown.note
    assert "ScalingLimited True TooManyReplicas" in shown.note
    assert "autoscaling/v2beta2" in seen.evidence[0].query, "this server has no autoscaling/v2"


def test_an_autoscaler_without_metrics_says_that_it_does_not_scale(kube: Kube) -> None:
    namespace = kube.namespace()
    kube.metrics_off()
    kube.rolled_out(kube.deploy(namespace, replicas=2))
    scalers = f"apis/autoscaling/v1/namespaces/{namespace}/horizontalpodautoscalers"
    kube.call("POST", scalers, autoscaler("api", maximum=5))
    beta = f"apis/autoscaling/v2beta2/namespaces/{namespace}/horizontalpodautoscalers/api"
    kube.wait(beta, lambda obj: any(c["type"] == "ScalingActive" for c in obj["status"].get("conditions") or ()))
    seen = scaling(kube, namespace)
    assert states(seen)[HPA] == "ok"
    assert "has 2 of at most 5 replicas; it does not scale (FailedGetResourceMetric" in finding(seen, HPA).says


def test_a_quota_that_is_nearly_used_up(kube: Kube) -> None:
    namespace = kube.namespace()
    path = f"api/v1/namespaces/{namespace}/resourcequotas"
    hard = {"limits.memory": "1Gi", "pods": "10", "services.loadbalancers": "0"}
    kube.call("POST", path, {"metadata": {"name": "compute"}, "spec": {"hard": hard}})
    kube.wait(f"{path}/compute", lambda obj: obj.get("status", {}).get("used"))
    kube.rolled_out(kube.deploy(namespace, replicas=2, limits={"memory": "500Mi"}))
    kube.wait(f"{path}/compute", lambda obj: obj["status"]["used"].get("limits.memory") == "1000Mi")
    seen = scaling(kube, namespace)
    assert states(seen) == {HPA: "ok", MORE: "ok", QUOTA: "breach", PDB: "ok"}
    full = finding(seen, QUOTA)
    assert full.says == "quota compute: limits.memory 1000Mi of 1Gi used (98%, objective below 95%)"
    assert full.measured == pytest.approx(1000 / 1024)
    assert (full.threshold, full.unit) == (0.95, "ratio")
    assert states(scaling(kube, namespace, quota_above=0.99))[QUOTA] == "ok"


def budget(name: str, minimum: int, labels: dict[str, str]) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"minAvailable": minimum, "selector": {"matchLabels": labels}}}


def test_a_budget_that_allows_no_eviction(kube: Kube) -> None:
    namespace = kube.namespace()
    kube.rolled_out(kube.deploy(namespace, replicas=2))
    path = f"apis/policy/v1beta1/namespaces/{namespace}/poddisruptionbudgets"
    kube.call("POST", path, budget("other", 9, {"app": "other"}))
    kube.call("POST", path, budget("api", 1, {"app": "api"}))
    kube.wait(f"{path}/api", lambda obj: obj.get("status", {}).get("disruptionsAllowed") == 1)
    seen = scaling(kube, namespace)
    assert states(seen)[PDB] == "ok"
    assert finding(seen, PDB).says == (
        "disruption budget api of Deployment api allows 1 evictions (2 healthy, 1 needed)"
    )
    kube.call("PATCH", f"{path}/api", {"spec": {"minAvailable": 2}})
    kube.wait(f"{path}/api", lambda obj: obj["status"].get("disruptionsAllowed") == 0)
    seen = scaling(kube, namespace)
    assert states(seen)[PDB] == "breach"
    assert "allows 0 evictions (2 healthy, 2 needed)" in finding(seen, PDB).says
    kube.call("PATCH", f"{path}/api", {"spec": {"minAvailable": 1}})
    kube.wait(f"{path}/api", lambda obj: obj["status"].get("disruptionsAllowed") == 1)
    kube.call("POST", path, budget("second", 1, {"app": "api"}))
    kube.wait(f"{path}/second", lambda obj: obj.get("status", {}).get("disruptionsAllowed") == 1)
    seen = scaling(kube, namespace)
    assert states(seen)[PDB] == "breach"
    assert "2 disruption budgets cover Deployment api (api, second)" in finding(seen, PDB).says


def test_a_workload_that_is_gone_leaves_the_quota_readable(kube: Kube) -> None:
    namespace = kube.namespace()
    seen = scaling(kube, namespace)
    assert states(seen) == {HPA: "unknown", MORE: "unknown", QUOTA: "ok", PDB: "unknown"}
    assert finding(seen, HPA).reason == "not-found"


def test_without_rights_each_part_is_unknown(kube: Kube) -> None:
    seen = run("kubernetes.scaling", look_at(kube.viewer, "default"))
    assert set(states(seen).values()) == {"unknown"}
    assert finding(seen, QUOTA).reason == "forbidden"


def test_rights_of_an_administrator_and_of_a_stranger(kube: Kube) -> None:
    everything = run("kubernetes.access", look_at(kube.admin, "default"))
    assert states(everything) == {"access-missing": "ok"}
    nothing = run("kubernetes.access", look_at(kube.viewer, "default"))
    assert states(nothing) == {"access-missing": "breach"}
    missing = finding(nothing, "access-missing")
    assert missing.measured == 14
    assert "14 of 14 rights are missing in namespace default: get deployments.apps (kubernetes.rollout)" in missing.says


def test_rights_that_are_there_in_part(kube: Kube) -> None:
    namespace = kube.namespace()
    rules = [{"apiGroups": ["", "apps"], "resources": ["pods", "deployments"], "verbs": ["get", "list"]}]
    rbac = f"apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    kube.call("POST", f"{rbac}/roles", {"metadata": {"name": "look"}, "rules": rules})
    binding = {
        "metadata": {"name": "look"},
        "subjects": [{"kind": "User", "name": "viewer", "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"kind": "Role", "name": "look", "apiGroup": "rbac.authorization.k8s.io"},
    }
    kube.call("POST", f"{rbac}/rolebindings", binding)
    kube.rolled_out(kube.deploy(namespace))
    seen = run("kubernetes.access", look_at(kube.viewer, namespace))
    assert finding(seen, "access-missing").measured == 12
    assert states(run("kubernetes.pods", look_at(kube.viewer, namespace)))["crash-loop"] == "ok"
    assert states(run("kubernetes.history", look_at(kube.viewer, namespace)))["rollout-recent"] == "unknown"


# Recorded answers of newer API versions (contract tests): what this suite's server, 1.20, does not offer.


@pytest.fixture
def newer(tmp_path: Path) -> Iterator[Web]:
    web = start_web()
    config = {
        "current-context": "test",
        "clusters": [{"name": "c", "cluster": {"server": web.url}}],
        "users": [],
        "contexts": [{"name": "test", "context": {"cluster": "c"}}],
    }
    (tmp_path / "config").write_text(json.dumps(config))
    deployment = {
        "kind": "Deployment",
        "metadata": {"name": "api"},
        "spec": {"selector": {"matchLabels": {"app": "api"}}, "template": template("api")},
    }
    web.pages["/apis/apps/v1/namespaces/shop/deployments/api"] = json.dumps(deployment)
    web.pages["/api/v1/namespaces/shop/resourcequotas"] = '{"kind": "ResourceQuotaList", "items": []}'
    absent = {"kind": "Status", "code": 404, "message": "the server could not find the requested resource"}
    for path in (
        "autoscaling/v2/namespaces/shop/horizontalpodautoscalers",
        "autoscaling/v2beta2/namespaces/shop/horizontalpodautoscalers",
        "policy/v1/namespaces/shop/poddisruptionbudgets",
    ):
        web.pages[f"/apis/{path}"] = lambda: (404, json.dumps({**absent, "details": {}}))
    web.pages["/apis/autoscaling/v1/namespaces/shop/horizontalpodautoscalers"] = '{"kind": "X", "items": []}'
    web.pages["/apis/policy/v1beta1/namespaces/shop/poddisruptionbudgets"] = '{"kind": "X", "items": []}'
    yield web
    web.stop()


def hpa(conditions: list[dict[str, str]] | None = None, **notes: str) -> dict[str, Any]:
    target = {"kind": "Deployment", "name": "api", "apiVersion": "apps/v1"}
    status: dict[str, Any] = {"currentReplicas": 4, "desiredReplicas": 4}
    if conditions is not None:
        status["conditions"] = conditions
    return {
        "metadata": {"name": "api", "annotations": notes},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 4},
        "status": status,
    }


LIMITED = [
    {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas", "message": "more than the maximum"}
]


def test_autoscaling_v2(newer: Web, tmp_path: Path) -> None:
    body = {"kind": "HorizontalPodAutoscalerList", "apiVersion": "autoscaling/v2", "items": [hpa(LIMITED)]}
    newer.pages["/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers"] = json.dumps(body)
    seen = run("kubernetes.scaling", look_at(tmp_path / "config", "shop"))
    assert states(seen)[HPA] == "breach"
    assert finding(seen, HPA).says.endswith("has 4 of at most 4 replicas and wants more")
    assert not any("v2beta2" in request.path for request in newer.requests)


def test_autoscaling_v1_keeps_conditions_in_an_annotation(newer: Web, tmp_path: Path) -> None:
    noted = hpa(**{"autoscaling.alpha.kubernetes.io/conditions": json.dumps(LIMITED)})
    path = "/apis/autoscaling/v1/namespaces/shop/horizontalpodautoscalers"
    newer.pages[path] = json.dumps({"kind": "HorizontalPodAutoscalerList", "items": [noted]})
    assert finding(run("kubernetes.scaling", look_at(tmp_path / "config", "shop")), HPA).says.endswith("wants more")
    broken = hpa(**{"autoscaling.alpha.kubernetes.io/conditions": "[{"})
    newer.pages[path] = json.dumps({"kind": "HorizontalPodAutoscalerList", "items": [broken]})
    assert finding(run("kubernetes.scaling", look_at(tmp_path / "config", "shop")), HPA).says.endswith("4 replicas")


def test_an_empty_budget_selector_means_all_in_v1_and_none_in_v1beta1(newer: Web, tmp_path: Path) -> None:
    status = {"currentHealthy": 1, "desiredHealthy": 1, "disruptionsAllowed": 0, "expectedPods": 1}
    item = {"metadata": {"name": "all"}, "spec": {"selector": {}}, "status": status}
    body = json.dumps({"kind": "PodDisruptionBudgetList", "items": [item]})
    newer.pages["/apis/policy/v1beta1/namespaces/shop/poddisruptionbudgets"] = body
    assert states(run("kubernetes.scaling", look_at(tmp_path / "config", "shop")))[PDB] == "ok"
    newer.pages["/apis/policy/v1/namespaces/shop/poddisruptionbudgets"] = body
    assert states(run("kubernetes.scaling", look_at(tmp_path / "config", "shop")))[PDB] == "breach"


def test_all_probes_only_read(newer: Web, tmp_path: Path) -> None:
    review = {"kind": "SelfSubjectAccessReview", "status": {"allowed": True}}
    newer.pages["/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"] = lambda: (201, json.dumps(review))
    newer.pages["/apis/apps/v1/namespaces/shop/replicasets"] = '{"kind": "ReplicaSetList", "items": []}'
    newer.pages["/api/v1/namespaces/shop/pods"] = '{"kind": "PodList", "items": []}'
    newer.pages["/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods"] = '{"kind": "PodMetricsList", "items": []}'
    for id in ("access", "rollout", "history", "pods", "usage", "scaling"):
        run(f"kubernetes.{id}", look_at(tmp_path / "config", "shop"))
    methods = {(request.method, request.path.rsplit("/", 1)[-1]) for request in newer.requests}
    assert {path for method, path in methods if method != "GET"} == {"selfsubjectaccessreviews"}
    assert {method for method, _ in methods} == {"GET", "POST"}
