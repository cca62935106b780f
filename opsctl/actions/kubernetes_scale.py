"""kubernetes.scale-out: more replicas, or a higher minimum where an autoscaler decides (domain-checks 2.4, B-27)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsctl.actions.hands import Hands
from opsctl.actions.kubernetes_change import Change, Pins, difference, read, rehearsed, send
from opsctl.actions.kubernetes_goal import Goal, ScaleOut, goal_of, profile_number
from opsctl.actions.kubernetes_room import connections
from opsctl.actions.kubernetes_scale_checks import Seen, checks_of
from opsctl.actions.kubernetes_scaler import Scaler, minimum, replicas, scaler_over, scaler_pin
from opsctl.actions.kubernetes_workload import Partly, Standing, keeper, looking, partly, pin_of, rolled_out, stand
from opsctl.actions.model import Did, Effect, Excluded, Limit, Plan, Proposal, Step, Target, Verified
from opsctl.actions.registry import Action, register
from opsctl.clients.kube_reads import collection
from opsctl.errors import CouldNotLook, UsageError
from opsctl.probes.kubernetes_json import number, part, text

SKIPS = ("connections", "nodes", "quota")


def observe(hands: Hands, params: ScaleOut) -> Seen:
    """The workload, its autoscaler, quotas, nodes with all pods, free connections, and a dry run."""
    for word in params.skip_check:
        if word not in SKIPS:
            raise UsageError(f"--skip-check {word} is no check", remedy=f"Checks are {', '.join(SKIPS)}.")
    standing = stand(hands, params.workload)
    reader, namespace = hands.readers.kubernetes(), standing.namespace
    scaler = scaler_over(hands, standing)
    goal = goal_of(standing.replicas, scaler, params, profile_number(hands.profile, params.workload, standing))
    quotas = partly(lambda: reader.list(collection("", "v1", "resourcequotas", namespace)).items)
    pods = Partly(()) if "nodes" in params.skip_check else partly(lambda: _all_pods(hands))
    budget = None
    if goal.extra > 0 and "connections" not in params.skip_check:
        budget = connections(looking(hands), hands.profile, params.workload or standing.found.name)
    dry_run = None
    if goal.to is not None:
        seen = scaler.object if scaler else standing.found.object
        dry_run = rehearsed(hands.writers.kubernetes, change(standing, scaler, goal.to), seen)
    return Seen(standing, scaler, goal, quotas, pods, budget, dry_run)


def _all_pods(hands: Hands) -> tuple[dict[str, Any], ...]:
    listed = hands.readers.kubernetes().list(collection("", "v1", "pods"), timeout=10.0)
    if listed.cut:
        raise CouldNotLook("too-large", listed.cut)
    return listed.items


def change(standing: Standing, scaler: Scaler | None, to: int) -> Change:
    """minReplicas of the autoscaler, or replicas of the workload's scale; each against what was just read."""
    if scaler is not None:
        return minimum(scaler.path, to)
    return replicas(standing.found.path, to)


def propose(seen: Seen, params: ScaleOut) -> Proposal:
    """One step, or none with the reason. Pure."""
    standing, scaler, goal = seen.standing, seen.scaler, seen.goal
    steps: tuple[Step, ...] = ()
    if goal.to is not None:
        steps = (_step(seen, goal.to),)
    excluded = (
        ()
        if steps
        else (
            Excluded(
                id=standing.id,
                says=f"{standing.replicas} replicas",
                why=goal.why,
                lift=goal.lift,
                refused=not goal.lift,
            ),
        )
    )
    return Proposal(
        subject=standing.source,
        scope=standing.scope,
        steps=steps,
        of=standing.workloads,
        unit="workloads",
        impact=_impact(goal),
        undo=(
            f"minReplicas of autoscaler {scaler.name} back to {scaler.minimum}; it takes replicas away when load allows"
            if scaler
            else f"back to {standing.replicas} replicas, where nobody has scaled it since"
        ),
        excluded=excluded,
        checks=tuple(checks_of(seen, params)) if steps else (),
        notes=tuple(_notes(seen)),
    )


def _step(seen: Seen, to: int) -> Step:
    standing, scaler = seen.standing, seen.scaler
    if scaler is not None:
        return Step(
            target=Target(
                id=f"horizontalpodautoscaler/{scaler.name}",
                pin=scaler_pin(scaler.object),
                says=f"{scaler.current} replicas, between {scaler.minimum} and {scaler.maximum}",
            ),
            why=f"an autoscaler decides on {standing.id}: {seen.goal.why}",
            calls=(
                f'{standing.kubectl} patch hpa {scaler.name} --type=merge -p \'{{"spec":{{"minReplicas":{to}}}}}\'',
            ),
            before={
                "path": scaler.path,
                "workload": standing.found.path,
                "kind": standing.found.kind,
                "minReplicas": scaler.minimum,
                "to": to,
            },
            shows=(f"minReplicas {scaler.minimum} -> {to} (maximum {scaler.maximum})",),
        )
    return Step(
        target=standing.target(),
        why=seen.goal.why,
        calls=(f"{standing.kubectl} scale {standing.id} --current-replicas={standing.replicas} --replicas={to}",),
        before={
            "path": standing.found.path,
            "workload": standing.found.path,
            "kind": standing.found.kind,
            "replicas": standing.replicas,
            "to": to,
        },
        shows=(f"replicas {standing.replicas} -> {to}",),
    )


def _impact(goal: Goal) -> str:
    if goal.extra > 0:
        return f"none fails; {goal.extra} more pods serve once they are ready, with cold caches"
    return "requests of the pods that end may fail; those that stay carry more"


def _notes(seen: Seen) -> list[str]:
    notes = []
    manager = keeper(seen.standing.found)
    if manager:
        notes.append(f"{manager} keeps the workload and may set the number back.")
    if seen.budget is None and seen.goal.extra > 0:
        notes.append(
            "The profile tells no pool size per replica: what more replicas take from a database is not reckoned."
        )
    return notes


def apply(hands: Hands, step: Step) -> Did:
    """One number."""
    before, to = step.before, step.before["to"]
    if "minReplicas" in before:
        inverse = {"minReplicas": before["minReplicas"], "set": to}
        says = f"minReplicas of {step.target.id} {before['minReplicas']} -> {to}"
        return send(hands, minimum(before["path"], to), step.target.pin, scaler_pin, _done(says, inverse))
    inverse = {"replicas": before["replicas"], "set": to}
    says = f"{step.target.id} {before['replicas']} -> {to} replicas"
    return send(hands, replicas(before["path"], to), step.target.pin, pin_of, _done(says, inverse))


def _done(says: str, inverse: dict[str, Any] | None) -> Any:
    return lambda _before, _after: Did(state="acted", says=says, inverse=inverse)


def undo(hands: Hands, step: Step, inverse: Mapping[str, Any]) -> Did:
    """The former number, if it is still the one that was set."""
    path, set_to = step.before["path"], inverse["set"]
    key = "minReplicas" if "minReplicas" in inverse else "replicas"
    former = inverse[key]
    now = read(hands, path)
    if now is None:
        return Did(state="skipped", says=f"{step.target.id} is gone")
    if text(part(now, "metadata"), "uid") != step.target.pin["uid"]:
        return Did(state="skipped", says=f"{step.target.id} is another object of the same name")
    present = number(part(now, "spec"), key, 1)
    if present == former:
        return Did(state="unchanged", says=f"{key} of {step.target.id} is {former} already")
    if present != set_to:
        return Did(state="skipped", says=f"{key} of {step.target.id} is {present}, somebody changed it since")
    says = f"{key} of {step.target.id} {set_to} -> {former}"
    if key == "minReplicas":
        return send(hands, minimum(path, former), scaler_pin(now), scaler_pin, _done(says, None))
    return send(hands, replicas(path, former), pin_of(now), pin_of, _done(says, None))


def settled(hands: Hands, step: Step) -> Effect:
    """By the number: the one that was to be set, or the pin as it was."""
    before = step.before
    now = read(hands, before["path"])
    if now is None:
        return "unknown"
    key = "minReplicas" if "minReplicas" in before else "replicas"
    pins: Pins = scaler_pin if key == "minReplicas" else pin_of
    if not difference(step.target.pin, pins(now)):
        return "not-acted"
    same = text(part(now, "metadata"), "uid") == step.target.pin["uid"]
    return "acted" if same and number(part(now, "spec"), key, 1) == before["to"] else "unknown"


def verify(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Verified:
    """As many replicas as were asked for, and all serve. An autoscaler takes a moment to want them."""
    step = next(step for step in plan.proposal.steps if step.number in done)
    told = rolled_out(hands, step.before["workload"], step.before["kind"])
    if not told.ok:
        return told
    try:
        wanted = number(part(hands.readers.kubernetes().get(step.before["workload"]), "spec"), "replicas", 1)
    except CouldNotLook as failure:
        return Verified(ok=None, says=failure.says)
    if wanted < step.before["to"]:
        return Verified(ok=False, says=f"{told.says}; {step.before['to']} are to come")
    return told


register(
    Action(
        id="kubernetes.scale-out",
        title="More replicas; a higher minimum where an autoscaler decides",
        params=ScaleOut,
        observe=observe,
        propose=propose,
        apply=apply,
        settled=settled,
        undo=undo,
        verify=verify,
        help={
            "workload": "The workload: its name in the profile, or KIND/NAME. Needed unless it is the only one.",
            "to": "Replicas to reach; where there are more already, nothing is done.",
            "factor": "Replicas to reach, as a multiple of the present number, rounded up; without it and --to the "
            "profile's number, or 1.5 times as many.",
            "max_factor": "How many times the present number it may become.",
            "allow_down": "Scale down too, where --to or --factor says so.",
            "skip_check": "Leave out a check: connections, nodes or quota.",
            "during_drain": "Scale also while a node under it is cordoned.",
        },
        weight=2,
        asks="PATCH deployments/NAME/scale, or PATCH horizontalpodautoscalers/NAME: minReplicas",
        privilege="patch deployments.apps/scale (statefulsets.apps/scale), horizontalpodautoscalers.autoscaling; "
        "list horizontalpodautoscalers, resourcequotas, nodes, pods of all namespaces",
        limit=Limit(targets=1),
    )
)
