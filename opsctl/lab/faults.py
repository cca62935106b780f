"""The lab's faults: what each does, and which cause a diagnosis of which runbook should find.

Faults change behaviour, never numbers: the parts named here really answer late, really refuse, really run out.
"""

from __future__ import annotations

from typing import NamedTuple

LATENCY = "high-latency"
ERRORS = "high-error-rate"


class Fault(NamedTuple):
    """One fault. ``cause``: the id under which ``runbook`` should name it. ``needs``: parts that must be there."""

    id: str
    service: str
    runbook: str
    cause: str
    says: str
    needs: tuple[str, ...] = ()


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
    ),
    Fault(
        "memory-pressure",
        "amas",
        LATENCY,
        "memory-pressure",
        "The process fills its memory to near the limit; long collector pauses stop all requests.",
    ),
    Fault(
        "db-locks",
        "amas",
        LATENCY,
        "database-locks",
        "A batch session keeps locks on rows that decisions update; those writes wait for it.",
        ("postgres",),
    ),
    Fault(
        "pool-exhausted",
        "amas",
        LATENCY,
        "pool-waiting",
        "Transactions left open hold all but one of the app's pooled connections; requests wait for the last one.",
        ("postgres",),
    ),
    Fault(
        "slow-statement",
        "amas",
        LATENCY,
        "slow-statement",
        "One statement of the decision path takes 0.8 s in Postgres instead of a millisecond.",
        ("postgres",),
    ),
    Fault(
        "stale-statistics",
        "amas",
        LATENCY,
        "stale-statistics",
        "12000 rows arrive that the planner's statistics do not know; a join takes about 1 s instead of 5 ms.",
        ("postgres",),
    ),
    Fault(
        "redis-slow",
        "amas",
        LATENCY,
        "redis-slow",
        "Another client searches 700000 keys by KEYS, again and again; everybody waits for Redis' one thread.",
        ("redis", "postgres"),
    ),
    Fault(
        "breaker-detour",
        "insa",
        LATENCY,
        "circuit-breaker-open",
        "The agents' circuit breaker is open and their tasks go the long way round, 10.6 s each.",
    ),
    Fault(
        "cache-cold",
        "amas",
        LATENCY,
        "cache-cold",
        "The cache is emptied and entries expire at once, so each decision rebuilds its state from Postgres.",
        ("postgres",),
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
    ),
    Fault("llm-errors", "vritti", ERRORS, "llm-errors", "The LLM provider answers every call with 503."),
    Fault(
        "bad-deploy-errors",
        "vritti",
        ERRORS,
        "recent-deployment",
        "The service is restarted as a new version that fails on a quarter of all requests.",
    ),
    Fault(
        "timeouts",
        "insa",
        ERRORS,
        "timeouts",
        "The agents' upstream hangs on a third of the calls; they end at the agents' deadline.",
    ),
    Fault(
        "circuit-breaker-open",
        "insa",
        ERRORS,
        "circuit-breaker-open",
        "The agents' upstream fails, the circuit breaker opens and its half-open trials fail.",
    ),
    Fault(
        "agent-database-errors",
        "insa",
        ERRORS,
        "database-errors",
        "The agents' own database has lost a table: each task fails when it is recorded.",
    ),
    Fault("database-down", "amas", ERRORS, "database-unreachable", "Postgres is really stopped.", ("postgres",)),
    Fault(
        "pool-timeouts",
        "amas",
        ERRORS,
        "pool-waiting",
        "Transactions left open hold all pooled connections; requests end with 'Connection pool timeout'.",
        ("postgres",),
    ),
    Fault(
        "cache-fallback-failure",
        "amas",
        ERRORS,
        "cache-fallback-failure",
        "Cache entries expire at once and the fallback that rebuilds the state fails in Postgres.",
        ("postgres",),
    ),
    Fault(
        "partition-error",
        "amas",
        ERRORS,
        "partition-error",
        "The partition for today's decisions is detached; inserts find no partition.",
        ("postgres",),
    ),
    Fault(
        "unhandled-exception",
        "amas",
        ERRORS,
        "unhandled-exceptions",
        "An asynchronous step raises an exception that nobody handles on a fifth of the decisions.",
        ("postgres",),
    ),
    Fault(
        "redis-down",
        "amas",
        ERRORS,
        "dependency-outage",
        "Redis is really stopped; requests that need their session from it fail.",
        ("redis", "postgres"),
    ),
)

DISTRACTORS: dict[str, str] = {
    "traffic": "Thirty per cent more requests to every service: more than usual, but well within capacity.",
    "alert": "One unrelated alert (DiskSpaceLow of service threads) fires in Alertmanager.",
}


def fault(id: str) -> Fault | None:
    """The fault of that id."""
    return next((f for f in FAULTS if f.id == id), None)
