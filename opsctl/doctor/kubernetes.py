"""Kubernetes: reached, new enough, and what these credentials may look at in each service's namespace (K8-1)."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from opsctl.clients.kube_reads import collection
from opsctl.clients.kubernetes import KubernetesReader
from opsctl.doctor import acting_kubernetes, clock, rbac, versions
from opsctl.doctor.model import Checks, Remedy
from opsctl.doctor.rbac import Right
from opsctl.doctor.site import Site
from opsctl.errors import CouldNotLook
from opsctl.redact import printable

_USER = re.compile(r"^user (\S+) may not ")
_ORDER = {what: number for number, what in enumerate(rbac.LOST)}  # what is missed most is named first


def examine(site: Site, checks: Checks, until: float) -> None:
    """Raises CouldNotLook when it cannot be reached."""
    assert site.endpoint is not None
    reader = KubernetesReader(site.endpoint)
    try:
        checks.address = f"kubernetes {reader.context}"
        began = time.time()
        told = reader.get("version", timeout=_left(until))
        after = time.time()
        checks.ok("reachable", f"the API server answers in {(after - began) * 1000:.0f} ms")
        versions.judge(checks, "kubernetes", printable(str(told.get("gitVersion", ""))))
        if reader.clock is not None:
            clock.compare(checks, reader.clock[0], before=began, after=after, resolution=1.0)
        for note in reader.notes():
            how = f"Give certificate-authority-data for the cluster in the kubeconfig that {reader.setting} names"
            checks.breach("encryption", note, Remedy(how=how))
        namespaces = _namespaces(site, reader)
        if site.acting:
            acting_kubernetes.examine(site, reader, namespaces, checks, until)
            return
        acting_kubernetes.tell(site, reader, namespaces, checks, until)
        rights = list(rbac.rights())
        for namespace in namespaces:
            _judge(reader, namespace, rights, checks, until)
    finally:
        reader.close()


def _left(until: float) -> float:
    return max(0.1, min(5.0, until - time.monotonic()))


def _namespaces(site: Site, reader: KubernetesReader) -> list[str]:
    """Where the services' workloads are, as the probes find it."""
    named = [use.profile.kubernetes.namespace for use in site.uses if use.profile.kubernetes is not None]
    configured = reader.endpoint.options.get("namespace", "")
    found = [configured or name or reader.namespace or "default" for name in named]
    return list(dict.fromkeys(found)) or [reader.namespace or "default"]


def _judge(reader: KubernetesReader, namespace: str, rights: Sequence[Right], checks: Checks, until: float) -> None:
    def ask(right: Right) -> bool | CouldNotLook:
        resource, _, sub = right.resource.partition("/")
        try:
            where = "" if right.is_cluster else namespace
            return reader.can(right.verb, right.group, resource, sub, where, timeout=_left(until)).allowed
        except CouldNotLook as failure:
            return failure

    answers: list[bool] = []
    for right in rights:  # one after the other, on one connection: an API server in trouble is not to be pressed
        answer = ask(right)
        if isinstance(answer, CouldNotLook):
            checks.failed("rights", answer)
            return
        answers.append(answer)
    missing = [right for right, answer in zip(rights, answers, strict=True) if not answer]
    missing.sort(key=lambda right: _ORDER.get(right.what, len(_ORDER)))
    if not missing:
        checks.ok("rights", f"may get and list all that a look reads in namespace {namespace} ({len(rights)} rights)")
        return
    names = list(dict.fromkeys(".".join(filter(None, (r.resource, r.group))) for r in missing))
    lost = list(dict.fromkeys(rbac.LOST.get(r.what, r.resource) for r in missing))
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    unknown = ", ".join(lost[:4]) + (f" and {len(lost) - 4} more" if len(lost) > 4 else "")
    user, how = _named(reader, namespace, missing, until)
    needs_cluster = any(right.is_cluster for right in missing)
    inside = [namespace] if any(not right.is_cluster for right in missing) else []
    checks.breach(
        "rights",
        f"user {user} lacks {len(missing)} of {len(rights)} rights in namespace {namespace}: may not read {shown}; "
        f"unknown will be: {unknown}",
        Remedy(how=how, run=rbac.apply(rbac.manifest(user, inside, cluster=needs_cluster))),
        need="objective" if checks.needed and {right.what for right in missing} & rbac.CORE else "optional",
    )


def named(reader: KubernetesReader, namespace: str, until: float) -> tuple[str, str]:
    """Who we are, and where the remedy is pasted. It is found by asking to read what a role that acts may not list."""
    return _named(reader, namespace, [Right("list", "", "configmaps"), Right("list", "", "limitranges")], until)


def _named(reader: KubernetesReader, namespace: str, missing: Sequence[Right], until: float) -> tuple[str, str]:
    how = "As an administrator of this cluster, in a shell"
    user = _user(reader, namespace, missing, until)
    if user:
        return user, how
    return "USER", f"{how} (its name could not be found out: put it in place of USER)"


def _user(reader: KubernetesReader, namespace: str, missing: Sequence[Right], until: float) -> str:
    """Who the API server takes us for: its refusal of something that we know we may not read says it."""
    for right in missing:
        if right.verb != "list" or right.group == "metrics.k8s.io":
            continue
        path = collection(
            right.group, _VERSION.get(right.group, "v1"), right.resource, "" if right.is_cluster else namespace
        )
        try:
            reader.get(path, {"limit": "1"}, timeout=_left(until))
        except CouldNotLook as failure:
            found = _USER.match(failure.says)
            if found and failure.reason == "forbidden":
                return found[1]
    return ""


_VERSION = {"autoscaling": "v2", "policy": "v1"}
