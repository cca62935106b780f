"""kubernetes.events (K8-5): what the cluster said of the service's objects, and which probes of its pods fail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from opsctl.durations import format_duration, parse_duration
from opsctl.errors import CouldNotLook
from opsctl.model import Evidence, Seen, Value
from opsctl.probes.kubernetes_containers import is_ready
from opsctl.probes.kubernetes_event_list import Event, Told, events_of
from opsctl.probes.kubernetes_json import part, parts, text
from opsctl.probes.kubernetes_pods import PodsParams, desired
from opsctl.probes.kubernetes_scope import Found, Row, Scope, merged, name_of, present_only, unknown_row
from opsctl.probes.kubernetes_states import Pods, loops, unready_since
from opsctl.probes.look import Look
from opsctl.probes.registry import probe

READINESS, LIVENESS = "kubernetes.readiness-failing", "kubernetes.liveness-failing"
VOLUME = "kubernetes.volume-failing"
IDS = (READINESS, LIVENESS, VOLUME)
SHOWN = 12  # events shown of one workload
KEPT = "the API server keeps events for an hour by default"
_VOLUMES = ("FailedMount", "FailedAttachVolume", "FailedMapVolume")


@probe(
    "kubernetes.events",
    emits={
        READINESS: "a container runs and its readiness probe does not pass",
        LIVENESS: "containers are restarted because their liveness or startup probe does not pass",
        VOLUME: "a volume of a pod cannot be attached or mounted",
    },
    params=PodsParams,
    asks="the events of the namespace, and the pods of the service's workloads",
    privilege="list events, list pods, get deployments.apps",
    cost="one list of the namespace's events, one GET and one list per workload",
    minimum="v1",
)
def events(look: Look, params: PodsParams) -> Seen:
    """K8-5. An event that is not there proves nothing; then the pods' own status tells what it can."""
    present_only(look)
    scope = Scope(look, params.workload)
    window, unready_for = parse_duration(params.window), parse_duration(params.unready_for)
    evidence: list[Evidence] = []
    told, refused = Told((), scope.path("", "v1", "events"), ""), None
    try:
        told = events_of(scope)
    except CouldNotLook as failure:
        refused = unknown_row(failure)
        evidence.append(scope.unseen("events", failure))
    recent = [each for each in told.events if each.last and look.now - each.last.timestamp() <= window]
    rows: dict[str, list[Row]] = {id: [] for id in IDS}
    for name, wanted in scope.wanted.items():
        try:
            for found in scope.find_for_pods(wanted):
                listed = scope.list(scope.path("", "v1", "pods"), found.selector)
                pods = Pods(
                    found.subject,
                    found.selector,
                    listed.items,
                    desired(found),
                    look.now,
                    window,
                    unready_for,
                    listed.cut,
                )
                about = [each for each in told.events if concerns(each, found, listed.items)]
                fresh = [each for each in about if each in recent]
                rows[READINESS].append(readiness(pods, fresh))
                rows[LIVENESS].append(refused or liveness(pods, fresh))
                rows[VOLUME].append(refused or volumes(pods, fresh))
                if refused is None:
                    evidence.append(scope.evidence(f"events of {found.subject}", told.path, values(about, look.now)))
        except CouldNotLook as failure:
            lost, unknown = scope.lose(name, wanted, failure)
            evidence.append(lost)
            for each in rows.values():
                each.extend(unknown)
    findings = tuple(merged(id, rows[id], threshold=0.0, unit="count", origin="K8-5") for id in IDS)
    return Seen(evidence=tuple(evidence), findings=findings)


def concerns(event: Event, found: Found, pods: Sequence[dict[str, Any]]) -> bool:
    """Whether an event is about a workload, its ReplicaSets, its pods (also those that are gone), or its autoscaler."""
    if event.uid and event.uid in {text(part(pod, "metadata"), "uid") for pod in pods}:
        return True
    name = found.name
    if not found.object:
        return False
    if event.kind in (found.kind, "HorizontalPodAutoscaler", "Service", "Endpoints"):
        return event.name == name
    if event.kind == "ReplicaSet":
        return event.name.rpartition("-")[0] == name
    if event.kind == "Pod":
        owner = event.name.rpartition("-")[0]
        return owner == name if found.kind != "Deployment" else owner.rpartition("-")[0] == name
    return False


def readiness(pods: Pods, fresh: Sequence[Event]) -> Row:
    """Containers that run and are not ready, other than those that crash all the time or are just starting."""
    busy = {c.pod for c in pods.containers if loops(pods, c) or not c.running}
    late = []
    for pod in pods.active:
        if not is_ready(pod) and pods.now - unready_since(pod).timestamp() >= pods.unready_for:
            checked = any(part(each, "readinessProbe") for each in parts(part(pod, "spec"), "containers"))
            if name_of(pod) not in busy and checked and not _node_is_gone(pod, fresh):
                late.append(pod)
    if not late:
        return pods.clear("no readiness probe fails for long")
    names = {name_of(pod) for pod in late}
    said = [each for each in fresh if each.name in names and _is(each, "Readiness probe")]
    first = min(unready_since(pod) for pod in late)
    lasts = format_duration(max(0, round(pods.now - first.timestamp())))
    why = f"{said[0].message[:300]} ({_times(said[0])})" if said else f"no event tells why ({KEPT})"
    says = f"{pods.some(len(late), 'runs and is not ready', 'run and are not ready')}, for {lasts}: {why}"
    return Row("breach", says, measured=len(late), since=first)


def liveness(pods: Pods, fresh: Sequence[Event]) -> Row:
    """Restarts that the kubelet says it does for a probe; a single failed check is none."""
    names = {name_of(pod) for pod in pods.active}
    checks = ("Liveness probe", "Startup probe")
    failed = [each for each in fresh if each.name in names and any(_is(each, word) for word in checks)]
    killed = [each for each in fresh if each.name in names and each.reason == "Killing" and " probe" in each.message]
    restarted = {c.pod for c in pods.restarted}
    found = [each for each in failed if each.name in restarted or any(k.name == each.name for k in killed)]
    if not found:
        return pods.clear("no container is restarted for a failing liveness or startup probe")
    count = len({each.name for each in found})
    restarts = max((c.restarts for c in pods.restarted), default=0)
    says = (
        f"{pods.some(count, 'is restarted', 'are restarted')} because a probe does not pass: {found[0].message[:300]}"
    )
    says += f" ({_times(found[0])}, {restarts} restarts)"
    return Row("breach", says, measured=count, since=_earliest(found))


def volumes(pods: Pods, fresh: Sequence[Event]) -> Row:
    """Volumes that are not mounted, of pods that are still waiting for them."""
    waiting = {name_of(pod) for pod in pods.active if not is_ready(pod)}
    found = [each for each in fresh if each.reason in _VOLUMES and each.name in waiting]
    if not found:
        return pods.clear("no volume fails to be mounted")
    count = len({each.name for each in found})
    says = f"{pods.some(count, 'waits for a volume', 'wait for a volume')}: {found[0].message[:300]}"
    return Row("breach", f"{says} ({_times(found[0])})", measured=count, since=_earliest(found))


def values(about: Sequence[Event], now: float) -> list[Value]:
    """The newest events, and a word when there are none."""
    shown = []
    for each in about[:SHOWN]:
        ago = f"{format_duration(max(0, round(now - each.last.timestamp())))} ago" if each.last else "at no time"
        times = f", {each.times} times" if each.times > 1 else ""
        note = f"{ago}{times}" + (f", by {each.source}" if each.source else "")
        labels = {"object": each.subject, "reason": each.reason}
        shown.append(
            Value(name="warning" if each.warning else "event", value=each.message[:300], labels=labels, note=note)
        )
    if not about:
        shown.append(Value(name="events", value=0, unit="count", note=f"none proves nothing: {KEPT}"))
    elif len(about) > SHOWN:
        shown.append(Value(name="older events", value=len(about) - SHOWN, unit="count"))
    return shown


def _is(event: Event, check: str) -> bool:
    return event.reason == "Unhealthy" and event.message.startswith(check)


def _node_is_gone(pod: dict[str, Any], fresh: Sequence[Event]) -> bool:
    return any(each.reason == "NodeNotReady" and each.name == name_of(pod) for each in fresh)


def _times(event: Event) -> str:
    last = f", last at {event.last:%T} UTC" if event.last else ""
    return (f"{event.times} times" if event.times > 1 else "once") + last


def _earliest(events: Sequence[Event]) -> datetime | None:
    return min((each.first for each in events if each.first), default=None)
