"""The faults of Vritti in the lab."""

from __future__ import annotations

from opsctl.lab.fault import DOWN, ERRORS, KYRODB, LATENCY, RESOURCES, Fault, Remedy

FAULTS: tuple[Fault, ...] = (
    Fault("kyrodb-slow", "vritti", LATENCY, "kyrodb-slow", "KyroDB (text) answers every call about 120 ms late."),
    Fault(
        "embedding-slow", "vritti", LATENCY, "embedding-slow", "Making an embedding takes about 90 ms instead of 3 ms."
    ),
    Fault("llm-slow", "vritti", LATENCY, "llm-slow", "The LLM provider answers each call 0.4 s late."),
    Fault(
        "traffic-spike",
        "vritti",
        LATENCY,
        "traffic-spike",
        "Clients send about eight times the usual requests; they queue behind the one worker, some are rate limited.",
    ),
    Fault(
        "single-endpoint-slow",
        "vritti",
        LATENCY,
        "single-endpoint",
        "/api/v1/search alone takes 120 ms longer, in its own code.",
    ),
    Fault(
        "bad-deploy",
        "vritti",
        LATENCY,
        "recent-deployment",
        "The service is restarted as a new version that takes 80 ms longer on every endpoint.",
    ),
    Fault(
        "cpu-saturation",
        "vritti",
        LATENCY,
        "cpu-saturation",
        "Each request needs ten times its usual CPU; the process uses its whole core and requests wait for it.",
        also=((RESOURCES, "hot-loop"),),
    ),
    Fault(
        "validation-errors",
        "vritti",
        ERRORS,
        "validation-errors",
        "A third of the clients send payloads without a goal; the service rejects them.",
    ),
    Fault(
        "authentication-errors",
        "vritti",
        ERRORS,
        "authentication-errors",
        "A third of the clients use keys that are not valid.",
    ),
    Fault(
        "kyrodb-errors",
        "vritti",
        ERRORS,
        "kyrodb-errors",
        "KyroDB (text) answers every data call with UNAVAILABLE and reports itself unhealthy.",
        also=((KYRODB, "wal-inconsistent"),),
    ),
    Fault("llm-errors", "vritti", ERRORS, "llm-errors", "The LLM provider answers every call with 503."),
    Fault(
        "bad-deploy-errors",
        "vritti",
        ERRORS,
        "recent-deployment",
        "The service is restarted as a new version that fails on a quarter of all requests.",
    ),
    Fault("vritti-stopped", "vritti", DOWN, "process-down", "The process is stopped; its port refuses connections."),
    Fault(
        "vritti-frozen",
        "vritti",
        DOWN,
        "process-hung",
        "The process stands still (SIGSTOP): connections are taken and nothing answers.",
    ),
    Fault(
        "vritti-starting",
        "vritti",
        DOWN,
        "starting",
        "The process was just restarted and loads its model for long: readiness answers 503.",
    ),
    Fault(
        "kyrodb-stopped",
        "vritti",
        DOWN,
        "dependency-down",
        "KyroDB (text) is stopped; nothing listens at its address.",
        also=((ERRORS, "kyrodb-errors"), (KYRODB, "one-instance")),
        remedy=Remedy(KYRODB, "restart", targets=("kyrodb-text",)),
    ),
)
