"""The revisions of a Deployment that its ReplicaSets keep."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from opsctl.actions.hands import Hands
from opsctl.actions.kubernetes_change import read
from opsctl.clients.kube_reads import collection
from opsctl.probes.kubernetes_history import CAUSE, REVISION
from opsctl.probes.kubernetes_json import part, parts, text
from opsctl.probes.kubernetes_scope import name_of

HASH = "pod-template-hash"
_REFERENCES = {
    "configMap": "ConfigMap",
    "configMapRef": "ConfigMap",
    "configMapKeyRef": "ConfigMap",
    "secret": "Secret",
    "secretRef": "Secret",
    "secretKeyRef": "Secret",
}


class Kept(NamedTuple):
    """A revision that a ReplicaSet keeps. ``template``: as the Deployment had it."""

    number: int
    name: str
    uid: str
    created: str
    template: dict[str, Any]
    cause: str


def revisions_of(items: Iterable[Mapping[str, Any]], owner: str) -> tuple[Kept, ...]:
    """The revisions that belong to the Deployment of that uid, newest first. Pure."""
    kept = []
    for item in items:
        meta = part(item, "metadata")
        noted = text(part(meta, "annotations"), REVISION)
        if noted.isdecimal() and any(each.get("uid") == owner for each in parts(meta, "ownerReferences")):
            cause = text(part(meta, "annotations"), CAUSE)
            born = text(meta, "creationTimestamp")
            kept.append(Kept(int(noted), name_of(dict(item)), text(meta, "uid"), born, template_of(item), cause))
    return tuple(sorted(kept, key=lambda each: -each.number))


def template_of(replicaset: Mapping[str, Any]) -> dict[str, Any]:
    """A ReplicaSet's pod template without the label its controller added: the Deployment's own. Pure."""
    template = copy.deepcopy(part(replicaset, "spec", "template"))
    labels = part(template, "metadata", "labels")
    labels.pop(HASH, None)
    return template


def goal_of(kept: tuple[Kept, ...], present: Kept | None, wanted: int | None) -> Kept | None:
    """The revision to go to: the one named, else the newest before the present one. Pure."""
    if wanted:
        return next((each for each in kept if each.number == wanted and each is not present), None)
    before = [each for each in kept if each is not present and (present is None or each.number < present.number)]
    return before[0] if before else None


def references(template: object) -> set[str]:
    """ConfigMaps and Secrets that a template refers to, by kind and name. Pure."""
    found: set[str] = set()
    if isinstance(template, dict):
        for key, value in template.items():
            kind = _REFERENCES.get(key)
            if kind and isinstance(value, dict):
                name = value.get("name") or value.get("secretName")
                found |= {f"{kind} {name}"} if name else set()
            found |= references(value)
    elif isinstance(template, list):
        for each in template:
            found |= references(each)
    return found


def kept_in(hands: Hands, path: str, name: str, uid: str) -> Kept | None:
    """The ReplicaSet of that uid, None when there is none any more. Raises CouldNotLook."""
    if not uid:
        return None
    namespace = path.split("/namespaces/")[1].partition("/")[0]
    item = read(hands, collection("apps", "v1", "replicasets", namespace, name))
    if item is None or text(part(item, "metadata"), "uid") != uid:
        return None
    cause = text(part(item, "metadata", "annotations"), CAUSE)
    return Kept(0, name, uid, "", template_of(item), cause)
