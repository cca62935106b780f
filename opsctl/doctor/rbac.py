"""The rights on a Kubernetes API that the read side uses, and the YAML that grants them and nothing more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from opsctl.clients.kube_reads import RESOURCES
from opsctl.doctor.acts import KUBERNETES

VERBS = ("get", "list")
# RBAC cannot tell an object's metadata, which is all that is read of Secrets, from their values: never asked for here.
SENSITIVE = frozenset({("", "secrets")})
SUBRESOURCES = (("", "pods/log"),)
CLUSTER = frozenset({("", "nodes"), ("", "namespaces"), ("metrics.k8s.io", "nodes")})  # they live in no namespace

# What is unknown without a resource; one that is missing here is asked for all the same.
LOST = {  # what is missed most first
    ("", "pods"): "crash loops, failing probes, restarts",
    ("apps", "deployments"): "rollouts",
    ("", "events"): "what the cluster did",
    ("", "pods/log"): "the logs of pods",
    ("apps", "replicasets"): "what changed with a rollout",
    ("apps", "statefulsets"): "rollouts",
    ("apps", "daemonsets"): "rollouts",
    ("apps", "controllerrevisions"): "what changed with a rollout",
    ("discovery.k8s.io", "endpointslices"): "whether a service has endpoints",
    ("", "endpoints"): "whether a service has endpoints",
    ("", "services"): "whether a service selects any pods",
    ("", "nodes"): "nodes that are not ready or full",
    ("autoscaling", "horizontalpodautoscalers"): "whether scaling is at its limit",
    ("", "resourcequotas"): "used up quotas",
    ("metrics.k8s.io", "pods"): "use of CPU and memory",
    ("metrics.k8s.io", "nodes"): "use of the nodes",
    ("policy", "poddisruptionbudgets"): "whether pods may be moved",
    ("", "configmaps"): "whether a ConfigMap that pods want is there",
    ("", "serviceaccounts"): "whether a service account that pods want is there",
    ("", "persistentvolumeclaims"): "volumes that are not bound",
    ("networking.k8s.io", "networkpolicies"): "policies that cut pods off",
    ("", "limitranges"): "default limits",
    ("", "namespaces"): "whether the namespace exists",
    ("batch", "jobs"): "failed jobs",
    ("batch", "cronjobs"): "missed jobs",
    ("events.k8s.io", "events"): "what the cluster did",
}
# Without these a verdict about workloads cannot be had at all.
CORE = frozenset({("", "pods"), ("apps", "deployments")})


class Right(NamedTuple):
    """One question to the API server: may I? ``resource`` may be ``pods/log``."""

    verb: str
    group: str
    resource: str

    @property
    def what(self) -> tuple[str, str]:
        """Group and resource."""
        return self.group, self.resource

    @property
    def is_cluster(self) -> bool:
        """Whether it is asked of the whole cluster."""
        return self.what in CLUSTER


def rights() -> Iterator[Right]:
    """Every right that the read side may use, from its own allow-list, without those to values of Secrets."""
    for group, resources in RESOURCES.items():
        for resource in sorted(resources):
            if (group, resource) not in SENSITIVE:
                yield from (Right(verb, group, resource) for verb in VERBS)
    yield from (Right("get", group, resource) for group, resource in SUBRESOURCES)


def to_act() -> Iterator[Right]:
    """Every right that actions use with the acting credentials; none is of the whole cluster."""
    for (group, resource), verbs in KUBERNETES.items():
        yield from (Right(verb, group, resource) for verb in verbs)


def manifest(
    subject: str, namespaces: Iterable[str], *, cluster: bool = True, account: str = "", acting: bool = False
) -> str:
    """YAML for ``kubectl apply``: a Role per namespace and, with ``cluster``, a ClusterRole for nodes, bound to
    ``subject`` (a user, or ``system:serviceaccount:NAMESPACE:NAME``). ``account``: namespace to make that account in.
    ``acting``: the rights to act, which are none of the whole cluster.
    """
    parts: list[str] = []
    name = f"opsctl-{'act' if acting else 'read'}-{_slug(subject)}"
    wanted = [right for right in (to_act() if acting else rights()) if not right.is_cluster]
    if account:
        parts.append(_object("v1", "ServiceAccount", subject.rpartition(":")[2], account))
    for namespace in namespaces:
        parts.append(_role("Role", name, namespace, wanted))
        parts.append(_binding("Role", name, namespace, subject))
    if cluster and not acting:
        parts.append(_role("ClusterRole", name, "", [r for r in rights() if r.is_cluster]))
        parts.append(_binding("ClusterRole", name, "", subject))
    return "---\n".join(parts)


def apply(yaml: str) -> str:
    """The YAML as a command for the shell."""
    return f"kubectl apply -f - <<'EOF'\n{yaml}EOF"


def _object(version: str, kind: str, name: str, namespace: str) -> str:
    where = f", namespace: {namespace}" if namespace else ""
    return f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}{where}}}\n"


def _role(kind: str, name: str, namespace: str, wanted: list[Right]) -> str:
    text = _object("rbac.authorization.k8s.io/v1", kind, name, namespace) + "rules:\n"
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for what in dict.fromkeys(right.what for right in wanted):
        verbs = tuple(right.verb for right in wanted if right.what == what)
        groups.setdefault((what[0], verbs), []).append(what[1])
    for (group, verbs), resources in groups.items():
        text += f'- apiGroups: ["{group}"]\n  resources: [{", ".join(resources)}]\n  verbs: [{", ".join(verbs)}]\n'
    return text


def _binding(kind: str, name: str, namespace: str, subject: str) -> str:
    text = _object("rbac.authorization.k8s.io/v1", f"{kind}Binding", name, namespace)
    text += f"roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {kind}, name: {name}}}\nsubjects:\n"
    parts = subject.split(":")
    if len(parts) == 4 and parts[:2] == ["system", "serviceaccount"]:
        return f"{text}- {{kind: ServiceAccount, name: {parts[3]}, namespace: {parts[2]}}}\n"
    quoted = subject.replace("\\", "\\\\").replace('"', '\\"')
    return f'{text}- {{kind: User, name: "{quoted}", apiGroup: rbac.authorization.k8s.io}}\n'


def _slug(subject: str) -> str:
    """A part of an object's name from a user's."""
    return re.sub(r"[^a-z0-9]+", "-", subject.removeprefix("system:serviceaccount:").lower()).strip("-")[:40] or "user"
