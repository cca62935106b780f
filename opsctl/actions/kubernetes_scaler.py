"""What sets the number of replicas: an autoscaler's minimum, or the workload's own scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from opsctl.actions.hands import Hands
from opsctl.actions.kubernetes_change import Change, version_of
from opsctl.actions.kubernetes_workload import Standing
from opsctl.actions.model import Scalar
from opsctl.clients.kube_reads import collection
from opsctl.errors import CouldNotLook
from opsctl.probes.kubernetes_json import number, part, parts, text
from opsctl.probes.kubernetes_scaling import HPA_VERSIONS
from opsctl.probes.kubernetes_scope import name_of


class Scaler(NamedTuple):
    """A HorizontalPodAutoscaler. ``keda``: the ScaledObject that made it, "" for none."""

    path: str
    name: str
    minimum: int
    maximum: int
    current: int
    keda: str
    object: dict[str, Any]


def scaler_over(hands: Hands, standing: Standing) -> Scaler | None:
    """The autoscaler of the workload, by the newest API that the server offers. Raises CouldNotLook."""
    reader = hands.readers.kubernetes()
    for version in HPA_VERSIONS:
        path = collection("autoscaling", version, "horizontalpodautoscalers", standing.namespace)
        try:
            items = reader.list(path, timeout=10.0).items
        except CouldNotLook as failure:
            if failure.reason == "unsupported" and version != HPA_VERSIONS[-1]:
                continue
            raise
        for item in items:
            target = part(item, "spec", "scaleTargetRef")
            if (target.get("kind"), target.get("name")) == (standing.found.kind, standing.found.name):
                return scaler_of(item, f"{path}/{name_of(item)}")
        return None
    return None


def scaler_of(item: dict[str, Any], path: str) -> Scaler:
    """An autoscaler as plain values. Pure."""
    spec, owners = part(item, "spec"), parts(part(item, "metadata"), "ownerReferences")
    keda = next((text(each, "name") for each in owners if each.get("kind") == "ScaledObject"), "")
    keda = keda or text(part(item, "metadata", "labels"), "scaledobject.keda.sh/name")
    return Scaler(
        path=path,
        name=name_of(item),
        minimum=number(spec, "minReplicas", 1),
        maximum=number(spec, "maxReplicas"),
        current=number(part(item, "status"), "currentReplicas"),
        keda=keda,
        object=item,
    )


def minimum(path: str, to: int) -> Change:
    """An autoscaler's minReplicas."""
    return Change(
        path,
        "merge",
        lambda now: {"metadata": {"resourceVersion": version_of(now)}, "spec": {"minReplicas": to}},
    )


def replicas(path: str, to: int) -> Change:
    """A workload's replicas, by its scale."""

    def body(now: Mapping[str, Any]) -> dict[str, Any]:
        return {"metadata": {"resourceVersion": version_of(now)}, "spec": {"replicas": to}}

    return Change(path, "merge", body, to=f"{path}/scale")


def scaler_pin(obj: Mapping[str, Any]) -> dict[str, Scalar]:
    """An autoscaler has no generation: its uid and both bounds."""
    spec = part(obj, "spec")
    return {
        "uid": text(part(obj, "metadata"), "uid"),
        "minReplicas": number(spec, "minReplicas", 1),
        "maxReplicas": number(spec, "maxReplicas"),
    }
