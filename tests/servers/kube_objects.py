"""Kubernetes objects as tests want them; plain JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def template(
    name: str,
    *,
    image: str = "registry.test/shop/api:1.14.2",
    behaviour: str = "ok",
    env: Mapping[str, str] | None = None,
    env_from: Sequence[str] = (),
    limits: Mapping[str, str] | None = None,
    requests: Mapping[str, str] | None = None,
    init: bool = False,
    notes: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A pod template of one container ``main``. ``behaviour``, ``notes``: see kube_node; ``env_from``: ConfigMaps."""
    container: dict[str, Any] = {
        "name": "main",
        "image": image,
        "env": [{"name": key, "value": value} for key, value in (env or {}).items()],
        "envFrom": [{"configMapRef": {"name": each}} for each in env_from],
        "resources": {"limits": dict(limits or {}), "requests": dict(requests or {})},
    }
    annotations = {f"test.opsctl/{key}": value for key, value in (notes or {}).items()}
    spec: dict[str, Any] = {"containers": [container], "terminationGracePeriodSeconds": 0}
    if init:
        spec["initContainers"] = [{"name": "migrate", "image": image}]
    return {
        "metadata": {"labels": {"app": name}, "annotations": {"test.opsctl/behaviour": behaviour, **annotations}},
        "spec": spec,
    }


def deployment(
    name: str, pods: Mapping[str, Any], *, replicas: int = 1, deadline: int = 600, **spec: Any
) -> dict[str, Any]:
    """A Deployment of a template; ``spec``: more of its fields (paused, strategy …)."""
    return {
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "progressDeadlineSeconds": deadline,
            "selector": {"matchLabels": {"app": name}},
            "template": dict(pods),
            **spec,
        },
    }


def autoscaler(name: str, *, maximum: int, minimum: int = 1, cpu_percent: int = 50) -> dict[str, Any]:
    """A HorizontalPodAutoscaler (autoscaling/v1) of the Deployment of the same name."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    return {
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": target,
            "minReplicas": minimum,
            "maxReplicas": maximum,
            "targetCPUUtilizationPercentage": cpu_percent,
        },
    }
