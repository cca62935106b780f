"""The faults of AMAS in the lab."""

from __future__ import annotations

from opsctl.lab.fault import ERRORS, LATENCY, Fault

FAULTS: tuple[Fault, ...] = (
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
        "cache-cold",
        "amas",
        LATENCY,
        "cache-cold",
        "The cache is emptied and entries expire at once, so each decision rebuilds its state from Postgres.",
        ("postgres",),
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
