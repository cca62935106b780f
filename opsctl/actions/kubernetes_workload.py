"""Which workload an action is about, how it stands, and what forbids to touch it now."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from opsctl.actions.hands import Hands
from opsctl.actions.model import Check, Scalar, Target, Verified
from opsctl.clients.kube_reads import collection
from opsctl.errors import CouldNotLook, NotConfigured, UsageError
from opsctl.probes.kubernetes_available import available, desired
from opsctl.probes.kubernetes_json import moment, number, part, parts, text
from opsctl.probes.kubernetes_rollout import RUNNING, STUCK, judge, managed_by
from opsctl.probes.kubernetes_scaling import PDB_VERSIONS, covers
from opsctl.probes.kubernetes_scope import KINDS, Found, Scope, name_of
from opsctl.probes.look import Look
from opsctl.services.model import Kubernetes, Workload

SECONDS = 20.0  # for all that is read before a plan
Objects = Sequence[Mapping[str, Any]]
_WORDS = {"deploy": "Deployment", "sts": "StatefulSet", "ds": "DaemonSet"} | {
    word: kind for kind, plural in KINDS.items() for word in (kind.lower(), plural)
}


class Partly(NamedTuple):
    """Objects, or why they could not be seen ("" = they are all)."""

    items: tuple[dict[str, Any], ...]
    failure: str = ""


class Standing(NamedTuple):
    """A workload with what surrounds it. ``source``: kubernetes CONTEXT/NAMESPACE; ``workloads``: how many there are.

    ``kubectl``: the beginning of the command that a person would type. ``budgets``: those that cover its pods.
    """

    source: str
    kubectl: str
    namespace: str
    workloads: int
    found: Found
    pods: tuple[dict[str, Any], ...]
    nodes: Partly
    budgets: Partly

    @property
    def id(self) -> str:
        """``deployment/api``."""
        return f"{self.found.kind.lower()}/{self.found.name}"

    @property
    def scope(self) -> str:
        """What only one remediation may touch at a time."""
        return f"kubernetes {self.namespace}/{self.found.kind}/{self.found.name}"

    @property
    def replicas(self) -> int:
        """How many are wanted."""
        return desired(self.found)

    @property
    def available(self) -> int:
        """How many serve."""
        return available(self.found)

    def target(self) -> Target:
        """The workload, pinned by uid and generation, which every change of its spec moves on."""
        return Target(
            id=self.id,
            pin=pin_of(self.found.object),
            says=f"{self.available} of {self.replicas} replicas available",
        )


def pin_of(obj: Mapping[str, Any]) -> dict[str, Scalar]:
    """uid and generation of an object."""
    meta = part(obj, "metadata")
    return {"uid": text(meta, "uid"), "generation": number(meta, "generation")}


def looking(hands: Hands, workloads: Mapping[str, Workload] | None = None, seconds: float = SECONDS) -> Look:
    """Fresh eyes for the probes' own reading functions: nothing that was read before is used again."""
    profile = hands.profile
    if workloads is not None:
        namespace = profile.kubernetes.namespace if profile.kubernetes else ""
        profile = msgspec.structs.replace(
            profile, kubernetes=Kubernetes(namespace=namespace, workloads=dict(workloads))
        )
    return Look(
        runbook="",
        profile=profile,
        readers=hands.readers,
        signals=hands.signals,
        now=time.time(),
        at=None,
        since=0.0,
        deadline=time.monotonic() + seconds,
    )


def named(asked: str) -> Workload:
    """The workload that ``--workload`` means outside the profile: ``api`` or ``deployment/api``. Raises UsageError."""
    word, slash, name = asked.partition("/")
    if not slash:
        return Workload(name=asked)
    kind = _WORDS.get(word.lower())
    if kind is None or not name:
        raise UsageError(
            f"--workload {asked} names no kind that opsctl acts on", remedy="Write deployment/NAME, for instance."
        )
    return Workload(kind=kind, name=name)


def find_one(hands: Hands, asked: str, fits: Callable[[Found], bool]) -> tuple[Scope, Found, int]:
    """The workload asked for; with "" the only one there is, else the only one that ``fits``; and how many there are.

    Raises UsageError when that is not one, and CouldNotLook.
    """
    declared = dict(hands.profile.kubernetes.workloads) if hands.profile.kubernetes else {}
    if not asked and not declared:
        raise NotConfigured(f"the profile of {hands.profile.service} names no Kubernetes workloads; give --workload")
    wanted = {asked: declared.get(asked) or named(asked)} if asked else declared
    scope = Scope(looking(hands, wanted))
    here: list[Found] = []
    for each in wanted.values():
        try:
            here += scope.find(each)
        except CouldNotLook as failure:
            if asked or failure.reason != "not-found":
                raise
    if len(here) > 1:
        here = [each for each in here if not asked and fits(each)] or here
    if len(here) == 1:
        return scope, here[0], max(1, len(declared))
    if not here:
        raise CouldNotLook("not-found", f"none of the profile's workloads is in namespace {scope.namespace}")
    names = ", ".join(f"{each.kind.lower()}/{each.name}" for each in here)
    raise UsageError("more than one workload may be meant", remedy=f"Name it with --workload: {names}.")


def stand(hands: Hands, asked: str, fits: Callable[[Found], bool] = lambda _: False) -> Standing:
    """Read a workload and what surrounds it. Raises CouldNotLook, UsageError."""
    scope, found, workloads = find_one(hands, asked, fits)
    if not found.selector:
        raise CouldNotLook("bad-answer", f"{found.subject} has no selector: its pods cannot be told")
    return Standing(
        source=scope.source,
        kubectl=kubectl(scope),
        namespace=scope.namespace,
        workloads=workloads,
        found=found,
        pods=tuple(scope.list(scope.path("", "v1", "pods"), found.selector).items),
        nodes=partly(lambda: scope.list(collection("", "v1", "nodes")).items),
        budgets=partly(lambda: budgets_of(scope, found)),
    )


def kubectl(scope: Scope) -> str:
    """The beginning of a kubectl command for that context and namespace."""
    return f"kubectl --context {shlex.quote(scope.reader.context)} -n {scope.namespace}"


def partly(ask: Callable[[], Sequence[dict[str, Any]]]) -> Partly:
    """What ``ask`` gives, or why it gives nothing."""
    try:
        return Partly(tuple(ask()))
    except CouldNotLook as failure:
        return Partly((), failure.says)


def budgets_of(scope: Scope, found: Found) -> list[dict[str, Any]]:
    """The disruption budgets that cover a workload's pods, by the newest API that the server offers."""
    for version in PDB_VERSIONS:
        try:
            listed = scope.list(scope.path("policy", version, "poddisruptionbudgets"))
        except CouldNotLook as failure:
            if failure.reason == "unsupported" and version != PDB_VERSIONS[-1]:
                continue
            raise
        return [item for item in listed.items if covers(item, found, version)]
    return []


def steady(standing: Standing, *, during_drain: bool) -> list[Check]:
    """Not paused, no rollout under way, no node under it being drained."""
    rows = judge(standing.found)
    spec = part(standing.found.object, "spec")
    is_paused = spec.get("paused") is True
    says = f"{standing.found.subject} is paused: nothing would roll" if is_paused else "its rollout is not paused"
    checks = [Check(id="not-paused", says=says, ok=not is_paused)]
    running, stuck = rows[RUNNING], rows[STUCK]
    blocked = next((row for row in (stuck, running) if row.state == "breach"), None)
    checks.append(Check(id="no-rollout", says=(blocked or running).says, ok=blocked is None))
    return [*checks, *no_drain(standing, during_drain=during_drain)]


def no_drain(standing: Standing, *, during_drain: bool) -> list[Check]:
    """Whether a node that carries the pods is cordoned: then somebody may be emptying it. [] when that was admitted."""
    if during_drain:
        return []
    if standing.nodes.failure:
        says = f"whether a node is being drained cannot be seen: {standing.nodes.failure}"
        return [Check(id="no-drain", says=says, ok=None, lift="--during-drain")]
    carrying = {text(part(pod, "spec"), "nodeName") for pod in standing.pods}
    cordoned = [
        name_of(node)
        for node in standing.nodes.items
        if part(node, "spec").get("unschedulable") and name_of(node) in carrying
    ]
    if not cordoned:
        return [Check(id="no-drain", says="no node under its pods is cordoned", ok=True)]
    says = f"node {', '.join(sorted(cordoned))} under its pods is cordoned: it may be being drained"
    return [Check(id="no-drain", says=says, ok=False, lift="--during-drain")]


def keeper(found: Found) -> str:
    """Who would put the object back as it was: ``argocd``, ``flux``, ``helm release x``; "" for nobody known."""
    manager = managed_by(found.object)
    return manager if manager in ("argocd", "flux") or manager.lower().startswith("helm") else ""


def newest_pods(pods: Objects) -> list[Mapping[str, Any]]:
    """Pods that are not being deleted, the newest first."""
    alive = [pod for pod in pods if not part(pod, "metadata").get("deletionTimestamp")]

    def born(pod: Mapping[str, Any]) -> float:
        at = moment(part(pod, "metadata").get("creationTimestamp"))
        return at.timestamp() if at else 0.0

    return sorted(alive, key=born, reverse=True)


def rolled_out(hands: Hands, path: str, kind: str) -> Verified:
    """Whether the workload at ``path`` has finished its rollout, with as many replicas as it wants."""
    try:
        obj = hands.readers.kubernetes().get(path)
    except CouldNotLook as failure:
        return Verified(ok=None, says=failure.says)
    found = Found(kind, name_of(obj), obj, "", path)
    running = judge(found)[RUNNING]
    wanted, there = desired(found), available(found)
    if running.state != "ok":
        return Verified(ok=False, says=running.says)
    return Verified(ok=there >= wanted, says=f"{found.subject}: {there} of {wanted} replicas are available")


def owner_of(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """The owner that controls an object, {} for none."""
    owners = parts(part(obj, "metadata"), "ownerReferences")
    return next((each for each in owners if each.get("controller") is True), {})
