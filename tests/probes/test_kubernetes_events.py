"""kubernetes.events, .nodes and .logs (K8-5, K8-6, K8-10): what was said, by whom, and how often."""

from __future__ import annotations

import time
from typing import Any

import pytest

from opsctl.lab import kube_status as status
from opsctl.lab.kube_failures import failure
from opsctl.lab.kube_objects import node, pod, stamp, template
from opsctl.probes.kubernetes_containers import of_pods
from opsctl.probes.kubernetes_event_list import Event, event_of, once
from opsctl.probes.kubernetes_events import concerns, liveness, readiness, values, volumes
from opsctl.probes.kubernetes_logs import chosen
from opsctl.probes.kubernetes_nodes import free, lost_row, pressure_row
from opsctl.probes.kubernetes_scope import Found
from opsctl.probes.kubernetes_states import Pods, pull_kind
from tests.probes.kubernetes_look import finding, look_at, run, states
from tests.servers.kube import Kube

PODS = template("orchestrator")


def one(state: dict[str, Any], number: int = 0) -> dict[str, Any]:
    return pod("shop", "orchestrator", PODS, number, state, "node-1")


def group(*states: dict[str, Any]) -> Pods:
    items = [one(state, number) for number, state in enumerate(states)]
    return Pods("Deployment orchestrator", "app=orchestrator", items, len(items), time.time(), 900.0, 30.0)


def said(about: dict[str, Any], reason: str, message: str, **how: Any) -> Event:
    return event_of(status.event(about, reason, message, **how))


def test_the_same_words_are_one_event_and_the_newest_comes_first() -> None:
    about = one(status.running(PODS))
    old = status.event(about, "Unhealthy", "a", count=3, ago=600)
    new = status.event(about, "Unhealthy", "a", count=2, ago=10)
    other = status.new_event(about, "FailedScheduling", "b", count=4, ago=60, source="default-scheduler")
    told = once(map(event_of, [old, other, new]))
    assert [(each.reason, each.times) for each in told] == [("Unhealthy", 5), ("FailedScheduling", 4)]
    assert told[0].last is not None
    assert told[0].first is not None
    assert (told[0].last - told[0].first).total_seconds() == 590
    assert told[1].source == "default-scheduler"  # its lastTimestamp is null: sorting by that alone would lose it
    assert time.time() - told[1].last.timestamp() < 70  # type: ignore[union-attr]


def test_the_newer_api_tells_the_same() -> None:
    new = {
        "regarding": {"kind": "Pod", "name": "api-1", "uid": "u"},
        "note": "no room",
        "reason": "FailedScheduling",
        "type": "Warning",
        "deprecatedCount": 3,
        "deprecatedLastTimestamp": stamp(5),
        "reportingController": "default-scheduler",
        "eventTime": None,
    }
    told = event_of(new)
    assert (told.subject, told.message, told.times, told.warning) == ("Pod api-1", "no room", 3, True)
    assert told.last is not None


@pytest.mark.parametrize(
    ("kind", "name", "ours"),
    [
        ("Deployment", "api", True),
        ("Deployment", "api-v2", False),
        ("ReplicaSet", "api-7f9c", True),
        ("ReplicaSet", "api-v2-7f9c", False),
        ("Pod", "api-7f9c-x2k4p", True),
        ("Pod", "api-v2-7f9c-x2k4p", False),
        ("HorizontalPodAutoscaler", "api", True),
        ("Node", "api", False),
    ],
)
def test_whose_event_it_is(kind: str, name: str, ours: bool) -> None:
    found = Found("Deployment", "api", {"metadata": {}}, "app=api", "path")
    assert concerns(event_of({"involvedObject": {"kind": kind, "name": name}}), found, []) is ours


def test_readiness_fails_in_the_kubelets_words_or_without_any() -> None:
    pods = group(status.running(PODS, since=400, ready=False))
    words = "Readiness probe failed: connection refused"
    row = readiness(pods, [said(pods.active[0], "Unhealthy", words, count=9, ago=5)])
    assert row.state == "breach"
    assert row.says.startswith("1 of 1 pods of Deployment orchestrator runs and is not ready, for 6m")
    assert f"s: {words} (9 times, last at " in row.says
    assert "no event tells why (the API server keeps events for an hour" in readiness(pods, []).says
    gone = [said(pods.active[0], "NodeNotReady", "Node is not ready")]
    assert readiness(pods, gone).state == "ok"
    assert readiness(group(status.crashing(PODS)), []).state == "ok"
    assert readiness(group(status.running(PODS, since=5, ready=False)), []).state == "ok"


def test_a_probe_that_failed_once_restarts_nobody() -> None:
    calm = group(status.running(PODS))
    words = "Liveness probe failed: HTTP probe failed with statuscode: 500"
    failed = said(calm.active[0], "Unhealthy", words)
    assert liveness(calm, [failed]).state == "ok"
    killed = said(calm.active[0], "Killing", "Container orchestrator failed liveness probe, will be restarted")
    row = liveness(calm, [failed, killed])
    assert row.state == "breach"
    assert f"because a probe does not pass: {words} (once" in row.says


def test_a_volume_that_is_not_mounted_matters_while_a_pod_waits_for_it() -> None:
    waiting = group(status.waiting(PODS, "ContainerCreating"))
    words = 'MountVolume.SetUp failed for volume "data": rpc error'
    assert volumes(waiting, [said(waiting.active[0], "FailedMount", words, count=4)]).says.count(words) == 1
    ready = group(status.running(PODS))
    assert volumes(ready, [said(ready.active[0], "FailedMount", words)]).state == "ok"


def test_no_event_proves_nothing() -> None:
    assert "proves nothing: the API server keeps events for an hour" in values([], 0.0)[0].note
    many = [said(one(status.running(PODS)), "Unhealthy", str(number)) for number in range(20)]
    assert (values(many, time.time())[-1].name, values(many, time.time())[-1].value) == ("older events", 8)


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("manifest for a:1 not found: manifest unknown", "the name or tag does not exist"),
        ("pull access denied, repository does not exist or may require authorization", "credentials"),
        ("failed to authorize: 401 Unauthorized", "credentials"),
        ('Get "https://r.test/v2/": dial tcp: lookup r.test: no such host', "no registry answers"),
        ("dial tcp 10.0.0.1:443: i/o timeout", "no registry answers"),
        ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "certificate"),
        ("429 Too Many Requests - toomanyrequests: You have reached your pull rate limit", "how often"),
        ("", ""),
    ],
)
def test_what_a_registry_means(words: str, meaning: str) -> None:
    told = pull_kind(words)
    assert meaning in told
    assert bool(told) == bool(meaning)


def test_nodes_that_are_gone_or_short_of_something() -> None:
    lost, short = node("a", lost=90), node("b")
    short["status"]["conditions"][0].update(status="True", message="kubelet has insufficient memory available")
    carried = {"a": ["Deployment api", "Deployment api"], "b": ["Deployment worker"]}
    row = lost_row([lost, short], carried, time.time())
    assert row.says.startswith("node a is not ready for 1m")
    assert row.says.endswith("s (Kubelet stopped posting node status.), with 2 pods of Deployment api")
    assert lost_row([short], carried, time.time()).state == "ok"
    assert "node b has MemoryPressure (kubelet has insufficient memory" in pressure_row([lost, short], carried).says


def test_what_a_node_can_still_give() -> None:
    first = pod("shop", "orchestrator", PODS, 0, {}, "a")
    first["spec"]["initContainers"] = [{"resources": {"requests": {"cpu": "2"}}}]  # more than its container asks
    assert free(node("a"), [first, pod("shop", "orchestrator", PODS, 1, {}, "a")]) == (
        "cpu 1.9 of 4 CPUs free, memory 7.75 of 8 GiB free"
    )


def test_logs_of_those_that_ended_come_before_those_that_only_are_not_ready() -> None:
    items = [one(status.running(PODS, ready=False), 0), one(status.crashing(PODS), 1), one(status.running(PODS), 2)]
    containers = list(of_pods(items))
    assert [each.restarts for each in chosen(containers, time.time(), 900.0)] == [7, 0]


def test_real_events_nodes_and_logs(kube: Kube) -> None:
    """The scheduler's own event, the simulated node, and a previous log through the API server."""
    namespace = kube.namespace()
    kube.deploy(namespace, behaviour="crashloop")
    kube.deploy(namespace, "big", requests={"cpu": "1000"})
    kube.pods(namespace, lambda pods: "CrashLoopBackOff" in str(pods) and "Unschedulable" in str(pods))
    events = f"api/v1/namespaces/{namespace}/events"
    kube.wait(events, lambda found: any(each["reason"] == "FailedScheduling" for each in found["items"]))

    both = look_at(kube.admin, namespace)
    both.profile.kubernetes.workloads["big"] = type(both.profile.kubernetes.workloads["api"])(name="big")  # type: ignore[union-attr]
    seen = run("kubernetes.events", both)
    assert set(states(seen).values()) == {"ok"}
    told = {value.labels["reason"]: str(value.value) for each in seen.evidence for value in each.values if value.labels}
    assert "Insufficient cpu" in told["FailedScheduling"]
    assert told["ScalingReplicaSet"].startswith("Scaled up replica set")

    seen = run("kubernetes.nodes", both)
    assert states(seen) == {"node-lost": "ok", "node-pressure": "ok"}
    nodes = seen.evidence[0].values
    assert (nodes[0].value, nodes[0].labels) == ("ready", {"node": "node-1"})
    assert "1 pod of Deployment api; cpu 6" in nodes[0].note

    log = run("kubernetes.logs", look_at(kube.admin, namespace)).evidence[0]
    assert "before its last restart" in log.subject
    assert log.query.endswith("&previous=true")
    lines = [str(value.value) for value in log.values]
    assert lines[0].startswith("exit code 1")
    assert lines[-1].endswith("KeyError: 'QUEUE_URL'")


def test_without_the_right_to_see_nodes_an_event_tells_of_a_lost_one(kube: Kube) -> None:
    namespace = kube.namespace()
    kube.deploy(namespace, "api")
    found = kube.pods(namespace, bool)[0]
    lost = next(each for each in failure("node-lost", namespace) if each["kind"] == "Event")
    lost["involvedObject"] = {"kind": "Pod", "namespace": namespace, "name": found["metadata"]["name"]}
    kube.call("POST", f"api/v1/namespaces/{namespace}/events", lost)
    rules = [{"apiGroups": ["", "apps"], "resources": ["pods", "events", "deployments"], "verbs": ["get", "list"]}]
    rbac = f"apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    kube.call("POST", f"{rbac}/roles", {"metadata": {"name": "look"}, "rules": rules})
    subject = {"kind": "User", "name": "viewer", "apiGroup": "rbac.authorization.k8s.io"}
    role = {"kind": "Role", "name": "look", "apiGroup": "rbac.authorization.k8s.io"}
    kube.call("POST", f"{rbac}/rolebindings", {"metadata": {"name": "look"}, "subjects": [subject], "roleRef": role})
    seen = run("kubernetes.nodes", look_at(kube.viewer, namespace))
    assert states(seen) == {"node-lost": "breach", "node-pressure": "unknown"}
    assert finding(seen, "node-lost").says.startswith("the node of 1 pod of Deployment api is not ready, by an event")
