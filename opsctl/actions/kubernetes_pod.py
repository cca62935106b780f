"""Which pods an action is about, whose they are, and whether enough of them stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from opsctl.actions.hands import Hands
from opsctl.actions.kubernetes_change import read
from opsctl.actions.kubernetes_workload import Standing, kubectl, looking, no_drain, owner_of, stand
from opsctl.actions.model import Check, Target
from opsctl.clients.kube_reads import collection
from opsctl.errors import CouldNotLook
from opsctl.probes.kubernetes_containers import is_ready, of_pods, pod_problem
from opsctl.probes.kubernetes_json import part, text
from opsctl.probes.kubernetes_rollout import RUNNING, judge
from opsctl.probes.kubernetes_scope import KINDS, Scope, name_of
from opsctl.services.model import Workload

ENDED = ("Succeeded", "Failed")


class Lone(NamedTuple):
    """A pod that no workload would replace, and why. ``source``, ``kubectl``, ``namespace``: as of ``Standing``."""

    source: str
    kubectl: str
    namespace: str
    name: str
    why: str


def stand_by_pod(hands: Hands, name: str) -> Standing | Lone:
    """The workload that replaces the pod of that name. Raises CouldNotLook("not-found")."""
    scope = Scope(looking(hands, {name: Workload(name=name)}))
    pod = hands.readers.kubernetes().get(collection("", "v1", "pods", scope.namespace, name))
    owner = owner_of(pod)
    kind, owned_by = text(owner, "kind"), text(owner, "name")
    lone = Lone(scope.source, kubectl(scope), scope.namespace, name, "")
    if not kind:
        return lone._replace(why="no controller owns it: nothing would bring it back")
    if kind == "ReplicaSet":
        above = owner_of(
            hands.readers.kubernetes().get(collection("apps", "v1", "replicasets", scope.namespace, owned_by))
        )
        kind, owned_by = text(above, "kind") or kind, text(above, "name") or owned_by
    if kind not in KINDS:
        return lone._replace(why=f"its controller is {kind} {owned_by}, which opsctl does not act on")
    return stand(hands, f"{kind}/{owned_by}")


def active(pods: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pods that neither ended nor are being deleted."""
    return [
        pod
        for pod in pods
        if not part(pod, "metadata").get("deletionTimestamp") and part(pod, "status").get("phase") not in ENDED
    ]


def target_of(pod: dict[str, Any], **more: str) -> Target:
    """A pod, pinned by its uid."""
    restarts = sum(container.restarts for container in of_pods([pod]))
    state = "ready" if is_ready(pod) else pod_problem(pod) or "not ready"
    on = text(part(pod, "spec"), "nodeName") or "no node"
    says = f"{state}, on {on}" + (f", {restarts} restarts" if restarts else "")
    return Target(id=f"pod/{name_of(pod)}", pin={"uid": text(part(pod, "metadata"), "uid"), **more}, says=says[:300])


def calm(
    standing: Standing, gone: Sequence[dict[str, Any]], *, during_drain: bool, accept_downtime: bool
) -> list[Check]:
    """No rollout under way, no drain, and a replica that serves is left when ``gone`` are away."""
    running = judge(standing.found)[RUNNING]
    checks = [Check(id="no-rollout", says=running.says, ok=running.state == "ok")]
    checks += no_drain(standing, during_drain=during_drain)
    serving = sum(1 for pod in gone if is_ready(pod))
    left = standing.available - serving
    if serving and not accept_downtime:
        says = f"{max(0, left)} of {standing.available} replicas go on serving meanwhile"
        checks.append(Check(id="no-downtime", says=says, ok=left > 0, lift="--accept-downtime"))
    return checks


def same_pod(hands: Hands, path: str, uid: object) -> tuple[dict[str, Any] | None, str]:
    """The pod at ``path`` if it is still that one, else None and why not. Raises CouldNotLook."""
    now = read(hands, path)
    if now is None:
        return None, "it is gone"
    if text(part(now, "metadata"), "uid") != uid:
        return None, "it is another pod of the same name"
    return now, ""


def missing(name: str, namespace: str) -> CouldNotLook:
    """There is no such pod among those of the workload."""
    return CouldNotLook("not-found", f"namespace {namespace} has no pod {name} of that workload")
