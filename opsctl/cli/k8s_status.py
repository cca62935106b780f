"""What ``opsctl k8s status`` shows: workloads, pods by state, what limits them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from opsctl.clients.kube_reads import collection
from opsctl.errors import CouldNotLook
from opsctl.model import Struct
from opsctl.probes.kubernetes_available import available, desired
from opsctl.probes.kubernetes_containers import is_ready, of_pods, pod_problem
from opsctl.probes.kubernetes_json import number, part, text
from opsctl.probes.kubernetes_rollout import RUNNING, STUCK, judge, managed_by
from opsctl.probes.kubernetes_scaling import HPA_VERSIONS, PDB_VERSIONS, covers, hpa_row, pdb_row
from opsctl.probes.kubernetes_scope import Found, Scope, name_of
from opsctl.redact import printable, redact

TROUBLED = 5  # pods named one by one


class PodInTrouble(Struct, frozen=True, kw_only=True):
    """A pod that is not as it should be."""

    pod: str
    says: str
    restarts: int = 0


class WorkloadStatus(Struct, frozen=True, kw_only=True):
    """``rollout``: complete, under way, paused, stuck or none (only labels are known); ``says``: more about it."""

    workload: str
    wanted: int | None
    available: int | None
    rollout: str
    says: str = ""
    pods: dict[str, int] = {}
    trouble: tuple[PodInTrouble, ...] = ()
    trouble_left: int = 0
    autoscaler: str = ""
    budgets: tuple[str, ...] = ()
    managed_by: str = ""


class Status(Struct, frozen=True, kw_only=True):
    """``unseen``: what could not be looked at, in sentences."""

    at: datetime
    source: str
    namespace: str
    workloads: tuple[WorkloadStatus, ...] = ()
    quotas: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()


def collect(scope: Scope) -> Status:
    """Look at all of it. Raises CouldNotLook when not one workload could be looked at."""
    unseen: list[str] = []
    found: list[tuple[Found, tuple[dict[str, Any], ...]]] = []
    lost: CouldNotLook | None = None
    for name, wanted in scope.wanted.items():
        try:
            for each in scope.find_for_pods(wanted):
                pods = scope.list(scope.path("", "v1", "pods"), each.selector)
                if not pods.items and not each.object:
                    raise scope.no_pods(each)
                unseen += [pods.cut] if pods.cut else []
                found.append((each, pods.items))
        except CouldNotLook as failure:
            if wanted.assumed and failure.reason == "not-found":
                continue
            lost = lost or failure
            unseen.append(f"{name}: {failure.says}")
    if not found:
        raise lost or CouldNotLook("not-found", f"none of the workloads is in namespace {scope.namespace}")
    scalers, of_scalers = _listed(scope, "autoscaling", "horizontalpodautoscalers", HPA_VERSIONS, unseen)
    budgets, of_budgets = _listed(scope, "policy", "poddisruptionbudgets", PDB_VERSIONS, unseen)
    quotas, _ = _listed(scope, "", "resourcequotas", ("v1",), unseen)
    return Status(
        at=datetime.now(UTC),
        source=scope.source,
        namespace=scope.namespace,
        workloads=tuple(_workload(each, pods, scalers, of_scalers, budgets, of_budgets) for each, pods in found),
        quotas=tuple(line for item in quotas for line in _quota(item)),
        unseen=tuple(dict.fromkeys(unseen)),
    )


def _listed(
    scope: Scope, group: str, resource: str, versions: Sequence[str], unseen: list[str]
) -> tuple[tuple[dict[str, Any], ...], str]:
    """A list by the newest version that the server offers; what keeps it from being seen goes to ``unseen``."""
    for version in versions:
        try:
            listed = scope.list(collection(group, version, resource, scope.namespace))
        except CouldNotLook as failure:
            if failure.reason == "unsupported" and version != versions[-1]:
                continue
            unseen.append(f"{resource}: {failure.says}")
            return (), version
        return listed.items, version
    return (), versions[-1]


def _workload(
    found: Found,
    pods: Sequence[dict[str, Any]],
    scalers: Sequence[dict[str, Any]],
    of_scalers: str,
    budgets: Sequence[dict[str, Any]],
    of_budgets: str,
) -> WorkloadStatus:
    told = [
        PodInTrouble(pod=name_of(pod), says=_clean(pod_problem(pod)), restarts=_restarts(pod)) for pod in _bad(pods)
    ]
    states = dict(sorted(Counter(map(_state, pods)).items(), key=lambda each: -each[1]))
    if not found.object:
        return WorkloadStatus(
            workload=f"pods with {found.selector}", wanted=None, available=None, rollout="none", pods=states,
            trouble=tuple(told[:TROUBLED]), trouble_left=max(0, len(told) - TROUBLED),
        )  # fmt: skip
    rollout, says = _rollout(found)
    scaler = next((item for item in scalers if _scales(item, found)), None)
    covering = [item for item in budgets if covers(item, found, of_budgets)]
    several = ("several budgets cover its pods: every eviction fails",) if len(covering) > 1 else ()
    return WorkloadStatus(
        workload=f"{found.kind.lower()}/{found.name}",
        wanted=desired(found),
        available=available(found),
        rollout=rollout,
        says=_clean(says),
        pods=states,
        trouble=tuple(told[:TROUBLED]),
        trouble_left=max(0, len(told) - TROUBLED),
        autoscaler=_scaler(found, scaler, of_scalers) if scaler else "",
        budgets=(*(_clean(pdb_row(found, item).says) for item in covering), *several),
        managed_by=managed_by(found.object),
    )


def _rollout(found: Found) -> tuple[str, str]:
    rows = judge(found)
    if rows[STUCK].state == "breach":
        return "stuck", rows[STUCK].says
    if part(found.object, "spec").get("paused") is True:
        return "paused", rows[RUNNING].says
    if rows[RUNNING].state == "breach":
        return "under way", rows[RUNNING].says
    return "complete", ""


def _scaler(found: Found, item: dict[str, Any], version: str) -> str:
    spec = part(item, "spec")
    bounds = f"{number(spec, 'minReplicas', 1)} to {number(spec, 'maxReplicas')}"
    return _clean(f"{hpa_row(found, item, version).says} (from {bounds})")


def _scales(item: dict[str, Any], found: Found) -> bool:
    target = part(item, "spec", "scaleTargetRef")
    return (target.get("kind"), target.get("name")) == (found.kind, found.name)


def _state(pod: dict[str, Any]) -> str:
    """One word: ready, the reason a container waits for, ending, or the phase."""
    if part(pod, "metadata").get("deletionTimestamp"):
        return "ending"
    waiting = next((each.waiting for each in of_pods([pod]) if each.waiting), "")
    if is_ready(pod):
        return "ready"
    phase = text(part(pod, "status"), "phase")
    reason = text(part(pod, "status"), "reason")
    return waiting or reason or ("not ready" if phase == "Running" else phase.lower() or "unknown")


def _bad(pods: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pods in trouble, those that restart most first."""
    unwell: Callable[[dict[str, Any]], bool] = lambda pod: _state(pod) not in ("ready", "ending", "succeeded")  # noqa: E731
    return sorted(filter(unwell, pods), key=lambda pod: -_restarts(pod))


def _restarts(pod: dict[str, Any]) -> int:
    return sum(each.restarts for each in of_pods([pod]))


def _quota(item: dict[str, Any]) -> list[str]:
    hard, used = part(item, "status", "hard"), part(item, "status", "used")
    return [
        f"{name_of(item)}: {resource} {used.get(resource, '0')} of {hard[resource]} used" for resource in sorted(hard)
    ]


def _clean(said: str) -> str:
    return redact(printable(said))
