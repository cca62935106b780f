"""The postgres probes, registered by importing this module (PG-0 to PG-11)."""

from __future__ import annotations

from opsctl.probes import postgres_capacity, postgres_load, postgres_locks, postgres_sessions, postgres_upkeep

__all__ = ["postgres_capacity", "postgres_load", "postgres_locks", "postgres_sessions", "postgres_upkeep"]
