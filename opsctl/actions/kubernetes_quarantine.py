"""kubernetes.quarantine-pod: a pod keeps running for inspection while another one takes its place (domain-checks 2.4).

One label that both its ReplicaSet and every Service of it select by gets another value: they let go of the pod.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from opsctl.actions.hands import Hands
from opsctl.actions.kubernetes_change import Change, Pins, rehearsed, send, version_of
from opsctl.actions.kubernetes_evidence import evidence
from opsctl.actions.kubernetes_pod import Lone, active, calm, missing, same_pod, stand_by_pod, target_of
from opsctl.actions.kubernetes_workload import Partly, Standing, owner_of, partly, rolled_out
from opsctl.actions.model import Check, Did, Effect, Excluded, Limit, Params, Plan, Proposal, Scalar, Step, Verified
from opsctl.actions.registry import Action, register
from opsctl.clients.kube_reads import collection
from opsctl.errors import CouldNotLook
from opsctl.probes.kubernetes_json import part, text
from opsctl.probes.kubernetes_scope import name_of

VALUE = "quarantined-by-opsctl"
UNDO = (
    "the label gets its former value and the pod serves again; its ReplicaSet, then one too many, ends one of its "
    "pods, perhaps this one"
)


class Quarantine(Params, frozen=True, kw_only=True):
    """See ``help`` of the action."""

    pod: str
    accept_downtime: bool = False
    during_drain: bool = False


class Seen(NamedTuple):
    """``label``: the one to change, "" where none does it; ``services``: names of those that send to the pod."""

    standing: Standing | Lone
    pod: dict[str, Any]
    label: str
    why: str
    services: Partly
    dry_run: Check | None


def observe(hands: Hands, params: Quarantine) -> Seen:
    """The pod, its workload, the services that send to it, and a dry run."""
    standing = stand_by_pod(hands, params.pod)
    if isinstance(standing, Lone):
        return Seen(standing, {}, "", standing.why, Partly(()), None)
    pod = next((each for each in active(list(standing.pods)) if name_of(each) == params.pod), None)
    if pod is None:
        raise missing(params.pod, standing.namespace)
    path = collection("", "v1", "services", standing.namespace)
    listed = partly(lambda: hands.readers.kubernetes().list(path, timeout=10.0).items)
    services = listed._replace(items=tuple(each for each in listed.items if sends_to(each, pod)))
    label, why = label_of(standing, services)
    if not label:
        return Seen(standing, pod, "", why, services, None)
    to = change(collection("", "v1", "pods", standing.namespace, params.pod), label, VALUE)
    return Seen(standing, pod, label, why, services, rehearsed(hands.writers.kubernetes, to, pod))


def sends_to(service: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    """Whether a Service selects a pod; one without a selector selects none. Pure."""
    wanted, labels = part(service, "spec", "selector"), part(pod, "metadata", "labels")
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())


def label_of(standing: Standing, services: Partly) -> tuple[str, str]:
    """The label to change; "" and why where there is none. Pure."""
    if standing.found.kind != "Deployment":
        why = (
            "its replacement would need the same name"
            if standing.found.kind == "StatefulSet"
            else "it is bound to its node"
        )
        return "", f"a pod of a {standing.found.kind} is not quarantined: {why}"
    keys = sorted(part(standing.found.object, "spec", "selector", "matchLabels"))
    if not keys:
        return "", f"{standing.found.subject} selects its pods by expressions only"
    selectors = {name_of(each): part(each, "spec", "selector") for each in services.items}
    for key in keys:
        if all(key in selector for selector in selectors.values()):
            return key, ""
    deaf = next(name for name, selector in selectors.items() if not any(key in selector for key in keys))
    return "", f"Service {deaf} selects by none of the labels {', '.join(keys)}: it would go on sending to the pod"


def change(path: str, label: str, value: str) -> Change:
    """One label of the pod."""

    def body(now: Mapping[str, Any]) -> dict[str, Any]:
        return {"metadata": {"resourceVersion": version_of(now), "labels": {label: value}}}

    return Change(path, "merge", body)


def pins_of(label: str) -> Pins:
    """A pod's uid and that label's value."""

    def pins(obj: Mapping[str, Any]) -> dict[str, Scalar]:
        meta = part(obj, "metadata")
        return {"uid": text(meta, "uid"), "label": text(part(meta, "labels"), label)}

    return pins


def propose(seen: Seen, params: Quarantine) -> Proposal:
    """One step, or none with the reason. Pure."""
    standing = seen.standing
    if isinstance(standing, Lone) or not seen.label:
        scope = f"kubernetes {standing.namespace}/Pod/{params.pod}" if isinstance(standing, Lone) else standing.scope
        return Proposal(
            subject=standing.source,
            scope=scope,
            steps=(),
            of=1,
            unit="pods",
            impact="none",
            excluded=(Excluded(id=f"pod/{params.pod}", says="pod", why=seen.why, refused=True),),
        )
    former = text(part(seen.pod, "metadata", "labels"), seen.label)
    path = collection("", "v1", "pods", standing.namespace, params.pod)
    step = Step(
        target=target_of(seen.pod, label=former),
        why="named",
        calls=(f"{standing.kubectl} label pod {params.pod} {seen.label}={VALUE} --overwrite",),
        before={
            "path": path,
            "namespace": standing.namespace,
            "label": seen.label,
            "former": former,
            "workload": standing.found.path,
            "kind": standing.found.kind,
        },
        shows=(f"label {seen.label}: {former} -> {VALUE}",),
    )
    names = ", ".join(name_of(each) for each in seen.services.items) or "no Service"
    checks = calm(standing, [seen.pod], during_drain=params.during_drain, accept_downtime=params.accept_downtime)
    if seen.services.failure:
        says = f"which Services send to the pod cannot be seen: {seen.services.failure}"
        checks.append(Check(id="services", says=says, ok=None))
    return Proposal(
        subject=standing.source,
        scope=standing.scope,
        steps=(step,),
        of=len(active(list(standing.pods))),
        unit="pods",
        impact=f"the pod gets no new requests ({names} lets go of it); open connections to it stay",
        undo=UNDO,
        checks=(*checks, seen.dry_run) if seen.dry_run else tuple(checks),
        notes=(
            f"{standing.found.subject} makes another pod in its place; this one runs on until it is deleted: "
            f"{standing.kubectl} delete pod {params.pod}",
        ),
    )


def apply(hands: Hands, step: Step) -> Did:
    """The label; then its state, events and logs are kept."""
    before = step.before
    label, started = before["label"], time.monotonic()
    changed = send(
        hands,
        change(before["path"], label, VALUE),
        step.target.pin,
        pins_of(label),
        lambda _now, _after: Did(
            state="acted",
            says=f"{step.target.id} is quarantined: label {label} is {VALUE}",
            inverse={"label": label, "value": before["former"]},
        ),
    )
    if changed.state != "acted":
        return changed
    kept: dict[str, Any] = {}
    try:
        pod = hands.readers.kubernetes().get(before["path"])
        kept = evidence(hands.readers.kubernetes(), before["namespace"], [pod])
    except CouldNotLook as failure:
        kept = {"not_seen": failure.says}
    seconds = round(time.monotonic() - started, 3)
    return Did(state="acted", says=changed.says, inverse=changed.inverse, after={"evidence": kept}, seconds=seconds)


def undo(hands: Hands, step: Step, inverse: Mapping[str, Any]) -> Did:
    """The former label, on the same pod."""
    path, label = step.before["path"], inverse["label"]
    now, why = same_pod(hands, path, step.target.pin["uid"])
    if now is None:
        return Did(state="skipped", says=f"{step.target.id}: {why}")
    value = text(part(now, "metadata", "labels"), label)
    if value == inverse["value"]:
        return Did(state="unchanged", says=f"{step.target.id} has its former label already")
    if value != VALUE:
        return Did(state="skipped", says=f"label {label} of {step.target.id} is {value}, somebody changed it since")
    pins = pins_of(label)
    says = f"{step.target.id} has label {label}={inverse['value']} again; its ReplicaSet takes it back"
    return send(
        hands, change(path, label, inverse["value"]), pins(now), pins, lambda _n, _a: Did(state="acted", says=says)
    )


def settled(hands: Hands, step: Step) -> Effect:
    """By the label of that very pod."""
    now, _ = same_pod(hands, step.before["path"], step.target.pin["uid"])
    if now is None:
        return "unknown"
    value = text(part(now, "metadata", "labels"), step.before["label"])
    return "acted" if value == VALUE else "not-acted" if value == step.before["former"] else "unknown"


def verify(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Verified:
    """Its ReplicaSet has let go of the pod, and the workload has its replicas."""
    step = next(step for step in plan.proposal.steps if step.number in done)
    try:
        now, why = same_pod(hands, step.before["path"], step.target.pin["uid"])
    except CouldNotLook as failure:
        return Verified(ok=None, says=failure.says)
    if now is None:
        return Verified(ok=False, says=f"{step.target.id}: {why}")
    if owner_of(now):
        return Verified(ok=False, says=f"{step.target.id} still belongs to {text(owner_of(now), 'name')}")
    return rolled_out(hands, step.before["workload"], step.before["kind"])


register(
    Action(
        id="kubernetes.quarantine-pod",
        title="Take a pod out of service and keep it running for inspection",
        params=Quarantine,
        observe=observe,
        propose=propose,
        apply=apply,
        settled=settled,
        undo=undo,
        verify=verify,
        help={
            "pod": "The pod.",
            "accept_downtime": "Quarantine also the only replica that serves.",
            "during_drain": "Quarantine also while a node under it is cordoned.",
        },
        weight=2,
        asks="PATCH pods/NAME: one label that its ReplicaSet and its Services select by",
        privilege="patch pods; get and list pods, replicasets.apps, services, nodes, get pods/log",
        limit=Limit(targets=1),
    )
)
