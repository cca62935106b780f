"""The faults of AMAS in the lab that use up its database connections, each in another way (R2)."""

from __future__ import annotations

from opsctl.lab.fault import LATENCY, POOL, Fault, Remedy

FAULTS: tuple[Fault, ...] = (
    Fault(
        "pool-reports",
        "amas",
        POOL,
        "long-queries",
        "Nineteen reports that take an hour each run on the app's pooled connections; requests wait for the last one.",
        ("postgres",),
        remedy=Remedy(POOL, "cancel-query", ("--older-than", "5s")),
    ),
    Fault(
        "pool-blocked",
        "amas",
        POOL,
        "lock-chain",
        "Somebody's psql locked a table and sits idle in its transaction; the app's connections wait for it.",
        ("postgres",),
        also=((LATENCY, "database-locks"),),
        remedy=Remedy(POOL, "terminate-blocker", targets=("pid ",), planned_by=(LATENCY,)),
    ),
    Fault(
        "session-leak",
        "amas",
        POOL,
        "connection-leak",
        "The app has opened sessions beside its pool and lost them; two of the server's slots are left.",
        ("postgres",),
        remedy=Remedy(POOL, "terminate-idle", ("--older-than", "5s")),
    ),
    Fault(
        "pool-too-small",
        "amas",
        POOL,
        "client-pool-too-small",
        "The app's pool has room for one connection; requests wait for it while the server has slots to spare.",
        ("postgres",),
        remedy=Remedy(
            POOL,
            "raise-pool",
            ("--set", "DB_CONNECTION_POOL_SIZE=20"),
            word="verified",  # the file holds it; only the restart that follows brings the effect
            targets=("file ",),
            undo=True,
            then=Remedy(POOL, "restart-app", targets=("command amas",)),
        ),
    ),
    Fault(
        "database-limit",
        "amas",
        POOL,
        "own-limit",
        "The database has a CONNECTION LIMIT below what the app needs; the server has slots to spare.",
        ("postgres",),
    ),
)
