"""kubernetes.rollback: the pod template of an earlier ReplicaSet again (domain-checks 2.4, R1(a), THR-09)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from opsctl.actions.hands import Hands
from opsctl.actions.kubernetes_change import Change, read, rehearsed, send, version_of
from opsctl.actions.kubernetes_revisions import Kept, goal_of, kept_in, references, revisions_of
from opsctl.actions.kubernetes_workload import Standing, keeper, no_drain, pin_of, rolled_out, stand
from opsctl.actions.model import Check, Did, Effect, Excluded, Limit, Params, Plan, Proposal, Step, Verified
from opsctl.actions.registry import Action, register
from opsctl.clients.kube_reads import collection
from opsctl.errors import CouldNotLook
from opsctl.probes.kubernetes_history import CAUSE, SKEW
from opsctl.probes.kubernetes_json import moment, number, part, parts, text
from opsctl.probes.kubernetes_rollout import RUNNING, STUCK, judge
from opsctl.probes.kubernetes_scope import Found
from opsctl.probes.kubernetes_template import differences, images

RECENT = 3600.0  # s; a workload rolled out no longer ago is the one that is meant
UNDO = "the template of the present revision again, from its ReplicaSet: exactly as it is now"


class Rollback(Params, frozen=True, kw_only=True):
    """See ``help`` of the action."""

    workload: str = ""
    to_revision: int | None = None
    during_rollout: bool = False
    during_drain: bool = False
    accept_drift: bool = False


class Seen(NamedTuple):
    """``kept``: newest first. ``present``: the one the Deployment has now, None before its controller made it."""

    standing: Standing
    kept: tuple[Kept, ...]
    present: Kept | None
    goal: Kept | None
    dry_run: Check | None


def observe(hands: Hands, params: Rollback) -> Seen:
    """The Deployment, its ReplicaSets, and a dry run."""
    standing = stand(hands, params.workload, lambda found: _fresh(hands, found))
    found = standing.found
    if found.kind != "Deployment":
        return Seen(standing, (), None, None, None)
    path = collection("apps", "v1", "replicasets", standing.namespace)
    listed = hands.readers.kubernetes().list(path, {"labelSelector": found.selector}, timeout=10.0)
    kept = revisions_of(listed.items, text(part(found.object, "metadata"), "uid"))
    template = part(found.object, "spec", "template")
    present = next((each for each in kept if each.template == template), None)
    goal = goal_of(kept, present, params.to_revision)
    if goal is None:
        return Seen(standing, kept, present, None, None)
    dry_run = rehearsed(hands.writers.kubernetes, change(found.path, goal), found.object)
    return Seen(standing, kept, present, goal, dry_run)


def _fresh(hands: Hands, found: Found) -> bool:
    """Whether it was rolled out a short time ago, or is still being."""
    if judge(found)[RUNNING].state == "breach":
        return found.kind == "Deployment"
    progress = next(
        (c for c in parts(part(found.object, "status"), "conditions") if c.get("type") == "Progressing"), {}
    )
    at = moment(progress.get("lastUpdateTime"))
    return found.kind == "Deployment" and at is not None and -SKEW <= hands.now - at.timestamp() <= RECENT


def change(path: str, goal: Kept) -> Change:
    """The whole template is replaced, and the note why it was made comes with it."""

    def body(now: Mapping[str, Any]) -> list[dict[str, Any]]:
        notes = part(now, "metadata", "annotations")
        patch: list[dict[str, Any]] = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": version_of(now)},
            {"op": "replace", "path": "/spec/template", "value": goal.template},
        ]
        note = "/metadata/annotations/" + CAUSE.replace("/", "~1")
        if goal.cause and notes.get(CAUSE) != goal.cause:
            patch.append({"op": "add", "path": note, "value": goal.cause})
        elif not goal.cause and CAUSE in notes:
            patch.append({"op": "remove", "path": note})
        return patch

    return Change(path, "json", body)


def propose(seen: Seen, params: Rollback) -> Proposal:
    """One step, or none with the reason. Pure."""
    standing, goal, present = seen.standing, seen.goal, seen.present
    found = standing.found
    excluded = [
        Excluded(
            id=f"revision {each.number}",
            says=f"{images(each.template)}, of {each.created}",
            why="not the one before the present",
            lift=f"--to-revision {each.number}",
        )
        for each in seen.kept
        if each is not goal and each is not present
    ]
    steps: tuple[Step, ...] = ()
    if goal is not None:
        told = differences(part(found.object, "spec", "template"), goal.template)
        of = f"revision {present.number}" if present else "the present template"
        steps = (
            Step(
                target=standing.target(),
                why=f"back from {of} to revision {goal.number} of {goal.created}",
                calls=(f"{standing.kubectl} rollout undo {standing.id} --to-revision={goal.number}",),
                before={
                    "path": found.path,
                    "kind": found.kind,
                    "replicaset": goal.name,
                    "uid": goal.uid,
                    "revision": goal.number,
                    "from_replicaset": present.name if present else "",
                    "from_uid": present.uid if present else "",
                    "from_revision": present.number if present else 0,
                },
                shows=tuple(told) or ("no difference in the pod template",),
            ),
        )
    else:
        excluded.append(Excluded(id=standing.id, says=found.subject, why=_nowhere(seen, params), refused=True))
    return Proposal(
        subject=standing.source,
        scope=standing.scope,
        steps=steps,
        of=standing.workloads,
        unit="workloads",
        impact="pods are replaced as in any rollout; requests of an ending pod may fail",
        undo=UNDO if present else "",
        lost="" if present else "the present template is in no ReplicaSet yet: there is nothing to return to",
        excluded=tuple(excluded),
        checks=tuple(_checks(seen, params)),
        confirm=found.name,
        notes=tuple(_notes(seen)),
    )


def _nowhere(seen: Seen, params: Rollback) -> str:
    found = seen.standing.found
    if found.kind != "Deployment":
        return f"a {found.kind} keeps its revisions otherwise: opsctl rolls back Deployments only"
    numbers = ", ".join(str(each.number) for each in seen.kept) or "none"
    if params.to_revision and seen.present and params.to_revision == seen.present.number:
        return f"revision {params.to_revision} is the present one"
    if params.to_revision:
        return f"revision {params.to_revision} is not kept; kept are {numbers}"
    if number(part(found.object, "spec"), "revisionHistoryLimit", 10) == 0:
        return "its revisionHistoryLimit is 0: no earlier template is kept"
    return f"no revision before the present one is kept (kept are {numbers})"


def _checks(seen: Seen, params: Rollback) -> list[Check]:
    standing, found = seen.standing, seen.standing.found
    spec = part(found.object, "spec")
    is_paused = spec.get("paused") is True
    says = f"{found.subject} is paused: nothing would roll" if is_paused else "its rollout is not paused"
    checks = [Check(id="not-paused", says=says, ok=not is_paused)]
    rows = judge(found)
    running, stuck = rows[RUNNING], rows[STUCK]
    if stuck.state == "breach":
        checks.append(Check(id="no-rollout", says=f"its rollout is stuck, which this ends: {stuck.says}", ok=True))
    elif not params.during_rollout:
        ok = running.state == "ok"
        checks.append(Check(id="no-rollout", says=running.says, ok=ok, lift="--during-rollout"))
    if number(spec, "revisionHistoryLimit", 10) == 0:
        says = "its revisionHistoryLimit is 0: the present template would not be kept, and this could not be undone"
        checks.append(Check(id="history", says=says, ok=False))
    checks += no_drain(standing, during_drain=params.during_drain)
    manager = keeper(found)
    if manager and not params.accept_drift:
        word = "put the present version back within minutes" if manager in ("argocd", "flux") else "not know of it"
        says = f"{manager} keeps it and would {word}: roll back there"
        checks.append(Check(id="not-managed", says=says, ok=False, lift="--accept-drift"))
    return [*checks, seen.dry_run] if seen.dry_run else checks


def _notes(seen: Seen) -> list[str]:
    if seen.goal is None:
        return []
    names = sorted(references(seen.goal.template))
    which = f" ({', '.join(names[:8])})" if names else ""
    return [f"ConfigMaps, Secrets{which} and database migrations stay as they are: only the pod template goes back."]


def apply(hands: Hands, step: Step) -> Did:
    """The template is read from its ReplicaSet now: it may hold values that no file may keep."""
    before = step.before
    goal = kept_in(hands, before["path"], before["replicaset"], before["uid"])
    if goal is None:
        return Did(state="skipped", says=f"gone meanwhile: ReplicaSet {before['replicaset']} of the revision")

    def done(_: Mapping[str, Any], after: Mapping[str, Any]) -> Did:
        inverse = {
            "replicaset": before["from_replicaset"],
            "uid": before["from_uid"],
            "instead_of": before["replicaset"],
            "instead_of_uid": before["uid"],
        }
        return Did(
            state="acted",
            says=f"{step.target.id} goes back to revision {before['revision']} ({images(goal.template)})",
            inverse=inverse if before["from_uid"] else None,
            after={"generation": number(part(after, "metadata"), "generation")},
        )

    return send(hands, change(before["path"], goal), step.target.pin, pin_of, done)


def undo(hands: Hands, step: Step, inverse: Mapping[str, Any]) -> Did:
    """The template that was there before, if nobody has changed it since."""
    path = step.before["path"]
    back = kept_in(hands, path, inverse["replicaset"], inverse["uid"])
    ours = kept_in(hands, path, inverse["instead_of"], inverse["instead_of_uid"])
    if back is None or ours is None:
        gone = inverse["replicaset"] if back is None else inverse["instead_of"]
        return Did(state="failed", says=f"ReplicaSet {gone} is no longer kept: its template is lost")
    now = read(hands, path)
    if now is None:
        return Did(state="skipped", says=f"{step.target.id} is gone")
    template = part(now, "spec", "template")
    if template == back.template:
        return Did(state="unchanged", says=f"{step.target.id} has its former template already")
    if template != ours.template:
        return Did(state="skipped", says=f"the pod template of {step.target.id} was changed since: it is left alone")

    def done(_: Mapping[str, Any], after: Mapping[str, Any]) -> Did:
        generation = number(part(after, "metadata"), "generation")
        says = f"{step.target.id} has its former template again ({images(back.template)})"
        return Did(state="acted", says=says, after={"generation": generation})

    return send(hands, change(path, back), pin_of(now), pin_of, done)


def settled(hands: Hands, step: Step) -> Effect:
    """By the template: that of the goal, or the one before."""
    before = step.before
    now = read(hands, before["path"])
    if now is None:
        return "unknown"
    template = part(now, "spec", "template")
    goal = kept_in(hands, before["path"], before["replicaset"], before["uid"])
    if goal is not None and template == goal.template:
        return "acted"
    return "not-acted" if pin_of(now) == dict(step.target.pin) else "unknown"


def verify(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Verified:
    """The rollout is complete, all replicas serve, and they are of that revision's template."""
    step = next(step for step in plan.proposal.steps if step.number in done)
    try:
        if settled(hands, step) != "acted":
            return Verified(ok=False, says=f"{step.target.id} no longer has that revision's template")
    except CouldNotLook as failure:
        return Verified(ok=None, says=failure.says)
    return rolled_out(hands, step.before["path"], step.before["kind"])


register(
    Action(
        id="kubernetes.rollback",
        title="Go back to a Deployment's earlier pod template",
        params=Rollback,
        observe=observe,
        propose=propose,
        apply=apply,
        settled=settled,
        undo=undo,
        verify=verify,
        help={
            "workload": "The Deployment: its name in the profile, or deployment/NAME. Needed unless it is the only "
            "one, or the only one rolled out within the last hour.",
            "to_revision": "The revision to go to; without it the one before the present.",
            "during_rollout": "Roll back also while a rollout goes on that is not stuck.",
            "during_drain": "Roll back also while a node under it is cordoned.",
            "accept_drift": "Roll back also what Argo CD, Flux or Helm keeps, which they may revert.",
        },
        weight=5,
        asks="PATCH deployments/NAME: spec.template of an earlier ReplicaSet",
        privilege="patch deployments.apps; list and get replicasets.apps, list pods, nodes",
        limit=Limit(targets=1),
    )
)
