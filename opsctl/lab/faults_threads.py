"""The faults of Threads in the lab."""

from __future__ import annotations

from opsctl.lab.fault import DOWN, ERRORS, LATENCY, RESOURCES, Fault

KUBE = ("kubernetes", "prometheus")
DOWN_SAYS = {
    "crash-loop": "A new version of the orchestrator ends with an error as soon as it starts.",
    "image-pull": "The orchestrator is rolled out with an image that does not exist.",
    "unschedulable": "The orchestrator asks for more memory than any node has.",
    "probe-failing": "The orchestrator's readiness probe fails.",
    "rollout-stuck": "The rollout of the orchestrator makes no progress.",
    "rollout-paused": "The rollout of the orchestrator is paused half-way.",
    "no-endpoints": "The orchestrator's Service selects a label that no pod has.",
    "missing-config": "The orchestrator is rolled out with a ConfigMap that does not exist.",
    "quota-full": "A resource quota refuses the orchestrator's new pods.",
    "scaled-to-zero": "Somebody scales the orchestrator to zero.",
}

FAULTS: tuple[Fault, ...] = (
    *(Fault(f"threads-{cause}", "threads", DOWN, cause, says, KUBE) for cause, says in DOWN_SAYS.items()),
    Fault(
        "threads-oom-killed",
        "threads",
        DOWN,
        "oom-killed",
        "The orchestrator needs more memory than its limit and is killed, again and again.",
        KUBE,
        ((RESOURCES, "oom-loop"),),
    ),
    Fault(
        "threads-node-lost",
        "threads",
        DOWN,
        "node-lost",
        "A node is gone, with the persona runtime and half of the orchestrator; the other half cannot keep up.",
        KUBE,
        ((LATENCY, "pods-unhealthy"), (ERRORS, "pods-unhealthy")),
    ),
    Fault(
        "threads-hpa-at-max",
        "threads",
        LATENCY,
        "capacity-limit",
        "Each request is twice the work; the orchestrator's autoscaler wants more pods than it may have.",
        KUBE,
        ((DOWN, "hpa-at-max"),),
    ),
    Fault(
        "threads-scrape-only",
        "threads",
        DOWN,
        "scrape-only",
        "The orchestrator is well, but its metrics page answers 500.",
        KUBE,
    ),
)
