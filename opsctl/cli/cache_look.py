"""What `opsctl cache stats` asks: INFO twice, and a sample of the keys (RD-1, RD-4, RD-7)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from opsctl.durations import parse_duration
from opsctl.errors import ConfigError, CouldNotLook, NotConfigured, Refused, Unavailable
from opsctl.probes.redis_keys import Prefix, census, prefix_of
from opsctl.probes.redis_session import grown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opsctl.clients.redis import RedisReader
    from opsctl.clients.redis_answers import Sample
    from opsctl.config.settings import Settings
    from opsctl.services.model import Profile

SCHEMA = "opsctl.cache/1"
_SCAN_SECONDS = 2.0
_ASK_SECONDS = 1.0
_ASKED = 500  # keys whose expiry and size are asked


def look(profile: Profile, settings: Settings, over: float, keys: int) -> dict[str, Any]:
    """Plain data; numbers in base units, None for what Redis does not tell.

    Raises Unavailable, Refused, ConfigError.
    """
    from opsctl.clients.readers import Readers
    from opsctl.services.resolve import resolver

    readers = Readers(resolver(profile, settings))
    try:
        return _looked(readers.redis(), profile, over, keys)
    except NotConfigured as failed:
        raise ConfigError(failed.says, place=failed.setting) from None
    except CouldNotLook as failed:
        kind = Refused if failed.reason in ("forbidden", "unauthorized") else Unavailable
        raise kind(failed.says, place=failed.setting) from None
    finally:
        readers.close()


def _looked(reader: RedisReader, profile: Profile, over: float, most: int) -> dict[str, Any]:
    before, after = reader.two(over)
    sample = reader.keys(most, _SCAN_SECONDS)
    step = max(1, len(sample.names) // _ASKED)
    # Last: what is asked for a key counts as a hit.
    sizes = _sizes(reader, sample.names[::step])
    left = dict(reader.lifetimes(sample.names[::step], _ASK_SECONDS))
    total = int(after.part(f"db{reader.database}", "keys"))
    configured = {name.strip(":*").lower(): parse_duration(text) for name, text in profile.cache.items()}
    found = census(sample.names, left, configured)
    return {
        "schema": SCHEMA,
        "service": profile.service,
        "address": reader.address,
        "database": reader.database,
        "setting": reader.setting,
        "version": after.text("redis_version"),
        "role": after.text("role"),
        "uptime_seconds": after.number("uptime_in_seconds"),
        "over_seconds": after.taken - before.taken,
        **_rates(before, after),
        "memory": {
            "used_bytes": after.number("used_memory"),
            "limit_bytes": after.number("maxmemory") or None,
            "policy": after.text("maxmemory_policy"),
            "fragmentation": after.number("mem_fragmentation_ratio"),
        },
        "clients": {"connected": after.number("connected_clients"), "blocked": after.number("blocked_clients")},
        "keys": {
            "total": total,
            "expiring": int(after.part(f"db{reader.database}", "expires")),
            "sampled": len(sample.names),
            "complete": sample.complete,
        },
        "prefixes": [_prefix(one, len(sample.names), total, sizes) for one in found],
        "missing": [
            name
            for name in profile.cache
            if name.endswith(":") and all(_same(one.name, name) is False for one in found)
        ],
    }


def _sizes(reader: RedisReader, names: Sequence[bytes]) -> dict[bytes, int]:
    """Bytes of these keys; empty where the user may not ask."""
    try:
        return reader.sizes(names, _ASK_SECONDS)
    except CouldNotLook as failed:
        if failed.reason not in ("forbidden", "unsupported"):
            raise
        return {}


def _rates(before: Sample, after: Sample) -> dict[str, Any]:
    seconds = after.taken - before.taken
    hits, misses = grown(before, after, "keyspace_hits"), grown(before, after, "keyspace_misses")
    lookups = None if hits is None or misses is None else hits + misses
    total_hits, total_misses = after.number("keyspace_hits") or 0.0, after.number("keyspace_misses") or 0.0

    def rate(name: str) -> float | None:
        by = grown(before, after, name)
        return None if by is None else by / seconds

    return {
        "lookups": lookups,
        "lookups_per_second": None if lookups is None else lookups / seconds,
        "hit_ratio": hits / lookups if lookups and hits is not None else None,
        "hit_ratio_since_start": total_hits / (total_hits + total_misses) if total_hits + total_misses else None,
        "evicted_per_second": rate("evicted_keys"),
        "expired_per_second": rate("expired_keys"),
    }


def _prefix(one: Prefix, sampled: int, total: int, sizes: dict[bytes, int]) -> dict[str, Any]:
    mine = [size for name, size in sizes.items() if prefix_of(name) == one.name]
    share = one.keys / sampled
    about = round(share * total)
    never = sum(seconds == math.inf for seconds in one.left)
    finite = [seconds for seconds in one.left if seconds < math.inf]
    return {
        "prefix": one.name,
        "share": share,
        "keys_about": about,
        "bytes_about": round(sum(mine) / len(mine) * about) if mine else None,
        "expiries_seen": len(one.left),
        "never_expire": never / len(one.left) if one.left else None,
        "longest_left_seconds": max(finite) if finite else None,
        "configured_seconds": one.expected,
        "beyond_configured": bool(one.expected and (never or (finite and max(finite) > one.expected * 1.05))),
    }


def _same(one: str, other: str) -> bool:
    return one.strip(":*").lower() == other.strip(":*").lower()
