"""Is there room for more pods: in the quotas, on the nodes, in the database's connections. Pure but for the reading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from opsctl.actions.kubernetes_workload import Objects
from opsctl.actions.model import Check
from opsctl.clients.postgres_errors import SlotsFull
from opsctl.errors import CouldNotLook
from opsctl.probes.kubernetes_json import condition, part, parts, text
from opsctl.probes.kubernetes_quantity import quantity
from opsctl.probes.kubernetes_scope import name_of

if TYPE_CHECKING:
    from opsctl.probes.look import Look
    from opsctl.services.model import Profile

ENDED = ("Succeeded", "Failed")
_QUOTED = {  # resource of a quota -> (requests or limits, resource) of a pod
    "cpu": ("requests", "cpu"),
    "memory": ("requests", "memory"),
    "requests.cpu": ("requests", "cpu"),
    "requests.memory": ("requests", "memory"),
    "limits.cpu": ("limits", "cpu"),
    "limits.memory": ("limits", "memory"),
}


class Budget(NamedTuple):
    """Connections that one replica may open, by which setting, and how many slots are free; why that is not known."""

    each: int
    setting: str
    free: int | None
    failure: str = ""


def taken(spec: Mapping[str, Any], kind: str, resource: str) -> float:
    """What a pod asks for: the sum of its containers, or its largest init container. ``kind``: requests, limits."""

    def asked(container: Mapping[str, Any]) -> float:
        of = part(container, "resources")
        value = quantity(part(of, kind).get(resource))
        if value is None and kind == "requests":
            value = quantity(part(of, "limits").get(resource))  # the server's default
        return value or 0.0

    init = max((asked(each) for each in parts(spec, "initContainers")), default=0.0)
    return max(sum(asked(each) for each in parts(spec, "containers")), init)


def quota_shortages(quotas: Objects, spec: Mapping[str, Any], extra: int) -> list[str]:
    """What ``extra`` more pods of ``spec`` would exceed, one sentence per limit. Quotas with scopes are passed over."""
    told = []
    for item in quotas:
        if part(item, "spec").get("scopes") or part(item, "spec").get("scopeSelector"):
            continue
        hard, used = part(item, "status", "hard"), part(item, "status", "used")
        for resource, limit in hard.items():
            if resource in ("pods", "count/pods"):
                one = 1.0
            elif resource in _QUOTED:
                one = taken(spec, *_QUOTED[resource])
            else:
                continue
            whole, gone = quantity(limit), quantity(used.get(resource)) or 0.0
            if whole is not None and one and gone + extra * one > whole * (1 + 1e-9):
                fits = max(0, int((whole - gone) / one + 1e-9))
                told.append(
                    f"quota {name_of(dict(item))}: {resource} {used.get(resource)} of {limit} used, room for {fits}"
                )
    return told


def fitting(nodes: Objects, pods: Objects, spec: Mapping[str, Any], extra: int) -> int:
    """How many of ``extra`` pods of ``spec`` the nodes can take, by requests, taints and nodeSelector.

    Affinity and spread constraints are not reckoned with: the scheduler may place fewer.
    """
    on: dict[str, list[Mapping[str, Any]]] = {}
    for pod in pods:
        if part(pod, "status").get("phase") not in ENDED:
            on.setdefault(text(part(pod, "spec"), "nodeName"), []).append(part(pod, "spec"))
    room = 0
    for node in nodes:
        if not _takes(node, spec):
            continue
        there = on.get(name_of(dict(node)), [])
        space = part(node, "status", "allocatable")
        fits = [extra]
        for resource in ("cpu", "memory"):
            whole, one = quantity(space.get(resource)), taken(spec, "requests", resource)
            if whole is not None and one:
                fits.append(int((whole - sum(taken(each, "requests", resource) for each in there)) / one + 1e-9))
        count = quantity(space.get("pods"))
        if count is not None:
            fits.append(int(count) - len(there))
        room += max(0, min(fits))
    return min(room, extra)


def _takes(node: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
    if part(node, "spec").get("unschedulable") or condition(node, "Ready").get("status") != "True":
        return False
    labels = part(node, "metadata", "labels")
    if any(labels.get(key) != value for key, value in part(spec, "nodeSelector").items()):
        return False
    taints = [each for each in parts(part(node, "spec"), "taints") if each.get("effect") != "PreferNoSchedule"]
    return all(any(_tolerates(tolerated, taint) for tolerated in parts(spec, "tolerations")) for taint in taints)


def _tolerates(tolerated: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if tolerated.get("effect") not in (None, "", taint.get("effect")):
        return False
    if tolerated.get("operator") == "Exists":
        return tolerated.get("key") in (None, "", taint.get("key"))
    return tolerated.get("key") == taint.get("key") and tolerated.get("value", "") == taint.get("value", "")


def pool_size(profile: Profile, workload: str) -> tuple[int, str]:
    """Connections that one replica may open and the setting that says so; (0, "") where the profile does not tell."""
    own = f"{workload.replace('-', '_')}_pool_size"
    for name in (own, "DB_CONNECTION_POOL_SIZE", "pool_size"):
        value = profile.settings.get(name) or str(profile.capacity.get(name, ""))
        if value and value.replace(".0", "").isdigit():
            return int(float(value)), name
    return 0, ""


def connections(look: Look, profile: Profile, workload: str) -> Budget | None:
    """The database's free slots (PG-1) where the profile tells the pool size of a replica, else None."""
    each, setting = pool_size(profile, workload)
    if not each:
        return None
    from opsctl.probes.postgres_session import PostgresParams, session

    try:
        (row,) = session(look, PostgresParams()).rows("get_capacity")
    except SlotsFull:
        return Budget(each, setting, 0)
    except CouldNotLook as failure:
        return Budget(each, setting, None, failure.says)
    return Budget(each, setting, max(0, int(row["slots"]) - int(row["used"]) - int(row["hidden"])))


def connection_check(budget: Budget, extra: int, lift: str) -> Check:
    """Whether the pools of ``extra`` more replicas fit into the free slots (2.4: replicas x pool size). Pure."""
    need = budget.each * extra
    says = f"{extra} more replicas may open {need} connections ({budget.setting} {budget.each})"
    if budget.free is None:
        says += f"; how many slots are free cannot be seen: {budget.failure}"
        return Check(id="connections", says=says, ok=None, lift=lift)
    return Check(id="connections", says=f"{says}; {budget.free} slots are free", ok=need <= budget.free, lift=lift)
