"""Threads' namespace in good order, and with one thing wrong: what a real cluster would hold in each case.

``healthy(namespace)`` and ``failure(name, namespace)`` give the whole namespace as a list of objects;
``kube_writer.Writer.apply`` makes it so, and heals by writing the healthy ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from opsctl.lab import kube_objects as make
from opsctl.lab import kube_status as status
from opsctl.lab.kube_objects import NEW_TAG, REGISTRY, REPLICAS, Object

ILL = "orchestrator"  # the workload that falls ill
PodStatuses = Sequence[Object]


def healthy(namespace: str, *, kubelet_port: int = 0) -> list[Object]:
    """Everything in order. ``kubelet_port``: where on this host the nodes' kubelet gives logs; 0 = there is none."""
    return _reachable(_all(namespace, {}), kubelet_port)


def failure(name: str, namespace: str, *, kubelet_port: int = 0) -> list[Object]:
    """The namespace with that failure (a key of FAILURES). Raises KeyError."""
    return _reachable(FAILURES[name][1](namespace), kubelet_port)


def _reachable(objects: list[Object], port: int) -> list[Object]:
    for each in objects:
        if each["kind"] == "Node" and port:
            each["status"]["addresses"] = [{"type": "InternalIP", "address": "127.0.0.1"}]
            each["status"]["daemonEndpoints"] = {"kubeletEndpoint": {"Port": port}}
    return objects


def _all(namespace: str, instead: Mapping[str, list[Object]], *more: Object, lost: float = 0.0) -> list[Object]:
    """Every workload healthy but those given ``instead``; ``more``: further objects; ``lost``: of the second node."""
    first, second = make.node_names(namespace)
    objects = [make.node(first), make.node(second, lost=lost), *make.rest(namespace)]
    for name in REPLICAS:
        objects += instead.get(name) or _workload(namespace, name)
    return [*objects, *more]


def _workload(namespace: str, name: str) -> list[Object]:
    pods = make.template(name)
    count = REPLICAS[name]
    return _standing(namespace, name, pods, [status.running(pods)] * count, available=count)


def _standing(
    namespace: str,
    name: str,
    pods: Object,
    states: PodStatuses,
    *,
    available: int,
    progressing: str = "NewReplicaSetAvailable",
    since: float = 86400.0,
    selector: Mapping[str, str] | None = None,
    before: Object | None = None,
    kept: int = 0,
    placed: bool = True,
) -> list[Object]:
    """A Deployment with one pod per status. ``before``: its older template, of which ``kept`` pods still run."""
    count = REPLICAS[name]
    nodes = make.node_names(namespace)
    up = make.conditions(available >= max(1, count - 1), progressing, since)
    total = len(states) + kept
    told = make.counts(count, available, updated=len(states), total=total) | {"conditions": up}
    objects = [make.deployment(namespace, name, pods, count, told)]
    standing: list[Object] = []
    if before is not None:
        objects.append(make.replica_set(namespace, name, before, 1, kept, kept))
        standing += [make.pod(namespace, name, before, n, status.running(before), nodes[n % 2]) for n in range(kept)]
    ready = available - kept
    objects.append(make.replica_set(namespace, name, pods, 2 if before else 1, len(states), ready))
    spread = 1 if name == "persona-runtime" else 0  # its only pod lies on the second node
    for number, state in enumerate(states):
        on = nodes[(number + spread) % 2] if placed else ""
        standing.append(make.pod(namespace, name, pods, number, state, on))
    matched = [] if selector else standing
    return [
        *objects,
        *standing,
        make.service(namespace, name, selector),
        *make.endpoints(namespace, name, [each for each in matched if "nodeName" in each["spec"]]),
    ]


def _pods(objects: Sequence[Object]) -> list[Object]:
    return [each for each in objects if each["kind"] == "Pod"]


def _new(**how: str) -> tuple[Object, Object]:
    """The template that ran before, and the one that is being rolled out."""
    return make.template(ILL), make.template(ILL, image=how.pop("image", f"{REGISTRY}/{ILL}:{NEW_TAG}"), **how)


def _crash_loop(namespace: str) -> list[Object]:
    old, new = _new()
    states = [status.crashing(new), status.crashing(new, restarts=6, ago=90)]
    objects = _standing(
        namespace, ILL, new, states, available=0, before=old, progressing="ReplicaSetUpdated", since=400
    )
    says = "Back-off restarting failed container"
    events = [status.event(each, "BackOff", says, count=31, lasted=400) for each in _pods(objects)]
    return _all(namespace, {ILL: objects}, *events)


def _oom_killed(namespace: str) -> list[Object]:
    pods = make.template(ILL)
    killed = status.ended(137, "OOMKilled", ago=200)
    states = [
        status.crashing(pods, exit_code=137, reason="OOMKilled", restarts=9),
        status.running(pods, since=199, restarts=8, last=killed),
    ]
    objects = _standing(namespace, ILL, pods, states, available=1, since=600)
    says = "Back-off restarting failed container"
    return _all(namespace, {ILL: objects}, status.event(_pods(objects)[0], "BackOff", says, count=20, lasted=900))


def _image_pull(namespace: str) -> list[Object]:
    image = f"{REGISTRY}/{ILL}:2.4.l"  # an l for a 1
    old, new = _new(image=image)
    states = [status.waiting(new, "ImagePullBackOff", f'Back-off pulling image "{image}"')]
    objects = _standing(
        namespace, ILL, new, states, available=1, before=old, kept=1, progressing="ReplicaSetUpdated", since=300
    )
    pulled = _pods(objects)[-1]
    says = (
        f'Failed to pull image "{image}": rpc error: code = NotFound desc = failed to pull and unpack image "{image}": '
        f'failed to resolve reference "{image}": {image}: not found'
    )
    events = [
        status.event(pulled, "Failed", says, count=5, lasted=280, ago=40),
        status.event(pulled, "Failed", "Error: ErrImagePull", count=5, lasted=280, ago=40),
        status.event(pulled, "Failed", "Error: ImagePullBackOff", count=12, lasted=280, ago=15),
    ]
    return _all(namespace, {ILL: objects}, *events)


def _unready(namespace: str) -> list[Object]:
    pods = make.template(ILL)
    states = [status.running(pods, since=420, ready=False)] * 2
    objects = _standing(namespace, ILL, pods, states, available=0, since=420)
    says = "Readiness probe failed: HTTP probe failed with statuscode: 503"
    events = [status.event(each, "Unhealthy", says, count=42, lasted=410, ago=5) for each in _pods(objects)]
    return _all(namespace, {ILL: objects}, *events)


def _liveness(namespace: str) -> list[Object]:
    pods = make.template(ILL)
    states = [
        status.crashing(pods, exit_code=137, restarts=9, ago=30),
        status.running(pods, since=25, ready=False, restarts=9, last=status.ended(137, "Error", ago=26)),
    ]
    objects = _standing(namespace, ILL, pods, states, available=0, since=600)
    failed = (
        'Liveness probe failed: Get "http://10.42.0.80:8080/health": context deadline exceeded '
        "(Client.Timeout exceeded while awaiting headers)"
    )
    killed = f"Container {ILL} failed liveness probe, will be restarted"
    events = []
    for each in _pods(objects):
        events.append(status.event(each, "Unhealthy", failed, count=27, lasted=900, ago=32))
        events.append(status.event(each, "Killing", killed, count=9, lasted=900, ago=31))
    return _all(namespace, {ILL: objects}, *events)


def _unschedulable(namespace: str) -> list[Object]:
    old, new = _new(memory="64Gi")
    new["spec"]["containers"][0]["resources"]["requests"]["memory"] = "64Gi"
    says = "0/2 nodes are available: 2 Insufficient memory."
    objects = _standing(
        namespace,
        ILL,
        new,
        [status.unplaced(says)] * 2,
        available=0,
        before=old,
        progressing="ReplicaSetUpdated",
        since=300,
        placed=False,
    )
    scheduler = "default-scheduler"
    events = [status.new_event(each, "FailedScheduling", says, count=5, source=scheduler) for each in _pods(objects)]
    return _all(namespace, {ILL: objects}, *events)


def _stuck(namespace: str) -> list[Object]:
    old, new = _new()
    states = [status.waiting(new, "ContainerCreating", since=720)]
    late = "ProgressDeadlineExceeded"
    objects = _standing(namespace, ILL, new, states, available=1, before=old, kept=1, progressing=late, since=120)
    return _all(namespace, {ILL: objects})


def _paused(namespace: str) -> list[Object]:
    """Strategy Recreate: the old pods were ended, and the pause came before the new ones were made."""
    old, new = _new()
    objects = _standing(namespace, ILL, new, [], available=0, before=old, progressing="DeploymentPaused", since=500)
    kept = [
        each for each in objects if each["kind"] != "ReplicaSet" or each["metadata"]["name"].endswith(make.hash_of(old))
    ]
    kept[0]["spec"] |= {"paused": True, "strategy": {"type": "Recreate"}}
    return _all(namespace, {ILL: kept})


def _scaled_to_zero(namespace: str) -> list[Object]:
    pods = make.template(ILL)
    objects = _standing(namespace, ILL, pods, [], available=0, since=900)
    objects[0]["spec"]["replicas"] = 0
    objects[0]["status"] = {"observedGeneration": 1, "conditions": make.conditions(True, since=900)}
    objects[0]["@manager"] = "kubectl-scale"
    return _all(namespace, {ILL: objects})


def _no_endpoints(namespace: str) -> list[Object]:
    pods = make.template(ILL)
    states = [status.running(pods)] * 2
    return _all(
        namespace, {ILL: _standing(namespace, ILL, pods, states, available=2, selector={"app": "orchestrater"})}
    )


def _missing_config(namespace: str) -> list[Object]:
    settings = f"{make.SETTINGS}-v2"
    old, new = _new(settings=settings)
    says = f'configmap "{settings}" not found'
    states = [status.waiting(new, "CreateContainerConfigError", says)]
    objects = _standing(
        namespace, ILL, new, states, available=1, before=old, kept=1, progressing="ReplicaSetUpdated", since=300
    )
    failed = status.event(_pods(objects)[-1], "Failed", f"Error: {says}", count=24, lasted=290, ago=8)
    return _all(namespace, {ILL: objects}, failed)


def _quota_full(namespace: str) -> list[Object]:
    old, new = _new()
    objects = _standing(
        namespace, ILL, new, [], available=1, before=old, kept=1, progressing="ReplicaSetUpdated", since=300
    )
    name = objects[2]["metadata"]["name"]
    says = f'pods "{name}-x7k2p" is forbidden: exceeded quota: team, requested: pods=1, used: pods=6, limited: pods=6'
    at = make.stamp(300)
    refused = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": says}
    objects[0]["status"]["conditions"].append({**refused, "lastTransitionTime": at, "lastUpdateTime": at})
    objects[2]["status"]["conditions"] = [{**refused, "lastTransitionTime": at}]
    objects[2]["spec"]["replicas"] = 1
    failed = status.event(
        objects[2], "FailedCreate", f"Error creating: {says}", count=16, lasted=280, source="replicaset-controller"
    )
    bounds = {"hard": {"pods": "6"}}
    quota = make.object_(
        "v1", "ResourceQuota", namespace, "team", spec=bounds, status={**bounds, "used": {"pods": "6"}}
    )
    return _all(namespace, {ILL: objects}, failed, quota)


def _hpa_at_max(namespace: str) -> list[Object]:
    ready = "recommended size matches current size"
    valid = "the HPA was able to successfully calculate a replica count from cpu resource utilization"
    more = "the desired replica count is more than the maximum replica count"
    told = (
        ("AbleToScale", "ReadyForNewScale", ready),
        ("ScalingActive", "ValidMetricFound", valid),
        ("ScalingLimited", "TooManyReplicas", more),
    )
    states = [{"type": kind, "status": "True", "reason": reason, "message": says} for kind, reason, says in told]
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": ILL}
    scaler = make.object_(
        "autoscaling/v1",
        "HorizontalPodAutoscaler",
        namespace,
        ILL,
        metadata={"annotations": {"autoscaling.alpha.kubernetes.io/conditions": json.dumps(states)}},
        spec={"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 2, "targetCPUUtilizationPercentage": 60},
        status={"currentReplicas": 2, "desiredReplicas": 2, "currentCPUUtilizationPercentage": 187},
    )
    return _all(namespace, {}, scaler)


def _node_lost(namespace: str) -> list[Object]:
    """The second node is gone: with it one of the orchestrator's pods, one worker and the only persona runtime."""
    instead = {}
    events = []
    for name in (ILL, "celery-worker", "persona-runtime"):
        pods = make.template(name)
        count = REPLICAS[name]
        states = [*[status.running(pods)] * (count - 1), status.on_lost_node(pods, lost=150)]
        instead[name] = _standing(namespace, name, pods, states, available=count - 1, since=150)
        gone = _pods(instead[name])[-1]
        events.append(status.event(gone, "NodeNotReady", "Node is not ready", ago=150, source="node-controller"))
    return _all(namespace, instead, *events, lost=150)


def _starting(namespace: str) -> list[Object]:
    old, new = _new()
    states = [status.waiting(new, "ContainerCreating", since=4)] * 2
    objects = _standing(namespace, ILL, new, states, available=0, before=old, progressing="ReplicaSetUpdated", since=4)
    return _all(namespace, {ILL: objects})


FAILURES: dict[str, tuple[str, Callable[[str], list[Object]]]] = {  # cause id of service-down -> what is done, objects
    "crash-loop": ("the new version of the orchestrator ends with an error as soon as it starts", _crash_loop),
    "oom-killed": ("the orchestrator needs more memory than its limit", _oom_killed),
    "image-pull": ("the orchestrator is rolled out with an image that does not exist", _image_pull),
    "unschedulable": ("the orchestrator asks for more memory than any node has", _unschedulable),
    "probe-failing": ("the orchestrator's readiness probe answers 503", _unready),
    "liveness-failing": ("the orchestrator hangs and its liveness probe restarts it", _liveness),
    "node-lost": ("a node is gone, with the persona runtime and half of the orchestrator", _node_lost),
    "rollout-stuck": ("the rollout of the orchestrator makes no progress", _stuck),
    "rollout-paused": ("the rollout of the orchestrator is paused half-way", _paused),
    "no-endpoints": ("the orchestrator's Service selects a label that no pod has", _no_endpoints),
    "missing-config": ("the orchestrator is rolled out with a ConfigMap that does not exist", _missing_config),
    "quota-full": ("a resource quota refuses the orchestrator's new pods", _quota_full),
    "hpa-at-max": ("the orchestrator's autoscaler wants more replicas than it may have", _hpa_at_max),
    "scaled-to-zero": ("somebody scales the orchestrator to zero", _scaled_to_zero),
    "starting": ("the orchestrator is just starting", _starting),
}
