"""The faults of AGRO in the lab."""

from __future__ import annotations

from opsctl.lab.fault import ERRORS, STALE, TIMEOUTS, Fault

FAULTS: tuple[Fault, ...] = (
    Fault(
        "rerank-slow",
        "agro",
        TIMEOUTS,
        "upstream-slow",
        "The reranker needs 1.5 s for each call; AGRO waits 0.6 s for it.",
        also=((ERRORS, "timeouts"),),
    ),
    Fault(
        "rerank-unreachable",
        "agro",
        TIMEOUTS,
        "network",
        "Connecting to the reranker never completes: nobody accepts, nobody refuses.",
    ),
    Fault(
        "rerank-pool-held",
        "agro",
        TIMEOUTS,
        "pool-waiting",
        "A batch keeps all connections to the reranker; requests wait for a free one until their deadline.",
    ),
    Fault(
        "rerank-deadline-short",
        "agro",
        TIMEOUTS,
        "client-timeout-too-short",
        "AGRO is configured to wait 12 ms for the reranker, which always needs 30 ms.",
    ),
    Fault(
        "agro-validation-errors",
        "agro",
        ERRORS,
        "validation-errors",
        "Half of the chats come without a question; the service rejects them.",
    ),
    Fault(
        "agro-bad-deploy",
        "agro",
        ERRORS,
        "recent-deployment",
        "The service is restarted as a new version that fails on a quarter of all requests.",
    ),
    Fault("agro-stopped", "agro", STALE, "target-down", "The process is stopped; its port refuses connections."),
    Fault("agro-page-500", "agro", STALE, "scrape-failing", "The metrics page answers 500; the service is well."),
    Fault(
        "alertmanager-unreachable",
        "agro",
        STALE,
        "alertmanager-unreachable",
        "Alertmanager is really stopped.",
        ("prometheus", "alertmanager"),
        alone=True,
    ),
    Fault(
        "agro-receiver-failing",
        "agro",
        STALE,
        "delivery-failing",
        "An alert of AGRO fires, and AGRO's receiver answers 500 to what Alertmanager sends it.",
        ("prometheus", "alertmanager"),
    ),
)
