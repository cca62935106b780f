"""kubernetes.rollout against a real API server and its real Deployment controller (K8-2)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.probes.registry import _probes, get
from opsctl.services.model import Workload
from tests.probes.kubernetes_look import finding, look_at, run, states
from tests.servers.kube import ApiError, Kube

STUCK, RUNNING, ZERO = "rollout-stuck", "rollout-in-progress", "scaled-to-zero"
GONE, FEWER, PAUSED, QUOTA = "unavailable", "degraded", "rollout-paused", "quota-exceeded"
EVERY = ("access", "config", "endpoints", "events", "history", "logs", "nodes", "pods", "rollout", "scaling", "usage")
CALM = dict.fromkeys((STUCK, RUNNING, ZERO, GONE, FEWER, PAUSED, QUOTA), "ok")


def scaled(kube: Kube, path: str, replicas: int) -> None:
    kube.call("PATCH", path, {"spec": {"replicas": replicas}})


def test_a_finished_rollout(kube: Kube) -> None:
    namespace = kube.namespace()
    kube.rolled_out(kube.deploy(namespace, replicas=2))
    seen = run("kubernetes.rollout", look_at(kube.admin, namespace))
    assert states(seen) == CALM
    assert finding(seen, RUNNING).says == ("Deployment api: no rollout is running, 2 of 2 updated, 2 of 2 available")
    assert seen.evidence[0].source == f"kubernetes test/{namespace}"
    assert seen.evidence[0].query == f"/apis/apps/v1/namespaces/{namespace}/deployments/api"


def test_a_pod_that_fails_after_the_rollout_is_no_rollout(kube: Kube) -> None:
    namespace = kube.namespace()
    path = kube.deploy(namespace, replicas=2)
    kube.rolled_out(path)
    pod = kube.pods(namespace, bool)[0]
    broken = {"conditions": [{"type": "Ready", "status": "False"}]}
    kube.call("PATCH", f"api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}/status", {"status": broken})
    kube.wait(path, lambda obj: obj["status"].get("unavailableReplicas") == 1)
    assert states(run("kubernetes.rollout", look_at(kube.admin, namespace)))[RUNNING] == "ok"


def test_a_rollout_whose_pods_do_not_come_up_is_in_progress_then_stuck(kube: Kube) -> None:
    namespace = kube.namespace()
    path = kube.deploy(namespace, replicas=2, deadline=3)
    kube.rolled_out(path)
    kube.deploy(namespace, replicas=2, deadline=3, behaviour="crashloop", image="registry.test/shop/api:1.14.3")
    kube.wait(path, lambda obj: obj["status"].get("updatedReplicas"))
    seen = run("kubernetes.rollout", look_at(kube.admin, namespace))
    assert states(seen)[RUNNING] == "breach"
    kube.wait(path, lambda obj: any(c.get("reason") == "ProgressDeadlineExceeded" for c in obj["status"]["conditions"]))
    seen = run("kubernetes.rollout", look_at(kube.admin, namespace))
    assert states(seen) == {**CALM, STUCK: "breach", RUNNING: "breach", FEWER: "breach"}
    stuck = finding(seen, STUCK)
    assert "no progress within its deadline of 3 s; 1 of 2 updated, 2 of 2 available" in stuck.says
    assert stuck.since is not None
    # Put right again, the same probe says so.
    kube.deploy(namespace, replicas=2, deadline=3)
    kube.rolled_out(path)
    assert states(run("kubernetes.rollout", look_at(kube.admin, namespace))) == CALM


def test_scaled_to_zero_on_purpose(kube: Kube) -> None:
    namespace = kube.namespace()
    path = kube.deploy(namespace, replicas=1)
    kube.rolled_out(path)
    scaled(kube, path, 0)
    kube.rolled_out(path)
    seen = run("kubernetes.rollout", look_at(kube.admin, namespace))
    assert states(seen) == {**CALM, ZERO: "breach", GONE: "breach"}
    zero = finding(seen, ZERO)
    assert "scaled to zero on purpose (spec.replicas 0), written by python-httpx at 20" in zero.says
    assert zero.since is not None
    assert finding(seen, GONE).says == zero.says


def test_paused_is_told_apart_from_stuck(kube: Kube) -> None:
    namespace = kube.namespace()
    path = kube.deploy(namespace, replicas=3)
    kube.rolled_out(path)
    kube.call("PATCH", path, {"spec": {"paused": True}})
    kube.wait(path, lambda obj: obj["status"]["observedGeneration"] == obj["metadata"]["generation"])
    seen = run("kubernetes.rollout", look_at(kube.admin, namespace))
    assert states(seen) == CALM
    assert finding(seen, RUNNING).says.endswith("paused on purpose")
    kube.deploy(namespace, replicas=3, image="registry.test/shop/api:2", spec={"paused": True})
    kube.wait(path, lambda obj: obj["status"]["observedGeneration"] == obj["metadata"]["generation"])
    kube.wait(path, lambda obj: obj["status"].get("updatedReplicas", 0) == 0)
    seen = run("kubernetes.rollout", look_at(kube.admin, namespace))
    assert states(seen) == {**CALM, RUNNING: "breach", PAUSED: "breach"}
    assert "paused half-way" in finding(seen, RUNNING).says
    assert "its rollout is paused half-way by python-httpx since 20" in finding(seen, PAUSED).says


def test_pods_that_a_quota_refuses(kube: Kube) -> None:
    namespace = kube.namespace()
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"pods": "1"}}}
    kube.call("POST", f"api/v1/namespaces/{namespace}/resourcequotas", quota)
    kube.wait(f"api/v1/namespaces/{namespace}/resourcequotas/few", lambda obj: obj.get("status", {}).get("hard"))
    path = kube.deploy(namespace, replicas=3)
    kube.wait(path, lambda obj: any(c["type"] == "ReplicaFailure" for c in obj.get("status", {}).get("conditions", ())))
    seen = run("kubernetes.rollout", look_at(kube.admin, namespace))
    stuck = finding(seen, STUCK)
    assert stuck.state == "breach"
    quota = finding(seen, QUOTA)
    assert quota.state == "breach"
    assert "replicas are missing: pods " in quota.says
    assert "requested: pods=1, used: pods=1, limited: pods=1" in quota.says
    assert "pods cannot be created, FailedCreate" in stuck.says
    assert "exceeded quota: few" in stuck.says


def test_a_workload_that_does_not_exist_is_unknown_and_costs_the_others_nothing(kube: Kube) -> None:
    namespace = kube.namespace()
    kube.rolled_out(kube.deploy(namespace))
    workloads = {"api": Workload(name="api"), "worker": Workload(name="worker")}
    seen = run("kubernetes.rollout", look_at(kube.admin, namespace, workloads))
    assert states(seen)[STUCK] == "unknown"
    assert finding(seen, STUCK).reason == "not-found"
    assert [each.unknown is None for each in seen.evidence] == [True, False]
    only = run("kubernetes.rollout", look_at(kube.admin, namespace, workloads), workload="api")
    assert states(only)[STUCK] == "ok"


def test_workloads_by_label(kube: Kube) -> None:
    namespace = kube.namespace()
    for name in ("api", "worker"):
        kube.rolled_out(kube.deploy(namespace, name))
    every = {"all": Workload(selector="app in (api,worker)")}
    seen = run("kubernetes.rollout", look_at(kube.admin, namespace, every))
    assert sorted(each.subject for each in seen.evidence) == ["Deployment api", "Deployment worker"]
    none = run("kubernetes.rollout", look_at(kube.admin, namespace, {"x": Workload(selector="app=x")}))
    assert finding(none, STUCK).says == (
        f"namespace {namespace} has no Deployment, StatefulSet or DaemonSet with the labels app=x"
    )


def test_a_name_may_belong_to_another_kind_and_labels_help_where_the_name_is_wrong(kube: Kube) -> None:
    namespace = kube.namespace()
    path = kube.deploy(namespace, "db")
    template = kube.call("GET", path)["spec"]["template"]
    kube.call("DELETE", path)
    sets = f"apis/apps/v1/namespaces/{namespace}/statefulsets"
    spec = {"replicas": 1, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}}, "template": template}
    kube.call("POST", sets, {"metadata": {"name": "db", "labels": {"app": "db"}}, "spec": spec})
    kube.wait(f"{sets}/db", lambda obj: obj.get("status", {}).get("readyReplicas") == 1)
    for wanted in (Workload(name="db"), Workload(name="wrong", selector="app=db")):
        seen = run("kubernetes.rollout", look_at(kube.admin, namespace, {"db": wanted}))
        assert [each.subject for each in seen.evidence] == ["StatefulSet db"]
        assert states(seen)[RUNNING] == "ok"


def test_a_workload_that_is_only_assumed_spoils_nothing_when_it_is_not_there(kube: Kube) -> None:
    namespace = kube.namespace()
    kube.rolled_out(kube.deploy(namespace))
    assumed = Workload(name="rabbitmq", assumed=True)
    for id in ("rollout", "history", "pods", "scaling"):
        seen = run(f"kubernetes.{id}", look_at(kube.admin, namespace, {"api": Workload(name="api"), "mq": assumed}))
        assert "unknown" not in states(seen).values()
        if id != "scaling":
            assert seen.evidence[1].unknown is not None
            assert "(mq is an assumption of the profile)" in seen.evidence[1].unknown.says
        alone = run(f"kubernetes.{id}", look_at(kube.admin, namespace, {"mq": assumed}))
        assert "unknown" in states(alone).values()
        both = run(f"kubernetes.{id}", look_at(kube.admin, namespace, {"mq": assumed, "other": assumed}))
        assert "unknown" in states(both).values()


def test_a_stateful_set_has_no_deadline(kube: Kube) -> None:
    namespace = kube.namespace()
    path = kube.deploy(namespace, "db")
    template = kube.call("GET", path)["spec"]["template"]
    spec = {"replicas": 2, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}}, "template": template}
    kube.call("DELETE", path)
    sets = f"apis/apps/v1/namespaces/{namespace}/statefulsets"
    kube.call("POST", sets, {"metadata": {"name": "db"}, "spec": spec})
    kube.wait(f"{sets}/db", lambda obj: obj.get("status", {}).get("readyReplicas") == 2)
    workloads = {"db": Workload(kind="StatefulSet", name="db")}
    seen = run("kubernetes.rollout", look_at(kube.admin, namespace, workloads))
    assert states(seen) == CALM
    change = {"spec": {"template": {"metadata": {"annotations": {"test.opsctl/behaviour": "crashloop"}}}}}
    kube.call("PATCH", f"{sets}/db", change)
    kube.wait(f"{sets}/db", lambda obj: obj["status"].get("updatedReplicas") == 1)
    seen = run("kubernetes.rollout", look_at(kube.admin, namespace, workloads))
    assert states(seen) == {**CALM, STUCK: "unknown", RUNNING: "breach"}
    assert finding(seen, STUCK).reason == "unsupported"


def test_a_daemon_set(kube: Kube) -> None:
    namespace = kube.namespace()
    path = kube.deploy(namespace, "agent")
    template = kube.call("GET", path)["spec"]["template"]
    kube.call("DELETE", path)
    sets = f"apis/apps/v1/namespaces/{namespace}/daemonsets"
    spec = {"selector": {"matchLabels": {"app": "agent"}}, "template": template}
    kube.call("POST", sets, {"metadata": {"name": "agent"}, "spec": spec})
    kube.wait(f"{sets}/agent", lambda obj: obj.get("status", {}).get("numberReady") == 1)
    workloads = {"agent": Workload(kind="DaemonSet", name="agent")}
    seen = run("kubernetes.rollout", look_at(kube.admin, namespace, workloads))
    assert states(seen) == CALM
    nowhere = {"spec": {"template": {"spec": {"nodeSelector": {"no": "such"}}}}}
    kube.call("PATCH", f"{sets}/agent", nowhere)
    kube.wait(f"{sets}/agent", lambda obj: obj["status"].get("desiredNumberScheduled") == 0)
    assert states(run("kubernetes.rollout", look_at(kube.admin, namespace, workloads)))[ZERO] == "breach"


def test_without_rights_every_finding_is_unknown_with_the_rule(kube: Kube) -> None:
    seen = run("kubernetes.rollout", look_at(kube.viewer, "default"))
    assert set(states(seen).values()) == {"unknown"}
    assert finding(seen, STUCK).reason == "forbidden"
    assert 'resources ["deployments"], verbs ["get"]' in finding(seen, STUCK).says
    assert seen.evidence[0].unknown is not None
    assert seen.evidence[0].unknown.setting == "test"


def test_the_past_and_a_service_without_workloads(kube: Kube) -> None:
    with pytest.raises(CouldNotLook) as past:
        run("kubernetes.rollout", look_at(kube.admin, "default", at=1_700_000_000.0))
    assert past.value.reason == "no-history"
    with pytest.raises(NotConfigured):
        run("kubernetes.rollout", look_at(kube.admin, "default", {}))
    with pytest.raises(NotConfigured):
        run("kubernetes.rollout", look_at(kube.admin, "default"), workload="worker")


def test_all_probes_at_once_share_one_reader(kube: Kube) -> None:
    namespace = kube.namespace()
    kube.rolled_out(kube.deploy(namespace, replicas=2))
    look = look_at(kube.admin, namespace)
    get("kubernetes.access")
    without = ("kubernetes.usage", "kubernetes.scrape")  # no metrics-server, no Prometheus
    probes = [probe for id, probe in _probes.items() if id.startswith("kubernetes.") and id not in without]
    with ThreadPoolExecutor(8) as pool:
        every = list(pool.map(lambda probe: probe.run(look, probe.params()), probes * 3))
    look.readers.close()
    assert len(every) == 30
    unknown = [each.says for seen in every for each in seen.findings if each.state == "unknown"]
    assert unknown == []


def test_diagnosis_leaves_the_cluster_as_it_was(kube: Kube) -> None:
    namespace = kube.namespace()
    path = kube.deploy(namespace, replicas=2)
    kube.rolled_out(path)
    before = kube.call("GET", path)
    pods = kube.pods(namespace, bool)
    for id in EVERY:
        run(f"kubernetes.{id}", look_at(kube.admin, namespace))
    assert kube.call("GET", path) == before
    assert kube.pods(namespace, bool) == pods
    with pytest.raises(ApiError):
        kube.call("GET", "apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
