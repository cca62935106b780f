"""kubernetes.endpoints (K8-7): does each Service reach pods of its workload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

import msgspec

from opsctl.clients.kube_reads import collection
from opsctl.errors import CouldNotLook
from opsctl.model import Evidence, Seen, Value
from opsctl.probes.kubernetes_containers import is_ready
from opsctl.probes.kubernetes_json import part, parts, selects, text
from opsctl.probes.kubernetes_scope import Found, OfWorkload, Row, Scope, merged, name_of, present_only
from opsctl.probes.look import Look
from opsctl.probes.registry import probe
from opsctl.probes.severity import worst_severity

NONE, MISMATCH = "kubernetes.no-endpoints", "kubernetes.service-mismatch"
SLICES = ("v1", "v1beta1")  # discovery.k8s.io; before 1.17 only Endpoints
Objects = Sequence[dict[str, Any]]


@probe(
    "kubernetes.endpoints",
    emits={
        NONE: "a Service of the workload has no ready endpoint: nobody reaches it by that name",
        MISMATCH: "a Service does not reach the pods that are ready: its selector or its port fits none",
    },
    params=OfWorkload,
    asks="Services, EndpointSlices (or Endpoints) and NetworkPolicies of the namespace, the workloads' pods",
    privilege="list services, endpointslices.discovery.k8s.io or endpoints, pods, networkpolicies.networking.k8s.io",
    cost="three lists of the namespace, one GET and one list per workload",
    minimum="v1 Endpoints, discovery.k8s.io/v1beta1 where there",
)
def endpoints(look: Look, params: OfWorkload) -> Seen:
    """K8-7. A Service belongs to a workload when it selects the workload's labels, or bears its name."""
    present_only(look)
    scope = Scope(look, params.workload)
    services = scope.list(scope.path("", "v1", "services"))
    ported = {name_of(each) for each in services.items if parts(part(each, "spec"), "ports")}
    reached = _reached(scope, ported)
    policies = _policies(scope)
    rows: dict[str, list[Row]] = {NONE: [], MISMATCH: []}
    evidence: list[Evidence] = []
    for name, wanted in scope.wanted.items():
        try:
            for found in scope.find(wanted):
                pods = scope.list(scope.path("", "v1", "pods"), found.selector).items
                labels = part(found.object, "spec", "template", "metadata", "labels")
                ours = [each for each in services.items if belongs(each, found.name, labels)]
                for each in ours:
                    at = reached.get(name_of(each), [])
                    for id, row in zip(rows, judge(found, each, at, pods), strict=True):
                        rows[id].append(row)
                evidence.append(_evidence(scope, found, ours, reached, [p for p in policies if _binds(p, labels)]))
        except CouldNotLook as failure:
            lost, unknown = scope.lose(name, wanted, failure)
            evidence.append(lost)
            for each_row in rows.values():
                each_row.extend(unknown)
    for each_row in rows.values():
        if not each_row and not services.cut:
            each_row.append(Row("ok", "no Service stands before the service's workloads"))
        elif services.cut and all(row.state == "ok" for row in each_row):
            each_row.append(Row("unknown", services.cut, reason="too-large"))
    none, mismatch = (merged(id, rows[id]) for id in (NONE, MISMATCH))
    if none.state == "breach":
        severity, label = worst_severity(look)
        none = msgspec.structs.replace(none, severity=severity, severity_label=label)
    return Seen(evidence=tuple(evidence), findings=(none, mismatch))


def belongs(service: Mapping[str, Any], workload: str, labels: Mapping[str, str]) -> bool:
    """Whether a Service stands before a workload. One without a selector gets its endpoints from somebody else."""
    selector = part(service, "spec", "selector")
    if not selector or part(service, "spec").get("type") == "ExternalName":
        return False
    return selects({"matchLabels": selector}, labels) or name_of(dict(service)) == workload


def judge(found: Found, service: Mapping[str, Any], at: Sequence[bool], pods: Objects) -> tuple[Row, Row]:
    """No endpoint, and why, of one Service. ``at``: of each endpoint, whether it is ready. Pure."""
    name = name_of(dict(service))
    ready = [pod for pod in pods if is_ready(pod) and not part(pod, "metadata").get("deletionTimestamp")]
    wanted = part(found.object, "spec").get("replicas", 1)
    if any(at):
        many = "1 ready endpoint" if sum(at) == 1 else f"{sum(at)} ready endpoints"
        says = f"Service {name} has {many}"
        return Row("ok", says, measured=sum(at)), Row("ok", says)
    says = f"Service {name} has no ready endpoint"
    if wanted == 0:
        says += f", as {found.subject} is scaled to zero"
        return Row("breach", says, measured=0), Row("ok", says)
    selector = part(service, "spec", "selector")
    shown = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    labels = part(found.object, "spec", "template", "metadata", "labels")
    if not selects({"matchLabels": selector}, labels):
        theirs = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        why = f"{says}: it selects {shown}, the pods of {found.subject} have {theirs}"
        return Row("breach", says, measured=0), Row("breach", why)
    if not ready:
        why = f"{says}: none of the {len(pods)} pods of {found.subject} is ready"
        return Row("breach", why, measured=0), Row("ok", f"Service {name} selects the pods of {found.subject}")
    names = {
        text(port, "name")
        for pod in ready
        for each in parts(part(pod, "spec"), "containers")
        for port in parts(each, "ports")
    }
    leads = [each.get("targetPort") for each in parts(part(service, "spec"), "ports")]
    missing = [port for port in leads if isinstance(port, str) and port not in names]
    if missing:
        why = f"{says}: its port leads to {', '.join(missing)}, a name that no port of the pods of {found.subject} has"
        return Row("breach", says, measured=0), Row("breach", why)
    why = f"{says}, though it selects {len(ready)} ready pods of {found.subject}: is the endpoint controller at work?"
    return Row("breach", says, measured=0), Row("breach", why)


def _reached(scope: Scope, ported: Set[str]) -> dict[str, list[bool]]:
    """Service -> of each endpoint whether it is ready: by EndpointSlices, by Endpoints where those may not be seen.

    ``ported``: the Services that have ports; where none of them leads to a pod, its addresses lead nowhere.
    """
    failure: CouldNotLook | None = None
    for version in SLICES:
        try:
            listed = scope.list(collection("discovery.k8s.io", version, "endpointslices", scope.namespace))
        except CouldNotLook as failed:
            if failed.reason not in ("unsupported", "forbidden"):
                raise
            failure = failed
            continue
        found: dict[str, list[bool]] = {}
        for item in listed.items:
            service = text(part(item, "metadata", "labels"), "kubernetes.io/service-name")
            told = [part(each, "conditions").get("ready") is not False for each in parts(item, "endpoints")]
            found.setdefault(service, []).extend(told if item.get("ports") or service not in ported else [])
        return found
    try:
        listed = scope.list(scope.path("", "v1", "endpoints"))
    except CouldNotLook as failed:
        raise failure or failed from None
    return {name_of(item): _ready_in(item) for item in listed.items}


def _ready_in(item: Mapping[str, Any]) -> list[bool]:
    subsets = [each for each in parts(item, "subsets") if parts(each, "ports")]
    ready = [True for each in subsets for _ in parts(each, "addresses")]
    return ready + [False for each in subsets for _ in parts(each, "notReadyAddresses")]


def _policies(scope: Scope) -> Objects:
    """NetworkPolicies are shown beside; where they may not be seen nothing is said of them."""
    try:
        return scope.list(collection("networking.k8s.io", "v1", "networkpolicies", scope.namespace)).items
    except CouldNotLook:
        return ()


def _binds(policy: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    return selects(part(policy, "spec", "podSelector"), labels)


def _evidence(
    scope: Scope, found: Found, services: Objects, reached: Mapping[str, Sequence[bool]], policies: Objects
) -> Evidence:
    shown = []
    for each in services:
        at = reached.get(name_of(each), ())
        ports = ", ".join(f"{p.get('port')} -> {p.get('targetPort')}" for p in parts(part(each, "spec"), "ports"))
        note = f"of {len(at)}; port {ports}" if ports else f"of {len(at)}"
        shown.append(
            Value(name="ready endpoints", value=sum(at), unit="count", labels={"service": name_of(each)}, note=note)
        )
    shown += [Value(name="network policy", value=name_of(each), note="selects these pods") for each in policies[:10]]
    return scope.evidence(f"Services of {found.subject}", scope.path("", "v1", "services"), shown)
