"""kubernetes.usage (K8-8): what the containers use, held against their limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from opsctl.errors import CouldNotLook
from opsctl.model import Seen, Value
from opsctl.probes.kubernetes_json import moment, part, parts, text
from opsctl.probes.kubernetes_quantity import binary, cpus, quantity
from opsctl.probes.kubernetes_scope import OfWorkload, Row, Scope, merged, name_of, present_only
from opsctl.probes.look import Look
from opsctl.probes.registry import probe

CPU, MEMORY = "kubernetes.cpu-near-limit", "kubernetes.memory-near-limit"
STALE = 300.0  # s; a metrics-server that is alive measures every 15 to 60 s
SHOWN = 20  # containers shown one by one


class Usage(OfWorkload, frozen=True, kw_only=True):
    """``above``: share of its limit that a container may use, 0-1."""

    above: float = 0.9


class Measure(NamedTuple):
    """One container's use of one resource, in CPUs or bytes; ``limit`` None when it has none."""

    pod: str
    container: str
    used: float
    limit: float | None

    @property
    def share(self) -> float | None:
        """Used over limit."""
        return self.used / self.limit if self.limit else None


@probe(
    "kubernetes.usage",
    emits={
        CPU: "a container uses nearly all the CPU it may, beyond which it is throttled",
        MEMORY: "a container uses nearly all the memory it may, beyond which it is killed",
    },
    params=Usage,
    asks="metrics.k8s.io (metrics-server) and the pods' limits",
    privilege="list pods.metrics.k8s.io, list pods",
    cost="one GET and two lists per workload",
    minimum="metrics.k8s.io/v1beta1",
)
def usage(look: Look, params: Usage) -> Seen:
    """K8-8. metrics-server's numbers are averages of 15 to 30 s: bursts do not show. Without it: unknown."""
    present_only(look)
    scope = Scope(look, params.workload)
    rows: dict[str, list[Row]] = {CPU: [], MEMORY: []}
    evidence = []
    path = scope.path("metrics.k8s.io", "v1beta1", "pods")
    for name, wanted in scope.wanted.items():
        try:
            for found in scope.find_for_pods(wanted):
                told = scope.list(path, found.selector)
                pods = scope.list(scope.path("", "v1", "pods"), found.selector)
                if not pods.items and not found.object:
                    raise scope.no_pods(found)
                cut = told.cut or pods.cut
                fresh = [item for item in told.items if _is_fresh(item, look.now)]
                if not fresh:
                    raise _nothing(found.subject, len(told.items), len(pods.items))
                cpu, memory = (measures(fresh, pods.items, resource) for resource in ("cpu", "memory"))
                rows[CPU].append(judge(found.subject, "CPU", cpu, params.above, cpus, cut))
                rows[MEMORY].append(judge(found.subject, "memory", memory, params.above, binary, cut))
                values = [*_values("cpu", "cpus", cpu), *_values("memory", "bytes", memory)]
                values.append(Value(name="measured pods", value=len(fresh), unit="count", note=f"of {len(pods.items)}"))
                window = text(fresh[0], "window")
                evidence.append(scope.evidence(f"usage of {found.subject}", path, values, found.selector, window))
        except CouldNotLook as failure:
            lost, unknown = scope.lose(name, wanted, _without_metrics_server(failure))
            evidence.append(lost)
            for each in rows.values():
                each.extend(unknown)
    findings = tuple(merged(id, rows[id], threshold=params.above, unit="ratio", origin="above") for id in rows)
    return Seen(evidence=tuple(evidence), findings=findings)


def measures(told: Sequence[dict[str, Any]], pods: Sequence[dict[str, Any]], resource: str) -> list[Measure]:
    """Usage joined with the limit of the same container, the largest share first. Pure."""
    limits = {
        (name_of(pod), text(each, "name")): quantity(part(each, "resources", "limits").get(resource))
        for pod in pods
        for each in parts(part(pod, "spec"), "containers")
    }
    found = []
    for item in told:
        pod = name_of(item)
        for each in parts(item, "containers"):
            used = quantity(part(each, "usage").get(resource))
            if used is not None:
                name = text(each, "name")
                found.append(Measure(pod, name, used, limits.get((pod, name))))
    return sorted(found, key=lambda m: -(m.share or 0.0))


def judge(
    subject: str, what: str, found: Sequence[Measure], above: float, shown: Callable[[float], str], cut: str = ""
) -> Row:
    """Whether a container is near its limit. Without a limit there is nothing to be near to. Pure."""
    limited = [m for m in found if m.share is not None]
    if not found:
        return Row("unknown", f"{subject}: no {what} usage is told for its containers", reason="no-data")
    if not limited:
        total = shown(sum(m.used for m in found))
        says = f"{subject}: no container has a {what} limit ({total} used by {len(found)} containers)"
        return Row("unknown", cut, reason="too-large") if cut else Row("ok", says)
    worst = limited[0]
    assert worst.share is not None
    assert worst.limit is not None
    near = sum(1 for m in limited if (m.share or 0.0) > above)
    says = (
        f"{subject}: container {worst.container} of {worst.pod} uses {shown(worst.used)} of its {what} limit of "
        f"{shown(worst.limit)} ({worst.share:.0%}, objective at most {above:.0%})"
    )
    if near > 1:
        says += f", as do {near - 1} more" if near > 2 else ", as does 1 more"
    if near:
        return Row("breach", says, measured=worst.share)
    return Row("unknown", cut, reason="too-large") if cut else Row("ok", says, measured=worst.share)


def _values(name: str, unit: str, found: Sequence[Measure]) -> list[Value]:
    return [
        Value(
            name=name,
            value=m.used,
            unit=unit,
            labels={"pod": m.pod, "container": m.container},
            note=f"{m.share:.0%} of its limit" if m.share is not None else "no limit",
        )
        for m in found[:SHOWN]
    ]


def _is_fresh(item: Mapping[str, Any], now: float) -> bool:
    at = moment(item.get("timestamp"))
    return at is None or now - at.timestamp() <= STALE


def _nothing(subject: str, told: int, pods: int) -> CouldNotLook:
    if told:
        return CouldNotLook(
            "stale", f"{subject}: the newest usage is older than {STALE:.0f} s; is metrics-server alive?"
        )
    return CouldNotLook("no-data", f"{subject}: metrics.k8s.io knows none of its {pods} pods")


def _without_metrics_server(failure: CouldNotLook) -> CouldNotLook:
    if failure.reason == "unsupported" and "metrics.k8s.io" in failure.says:
        says = "no metrics-server: the API server does not offer metrics.k8s.io"
        return CouldNotLook("unsupported", says, address=failure.address, setting=failure.setting)
    return failure
