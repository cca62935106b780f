"""kubernetes.evict: pods end one by one and are replaced, as far as disruption budgets allow (domain-checks 2.4)."""

from __future__ import annotations

import json
import time
from typing import Any, NamedTuple

from opsctl.actions.hands import Hands
from opsctl.actions.kubernetes_change import not_done, rehearse
from opsctl.actions.kubernetes_evidence import evidence
from opsctl.actions.kubernetes_pod import Lone, active, calm, missing, same_pod, stand_by_pod, target_of
from opsctl.actions.kubernetes_workload import Standing, rolled_out, stand
from opsctl.actions.model import Check, Did, Effect, Excluded, Pace, Params, Plan, Proposal, Step, Verified
from opsctl.actions.registry import Action, register
from opsctl.clients.kube_reads import collection
from opsctl.clients.kubernetes_write import NotWritten
from opsctl.durations import format_duration, parse_duration
from opsctl.probes.kubernetes_available import available, desired
from opsctl.probes.kubernetes_containers import is_ready
from opsctl.probes.kubernetes_json import number, part
from opsctl.probes.kubernetes_scope import name_of
from opsctl.probes.kubernetes_states import unready_since

LOST = "an evicted pod is gone; its workload makes another one"
REHEARSED = 10  # pods asked for by dry run; the rest of a longer list answers alike
BETWEEN = 2.0  # s between two tries that a disruption budget refused


class Evict(Params, frozen=True, kw_only=True):
    """See ``help`` of the action."""

    pod: tuple[str, ...] = ()
    workload: str = ""
    unready_for: str = "1m"
    wait: str = "30s"
    accept_downtime: bool = False
    during_drain: bool = False


class Seen(NamedTuple):
    """``chosen``: pods to evict; ``rest``: the others. ``blocked``: budgets that refuse at the moment, in words."""

    standing: Standing | Lone
    chosen: tuple[dict[str, Any], ...]
    rest: tuple[dict[str, Any], ...]
    version: str
    blocked: str
    dry_run: Check | None
    now: float


def observe(hands: Hands, params: Evict) -> Seen:
    """The workload, its pods, and a dry run of each eviction."""
    now = time.time()
    unready_for = parse_duration(params.unready_for)
    parse_duration(params.wait)
    if params.pod and not params.workload:
        standing = stand_by_pod(hands, params.pod[0])
    else:
        standing = stand(hands, params.workload, lambda found: available(found) < desired(found))
    if isinstance(standing, Lone):
        return Seen(standing, (), (), "", "", None, now)
    pods = active(list(standing.pods))
    known = {name_of(pod) for pod in pods}
    for name in params.pod:
        if name not in known:
            raise missing(name, standing.namespace)
    chosen = tuple(pod for pod in pods if _is_chosen(pod, params, unready_for, now))
    rest = tuple(pod for pod in pods if pod not in chosen)
    if not chosen:
        return Seen(standing, (), rest, "", "", None, now)
    writer = hands.writers.kubernetes()
    version = writer.eviction_version()
    blocked = ""
    check: Check | None = None
    for pod in chosen[:REHEARSED]:
        name, uid = name_of(pod), str(target_of(pod).pin["uid"])

        def ask(name: str = name, uid: str = uid) -> None:
            nonlocal blocked
            try:
                writer.evict(standing.namespace, name, uid=uid, dry_run=True)
            except NotWritten as refused:
                if refused.word != "blocked":
                    raise
                blocked = blocked or refused.says

        check = rehearse(ask)
        if check.ok is not True:
            break
    return Seen(standing, chosen, rest, version, blocked, check, now)


def _is_chosen(pod: dict[str, Any], params: Evict, unready_for: float, now: float) -> bool:
    if params.pod:
        return name_of(pod) in params.pod
    return not is_ready(pod) and now - unready_since(pod).timestamp() >= unready_for


def propose(seen: Seen, params: Evict) -> Proposal:
    """One step per pod. Pure."""
    standing = seen.standing
    if isinstance(standing, Lone):
        lone = Excluded(id=f"pod/{standing.name}", says="pod", why=standing.why, refused=True)
        return Proposal(
            subject=standing.source,
            scope=f"kubernetes {standing.namespace}/Pod/{standing.name}",
            steps=(),
            of=1,
            unit="pods",
            impact="none",
            lost=LOST,
            excluded=(lone,),
        )
    steps = tuple(_step(seen, standing, pod, params) for pod in seen.chosen)
    checks = calm(
        standing,
        seen.chosen,
        during_drain=params.during_drain,
        accept_downtime=params.accept_downtime,
    )
    return Proposal(
        subject=standing.source,
        scope=standing.scope,
        steps=steps,
        of=len(seen.chosen) + len(seen.rest),
        unit="pods",
        impact=_impact(seen),
        lost=LOST,
        excluded=tuple(
            Excluded(
                id=f"pod/{name_of(pod)}",
                says=target_of(pod).says,
                why="not named" if params.pod else _why_left(pod, params),
                lift=f"--pod {name_of(pod)}",
            )
            for pod in seen.rest
        ),
        checks=(*checks, seen.dry_run) if seen.dry_run else tuple(checks),
        confirm=standing.found.name,
        notes=tuple(_notes(seen, standing, params)),
    )


def _why_left(pod: dict[str, Any], params: Evict) -> str:
    return "it is ready" if is_ready(pod) else f"not ready for less than {params.unready_for}"


def _step(seen: Seen, standing: Standing, pod: dict[str, Any], params: Evict) -> Step:
    name = name_of(pod)
    target = target_of(pod)
    body = {
        "apiVersion": f"policy/{seen.version}",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": standing.namespace},
        "deleteOptions": {"preconditions": {"uid": target.pin["uid"]}},
    }
    path = collection("", "v1", "pods", standing.namespace, name)
    since = format_duration(max(0, round(seen.now - unready_since(pod).timestamp())))
    raw = standing.kubectl.replace(f" -n {standing.namespace}", "")
    return Step(
        target=target,
        why="named" if params.pod else f"not ready for {since}",
        calls=(f"echo '{json.dumps(body)}' | {raw} create --raw /{path}/eviction -f -",),
        before={
            "path": path,
            "namespace": standing.namespace,
            "pod": name,
            "wait": parse_duration(params.wait),
            "workload": standing.found.path,
            "kind": standing.found.kind,
        },
    )


def _impact(seen: Seen) -> str:
    serving = sum(1 for pod in seen.chosen if is_ready(pod))
    if not serving:
        return "none: these pods serve nothing"
    return f"requests that {serving} pods are serving may fail; others carry their load until they are replaced"


def _notes(seen: Seen, standing: Standing, params: Evict) -> list[str]:
    notes = []
    for item in standing.budgets.items:
        status = part(item, "status")
        notes.append(
            f"Budget {name_of(item)} allows {number(status, 'disruptionsAllowed')} evictions now "
            f"({number(status, 'currentHealthy')} healthy, {number(status, 'desiredHealthy')} needed)."
        )
    if len(standing.budgets.items) > 1:
        notes.append("Several disruption budgets cover its pods: the API server refuses every eviction.")
    if seen.blocked:
        notes.append(f"At the moment {seen.blocked}; the eviction is tried again for {params.wait}.")
    if standing.budgets.failure:
        notes.append(f"Disruption budgets cannot be seen ({standing.budgets.failure}); they hold all the same.")
    return notes


def apply(hands: Hands, step: Step) -> Did:
    """Evidence, then the eviction; one that a disruption budget refuses is asked for again within the bound."""
    before, started = step.before, time.monotonic()
    now, why = same_pod(hands, before["path"], step.target.pin["uid"])
    if now is None:
        return Did(state="skipped", says=f"changed meanwhile: {why}")
    if part(now, "metadata").get("deletionTimestamp"):
        return Did(state="unchanged", says=f"{step.target.id} is ending already")
    kept = evidence(hands.readers.kubernetes(), before["namespace"], [now])
    writer = hands.writers.kubernetes()
    until = time.monotonic() + before["wait"]
    tries = 0
    while True:
        hands.check_stop()
        tries += 1
        try:
            writer.evict(before["namespace"], before["pod"], uid=str(step.target.pin["uid"]))
        except NotWritten as refused:
            spent = time.monotonic() - started
            if refused.word != "blocked":
                return not_done(refused, spent)
            if time.monotonic() + BETWEEN > until:
                says = f"{step.target.id} was not evicted: {refused.says}; tried {tries} times"
                return Did(state="failed", says=says, seconds=round(spent, 3))
            hands.tell(f"{step.target.id}: {refused.says}; trying again")
            time.sleep(BETWEEN)
            continue
        return Did(
            state="acted",
            says=f"{step.target.id} is evicted" + (f" at try {tries}" if tries > 1 else ""),
            after={"tries": tries, "evidence": kept},
            seconds=round(time.monotonic() - started, 3),
        )


def settled(hands: Hands, step: Step) -> Effect:
    """That pod is gone or ending, or it is not."""
    now, _ = same_pod(hands, step.before["path"], step.target.pin["uid"])
    return "acted" if now is None or part(now, "metadata").get("deletionTimestamp") else "not-acted"


def verify(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Verified:
    """The pods are gone, and the workload has as many as it wants."""
    steps = [step for step in plan.proposal.steps if step.number in done]
    still = [step.target.id for step in steps if settled(hands, step) != "acted"]
    if still:
        return Verified(ok=False, says=f"{', '.join(still)} still there")
    return rolled_out(hands, steps[0].before["workload"], steps[0].before["kind"])


register(
    Action(
        id="kubernetes.evict",
        title="End pods that are replaced, as far as disruption budgets allow",
        params=Evict,
        observe=observe,
        propose=propose,
        apply=apply,
        settled=settled,
        undo=None,
        verify=verify,
        help={
            "pod": "The pod; without it those that are not ready for --unready-for.",
            "workload": "The workload whose pods are meant: its name in the profile, or KIND/NAME. Needed without "
            "--pod unless it is the only one, or the only one that lacks replicas.",
            "unready_for": "How long a pod must have been not ready to be chosen without its name.",
            "wait": "How long an eviction that a disruption budget refuses is tried again.",
            "accept_downtime": "Evict also where no replica serves meanwhile.",
            "during_drain": "Evict also while a node under it is cordoned.",
        },
        weight=3,
        asks="POST pods/NAME/eviction with preconditions.uid",
        privilege="create pods/eviction; get and list pods, get pods/log, list nodes, poddisruptionbudgets",
        pace=Pace(batch=1, pause=5.0),
    )
)
