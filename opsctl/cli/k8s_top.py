"""What ``opsctl k8s top`` shows: use of CPU and memory beside requests and limits, container by container."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from opsctl.errors import CouldNotLook
from opsctl.model import Struct
from opsctl.probes.kubernetes_json import part, parts, text
from opsctl.probes.kubernetes_quantity import quantity
from opsctl.probes.kubernetes_scope import Scope, name_of

NO_SERVER = "use is not measured: no metrics-server (the API server does not offer metrics.k8s.io)"


class Amount(Struct, frozen=True, kw_only=True):
    """CPUs or bytes. ``used`` None: not measured; the others None: not set."""

    used: float | None = None
    request: float | None = None
    limit: float | None = None

    @property
    def share(self) -> float:
        """Used over limit, or over request where there is no limit; 0 where neither is known."""
        over = self.limit or self.request
        return self.used / over if self.used is not None and over else 0.0


class ContainerUse(Struct, frozen=True, kw_only=True):
    """One container."""

    workload: str
    pod: str
    container: str
    cpu: Amount
    memory: Amount


class Top(Struct, frozen=True, kw_only=True):
    """Containers that are nearest to their limits first."""

    at: datetime
    source: str
    namespace: str
    containers: tuple[ContainerUse, ...] = ()
    unseen: tuple[str, ...] = ()


def collect(scope: Scope) -> Top:
    """Raises CouldNotLook when no pod could be looked at."""
    unseen: list[str] = []
    rows: list[ContainerUse] = []
    lost: CouldNotLook | None = None
    for name, wanted in scope.wanted.items():
        try:
            for found in scope.find_for_pods(wanted):
                pods = scope.list(scope.path("", "v1", "pods"), found.selector).items
                used = _used(scope, found.selector, unseen)
                subject = f"{found.kind.lower()}/{found.name}" if found.object else found.selector
                rows += rows_of(subject, pods, used)
        except CouldNotLook as failure:
            if wanted.assumed and failure.reason == "not-found":
                continue
            lost = lost or failure
            unseen.append(f"{name}: {failure.says}")
    if not rows and lost is not None:
        raise lost
    rows.sort(key=lambda row: -max(row.cpu.share, row.memory.share))
    return Top(
        at=datetime.now(UTC),
        source=scope.source,
        namespace=scope.namespace,
        containers=tuple(rows),
        unseen=tuple(dict.fromkeys(unseen)),
    )


def rows_of(subject: str, pods: Sequence[dict[str, Any]], used: Sequence[dict[str, Any]]) -> list[ContainerUse]:
    """Containers of pods that run, joined with what they use. Pure."""
    measured = {
        (name_of(item), text(each, "name")): part(each, "usage") for item in used for each in parts(item, "containers")
    }
    return [
        ContainerUse(
            workload=subject,
            pod=name_of(pod),
            container=text(each, "name"),
            cpu=_amount(measured.get((name_of(pod), text(each, "name")), {}), each, "cpu"),
            memory=_amount(measured.get((name_of(pod), text(each, "name")), {}), each, "memory"),
        )
        for pod in pods
        if text(part(pod, "status"), "phase") == "Running"
        for each in parts(part(pod, "spec"), "containers")
    ]


def _amount(used: Mapping[str, Any], container: Mapping[str, Any], resource: str) -> Amount:
    return Amount(
        used=quantity(used.get(resource)),
        request=quantity(part(container, "resources", "requests").get(resource)),
        limit=quantity(part(container, "resources", "limits").get(resource)),
    )


def _used(scope: Scope, selector: str, unseen: list[str]) -> tuple[dict[str, Any], ...]:
    try:
        return scope.list(scope.path("metrics.k8s.io", "v1beta1", "pods"), selector).items
    except CouldNotLook as failure:
        missing = failure.reason == "unsupported" and "metrics.k8s.io" in failure.says
        unseen.append(NO_SERVER if missing else f"use is not measured: {failure.says}")
        return ()
