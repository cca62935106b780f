"""The actions on PgBouncer, registered by importing this module."""

from __future__ import annotations

from opsctl.actions import pgbouncer_control, pgbouncer_pool_size

__all__ = ["pgbouncer_control", "pgbouncer_pool_size"]
