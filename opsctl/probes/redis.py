"""The redis probes, registered by importing this module (RD-1 to RD-7)."""

from __future__ import annotations

from opsctl.probes import redis_churn, redis_connections, redis_health, redis_keys, redis_memory, redis_slow

__all__ = ["redis_churn", "redis_connections", "redis_health", "redis_keys", "redis_memory", "redis_slow"]
