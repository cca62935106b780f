"""The probes of Kubernetes. Importing this module registers them all; here itself: kubernetes.access (K8-1)."""

from __future__ import annotations

from opsctl.model import Finding, Seen, Value
from opsctl.probes import (  # noqa: F401 - they register themselves
    kubernetes_config,
    kubernetes_events,
    kubernetes_history,
    kubernetes_logs,
    kubernetes_nodes,
    kubernetes_pods,
    kubernetes_rollout,
    kubernetes_scaling,
    kubernetes_scrape,
    kubernetes_services,
    kubernetes_usage,
)
from opsctl.probes.kubernetes_scope import OfWorkload, Scope, present_only
from opsctl.probes.look import Look
from opsctl.probes.registry import probe

MISSING = "kubernetes.access-missing"
RIGHTS = (  # verb, API group, resource, and the probes that need it
    ("get", "apps", "deployments", "kubernetes.rollout"),
    ("list", "apps", "replicasets", "kubernetes.history"),
    ("list", "", "pods", "kubernetes.pods"),
    ("get", "", "pods/log", "kubernetes.logs"),
    ("list", "", "events", "kubernetes.events"),
    ("list", "", "services", "kubernetes.endpoints"),
    ("list", "discovery.k8s.io", "endpointslices", "kubernetes.endpoints"),
    ("get", "", "configmaps", "kubernetes.config"),
    ("get", "", "secrets", "kubernetes.config, metadata alone"),
    ("list", "", "nodes", "kubernetes.nodes"),
    ("list", "metrics.k8s.io", "pods", "kubernetes.usage"),
    ("list", "autoscaling", "horizontalpodautoscalers", "kubernetes.scaling"),
    ("list", "policy", "poddisruptionbudgets", "kubernetes.scaling"),
    ("list", "", "resourcequotas", "kubernetes.scaling"),
)


@probe(
    "kubernetes.access",
    emits={MISSING: "the credentials lack a right that diagnosis needs"},
    params=OfWorkload,
    asks="a SelfSubjectAccessReview per right: answered, not stored",
    privilege="none",
    cost="fourteen small questions",
    minimum="authorization.k8s.io/v1 (1.6)",
)
def access(look: Look, params: OfWorkload) -> Seen:
    """K8-1. Missing rights are told up front, each with the probe that will not see."""
    present_only(look)
    scope = Scope(look, params.workload)
    values: list[Value] = []
    missing: list[str] = []
    for verb, group, resource, needed_by in RIGHTS:
        right = f"{verb} {resource}.{group}" if group else f"{verb} {resource}"
        whole, _, sub = resource.partition("/")
        namespace = "" if whole == "nodes" else scope.namespace
        answer = scope.reader.can(verb, group, whole, sub, namespace, timeout=look.remaining())
        values.append(Value(name=right, value=answer.allowed, note=f"{needed_by}. {answer.says}".rstrip(". ")))
        if not answer.allowed:
            missing.append(f"{right} ({needed_by})")
    path = "apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    evidence = scope.evidence(f"rights in namespace {scope.namespace}", path, values)
    if missing:
        says = (
            f"{len(missing)} of {len(RIGHTS)} rights are missing in namespace {scope.namespace}: {', '.join(missing)}"
        )
    else:
        says = f"all {len(RIGHTS)} rights that diagnosis needs are there in namespace {scope.namespace}"
    finding = Finding(
        id=MISSING,
        state="breach" if missing else "ok",
        says=says,
        measured=float(len(missing)),
        threshold=0.0,
        unit="count",
        threshold_from="K8-1",
    )
    return Seen(evidence=(evidence,), findings=(finding,))
