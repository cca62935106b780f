"""kubernetes.pods (K8-4): crash loops, OOM kills, image pulls, scheduling, readiness, restarts of the last minutes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opsctl.durations import parse_duration
from opsctl.errors import CouldNotLook
from opsctl.model import Change, Evidence, Seen, Value
from opsctl.probes.kubernetes_containers import Container, exit_meaning, of_pods, pod_problem
from opsctl.probes.kubernetes_event_list import events_of, pull_words
from opsctl.probes.kubernetes_json import number, part
from opsctl.probes.kubernetes_scope import Found, OfWorkload, Row, Scope, merged, name_of, present_only
from opsctl.probes.kubernetes_states import (
    PULL_REASONS,
    Pods,
    crash_loop,
    evicted,
    image_pull,
    missing_config,
    not_ready,
    oom_killed,
    restarts,
    starting,
    unschedulable,
)
from opsctl.probes.look import Look
from opsctl.probes.registry import probe
from opsctl.services.model import Workload

CRASH, OOM, PULL = "kubernetes.crash-loop", "kubernetes.oom-killed", "kubernetes.image-pull"
PLACE, READY, RESTARTS = "kubernetes.unschedulable", "kubernetes.not-ready", "kubernetes.restarts"
CONFIG, STARTING, EVICTED = "kubernetes.missing-config", "kubernetes.starting", "kubernetes.evicted"
JUDGES = {
    CRASH: crash_loop,
    OOM: oom_killed,
    PULL: image_pull,
    CONFIG: missing_config,
    PLACE: unschedulable,
    STARTING: starting,
    EVICTED: evicted,
    READY: not_ready,
    RESTARTS: restarts,
}
SHOWN = 10  # pods shown one by one


class PodsParams(OfWorkload, frozen=True, kw_only=True):
    """``window``: how far back a restart counts; ``unready_for``: how long a pod may be on its way to ready."""

    window: str = "15m"
    unready_for: str = "30s"


@probe(
    "kubernetes.pods",
    emits={
        CRASH: "a container starts and ends again and again, or cannot be started",
        OOM: "a container was killed for exceeding its memory limit, within the window",
        PULL: "an image cannot be pulled",
        CONFIG: "a container lacks a ConfigMap, a Secret or a key that it needs",
        PLACE: "a pod finds no node",
        STARTING: "pods are on their way to ready, for no longer than a start takes",
        EVICTED: "a node threw pods out within the window, for lack of memory, disk or process ids",
        READY: "pods are not ready for longer than a start takes",
        RESTARTS: "containers were restarted within the window",
    },
    params=PodsParams,
    asks="the pods of the service's workloads",
    privilege="list pods, get deployments.apps",
    cost="one GET and one list per workload",
    minimum="v1",
)
def pods(look: Look, params: PodsParams) -> Seen:
    """K8-4, init containers too. Restarts count by when the last one ended, not by the count since the pod's birth."""
    present_only(look)
    scope = Scope(look, params.workload)
    window, unready_for = parse_duration(params.window), parse_duration(params.unready_for)
    rows: dict[str, list[Row]] = {id: [] for id in JUDGES}
    evidence: list[Evidence] = []
    changes: list[Change] = []
    for name, wanted in scope.wanted.items():
        try:
            seen = _pods_of(scope, wanted, window, unready_for)
        except CouldNotLook as failure:
            lost, unknown = scope.lose(name, wanted, failure)
            evidence.append(lost)
            for each in rows.values():
                each.extend(unknown)
            continue
        for group in seen:
            for id, judge in JUDGES.items():
                rows[id].append(judge(group))
            path = scope.path("", "v1", "pods")
            evidence.append(
                scope.evidence(f"pods of {group.subject}", path, values(group), group.selector, params.window)
            )
            changes += [_restart(scope, container) for container in group.restarted]
    findings = (*(merged(id, rows[id], threshold=0.0, unit="count", origin="K8-4") for id in JUDGES),)
    return Seen(evidence=tuple(evidence), findings=findings, changes=tuple(changes[:SHOWN]))


def _pods_of(scope: Scope, wanted: Workload, window: float, unready_for: float) -> list[Pods]:
    groups = []
    for found in scope.find_for_pods(wanted):
        listed = scope.list(scope.path("", "v1", "pods"), found.selector)
        wanted_pods, now, cut = desired(found), scope.look.now, listed.cut
        told = _pulls(scope, listed.items)
        group = Pods(found.subject, found.selector, listed.items, wanted_pods, now, window, unready_for, cut, told)
        if not listed.items and not found.object:
            raise scope.no_pods(found)
        groups.append(group)
    return groups


def _pulls(scope: Scope, items: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The registry's words about images that are not there. Between two tries only an event holds them."""
    if not any(container.waiting in PULL_REASONS for container in of_pods(items)):
        return {}
    try:
        return pull_words(events_of(scope).events)
    except CouldNotLook:
        return {}  # the pod's own words remain


def desired(found: Found) -> int | None:
    """How many pods are wanted; None when only labels are known."""
    if not found.object:
        return None
    if found.kind == "DaemonSet":
        return number(part(found.object, "status"), "desiredNumberScheduled")
    return number(part(found.object, "spec"), "replicas", default=1)


def values(group: Pods) -> list[Value]:
    """Counts, and the pods in trouble one by one."""
    shown = [
        Value(name="pods", value=len(group.active), unit="count"),
        Value(name="ready", value=len(group.ready), unit="count"),
    ]
    if group.desired is not None:
        shown.append(Value(name="desired", value=group.desired, unit="count"))
    for reason, count in group.failed.items():
        shown.append(Value(name="failed", value=count, unit="count", note=reason))
    troubled = [(pod, problem) for pod in group.active if (problem := pod_problem(pod))]
    for pod, problem in troubled[:SHOWN]:
        shown.append(Value(name="pod", value=problem, labels={"pod": name_of(pod)}))
    if len(troubled) > SHOWN:
        shown.append(Value(name="more pods in trouble", value=len(troubled) - SHOWN, unit="count"))
    for container in restarting(group.active):
        note = exit_meaning(container)
        labels = {"pod": container.pod, "container": container.name}
        shown.append(Value(name="restarts", value=container.restarts, unit="count", labels=labels, note=note))
    return shown


def restarting(pods: Sequence[dict[str, Any]]) -> list[Container]:
    """Containers that ever restarted, the most often restarted first."""
    return sorted((c for c in of_pods(pods) if c.restarts), key=lambda c: -c.restarts)[:SHOWN]


def _restart(scope: Scope, container: Container) -> Change:
    assert container.ended is not None  # only those with a time are counted as restarted
    return Change(
        at=container.ended,
        system="kubernetes",
        subject=f"Pod {container.pod}",
        says=f"{container.label} restarted: {exit_meaning(container)}",
        source=scope.source,
    )
