"""Threads' workloads as they stand on a Kubernetes API server, each object in the shape its controller gives it.

There is no kubelet behind the lab's API server, and no controller needs to run: Deployments come with the ReplicaSets,
pods, endpoints, events and statuses that the controllers and kubelets of a real cluster would have written.
``kube_failures`` gives the same objects with one thing wrong; ``kube_writer`` writes them.

An object may hold ``"uid": "@Kind/name"`` (the writer puts the uid in) and ``"@manager"`` (who is said to write it).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

Object = dict[str, Any]

REGISTRY = "registry.test/threads"
TAG, NEW_TAG = "2.4.0", "2.4.1"
REPLICAS = {"orchestrator": 2, "celery-worker": 2, "persona-runtime": 1, "postgres": 1, "rabbitmq": 1}
PORTS = {"orchestrator": 8080, "celery-worker": 9540, "persona-runtime": 8080, "postgres": 5432, "rabbitmq": 5672}
PROBED = ("orchestrator", "persona-runtime")  # those that answer a health check
SETTINGS = "orchestrator-settings"
ACCOUNT = "default"


def stamp(seconds_ago: float = 0.0) -> str:
    """A time before now, as the API writes times."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds_ago))


def node_names(namespace: str) -> tuple[str, str]:
    """The two nodes of a namespace: each has its own, so that one may be lost without the others noticing."""
    return f"{namespace}-node-1", f"{namespace}-node-2"


def template(name: str, *, image: str = "", memory: str = "256Mi", settings: str = "") -> Object:
    """The pod template of a workload."""
    container: Object = {
        "name": name,
        "image": image or f"{REGISTRY}/{name}:{TAG}",
        "ports": [{"name": "http", "containerPort": PORTS[name]}],
        "env": [{"name": "LOG_LEVEL", "value": "info"}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": memory}},
    }
    if name in PROBED:
        check = {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 10, "failureThreshold": 3}
        container |= {"readinessProbe": check, "livenessProbe": {**check, "initialDelaySeconds": 15}}
    if name == "orchestrator":
        container["envFrom"] = [{"configMapRef": {"name": settings or SETTINGS}}]
        container["env"].append(
            {"name": "OPENAI_API_KEY", "valueFrom": {"secretKeyRef": {"name": "openai", "key": "api-key"}}}
        )
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}


def hash_of(pods: Mapping[str, Any]) -> str:
    """What stands in the names of a template's ReplicaSet and pods."""
    return hashlib.sha256(json.dumps(pods, sort_keys=True).encode()).hexdigest()[:9]


def object_(version: str, kind: str, namespace: str, name: str, **rest: Any) -> Object:
    """One object; ``namespace`` "" for those of the whole cluster."""
    meta = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": version, "kind": kind, "metadata": {**meta, **rest.pop("metadata", {})}, **rest}


def deployment(namespace: str, name: str, pods: Object, replicas: int, status: Object, **spec: Any) -> Object:
    """A Deployment. ``status``: its counts and conditions."""
    whole = {
        "replicas": replicas,
        "progressDeadlineSeconds": 600,
        "selector": {"matchLabels": {"app": name}},
        "template": pods,
        **spec,
    }
    return object_(
        "apps/v1",
        "Deployment",
        namespace,
        name,
        metadata={"labels": {"app": name}},
        spec=whole,
        status={"observedGeneration": 1, **status},
    )


def counts(wanted: int, available: int, *, updated: int | None = None, total: int | None = None) -> Object:
    """The replica counts of a Deployment's status; what is zero is left out, as the controller does."""
    total = wanted if total is None else total
    told = {
        "replicas": total,
        "updatedReplicas": wanted if updated is None else updated,
        "readyReplicas": available,
        "availableReplicas": available,
        "unavailableReplicas": max(0, total - available),
    }
    return {key: value for key, value in told.items() if value}


def conditions(available: bool, progressing: str = "NewReplicaSetAvailable", since: float = 86400.0) -> list[Object]:
    """The conditions of a Deployment; ``since``: seconds ago that the last one changed."""
    at, words = stamp(since), "Deployment does not have minimum availability."
    deadline = progressing == "ProgressDeadlineExceeded"
    truth = "Unknown" if progressing.startswith("DeploymentPaused") else str(not deadline)
    return [
        {
            "type": "Available",
            "status": str(available),
            "reason": "MinimumReplicasAvailable" if available else "MinimumReplicasUnavailable",
            "message": "Deployment has minimum availability." if available else words,
            "lastTransitionTime": at,
            "lastUpdateTime": at,
        },
        {
            "type": "Progressing",
            "status": truth,
            "reason": progressing,
            "lastTransitionTime": at,
            "lastUpdateTime": at,
        },
    ]


def replica_set(namespace: str, name: str, pods: Object, revision: int, replicas: int, ready: int) -> Object:
    """The ReplicaSet of one template of Deployment ``name``."""
    mark = hash_of(pods)
    labels = {"app": name, "pod-template-hash": mark}
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": f"@Deployment/{name}"}
    counted = {"replicas": replicas, "fullyLabeledReplicas": replicas, "readyReplicas": ready}
    return object_(
        "apps/v1",
        "ReplicaSet",
        namespace,
        f"{name}-{mark}",
        metadata={
            "labels": labels,
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
        },
        spec={
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {**pods, "metadata": {"labels": labels}},
        },
        status={"observedGeneration": 1, **counted, "availableReplicas": ready},
    )


def pod(namespace: str, name: str, pods: Object, number: int, status: Object, node: str = "") -> Object:
    """Pod ``number`` of a template's ReplicaSet; ``node`` "" when it has none."""
    mark = hash_of(pods)
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": f"{name}-{mark}",
        "uid": f"@ReplicaSet/{name}-{mark}",
    }
    suffix = hashlib.sha256(f"{mark}{number}".encode()).hexdigest()[:5]
    placed = {"nodeName": node} if node else {}
    return object_(
        "v1",
        "Pod",
        namespace,
        f"{name}-{mark}-{suffix}",
        metadata={
            "labels": {"app": name, "pod-template-hash": mark},
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
        },
        spec={**pods["spec"], **placed, "automountServiceAccountToken": False},
        status=status,
    )


def service(namespace: str, name: str, selector: Mapping[str, str] | None = None) -> Object:
    """The Service of a workload."""
    ports = [{"name": "http", "port": PORTS[name], "targetPort": "http"}]
    return object_("v1", "Service", namespace, name, spec={"selector": dict(selector or {"app": name}), "ports": ports})


def endpoints(namespace: str, name: str, pods: Sequence[Object]) -> list[Object]:
    """Endpoints and EndpointSlice of a Service; ``pods``: those that its selector matches."""
    port = PORTS[name]
    sides: dict[bool, list[Object]] = {True: [], False: []}
    slices = []
    for number, each in enumerate(pods):
        address = f"10.42.{number}.{port % 250}"
        target = {
            "kind": "Pod",
            "namespace": namespace,
            "name": each["metadata"]["name"],
            "uid": f"@Pod/{each['metadata']['name']}",
        }
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in each["status"].get("conditions", ()))
        sides[ready].append({"ip": address, "targetRef": target})
        slices.append({"addresses": [address], "conditions": {"ready": ready}, "targetRef": target})
    named = (("addresses", sides[True]), ("notReadyAddresses", sides[False]))
    subset = {key: addresses for key, addresses in named if addresses}
    subsets = [{**subset, "ports": [{"name": "http", "port": port}]}] if subset else []
    slice_ = object_(
        "discovery.k8s.io/v1beta1",
        "EndpointSlice",
        namespace,
        f"{name}-slice",
        metadata={"labels": {"kubernetes.io/service-name": name}},
        addressType="IPv4",
        endpoints=slices,
        ports=[{"name": "http", "port": port}],
    )
    return [object_("v1", "Endpoints", namespace, name, subsets=subsets), slice_]


def node(name: str, *, lost: float = 0.0) -> Object:
    """A node; ``lost``: seconds since its kubelet was last heard, 0 while it is there."""
    room = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    ready: Object = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastTransitionTime": stamp(864000)}
    taints = []
    if lost:
        says = "Kubelet stopped posting node status."
        ready |= {
            "status": "Unknown",
            "reason": "NodeStatusUnknown",
            "message": says,
            "lastTransitionTime": stamp(lost),
        }
        taints = [{"key": "node.kubernetes.io/unreachable", "effect": effect} for effect in ("NoSchedule", "NoExecute")]
    pressures = [
        {"type": kind, "status": "Unknown" if lost else "False", "lastTransitionTime": stamp(lost or 864000)}
        for kind in ("MemoryPressure", "DiskPressure", "PIDPressure")
    ]
    return object_(
        "v1",
        "Node",
        "",
        name,
        metadata={"labels": {"kubernetes.io/hostname": name}},
        spec={"taints": taints},
        status={"capacity": room, "allocatable": room, "conditions": [*pressures, ready]},
    )


def rest(namespace: str) -> list[Object]:
    """What every state of the namespace has: settings and keys."""
    return [
        object_("v1", "ConfigMap", namespace, SETTINGS, data={"QUEUE": "threads", "MODEL": "small"}),
        object_("v1", "Secret", namespace, "openai", stringData={"api-key": "not-a-key"}),
        object_("v1", "ServiceAccount", namespace, ACCOUNT),
    ]
