"""Answers of the wrong shape, deep inside: whatever a server writes, the judging functions give an answer."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from opsctl.lab.kube_failures import failure
from opsctl.probes import (
    kubernetes_config,
    kubernetes_event_list,
    kubernetes_events,
    kubernetes_history,
    kubernetes_logs,
    kubernetes_nodes,
    kubernetes_pods,
    kubernetes_rollout,
    kubernetes_scaling,
    kubernetes_services,
)
from opsctl.probes.kubernetes_json import part, selector_text, selects
from opsctl.probes.kubernetes_quantity import cpus
from opsctl.probes.kubernetes_scope import Found, Row, merged
from opsctl.probes.kubernetes_states import Pods
from opsctl.probes.kubernetes_template import differences
from opsctl.probes.kubernetes_usage import judge, measures
from opsctl.probes.kubernetes_writers import keys_of, writer_of
from tests.servers.kube_node import pod_status
from tests.servers.kube_objects import deployment, template

NOW = 1_700_000_000.0
TIME = "2023-11-14T22:13:20Z"
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 0, 3, 2**31, 2**63, 10**30]),
    st.floats(),
    st.text(max_size=8),
    st.just([]),
    st.just({}),
    st.just([None, 1, "x", [], {}]),
    st.just({"": None, "name": 3}),
)


def pod(behaviour: str) -> dict[str, Any]:
    made = {"kind": "Pod", **template("api", behaviour=behaviour, init=True, limits={"memory": "1Gi", "cpu": "1"})}
    made["metadata"].update(name="api-1", namespace="shop", creationTimestamp=TIME)
    made["status"] = pod_status(made, NOW)
    return made


def workload(kind: str) -> dict[str, Any]:
    made = deployment("api", template("api", env={"A": "1"}, env_from=["x"]), replicas=2, updateStrategy={"a": {}})
    made["metadata"].update(uid="u", generation=2, labels={"a": "b"}, annotations={"c": "d"})
    conditions = [
        {"type": each, "status": "True", "reason": "R", "lastTransitionTime": TIME, "message": "m"}
        for each in ("Progressing", "Available", "ReplicaFailure")
    ]
    made["status"] = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 1, "conditions": conditions}
    made["spec"]["selector"]["matchExpressions"] = [{"key": "k", "operator": "In", "values": ["a", "b"]}]
    return made


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in entries:
        found += places(each, (*path, key))
    return found


@st.composite
def damaged(draw: st.DrawFn, whole: dict[str, Any]) -> dict[str, Any]:
    """The object with one to three of its parts replaced by junk."""
    broken = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(broken) or [("x",)]))
        inner = broken
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = copy.deepcopy(draw(JUNK))
    return broken


def travels(values: list[Any]) -> None:
    msgspec.json.encode(values)


@settings(max_examples=150, deadline=None)
@given(damaged({"pods": [pod("crashloop"), pod("init-crashloop"), pod("oom"), pod("unready")]}))
def test_pods(broken: dict[str, Any]) -> None:
    listed = broken["pods"] if isinstance(broken["pods"], list) else []
    group = Pods("Deployment api", "app=api", [each for each in listed if isinstance(each, dict)], 2, NOW, 900.0, 0.0)
    rows = [look(group) for look in kubernetes_pods.JUDGES.values()]
    travels([merged("kubernetes.x", rows), kubernetes_pods.values(group)])


@settings(max_examples=150, deadline=None)
@given(damaged(workload("x")), st.sampled_from(["Deployment", "StatefulSet", "DaemonSet"]))
def test_workloads(broken: dict[str, Any], kind: str) -> None:
    found = Found(kind, "api", broken, "app=api", "path")
    rows = kubernetes_rollout.judge(found)
    assert all(isinstance(row, Row) for row in rows.values())
    travels([merged(id, [row]) for id, row in rows.items()])
    travels([kubernetes_rollout.values(found), kubernetes_rollout.managed_by(broken), kubernetes_pods.desired(found)])
    whole, torn = workload("x")["spec"]["template"], part(broken, "spec", "template")
    travels([differences(whole, torn), differences(torn, whole)])
    selector = part(broken, "spec", "selector")
    travels([selector_text(selector), selects(selector, {"app": "api"})])


def replica_sets() -> dict[str, Any]:
    def one(revision: str, image: str) -> dict[str, Any]:
        notes = {"deployment.kubernetes.io/revision": revision}
        meta = {
            "name": f"api-{revision}",
            "annotations": notes,
            "creationTimestamp": TIME,
            "ownerReferences": [{"uid": "u"}],
        }
        return {"metadata": meta, "spec": {"template": template("api", image=image)}}

    return {"items": [one("1", "a:1"), one("2", "a:2"), one("3", "a:1")]}


@settings(max_examples=150, deadline=None)
@given(damaged(replica_sets()))
def test_histories(broken: dict[str, Any]) -> None:
    items = broken["items"] if isinstance(broken["items"], list) else []
    kept = kubernetes_history.kept_of([each for each in items if isinstance(each, dict)], "u")
    found = Found("Deployment", "api", workload("x"), "app=api", "path")
    told = kubernetes_history.rollouts(found, kept)
    row = kubernetes_history.judge(found, kept, told, NOW, 1800.0)
    travels([merged("kubernetes.x", [row]), kubernetes_history.values(kept)])


@settings(max_examples=150, deadline=None)
@given(
    damaged({"metadata": {"name": "p"}, "timestamp": TIME, "containers": [{"name": "main", "usage": {"cpu": "1"}}]}),
    damaged(pod("ok")),
)
def test_usage(told: dict[str, Any], broken: dict[str, Any]) -> None:
    found = measures([told], [broken], "cpu")
    travels([merged("kubernetes.x", [judge("Deployment api", "CPU", found, 0.9, cpus)])])


HPA = {
    "metadata": {"name": "api", "annotations": {"autoscaling.alpha.kubernetes.io/conditions": '[{"type": "x"}]'}},
    "spec": {"maxReplicas": 4, "scaleTargetRef": {"kind": "Deployment", "name": "api"}},
    "status": {"currentReplicas": 4, "conditions": [{"type": "ScalingLimited", "status": "True", "reason": "x"}]},
}
PDB = {
    "metadata": {"name": "api", "generation": 1},
    "spec": {"selector": {"matchLabels": {"app": "api"}}},
    "status": {"observedGeneration": 1, "disruptionsAllowed": 0, "expectedPods": 2, "conditions": [{"type": "x"}]},
}


@settings(max_examples=150, deadline=None)
@given(damaged(HPA), damaged(PDB), st.sampled_from(["v1", "v2"]))
def test_scaling(hpa: dict[str, Any], pdb: dict[str, Any], version: str) -> None:
    found = Found("Deployment", "api", workload("x"), "app=api", "path")
    kubernetes_scaling.covers(pdb, found, "v1")
    at_max = kubernetes_scaling.hpa_row(found, hpa, version)
    rows = [at_max, kubernetes_scaling.wants_more(hpa, version, at_max), kubernetes_scaling.pdb_row(found, pdb)]
    travels([merged("kubernetes.x", rows), kubernetes_scaling.conditions_text(hpa, version)])


def of_kind(kind: str) -> list[dict[str, Any]]:
    """What the lab writes of that kind for a failing liveness probe, with all a server adds."""
    found = [each for each in failure("liveness-failing", "shop") if each["kind"] == kind]
    for each in found:
        fields = {"f:data": {".": {}, "f:a": {}}, "f:spec": {"f:replicas": {}, "f:template": {}}}
        each["metadata"].update(
            uid="u",
            creationTimestamp=TIME,
            managedFields=[{"manager": "m", "time": TIME, "fieldsV1": fields}],
        )
    return copy.deepcopy(found)


@settings(max_examples=150, deadline=None)
@given(damaged({"events": of_kind("Event")}), damaged({"pods": of_kind("Pod")}))
def test_events_and_logs(events: dict[str, Any], pods: dict[str, Any]) -> None:
    listed = (
        [each for each in (events["events"] or ()) if isinstance(each, dict)]
        if isinstance(events["events"], list)
        else []
    )
    items = [each for each in pods["pods"] if isinstance(each, dict)] if isinstance(pods["pods"], list) else []
    told = kubernetes_event_list.once(map(kubernetes_event_list.event_of, listed))
    found = Found("Deployment", "orchestrator", workload("x"), "app=orchestrator", "path")
    about = [each for each in told if kubernetes_events.concerns(each, found, items)]
    group = Pods("Deployment orchestrator", "app=orchestrator", items, 2, NOW, 900.0, 0.0, "", {"x": "y"})
    judges = (kubernetes_events.readiness, kubernetes_events.liveness, kubernetes_events.volumes)
    rows = [judge(group, told) for judge in judges]
    travels([merged("kubernetes.x", rows), kubernetes_events.values(about, NOW)])
    kubernetes_event_list.pull_words(told)
    kubernetes_logs.chosen(list(group.containers), NOW, 900.0)


@settings(max_examples=150, deadline=None)
@given(damaged({"nodes": of_kind("Node")}), damaged({"pods": of_kind("Pod")}))
def test_nodes(nodes: dict[str, Any], pods: dict[str, Any]) -> None:
    listed = [each for each in nodes["nodes"] if isinstance(each, dict)] if isinstance(nodes["nodes"], list) else []
    items = [each for each in pods["pods"] if isinstance(each, dict)] if isinstance(pods["pods"], list) else []
    carried = {kubernetes_nodes.name_of(each): ["Deployment api"] for each in listed}
    rows = [kubernetes_nodes.lost_row(listed, carried, NOW), kubernetes_nodes.pressure_row(listed, carried)]
    room = {kubernetes_nodes.name_of(each): kubernetes_nodes.free(each, items) for each in listed}
    travels([merged("kubernetes.x", rows), kubernetes_nodes.values(listed, carried, room)])


@settings(max_examples=150, deadline=None)
@given(damaged(of_kind("Service")[0]), damaged({"pods": of_kind("Pod")}), damaged(of_kind("Deployment")[0]))
def test_services_and_what_they_refer_to(service: dict[str, Any], pods: dict[str, Any], owner: dict[str, Any]) -> None:
    items = [each for each in pods["pods"] if isinstance(each, dict)] if isinstance(pods["pods"], list) else []
    found = Found("Deployment", "orchestrator", owner, "app=orchestrator", "path")
    labels = part(owner, "spec", "template", "metadata", "labels")
    kubernetes_services.belongs(service, "orchestrator", labels)
    travels([merged("kubernetes.x", list(kubernetes_services.judge(found, service, at, items))) for at in ([], [True])])
    references = list(kubernetes_config.referred(part(owner, "spec", "template", "spec")))
    assert all(str(each) for each in references)
    keys_of(owner)
    writer_of(owner, "spec", "replicas")
