"""kubernetes.restart: new pods of the same template, a few at a time (domain-checks 2.4, THR-07, B-24)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from opsctl.actions.hands import Hands
from opsctl.actions.kubernetes_change import Change, read, rehearsed, send, version_of
from opsctl.actions.kubernetes_evidence import evidence
from opsctl.actions.kubernetes_workload import Standing, keeper, newest_pods, pin_of, rolled_out, stand, steady
from opsctl.actions.model import Check, Did, Effect, Excluded, Limit, Params, Plan, Proposal, Step, Verified
from opsctl.actions.registry import Action, register
from opsctl.probes.kubernetes_available import available
from opsctl.probes.kubernetes_json import number, part, text
from opsctl.probes.kubernetes_scope import name_of
from opsctl.probes.kubernetes_template import RESTARTED

LOST = "the pods that ended stay ended; taking the annotation back would only restart the new ones"


class Restart(Params, frozen=True, kw_only=True):
    """See ``help`` of the action."""

    workload: str = ""
    accept_downtime: bool = False
    during_drain: bool = False


class Seen(NamedTuple):
    """``stamp``: what the annotation will say; ``dry_run``: what the server says of it, None where nothing would be."""

    standing: Standing
    stamp: str
    dry_run: Check | None


def observe(hands: Hands, params: Restart) -> Seen:
    """The workload, its pods, nodes and disruption budgets, and a dry run."""
    standing = stand(hands, params.workload, lambda found: available(found) == 0)
    stamp = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    found = standing.found
    if idle(standing):
        return Seen(standing, stamp, None)
    return Seen(standing, stamp, rehearsed(hands.writers.kubernetes, change(found.path, stamp), found.object))


def change(path: str, stamp: str) -> Change:
    """The pod template's annotation, not the workload's own."""

    def body(now: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "metadata": {"resourceVersion": version_of(now)},
            "spec": {"template": {"metadata": {"annotations": {RESTARTED: stamp}}}},
        }

    return Change(path, "strategic-merge", body)


def idle(standing: Standing) -> str:
    """Why a restart would change no pod, "" when it would."""
    strategy = part(standing.found.object, "spec", "updateStrategy")
    if standing.replicas == 0:
        return "it is scaled to zero: there is no pod to restart"
    if strategy.get("type") == "OnDelete":
        return "its strategy is OnDelete: pods change only when somebody deletes them, one by one"
    partition = number(part(strategy, "rollingUpdate"), "partition")
    if standing.found.kind == "StatefulSet" and partition >= standing.replicas:
        return f"its partition {partition} holds all {standing.replicas} pods back"
    return ""


def propose(seen: Seen, params: Restart) -> Proposal:
    """One step, or none with the reason. Pure."""
    standing, found = seen.standing, seen.standing.found
    why_idle = idle(standing)
    checks = [*steady(standing, during_drain=params.during_drain), *_downtime(standing, params)]
    checks += [seen.dry_run] if seen.dry_run else []
    step = Step(
        target=standing.target(),
        why="named" if params.workload else "none of its replicas serves" if not standing.available else "the only one",
        calls=(f"{standing.kubectl} rollout restart {standing.id}",),
        before={
            "path": found.path,
            "kind": found.kind,
            "namespace": standing.namespace,
            "stamp": seen.stamp,
            "selector": found.selector,
        },
        shows=(f"annotation {RESTARTED} of the pod template becomes {seen.stamp}",),
    )
    away = taken_away(standing)
    return Proposal(
        subject=standing.source,
        scope=standing.scope,
        steps=() if why_idle else (step,),
        of=standing.workloads,
        unit="workloads",
        impact=_impact(standing, away),
        lost=LOST,
        excluded=(Excluded(id=standing.id, says=found.subject, why=why_idle, refused=True),) if why_idle else (),
        checks=tuple(checks),
        confirm=found.name,
        notes=tuple(_notes(standing)),
    )


def _downtime(standing: Standing, params: Restart) -> list[Check]:
    """Whether enough replicas stay while it rolls. [] when downtime is accepted."""
    if params.accept_downtime:
        return []
    lift = "--accept-downtime"
    wanted, there, away = standing.replicas, standing.available, taken_away(standing)
    if not there:
        return [Check(id="no-downtime", says="none of its replicas serves: a restart takes nothing away", ok=True)]
    if part(standing.found.object, "spec", "strategy").get("type") == "Recreate":
        says = "its strategy is Recreate: all pods end before the first new one starts"
        return [Check(id="no-downtime", says=says, ok=False, lift=lift)]
    if wanted == 1:
        return [Check(id="no-downtime", says="it has a single replica", ok=False, lift=lift)]
    if away >= wanted:
        says = f"maxUnavailable lets all {wanted} replicas be away at once"
        return [Check(id="no-downtime", says=says, ok=False, lift=lift)]
    checks = [Check(id="no-downtime", says=f"at most {away} of {wanted} replicas are away at a time", ok=True)]
    if standing.budgets.failure:
        says = f"disruption budgets cannot be seen: {standing.budgets.failure}"
        return [*checks, Check(id="disruption-budget", says=says, ok=None, lift=lift)]
    for item in standing.budgets.items:
        needed = number(part(item, "status"), "desiredHealthy")
        says = (
            f"budget {name_of(item)} needs {needed} healthy pods; a rollout leaves at least {there - away} of {there}"
        )
        checks.append(Check(id="disruption-budget", says=says, ok=there - away >= needed, lift=lift))
    return checks


def taken_away(standing: Standing) -> int:
    """How many replicas a rollout may take away at a time. Pure."""
    spec, wanted = part(standing.found.object, "spec"), standing.replicas
    if standing.found.kind == "StatefulSet":
        return 1
    if standing.found.kind == "DaemonSet":
        return max(1, _share(part(spec, "updateStrategy", "rollingUpdate").get("maxUnavailable", 1), wanted, up=True))
    rolling = part(spec, "strategy", "rollingUpdate")
    away = _share(rolling.get("maxUnavailable", "25%"), wanted, up=False)
    more = _share(rolling.get("maxSurge", "25%"), wanted, up=True)
    return away if away or more else 1  # the controller's own rule: one of both must be possible


def _share(value: object, of: int, *, up: bool) -> int:
    """``1`` or ``25%`` of a number, as Kubernetes rounds it."""
    if isinstance(value, str) and value.endswith("%") and value[:-1].isdigit():
        whole = int(value[:-1]) * of
        return -(-whole // 100) if up else whole // 100
    return value if isinstance(value, int) else 0


def _impact(standing: Standing, away: int) -> str:
    if not standing.available:
        return f"nothing that served before: {standing.found.subject} has no replica that serves"
    if away == 0:
        return "each old pod ends after a new one is ready; long requests of an ending pod may fail"
    return f"up to {away} of {standing.replicas} replicas are away at a time; requests they are serving may fail"


def _notes(standing: Standing) -> list[str]:
    notes = ["Logs and events of its pods are kept in the ledger before they end."]
    partition = number(part(standing.found.object, "spec", "updateStrategy", "rollingUpdate"), "partition")
    if partition and standing.found.kind == "StatefulSet":
        notes.append(f"Its partition {partition} holds the pods below that number back: they are not restarted.")
    manager = keeper(standing.found)
    if manager in ("argocd", "flux"):
        notes.append(
            f"{manager} keeps it: where it heals itself, it may take the annotation back and restart once more."
        )
    return notes


def apply(hands: Hands, step: Step) -> Did:
    """Evidence, then the annotation."""
    before = step.before
    listed = hands.readers.kubernetes().list(
        f"api/v1/namespaces/{before['namespace']}/pods", {"labelSelector": before["selector"]}, timeout=10.0
    )
    kept = evidence(hands.readers.kubernetes(), before["namespace"], newest_pods(listed.items))

    def done(_: Mapping[str, Any], after: Mapping[str, Any]) -> Did:
        generation = number(part(after, "metadata"), "generation")
        return Did(
            state="acted",
            says=f"{step.target.id} is being restarted (generation {generation})",
            after={"generation": generation, "evidence": kept},
        )

    return send(hands, change(before["path"], before["stamp"]), step.target.pin, pin_of, done)


def settled(hands: Hands, step: Step) -> Effect:
    """The stamp is of this plan alone."""
    now = read(hands, step.before["path"])
    if now is None:
        return "unknown"
    told = text(part(now, "spec", "template", "metadata", "annotations"), RESTARTED)
    if told == step.before["stamp"]:
        return "acted"
    return "not-acted" if pin_of(now) == dict(step.target.pin) else "unknown"


def verify(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Verified:
    """The rollout is complete and all replicas serve."""
    step = next(step for step in plan.proposal.steps if step.number in done)
    return rolled_out(hands, step.before["path"], step.before["kind"])


register(
    Action(
        id="kubernetes.restart",
        title="Restart a workload's pods, a few at a time",
        params=Restart,
        observe=observe,
        propose=propose,
        apply=apply,
        settled=settled,
        undo=None,
        verify=verify,
        help={
            "workload": "The workload: its name in the profile, or KIND/NAME. Needed unless it is the only one, or "
            "the only one of which no replica serves.",
            "accept_downtime": "Restart also where fewer replicas serve meanwhile than a budget needs, or none.",
            "during_drain": "Restart also while a node under it is cordoned.",
        },
        weight=4,
        asks="PATCH deployments/NAME: the annotation restartedAt of the pod template",
        privilege="patch deployments.apps (statefulsets, daemonsets); list pods, events, nodes, "
        "poddisruptionbudgets, get pods/log",
        limit=Limit(targets=1),
    )
)
