"""Who wrote a field of an object, and when, as its ``managedFields`` tell. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from opsctl.probes.kubernetes_json import moment, part, parts, text


class Writer(NamedTuple):
    """Who owns a field: ``kubectl``, ``helm``, ``argocd-controller`` …; ``at``: when it last changed anything here."""

    name: str
    at: datetime


def writer_of(obj: Mapping[str, Any], *path: str) -> Writer | None:
    """Who last wrote the field at ``path`` (``spec``, ``replicas``); None where the server does not keep it."""
    steps = [f"f:{step}" for step in path]
    found = []
    for each in parts(part(obj, "metadata"), "managedFields"):
        at = moment(each.get("time"))
        if at is not None and _holds(each.get("fieldsV1"), steps):
            found.append(Writer(text(each, "manager"), at))
    return max(found, key=lambda each: each.at, default=None)


def keys_of(obj: Mapping[str, Any]) -> set[str] | None:
    """The data keys of a ConfigMap or Secret by its metadata alone; None where that does not tell them."""
    keys: set[str] = set()
    told = False
    for each in parts(part(obj, "metadata"), "managedFields"):
        fields = each.get("fieldsV1")
        if not isinstance(fields, dict):
            continue
        told = True
        for section in ("f:data", "f:stringData", "f:binaryData"):
            keys |= {name.removeprefix("f:") for name in part(fields, section) if name != "."}
    return keys if told else None


def _holds(fields: object, steps: list[str]) -> bool:
    for step in steps:
        if not isinstance(fields, dict) or step not in fields:
            return False
        fields = fields[step]
    return True
