"""The redis probes, registered by importing this module (RD-1 to RD-4)."""

from __future__ import annotations

from opsctl.probes import redis_health, redis_memory, redis_slow

__all__ = ["redis_health", "redis_memory", "redis_slow"]
