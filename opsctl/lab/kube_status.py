"""Statuses of pods and the events beside them, word for word as kubelets and schedulers write them."""

from __future__ import annotations

import hashlib
from typing import Any

from opsctl.lab.kube_objects import Object, object_, stamp

DAY = 86400.0


def running(
    pods: Object, *, since: float = DAY, ready: bool = True, restarts: int = 0, last: Object | None = None
) -> Object:
    """A pod whose container runs. ``since``: seconds; ``last``: its last termination."""
    container = _container(pods, {"running": {"startedAt": stamp(since)}}, ready, restarts, last)
    return _status("Running", [container], ready=ready, since=since)


def crashing(
    pods: Object, *, exit_code: int = 1, reason: str = "Error", restarts: int = 7, ago: float = 60.0
) -> Object:
    """A pod in CrashLoopBackOff; its container ended ``ago`` seconds ago."""
    name = pods["spec"]["containers"][0]["name"]
    words = f"back-off 5m0s restarting failed container={name} pod={name}"
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": words}}
    container = _container(pods, waiting, False, restarts, ended(exit_code, reason, ago=ago))
    return _status("Running", [container], ready=False, since=ago + 300)


def waiting(pods: Object, reason: str, message: str = "", *, since: float = 300.0) -> Object:
    """A pod whose container has not begun."""
    told = {"reason": reason} | ({"message": message} if message else {})
    return _status("Pending", [_container(pods, {"waiting": told}, False, 0, None)], ready=False, since=since)


def unplaced(message: str, *, since: float = 300.0) -> Object:
    """A pod that no node takes."""
    placed = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"phase": "Pending", "conditions": [{**placed, "lastTransitionTime": stamp(since)}]}


def on_lost_node(pods: Object, *, lost: float) -> Object:
    """A pod whose node is gone: its containers are told as they were last seen, and it is not ready any more."""
    status = running(pods)
    for each in status["conditions"]:
        if each["type"] == "Ready":
            each.update(status="False", lastTransitionTime=stamp(lost))
    return status


def ended(exit_code: int, reason: str, *, ago: float, lasted: float = 20.0) -> Object:
    """A termination."""
    return {
        "exitCode": exit_code,
        "reason": reason,
        "startedAt": stamp(ago + lasted),
        "finishedAt": stamp(ago),
        "containerID": "containerd://" + "0" * 64,
    }


def event(
    about: Object,
    reason: str,
    message: str,
    *,
    count: int = 1,
    ago: float = 20.0,
    lasted: float = 0.0,
    source: str = "kubelet",
) -> Object:
    """A Warning about an object, as the old API keeps it: counted; the last one ``ago`` seconds ago."""
    first, last = stamp(ago + lasted), stamp(ago)
    rest = {"firstTimestamp": first, "lastTimestamp": last, "count": count}
    host = about["spec"].get("nodeName", "") if about["kind"] == "Pod" else ""
    origin = {"component": source} | ({"host": host} if host else {})
    return _event(about, reason, message, source=origin, **rest)


def new_event(about: Object, reason: str, message: str, *, count: int = 1, ago: float = 20.0, source: str) -> Object:
    """A Warning in the new form: eventTime and a series, and no lastTimestamp."""
    rest: Object = {
        "eventTime": stamp(ago + 60 * (count - 1)).replace("Z", ".000000Z"),
        "reportingComponent": source,
        "reportingInstance": f"{source}-0",
        "action": "Scheduling",
    }
    if count > 1:
        rest["series"] = {"count": count, "lastObservedTime": stamp(ago).replace("Z", ".000000Z")}
    return _event(about, reason, message, **rest)


def _event(about: Object, reason: str, message: str, **rest: Any) -> Object:
    meta = about["metadata"]
    involved = {
        "kind": about["kind"],
        "name": meta["name"],
        "namespace": meta["namespace"],
        "uid": f"@{about['kind']}/{meta['name']}",
        "apiVersion": about["apiVersion"],
    }
    if about["kind"] == "Pod":
        involved["fieldPath"] = f"spec.containers{{{about['spec']['containers'][0]['name']}}}"
    mark = hashlib.sha256(f"{reason}{message}".encode()).hexdigest()[:16]
    return object_(
        "v1",
        "Event",
        meta["namespace"],
        f"{meta['name']}.{mark}",
        involvedObject=involved,
        reason=reason,
        message=message,
        type="Warning",
        **rest,
    )


def _container(pods: Object, state: Object, ready: bool, restarts: int, last: Object | None) -> Object:
    spec = pods["spec"]["containers"][0]
    return {
        "name": spec["name"],
        "image": spec["image"],
        "imageID": "" if "waiting" in state and last is None else f"{spec['image']}@sha256:{'0' * 64}",
        "ready": ready,
        "started": "running" in state,
        "restartCount": restarts,
        "state": state,
        "lastState": {"terminated": last} if last else {},
    }


def _status(phase: str, containers: list[Object], *, ready: bool, since: float) -> Object:
    truth, name = str(ready), containers[0]["name"]
    says = f"containers with unready status: [{name}]"
    why: Object = {} if ready else {"reason": "ContainersNotReady", "message": says}
    at = stamp(since)
    return {
        "phase": phase,
        "startTime": at,
        "conditions": [
            {"type": "Initialized", "status": "True", "lastTransitionTime": at},
            {"type": "Ready", "status": truth, "lastTransitionTime": at, **why},
            {"type": "ContainersReady", "status": truth, "lastTransitionTime": at, **why},
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": at},
        ],
        "containerStatuses": containers,
    }
