"""kubernetes.nodes (K8-10): are the nodes under the service's pods alive, and is there room for pods without one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from opsctl.clients.kube_reads import collection
from opsctl.durations import format_duration
from opsctl.errors import CouldNotLook
from opsctl.model import Evidence, Seen, Value
from opsctl.probes.kubernetes_event_list import events_of
from opsctl.probes.kubernetes_json import condition, moment, part, parts, text
from opsctl.probes.kubernetes_quantity import binary, cpus, quantity
from opsctl.probes.kubernetes_scope import OfWorkload, Row, Scope, merged, name_of, present_only
from opsctl.probes.look import Look
from opsctl.probes.registry import probe

LOST, PRESSED = "kubernetes.node-lost", "kubernetes.node-pressure"
PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure")
SHOWN = 20  # nodes shown one by one
ENDED = ("Succeeded", "Failed")
Objects = Sequence[dict[str, Any]]


@probe(
    "kubernetes.nodes",
    emits={
        LOST: "a node that carries the service's pods is not ready",
        PRESSED: "a node that carries the service's pods is short of memory, disk or process ids",
    },
    params=OfWorkload,
    asks="the nodes of the cluster, and the pods of the service's workloads",
    privilege="list nodes (ClusterRole), list pods; where a pod finds no node, list pods of all namespaces",
    cost="one list of nodes, one GET and one list per workload",
    minimum="v1",
)
def nodes(look: Look, params: OfWorkload) -> Seen:
    """K8-10. Without the right to see nodes, an event "Node is not ready" about a pod still tells of a lost one."""
    present_only(look)
    scope = Scope(look, params.workload)
    rows: dict[str, list[Row]] = {LOST: [], PRESSED: []}
    evidence: list[Evidence] = []
    path = collection("", "v1", "nodes")
    carried: dict[str, list[str]] = {}  # node -> subjects of the pods it carries
    homeless: list[str] = []
    by_pod: dict[str, str] = {}
    for name, wanted in scope.wanted.items():
        try:
            for found in scope.find_for_pods(wanted):
                for pod in scope.list(scope.path("", "v1", "pods"), found.selector).items:
                    if part(pod, "status").get("phase") in ENDED:
                        continue
                    on = text(part(pod, "spec"), "nodeName")
                    by_pod[name_of(pod)] = found.subject
                    carried.setdefault(on, []).append(found.subject) if on else homeless.append(name_of(pod))
        except CouldNotLook as failure:
            lost, unknown = scope.lose(name, wanted, failure)
            evidence.append(lost)
            for each in rows.values():
                each.extend(unknown)
    try:
        listed = scope.list(path)
        ours = [node for node in listed.items if name_of(node) in carried]
        rows[LOST].append(lost_row(ours, carried, look.now))
        rows[PRESSED].append(pressure_row(ours, carried))
        room = _room(scope, listed.items) if homeless else {}
        shown = listed.items if homeless else ours
        evidence.append(scope.evidence("nodes", path, values(shown, carried, room)))
    except CouldNotLook as failure:
        evidence.append(scope.unseen("nodes", failure))
        rows[PRESSED].append(Row("unknown", failure.says, reason=failure.reason))
        rows[LOST].append(_by_events(scope, by_pod, failure))
    findings = (merged(LOST, rows[LOST], unit="count"), merged(PRESSED, rows[PRESSED], unit="count"))
    return Seen(evidence=tuple(evidence), findings=findings)


def lost_row(nodes: Objects, carried: Mapping[str, Sequence[str]], now: float) -> Row:
    """Nodes that are not ready, with what they carry. Pure."""
    gone = []
    for node in nodes:
        ready = condition(node, "Ready")
        if ready.get("status") != "True":
            gone.append((node, ready))
    if not gone:
        return Row("ok", f"all {len(nodes)} nodes under the service's pods are ready", measured=0)
    told, times = [], []
    for node, ready in gone:
        at = moment(ready.get("lastTransitionTime"))
        since = f" for {format_duration(max(0, round(now - at.timestamp())))}" if at else ""
        why = text(ready, "message") or text(ready, "reason") or "it says nothing"
        told.append(f"node {name_of(node)} is not ready{since} ({why[:160]}), with {_counted(carried[name_of(node)])}")
        times += [at] if at else []
    return Row("breach", "; ".join(told[:3]), measured=len(gone), since=min(times, default=None))


def pressure_row(nodes: Objects, carried: Mapping[str, Sequence[str]]) -> Row:
    """Nodes that call themselves short of something. Pure."""
    found, times = [], []
    for node in nodes:
        for kind in PRESSURES:
            state = condition(node, kind)
            if state.get("status") == "True":
                found.append(f"node {name_of(node)} has {kind} ({text(state, 'message')[:160]})".replace(" ()", ""))
                at = moment(state.get("lastTransitionTime"))
                times += [at] if at else []
    if not found:
        return Row("ok", "no node under the service's pods is short of memory, disk or process ids", measured=0)
    return Row("breach", "; ".join(found[:3]), measured=len(found), since=min(times, default=None))


def values(nodes: Objects, carried: Mapping[str, Sequence[str]], room: Mapping[str, str]) -> list[Value]:
    """Each node: state, what keeps pods away, what it has, what is left."""
    shown = []
    for node in nodes[:SHOWN]:
        name, spec = name_of(node), part(node, "spec")
        ready = condition(node, "Ready").get("status")
        words = ["ready" if ready == "True" else f"not ready ({text(condition(node, 'Ready'), 'reason')})"]
        words += [kind for kind in PRESSURES if condition(node, kind).get("status") == "True"]
        words += ["cordoned"] if spec.get("unschedulable") else []
        words += [f"taint {text(each, 'key')}:{text(each, 'effect')}" for each in parts(spec, "taints")]
        note = _counted(carried[name]) if name in carried else "none of the service's pods"
        if room:
            note += f"; {room.get(name, 'its requests are not known')}"
        shown.append(Value(name="node", value=", ".join(words), labels={"node": name}, note=note))
    if len(nodes) > SHOWN:
        shown.append(Value(name="more nodes", value=len(nodes) - SHOWN, unit="count"))
    return shown


def free(node: Mapping[str, Any], pods: Objects) -> str:
    """What a node can still give: allocatable minus the requests of its pods. Pure."""
    told = []
    for resource, shown in (("cpu", cpus), ("memory", binary)):
        whole = quantity(part(node, "status", "allocatable").get(resource))
        taken = sum(_request(pod, resource) for pod in pods)
        if whole is not None:
            left, all_ = shown(max(0.0, whole - taken)), shown(whole)
            unit = all_.partition(" ")[2]
            told.append(f"{resource} {left.removesuffix(f' {unit}')} of {all_} free")
    return ", ".join(told)


def _request(pod: Mapping[str, Any], resource: str) -> float:
    """What the scheduler reckons a pod takes: the sum of its containers, or its largest init container."""
    spec = part(pod, "spec")

    def asked(each: Mapping[str, Any]) -> float:
        return quantity(part(each, "resources", "requests").get(resource)) or 0.0

    return max(sum(map(asked, parts(spec, "containers"))), max(map(asked, parts(spec, "initContainers")), default=0.0))


def _room(scope: Scope, nodes: Objects) -> dict[str, str]:
    """Node -> what is free on it; {} where the pods of all namespaces may not be seen, or are too many to see."""
    try:
        listed = scope.list(collection("", "v1", "pods"))
    except CouldNotLook:
        return {}
    if listed.cut:
        return {}
    on: dict[str, list[dict[str, Any]]] = {}
    for pod in listed.items:
        if part(pod, "status").get("phase") not in ENDED:
            on.setdefault(text(part(pod, "spec"), "nodeName"), []).append(pod)
    return {name_of(node): free(node, on.get(name_of(node), [])) for node in nodes}


def _by_events(scope: Scope, by_pod: Mapping[str, str], failure: CouldNotLook) -> Row:
    """What events about pods say of their nodes, where nodes may not be seen."""
    try:
        told = [each for each in events_of(scope).events if each.reason == "NodeNotReady" and each.name in by_pod]
    except CouldNotLook:
        told = []
    fresh = [each for each in told if each.last and scope.look.now - each.last.timestamp() <= 3600]
    if not fresh:
        return Row("unknown", failure.says, reason=failure.reason)
    says = f"the node of {_counted([by_pod[each.name] for each in fresh])} is not ready, by an event of that pod"
    first: datetime | None = min((each.first for each in fresh if each.first), default=None)
    return Row("breach", says, measured=len(fresh), since=first)


def _counted(subjects: Sequence[str]) -> str:
    """``2 pods of Deployment api and 1 of Deployment worker``."""
    counts = {subject: subjects.count(subject) for subject in dict.fromkeys(subjects)}
    told = [f"{count} {'pod' if count == 1 else 'pods'} of {subject}" for subject, count in counts.items()]
    return ", ".join(told[:5])
