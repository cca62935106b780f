"""kubernetes.quarantine-pod on a real control plane: out of service, still there, replaced; and back."""

from __future__ import annotations

from typing import Any

from opsctl.actions.kubernetes_quarantine import VALUE
from tests.actions.kubernetes_acting import applied, hands_on, proposed, refused, step_of, undone, verified
from tests.actions.test_kubernetes_evict import pods_of
from tests.servers.kube import Kube
from tests.servers.kube_objects import deployment, template


def service(kube: Kube, namespace: str, selector: dict[str, str], name: str = "api") -> str:
    body: dict[str, Any] = {"metadata": {"name": name}, "spec": {"selector": selector, "ports": [{"port": 80}]}}
    kube.call("POST", f"api/v1/namespaces/{namespace}/services", body)
    return f"api/v1/namespaces/{namespace}/endpoints/{name}"


def sent_to(endpoints: dict[str, Any]) -> set[str]:
    return {
        address["targetRef"]["name"]
        for subset in endpoints.get("subsets") or ()
        for address in subset.get("addresses") or ()
    }


def test_the_service_drops_it_another_takes_its_place_and_it_runs_on_with_its_evidence(kube: Kube) -> None:
    namespace = kube.namespace("quarantine")
    kube.rolled_out(kube.deploy(namespace, replicas=2))
    endpoints = service(kube, namespace, {"app": "api"})
    name = pods_of(kube, namespace, 2)[0]["metadata"]["name"]
    path = f"api/v1/namespaces/{namespace}/pods/{name}"
    kube.wait(endpoints, lambda found: name in sent_to(found) and len(sent_to(found)) == 2)
    before = kube.call("GET", path)["metadata"]
    with hands_on(kube, namespace) as hands:
        plan = proposed("quarantine-pod", hands, pod=name)
        step = step_of(plan)
        assert kube.call("GET", path)["metadata"]["labels"] == before["labels"]
        assert step.shows == (f"label app: api -> {VALUE}",)
        assert "perhaps this one" in plan.undo
        did = applied("quarantine-pod", hands, step)
        assert (did.state, did.inverse) == ("acted", {"label": "app", "value": "api"})
        kept = did.after["evidence"]["pods"][0]
        assert (kept["pod"], kept["uid"]) == (name, before["uid"])
        assert kept["logs"]["main"]
        told = verified("quarantine-pod", hands, plan)
        assert told.ok, told.says
        kube.wait(endpoints, lambda found: name not in sent_to(found) and len(sent_to(found)) == 2)
        assert kube.call("GET", path)["metadata"]["uid"] == before["uid"], "it runs on"
        assert applied("quarantine-pod", hands, step).says == f"changed meanwhile: label api, now {VALUE}"

        back = undone("quarantine-pod", hands, step, did)
        assert back.state == "acted"
        # Its ReplicaSet takes it back and ends one of the three, perhaps this one.
        left = pods_of(kube, namespace, 2)
        same = [pod for pod in left if pod["metadata"]["uid"] == before["uid"]]
        assert [pod["metadata"]["labels"] for pod in same] in ([], [before["labels"]])
        assert all(pod["metadata"]["labels"]["app"] == "api" for pod in left)


def test_what_would_not_be_let_go_of_is_refused(kube: Kube) -> None:
    namespace = kube.namespace("quarantine")
    kube.rolled_out(kube.deploy(namespace, replicas=1))
    name = pods_of(kube, namespace, 1)[0]["metadata"]["name"]
    body = deployment("db", template("db"), serviceName="db")
    body["spec"].pop("progressDeadlineSeconds")
    kube.call("POST", f"apis/apps/v1/namespaces/{namespace}/statefulsets", body)
    kube.wait(f"api/v1/namespaces/{namespace}/pods/db-0", lambda pod: pod["status"]["phase"] == "Running")
    with hands_on(kube, namespace) as hands:
        only = proposed("quarantine-pod", hands, pod=name)
        assert refused(only) == {"no-downtime": "0 of 1 replicas go on serving meanwhile --accept-downtime"}
        service(kube, namespace, {"pod-template-hash": name.split("-")[1]}, "deaf")
        (deaf,) = proposed("quarantine-pod", hands, pod=name).excluded
        assert deaf.why == "Service deaf selects by none of the labels app: it would go on sending to the pod"
        (bound,) = proposed("quarantine-pod", hands, pod="db-0").excluded
        assert bound.why == "a pod of a StatefulSet is not quarantined: its replacement would need the same name"
        assert bound.refused
