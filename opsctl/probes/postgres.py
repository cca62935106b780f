"""The postgres probes, registered by importing this module (PG-0 to PG-12)."""

from __future__ import annotations

from opsctl.probes import (
    postgres_activity,
    postgres_capacity,
    postgres_holders,
    postgres_load,
    postgres_locks,
    postgres_sessions,
    postgres_tables,
    postgres_upkeep,
)

__all__ = [
    "postgres_activity",
    "postgres_capacity",
    "postgres_holders",
    "postgres_load",
    "postgres_locks",
    "postgres_sessions",
    "postgres_tables",
    "postgres_upkeep",
]
