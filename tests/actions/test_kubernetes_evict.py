"""kubernetes.evict on a real control plane: disruption budgets hold, the pod is that very one, evidence is kept."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import pytest

from opsctl.actions.hands import Stopped
from opsctl.errors import CouldNotLook
from tests.actions.kubernetes_acting import applied, hands_on, proposed, refused, step_of, verified
from tests.servers.kube import Kube
from tests.servers.kube_objects import template


def pods_of(kube: Kube, namespace: str, count: int) -> list[dict[str, Any]]:
    def settled(pods: list[dict[str, Any]]) -> bool:
        ready = [pod for pod in pods if any(c["status"] == "True" and c["type"] == "Ready" for c in conditions(pod))]
        return len(pods) == len(ready) == count

    return kube.pods(namespace, settled)


def conditions(pod: dict[str, Any]) -> list[dict[str, str]]:
    return list(pod.get("status", {}).get("conditions") or ())


def budget(kube: Kube, namespace: str, available: int, healthy: int) -> str:
    path = f"apis/policy/v1beta1/namespaces/{namespace}/poddisruptionbudgets"
    selector = {"matchLabels": {"app": "api"}}
    kube.call("POST", path, {"metadata": {"name": "api"}, "spec": {"minAvailable": available, "selector": selector}})
    kube.wait(f"{path}/api", lambda item: item["status"].get("currentHealthy") == healthy)
    return f"{path}/api"


def test_one_pod_ends_with_its_evidence_kept_and_another_takes_its_place(kube: Kube) -> None:
    namespace = kube.namespace("evict")
    kube.rolled_out(kube.deploy(namespace, replicas=3))
    pods = pods_of(kube, namespace, 3)
    name, uid = pods[0]["metadata"]["name"], pods[0]["metadata"]["uid"]
    with hands_on(kube, namespace) as hands:
        plan = proposed("evict", hands, pod=[name])
        step = step_of(plan)
        assert plan.scope == f"kubernetes {namespace}/Deployment/api", (
            "one at a time with whatever acts on the workload"
        )
        assert (plan.of, step.target.id, step.target.pin) == (3, f"pod/{name}", {"uid": uid})
        assert {each.lift for each in plan.excluded} == {f"--pod {pod['metadata']['name']}" for pod in pods[1:]}
        assert {pod["metadata"]["uid"] for pod in pods_of(kube, namespace, 3)} == {p["metadata"]["uid"] for p in pods}
        did = applied("evict", hands, step)
        assert (did.state, did.inverse, did.says) == ("acted", None, f"pod/{name} is evicted")
        assert did.after["evidence"]["pods"][0]["uid"] == uid
        told = verified("evict", hands, plan)
        assert told.ok, told.says
        assert uid not in {pod["metadata"]["uid"] for pod in pods_of(kube, namespace, 3)}
        again = applied("evict", hands, step)
        assert (again.state, again.says) == ("skipped", "changed meanwhile: it is gone")
        with pytest.raises(CouldNotLook, match=r"does not exist"):
            proposed("evict", hands, pod=[name])


def test_a_disruption_budget_is_said_in_the_plan_and_waited_for(kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    from opsctl.actions import kubernetes_evict

    monkeypatch.setattr(kubernetes_evict, "BETWEEN", 0.3)
    namespace = kube.namespace("evict")
    path = kube.deploy(namespace, replicas=2)
    kube.rolled_out(path)
    pods = pods_of(kube, namespace, 2)
    of_api = budget(kube, namespace, 2, 2)
    name = pods[0]["metadata"]["name"]
    told: list[str] = []
    with hands_on(kube, namespace, told=told) as hands:
        plan = proposed("evict", hands, pod=[name], wait="1s")
        step = step_of(plan)
        assert plan.notes[0] == "Budget api allows 0 evictions now (2 healthy, 2 needed)."
        assert plan.notes[1].startswith(
            "At the moment a disruption budget forbids it now (Cannot evict pod as it would"
        )
        did = applied("evict", hands, step)
        assert did.state == "failed"
        assert "Cannot evict pod as it would violate the pod's disruption budget" in did.says
        assert told
        assert told[0].endswith("; trying again")
        assert len(pods_of(kube, namespace, 2)) == 2

        longer = step_of(proposed("evict", hands, pod=[name], wait="30s"))
        room = threading.Timer(1.0, lambda: kube.call("PATCH", of_api, {"spec": {"minAvailable": 1}}))
        room.start()
        did = applied("evict", hands, longer)
        room.join()
        assert did.state == "acted", did.says
        assert did.after["tries"] > 1


def test_the_stop_file_ends_the_waiting_for_a_budget(kube: Kube) -> None:
    namespace = kube.namespace("evict")
    kube.rolled_out(kube.deploy(namespace, replicas=2))
    name = pods_of(kube, namespace, 2)[0]["metadata"]["name"]
    budget(kube, namespace, 2, 2)
    looks = 0

    def stop() -> None:
        nonlocal looks
        looks += 1
        if looks > 1:
            raise Stopped("the stop file is there")

    with hands_on(kube, namespace, check_stop=stop) as hands, pytest.raises(Stopped):
        applied("evict", hands, step_of(proposed("evict", hands, pod=[name])))
    assert len(pods_of(kube, namespace, 2)) == 2


def test_without_a_name_the_pods_that_are_not_ready(kube: Kube) -> None:
    namespace = kube.namespace("evict")
    path = kube.deploy(namespace, replicas=2)
    kube.rolled_out(path)
    pods = pods_of(kube, namespace, 2)
    name = pods[0]["metadata"]["name"]
    hung = [{"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}]
    status = {"conditions": hung, "containerStatuses": [{**pods[0]["status"]["containerStatuses"][0], "ready": False}]}
    kube.call("PATCH", f"api/v1/namespaces/{namespace}/pods/{name}/status", {"status": status}, patch="strategic-merge")
    kube.wait(path, lambda obj: obj["status"].get("availableReplicas") == 1)
    with hands_on(kube, namespace) as hands:
        plan = proposed("evict", hands)
        step = step_of(plan)
        assert step.target.id == f"pod/{name}"
        assert step.why.startswith("not ready for ")
        assert plan.impact == "none: these pods serve nothing"
        assert [(each.id, each.why) for each in plan.excluded] == [
            (f"pod/{pods[1]['metadata']['name']}", "it is ready")
        ]
        assert applied("evict", hands, step).state == "acted"


def test_a_pod_that_nobody_replaces_and_the_last_one_that_serves(kube: Kube) -> None:
    namespace = kube.namespace("evict")
    kube.call("POST", f"api/v1/namespaces/{namespace}/pods", {**template("lone"), "metadata": {"name": "lone"}})
    kube.rolled_out(kube.deploy(namespace, replicas=1))
    pods = kube.pods(namespace, lambda found: len(found) == 2)
    name = next(pod["metadata"]["name"] for pod in pods if pod["metadata"]["name"] != "lone")
    with hands_on(kube, namespace) as hands:
        plan = proposed("evict", hands, pod=["lone"])
        assert plan.steps == ()
        assert (plan.excluded[0].why, plan.excluded[0].refused) == (
            "no controller owns it: nothing would bring it back",
            True,
        )
        last = proposed("evict", hands, pod=[name])
        assert refused(last) == {"no-downtime": "0 of 1 replicas go on serving meanwhile --accept-downtime"}
        step = step_of(proposed("evict", hands, pod=[name], accept_downtime=True))
        other = msgspec.structs.replace(step.target, pin={"uid": "00000000-0000-0000-0000-000000000000"})
        skipped = applied("evict", hands, msgspec.structs.replace(step, target=other))
        assert (skipped.state, skipped.says) == ("skipped", "changed meanwhile: it is another pod of the same name")
    with hands_on(kube, namespace, act=kube.viewer) as hands:
        says = refused(proposed("evict", hands, pod=[name], accept_downtime=True))["dry-run"]
        assert "user viewer may not create eviction of pods" in says
        assert 'resources ["pods/eviction"], verbs ["create"]' in says
