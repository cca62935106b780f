"""The pgbouncer probes, registered by importing this module (2.2): its pools, limits, state and times."""

from __future__ import annotations

from opsctl.probes import pgbouncer_pools, pgbouncer_state, pgbouncer_times

__all__ = ["pgbouncer_pools", "pgbouncer_state", "pgbouncer_times"]
