"""What must hold before a workload is scaled: no rollout, room in quota, on nodes and in the database. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from opsctl.actions.kubernetes_goal import Goal, ScaleOut
from opsctl.actions.kubernetes_room import Budget, connection_check, fitting, quota_shortages
from opsctl.actions.kubernetes_scaler import Scaler
from opsctl.actions.kubernetes_workload import Partly, Standing, steady
from opsctl.actions.model import Check
from opsctl.probes.kubernetes_json import part


class Seen(NamedTuple):
    """``pods``: of all namespaces. ``budget`` None: the profile tells no pool size."""

    standing: Standing
    scaler: Scaler | None
    goal: Goal
    quotas: Partly
    pods: Partly
    budget: Budget | None
    dry_run: Check | None


def checks_of(seen: Seen, params: ScaleOut) -> list[Check]:
    """In the order in which they are shown."""
    standing, goal = seen.standing, seen.goal
    checks = [check for check in steady(standing, during_drain=params.during_drain) if check.id != "not-paused"]
    if seen.scaler and seen.scaler.keda:
        says = f"KEDA's ScaledObject {seen.scaler.keda} keeps the autoscaler: change its minReplicaCount instead"
        checks.append(Check(id="not-keda", says=says, ok=False))
    spec = part(standing.found.object, "spec", "template", "spec")
    if goal.extra > 0:
        share = goal.total / max(1, standing.replicas)
        says = f"{standing.replicas} -> {goal.total} replicas, at most {params.max_factor:g} times as many"
        checks.append(Check(id="factor", says=says, ok=share <= params.max_factor, lift=f"--max-factor {share:.3g}"))
        if "quota" not in params.skip_check:
            checks.append(_quota(seen, spec))
        if "nodes" not in params.skip_check:
            checks.append(_nodes(seen, spec))
        if seen.budget is not None:
            checks.append(connection_check(seen.budget, goal.extra, "--skip-check connections"))
    return [*checks, seen.dry_run] if seen.dry_run else checks


def _quota(seen: Seen, spec: Mapping[str, Any]) -> Check:
    lift = "--skip-check quota"
    if seen.quotas.failure:
        return Check(id="quota", says=f"quotas cannot be seen: {seen.quotas.failure}", ok=None, lift=lift)
    short = quota_shortages(seen.quotas.items, spec, seen.goal.extra)
    count = len(seen.quotas.items)
    fine = f"room in {count} quota{'s' if count > 1 else ''}" if count else "the namespace has no quota"
    return Check(
        id="quota", says="; ".join(short) or f"{fine} for {seen.goal.extra} more pods", ok=not short, lift=lift
    )


def _nodes(seen: Seen, spec: Mapping[str, Any]) -> Check:
    lift, extra = "--skip-check nodes", seen.goal.extra
    failure = seen.standing.nodes.failure or seen.pods.failure
    if failure:
        return Check(id="nodes", says=f"room on the nodes cannot be seen: {failure}", ok=None, lift=lift)
    fits = fitting(seen.standing.nodes.items, seen.pods.items, spec, extra)
    says = f"the nodes have room for {fits} of {extra} more pods, by their requests"
    return Check(id="nodes", says=says, ok=fits >= extra, lift=lift)
