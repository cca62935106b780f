"""kubernetes.rollout (K8-2): are the replicas there, is a rollout running, stuck or paused, is it scaled to zero."""

from __future__ import annotations

from typing import Any

import msgspec

from opsctl.errors import CouldNotLook
from opsctl.model import Seen, Value
from opsctl.probes.kubernetes_available import degraded, desired, paused, quota_exceeded, scaled_to_zero, unavailable
from opsctl.probes.kubernetes_json import condition, moment, number, part, parts, text
from opsctl.probes.kubernetes_scope import Found, OfWorkload, Row, Scope, merged, present_only
from opsctl.probes.look import Look
from opsctl.probes.registry import probe
from opsctl.probes.severity import worst_severity

STUCK, RUNNING, ZERO = "kubernetes.rollout-stuck", "kubernetes.rollout-in-progress", "kubernetes.scaled-to-zero"
GONE, FEWER = "kubernetes.unavailable", "kubernetes.degraded"
PAUSED, QUOTA = "kubernetes.rollout-paused", "kubernetes.quota-exceeded"
IDS = (GONE, FEWER, STUCK, RUNNING, PAUSED, ZERO, QUOTA)
Rows = dict[str, Row]


@probe(
    "kubernetes.rollout",
    emits={
        GONE: "a workload has not one replica that serves",
        FEWER: "some replicas of a workload do not serve, and no rollout that goes on explains it",
        STUCK: "a rollout makes no progress, or its pods cannot be created",
        RUNNING: "a rollout is not finished",
        PAUSED: "a rollout is paused before it is finished",
        QUOTA: "a resource quota refuses the pods that are wanted",
        ZERO: "a workload is wanted with no replicas",
    },
    params=OfWorkload,
    asks="the Deployment, StatefulSet or DaemonSet objects of the service",
    privilege="get deployments.apps (list with a label selector)",
    cost="one GET per workload",
    minimum="apps/v1 (1.9)",
)
def rollout(look: Look, params: OfWorkload) -> Seen:
    """K8-2. Generations, replica counts, conditions; paused and scaled to zero are told apart from stuck."""
    present_only(look)
    scope = Scope(look, params.workload)
    evidence = []
    rows: list[Rows] = []
    for name, wanted in scope.wanted.items():
        try:
            found = scope.find(wanted)
        except CouldNotLook as failure:
            lost, unknown = scope.lose(name, wanted, failure)
            evidence.append(lost)
            rows += [dict.fromkeys(IDS, row) for row in unknown]
            continue
        for each in found:
            rows.append(judge(each))
            evidence.append(scope.evidence(each.subject, each.path, values(each)))
    findings = [merged(id, [row[id] for row in rows]) for id in IDS]
    if findings[0].state == "breach":  # no replica at all is what this runbook is about; the rest warns of it
        severity, label = worst_severity(look)
        findings[0] = msgspec.structs.replace(findings[0], severity=severity, severity_label=label)
    return Seen(evidence=tuple(evidence), findings=tuple(findings))


def judge(found: Found) -> Rows:
    """The rows of one workload. Pure."""
    judges = {"Deployment": _deployment, "StatefulSet": _stateful_set, "DaemonSet": _daemon_set}
    rows = judges[found.kind](found)
    return {
        **rows,
        GONE: unavailable(found),
        FEWER: degraded(found, rows[STUCK], rows[RUNNING]),
        PAUSED: paused(found),
        ZERO: scaled_to_zero(found),
        QUOTA: quota_exceeded(found),
    }


def values(found: Found) -> list[Value]:
    """What is shown of a workload."""
    spec, status = part(found.object, "spec"), part(found.object, "status")
    shown = [Value(name="desired", value=desired(found), unit="count")]
    keys = ("updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")
    if found.kind == "DaemonSet":
        keys = ("updatedNumberScheduled", "numberReady", "numberAvailable", "numberUnavailable")
    shown += [Value(name=key, value=number(status, key), unit="count") for key in keys]
    generation = number(part(found.object, "metadata"), "generation")
    shown.append(Value(name="generation", value=generation, note=f"observed {number(status, 'observedGeneration')}"))
    if spec.get("paused"):
        shown.append(Value(name="paused", value=True))
    for each in parts(status, "conditions"):
        state = f"{text(each, 'status')} {text(each, 'reason')}".strip()
        shown.append(Value(name=text(each, "type"), value=state, note=text(each, "message")[:200]))
    manager = managed_by(found.object)
    if manager:
        shown.append(Value(name="managed_by", value=manager))
    return shown


def managed_by(obj: dict[str, Any]) -> str:
    """Who keeps the object as it is (helm, argocd, flux), "" for nobody known: such a manager undoes manual changes."""
    labels, notes = part(obj, "metadata", "labels"), part(obj, "metadata", "annotations")
    if "argocd.argoproj.io/tracking-id" in notes or "argocd.argoproj.io/instance" in labels:
        return "argocd"
    if any(key.endswith("toolkit.fluxcd.io/name") for key in labels):
        return "flux"
    if "meta.helm.sh/release-name" in notes:
        return f"helm release {notes['meta.helm.sh/release-name']}"
    return str(labels.get("app.kubernetes.io/managed-by", ""))


def _unseen_generation(found: Found) -> str:
    """The sentence for a change that the controller has not taken up, else ""."""
    generation = number(part(found.object, "metadata"), "generation")
    observed = number(part(found.object, "status"), "observedGeneration")
    if observed >= generation:
        return ""
    return f"{found.subject}: the controller has not taken up the last change (generation {observed} of {generation})"


def _deployment(found: Found) -> Rows:
    status, spec = part(found.object, "status"), part(found.object, "spec")
    wanted = desired(found)
    total, updated = number(status, "replicas"), number(status, "updatedReplicas")
    available = number(status, "availableReplicas")
    counts = f"{updated} of {wanted} updated, {available} of {wanted} available"
    progressing, failing = condition(found.object, "Progressing"), condition(found.object, "ReplicaFailure")
    late = progressing.get("status") == "False" and progressing.get("reason") == "ProgressDeadlineExceeded"
    # Once complete, a Deployment keeps this reason until the next rollout, also while pods come and go.
    # Without a progress deadline there is no such condition, and only the counts of updated pods tell.
    complete = progressing.get("reason") == "NewReplicaSetAvailable" or not progressing

    unseen = _unseen_generation(found)
    if late:
        limit = number(spec, "progressDeadlineSeconds", default=600)
        since = moment(progressing.get("lastTransitionTime"))
        stuck = Row("breach", f"{found.subject}: no progress within its deadline of {limit} s; {counts}", since=since)
    elif failing.get("status") == "True" and wanted:
        why = f"{text(failing, 'reason')}: {text(failing, 'message')[:300]}"
        since = moment(failing.get("lastTransitionTime"))
        stuck = Row("breach", f"{found.subject}: pods cannot be created, {why}", since=since)
    else:
        stuck = Row("ok", f"{found.subject}: {counts}")

    half_way = updated < wanted or total > updated
    if unseen:
        running = Row("breach", unseen)
    elif spec.get("paused") and half_way:
        running = Row("breach", f"{found.subject}: the rollout is paused half-way; {counts}, {total} pods in all")
    elif spec.get("paused"):
        running = Row("ok", f"{found.subject}: no rollout is running, {counts}; paused on purpose")
    elif late or (half_way and not progressing) or (not complete and (half_way or available < updated)):
        running = Row("breach", f"{found.subject}: the rollout is not finished; {counts}, {total} pods in all")
    else:
        running = Row("ok", f"{found.subject}: no rollout is running, {counts}")
    return {STUCK: stuck, RUNNING: running}


def _stateful_set(found: Found) -> Rows:
    status, spec = part(found.object, "status"), part(found.object, "spec")
    wanted, updated = desired(found), number(status, "updatedReplicas")
    strategy = part(spec, "updateStrategy")
    partition = number(part(strategy, "rollingUpdate"), "partition")
    pending = status.get("updateRevision") not in (None, status.get("currentRevision"))
    if strategy.get("type") == "OnDelete":
        why = "its strategy is OnDelete: pods change only when somebody deletes them"
    elif partition:
        why = f"its partition {partition} holds pods below that number back"
    else:
        why = f"{updated} of {wanted} updated, {number(status, 'readyReplicas')} ready"
    goal = max(0, wanted - partition)
    return _without_deadline(found, pending and updated < goal, why)


def _daemon_set(found: Found) -> Rows:
    status = part(found.object, "status")
    wanted, updated = desired(found), number(status, "updatedNumberScheduled")
    why = f"{updated} of {wanted} updated, {number(status, 'numberReady')} ready"
    return _without_deadline(found, updated < wanted, why)


def _without_deadline(found: Found, pending: bool, why: str) -> Rows:
    unseen = _unseen_generation(found)
    if not pending and not unseen:
        says = f"{found.subject}: no rollout is running"
        return {STUCK: Row("ok", says), RUNNING: Row("ok", says)}
    says = unseen or f"{found.subject}: the rollout is not finished; {why}"
    told = f"{found.subject}: a {found.kind} has no progress deadline, so nothing says whether its rollout is stuck"
    stuck = Row("unknown", f"{told}; {why}", reason="unsupported")
    return {STUCK: stuck, RUNNING: Row("breach", says)}
