"""The faults of Vritti's KyroDB in the lab that the runbook kyrodb-down finds; others are in faults_vritti."""

from __future__ import annotations

from opsctl.lab.fault import KYRODB, Fault, Remedy

FAULTS: tuple[Fault, ...] = (
    Fault(
        "kyrodb-both-stopped",
        "vritti",
        KYRODB,
        "process-down",
        "Both instances of KyroDB are stopped.",
        remedy=Remedy(KYRODB, "restart", ("--max-targets", "2"), targets=("kyrodb-text", "kyrodb-image")),
    ),
    Fault(
        "kyrodb-frozen",
        "vritti",
        KYRODB,
        "process-hung",
        "KyroDB (text) stands still (SIGSTOP): connections are taken and nothing answers.",
        remedy=Remedy(KYRODB, "restart", targets=("kyrodb-text",)),
    ),
    Fault(
        "kyrodb-loading",
        "vritti",
        KYRODB,
        "starting",
        "KyroDB (text) replays its log: DEGRADED by gRPC, 503 by HTTP, and no data yet.",
    ),
    Fault(
        "kyrodb-disk-full",
        "vritti",
        KYRODB,
        "disk-full",
        "KyroDB (text) cannot write its log: what is stored can be read, nothing can be added.",
    ),
    Fault("kyrodb-wants-key", "vritti", KYRODB, "tls-or-key", "KyroDB (text) wants an API key that nobody sends."),
    Fault(
        "kyrodb-overloaded",
        "vritti",
        KYRODB,
        "overload",
        "KyroDB (text) refuses calls for its load, and its 99th percentile is far too high.",
    ),
    Fault(
        "kyrodb-objectives",
        "vritti",
        KYRODB,
        "objectives-broken",
        "KyroDB (text) calls itself unhealthy by its own objectives, with every component healthy; it works.",
    ),
    Fault(
        "kyrodb-circuit-stuck",
        "vritti",
        KYRODB,
        "circuit-stuck",
        "Vritti's circuit breaker stays open: it calls KyroDB down, which answers well.",
        remedy=Remedy(KYRODB, "restart-service", targets=("command vritti",)),
    ),
)
