"""kubernetes.scaling (K8-9): what would keep more replicas from helping: autoscaler, disruption budget, quota."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from opsctl.clients.kube_reads import collection
from opsctl.errors import CouldNotLook
from opsctl.model import Evidence, Seen, Value
from opsctl.probes.kubernetes_json import condition, number, part, parts, selects, text
from opsctl.probes.kubernetes_quantity import quantity
from opsctl.probes.kubernetes_scope import (
    NOTHING_THERE,
    Found,
    OfWorkload,
    Row,
    Scope,
    merged,
    name_of,
    present_only,
    unknown_row,
)
from opsctl.probes.look import Look
from opsctl.probes.registry import probe

HPA, QUOTA, PDB = "kubernetes.hpa-at-max", "kubernetes.quota-full", "kubernetes.pdb-blocks"
MORE = "kubernetes.hpa-wants-more"
HPA_VERSIONS = ("v2", "v2beta2", "v1")  # 1.23, 1.12, always
PDB_VERSIONS = ("v1", "v1beta1")  # 1.21, until 1.25
_V1_CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
Looked = tuple[dict[str, Row], Evidence]


class Scaling(OfWorkload, frozen=True, kw_only=True):
    """``quota_above``: used share of a quota, 0-1, from which it counts as full."""

    quota_above: float = 0.95


@probe(
    "kubernetes.scaling",
    emits={
        HPA: "an autoscaler has reached its maximum: load alone will not bring more replicas",
        MORE: "an autoscaler wants more replicas than its maximum lets it have",
        QUOTA: "a resource quota of the namespace is nearly used up: new pods may be refused",
        PDB: "a disruption budget allows no pod to be evicted",
    },
    params=Scaling,
    asks="HorizontalPodAutoscalers, PodDisruptionBudgets and ResourceQuotas of the namespace",
    privilege="list horizontalpodautoscalers.autoscaling, poddisruptionbudgets.policy, resourcequotas",
    cost="three lists and one GET per workload",
    minimum="autoscaling/v1, policy/v1beta1",
)
def scaling(look: Look, params: Scaling) -> Seen:
    """K8-9. Each of the three is looked at for itself; what cannot be seen is unknown, the rest stays."""
    present_only(look)
    scope = Scope(look, params.workload)
    found, lost = _workloads(scope)
    looks: tuple[tuple[tuple[str, ...], Callable[[], Looked]], ...] = (
        ((HPA, MORE), lambda: _autoscalers(scope, found)),
        ((QUOTA,), lambda: _quotas(scope, params.quota_above)),
        ((PDB,), lambda: _budgets(scope, found)),
    )
    rows: dict[str, list[Row]] = {HPA: list(lost), MORE: list(lost), QUOTA: [], PDB: list(lost)}
    evidence: list[Evidence] = []
    for ids, look_at in looks:
        try:
            told, seen = look_at()
        except CouldNotLook as failure:
            told, seen = dict.fromkeys(ids, unknown_row(failure)), scope.unseen(ids[0], failure)
        for id, row in told.items():
            rows[id].append(row)
        evidence.append(seen)
    findings = (
        merged(HPA, rows[HPA], unit="count"),
        merged(MORE, rows[MORE], unit="count"),
        merged(QUOTA, rows[QUOTA], threshold=params.quota_above, unit="ratio", origin="quota_above"),
        merged(PDB, rows[PDB]),
    )
    return Seen(evidence=tuple(evidence), findings=findings)


def _workloads(scope: Scope) -> tuple[list[Found], list[Row]]:
    found: list[Found] = []
    lost: list[Row] = []
    for name, wanted in scope.wanted.items():
        try:
            found += scope.find(wanted)
        except CouldNotLook as failure:
            lost += scope.lose(name, wanted, failure)[1]
    if not found and not lost:
        lost.append(Row("unknown", NOTHING_THERE, reason="not-found"))
    return found, lost


def _newest(
    scope: Scope, group: str, resource: str, versions: Sequence[str]
) -> tuple[str, str, Sequence[dict[str, Any]], str]:
    """A list by the newest version that the server offers: version, path, items, why it is cut."""
    for version in versions:
        path = collection(group, version, resource, scope.namespace)
        try:
            listed = scope.list(path)
        except CouldNotLook as failure:
            if failure.reason == "unsupported" and version != versions[-1]:
                continue
            raise
        return version, path, listed.items, listed.cut
    raise AssertionError("unreachable: the last version raises")


def _autoscalers(scope: Scope, found: Sequence[Found]) -> Looked:
    version, path, items, cut = _newest(scope, "autoscaling", "horizontalpodautoscalers", HPA_VERSIONS)
    ours = [(each, item) for each in found for item in items if _scales(item, each)]
    rows = [hpa_row(each, item, version) for each, item in ours]
    values = [
        Value(
            name="autoscaler",
            value=number(part(item, "status"), "currentReplicas"),
            unit="count",
            labels={"name": name_of(item), "workload": each.subject},
            note=f"minimum {number(part(item, 'spec'), 'minReplicas', 1)}, "
            f"maximum {number(part(item, 'spec'), 'maxReplicas')}. {conditions_text(item, version)}".strip(),
        )
        for each, item in ours
    ]
    evidence = scope.evidence("autoscalers", path, values)
    if not rows:
        return dict.fromkeys((HPA, MORE), _nothing_found(cut, "no autoscaler scales the service's workloads")), evidence
    more = [wants_more(item, version, row) for (_, item), row in zip(ours, rows, strict=True)]
    return {HPA: _worst(rows), MORE: _worst(more)}, evidence


def wants_more(item: Mapping[str, Any], version: str, at_max: Row) -> Row:
    """Whether load asks for more than the maximum; ``at_max``: what ``hpa_row`` says. Pure."""
    limited = next((c for c in hpa_conditions(item, version) if c.get("type") == "ScalingLimited"), {})
    held = limited.get("status") == "True" and limited.get("reason") == "TooManyReplicas"
    if at_max.state != "breach" or not held:
        return Row("ok", at_max.says, measured=at_max.measured)
    return Row("breach", f"{at_max.says}{_load(item)}", measured=at_max.measured)


def _load(item: Mapping[str, Any]) -> str:
    """What it measures against its target, in the form of v1 or of the later ones; "" where that is not told."""
    spec, status = part(item, "spec"), part(item, "status")
    goals = {"cpu": spec.get("targetCPUUtilizationPercentage")}
    used = {"cpu": status.get("currentCPUUtilizationPercentage")}
    for each in parts(spec, "metrics"):
        goals[text(part(each, "resource"), "name")] = part(each, "resource", "target").get("averageUtilization")
    for each in parts(status, "currentMetrics"):
        used[text(part(each, "resource"), "name")] = part(each, "resource", "current").get("averageUtilization")
    told = [f"{name} at {used.get(name)} % of the requests, target {goal} %" for name, goal in goals.items() if goal]
    return f" ({'; '.join(told)})" if told and any(used.values()) else ""


def hpa_row(found: Found, item: dict[str, Any], version: str) -> Row:
    """One autoscaler: at its maximum or not, and whether it wants more. Pure."""
    name = name_of(item)
    maximum = number(part(item, "spec"), "maxReplicas")
    current = number(part(item, "status"), "currentReplicas")
    says = f"autoscaler {name} of {found.subject} has {current} of at most {maximum} replicas"
    conditions = {text(each, "type"): each for each in hpa_conditions(item, version)}
    limited = conditions.get("ScalingLimited", {})
    if limited.get("status") == "True" and limited.get("reason") == "TooManyReplicas":
        says += " and wants more"
    active = conditions.get("ScalingActive", {})
    if active.get("status") == "False":
        says += f"; it does not scale ({text(active, 'reason')}: {text(active, 'message')[:200]})"
    return Row("breach" if maximum and current >= maximum else "ok", says, measured=current)


def hpa_conditions(item: Mapping[str, Any], version: str) -> list[dict[str, Any]]:
    """An autoscaler's conditions; v1 keeps them as JSON in an annotation."""
    if version != "v1":
        return parts(part(item, "status"), "conditions")
    noted = text(part(item, "metadata", "annotations"), _V1_CONDITIONS)
    try:
        return parts({"conditions": msgspec.json.decode(noted)} if noted else {}, "conditions")
    except (msgspec.DecodeError, RecursionError):
        return []


def conditions_text(item: Mapping[str, Any], version: str) -> str:
    """``ScalingLimited True TooManyReplicas, …``."""
    shown = (
        f"{text(c, 'type')} {text(c, 'status')} {text(c, 'reason')}".strip() for c in hpa_conditions(item, version)
    )
    return ", ".join(shown)


def _scales(item: Mapping[str, Any], found: Found) -> bool:
    target = part(item, "spec", "scaleTargetRef")
    return (target.get("kind"), target.get("name")) == (found.kind, found.name)


def _budgets(scope: Scope, found: Sequence[Found]) -> Looked:
    version, path, items, cut = _newest(scope, "policy", "poddisruptionbudgets", PDB_VERSIONS)
    ours = [(each, item) for each in found for item in items if covers(item, each, version)]
    rows = [pdb_row(each, item) for each, item in ours]
    for each in found:
        names = [name_of(item) for one, item in ours if one is each]
        if len(names) > 1:
            says = f"{len(names)} disruption budgets cover {each.subject} ({', '.join(names)}): every eviction fails"
            rows.append(Row("breach", says))
    values = [
        Value(
            name="disruptions allowed",
            value=number(part(item, "status"), "disruptionsAllowed"),
            unit="count",
            labels={"name": name_of(item), "workload": each.subject},
        )
        for each, item in ours
    ]
    evidence = scope.evidence("disruption budgets", path, values)
    if not rows:
        return {PDB: _nothing_found(cut, "no disruption budget covers the service's pods")}, evidence
    return {PDB: _worst(rows)}, evidence


def covers(item: Mapping[str, Any], found: Found, version: str) -> bool:
    """Whether a budget's selector takes in a workload's pods. An empty one means all in v1 and none in v1beta1."""
    selector = part(item, "spec").get("selector")
    if not isinstance(selector, dict):
        return False
    if not (selector.get("matchLabels") or selector.get("matchExpressions")):
        return version != "v1beta1"
    return selects(selector, part(found.object, "spec", "template", "metadata", "labels"))


def pdb_row(found: Found, item: dict[str, Any]) -> Row:
    """One disruption budget. Pure."""
    name, status = name_of(item), part(item, "status")
    healthy, wanted = number(status, "currentHealthy"), number(status, "desiredHealthy")
    allowed, expected = number(status, "disruptionsAllowed"), number(status, "expectedPods")
    says = (
        f"disruption budget {name} of {found.subject} allows {allowed} evictions ({healthy} healthy, {wanted} needed)"
    )
    if number(status, "observedGeneration") < number(part(item, "metadata"), "generation"):
        return Row("unknown", f"disruption budget {name} was not judged yet by its controller", reason="no-data")
    problem = condition(item, "DisruptionAllowed")
    if problem.get("reason") == "SyncFailed":
        says += f"; {text(problem, 'message')[:200]}"
    return Row("breach" if expected and not allowed else "ok", says)


def _quotas(scope: Scope, above: float) -> Looked:
    path = scope.path("", "v1", "resourcequotas")
    listed = scope.list(path)
    rows: list[Row] = []
    values: list[Value] = []
    for item in listed.items:
        name = name_of(item)
        hard, used = part(item, "status", "hard"), part(item, "status", "used")
        for resource in sorted(hard):
            limit, taken = quantity(hard[resource]), quantity(used.get(resource))
            labels = {"quota": name, "resource": resource}
            note = f"{used.get(resource)} of {hard[resource]}"
            if not limit or taken is None:  # a limit of 0 forbids on purpose
                values.append(Value(name="quota used", value=taken, labels=labels, note=note))
                continue
            share = taken / limit
            values.append(Value(name="quota used", value=share, unit="ratio", labels=labels, note=note))
            says = f"quota {name}: {resource} {note} used ({share:.0%}, objective below {above:.0%})"
            rows.append(Row("breach" if share >= above else "ok", says, measured=share))
    evidence = scope.evidence(f"resource quotas of namespace {scope.namespace}", path, values)
    if not rows:
        return {QUOTA: _nothing_found(listed.cut, f"namespace {scope.namespace} has no resource quota")}, evidence
    return {QUOTA: _worst(rows)}, evidence


def _nothing_found(cut: str, says: str) -> Row:
    return Row("unknown", cut, reason="too-large") if cut else Row("ok", says)


def _worst(rows: Sequence[Row]) -> Row:
    """The breaches together, else what is unknown, else the one closest to a breach."""
    for state in ("breach", "unknown"):
        chosen = [row for row in rows if row.state == state]
        if chosen:
            says = "; ".join(dict.fromkeys(row.says for row in chosen))
            measured = [row.measured for row in chosen if row.measured is not None]
            return chosen[0]._replace(says=says, measured=max(measured, default=None))
    return max(rows, key=lambda row: row.measured or 0.0)
