"""Kubernetes, the endpoint that acts: the cluster of the look, and the rights of the actions in each namespace."""

from __future__ import annotations

import time
from collections.abc import Sequence

from opsctl.clients.kube_reads import collection
from opsctl.clients.kubeconfig import select
from opsctl.clients.kubernetes import KubernetesReader
from opsctl.config.endpoint import Endpoint
from opsctl.doctor import rbac
from opsctl.doctor.acting import another, by_the_look
from opsctl.doctor.acts import KUBERNETES_FOR
from opsctl.doctor.model import Checks, Remedy
from opsctl.doctor.rbac import Right
from opsctl.doctor.site import Site
from opsctl.errors import CouldNotLook

_ORDER = {what: number for number, what in enumerate(KUBERNETES_FOR)}


def examine(site: Site, reader: KubernetesReader, namespaces: Sequence[str], checks: Checks, until: float) -> None:
    """``reader``: the acting credentials. Raises CouldNotLook."""
    _same(site, reader, namespaces, checks, until)
    for namespace in namespaces:
        missing = _missing(reader, namespace, until)
        if not missing:
            count = len(list(rbac.to_act()))
            checks.ok("rights", f"may do what the actions do in namespace {namespace} ({count} rights)")
            continue
        from opsctl.doctor.kubernetes import named

        user, how = named(reader, namespace, until)
        checks.breach(
            "rights",
            f"user {user} lacks {len(missing)} rights to act in namespace {namespace}: may not {_verbs(missing)}; "
            f"refused will be: {', '.join(_lost(missing))}",
            Remedy(how=how, run=rbac.apply(rbac.manifest(user, [namespace], acting=True))),
        )


def tell(site: Site, reader: KubernetesReader, namespaces: Sequence[str], checks: Checks, until: float) -> None:
    """Without an endpoint that acts: what the credentials of the look may do."""
    if not site.acts:
        return
    found: list[Right] = []
    for namespace in namespaces:
        try:
            found += _missing(reader, namespace, until)
        except CouldNotLook as failure:
            by_the_look(site, "user", (), checks, untold=f"what it may do could not be told ({failure.says})")
            return
    by_the_look(site, "user", _lost(found), checks)


def _missing(reader: KubernetesReader, namespace: str, until: float) -> list[Right]:
    """The rights to act that these credentials lack, what is missed most first. Raises CouldNotLook."""
    lacking = []
    for right in rbac.to_act():
        resource, _, sub = right.resource.partition("/")
        timeout = max(0.1, min(5.0, until - time.monotonic()))
        if not reader.can(right.verb, right.group, resource, sub, namespace, timeout=timeout).allowed:
            lacking.append(right)
    return sorted(lacking, key=lambda right: _ORDER.get(right.what, len(_ORDER)))


def _verbs(missing: Sequence[Right]) -> str:
    names = [f"{right.verb} {'.'.join(filter(None, (right.resource, right.group)))}" for right in missing]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _lost(missing: Sequence[Right]) -> list[str]:
    return list(dict.fromkeys(KUBERNETES_FOR.get(right.what, right.resource) for right in missing))


def _same(site: Site, reader: KubernetesReader, namespaces: Sequence[str], checks: Checks, until: float) -> None:
    """One address is one cluster; of two addresses a Deployment that both know by one uid tells."""
    if site.beside is None or site.endpoint is None:
        return
    try:
        here, there = _server(site.endpoint), _server(site.beside)
        if here == there:
            checks.ok("same-server", "the API server of the look")
            return
        told = _compare(reader, site.beside, namespaces, until)
    except CouldNotLook as failure:
        checks.failed("same-server", failure)
        return
    if told is None:
        says = f"{here} and {there}, where one looks, could not be told to be one cluster: there is nothing to compare"
        checks.unknown("same-server", says, "no-data")
    elif told:
        checks.ok("same-server", f"the cluster of the look, by another address ({here})")
    else:
        another(site, f"{there}, where one looks", checks)


def _server(endpoint: Endpoint) -> str:
    return str(select(endpoint.url, endpoint.options.get("context", "")).cluster.body.get("server", "")).rstrip("/")


def _compare(reader: KubernetesReader, beside: Endpoint, namespaces: Sequence[str], until: float) -> bool | None:
    look = KubernetesReader(beside)
    try:
        for namespace in namespaces:
            path = collection("apps", "v1", "deployments", namespace)
            for item in look.list(path, timeout=max(0.1, min(5.0, until - time.monotonic())), cap=1).items:
                meta = item["metadata"]
                try:
                    mine = reader.get(f"{path}/{meta['name']}", timeout=max(0.1, min(5.0, until - time.monotonic())))
                except CouldNotLook as failure:
                    if failure.reason != "not-found":
                        raise
                    return False
                return bool(mine["metadata"].get("uid") == meta.get("uid"))
        return None
    finally:
        look.close()
