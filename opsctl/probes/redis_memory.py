"""Is Redis full, does it evict, does it refuse writes, and does it still answer from its cache (RD-1)."""

from __future__ import annotations

from typing import ClassVar

from opsctl.durations import format_quantity
from opsctl.model import Finding, Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.quantities import judged
from opsctl.probes.redis_session import RedisParams, grown, numbers, session, span, unsure
from opsctl.probes.registry import probe


class MemoryParams(RedisParams, frozen=True, kw_only=True):
    """``full``: share of maxmemory. ``evictions``: per second, more than that count. ``pause``: between two samples."""

    durations: ClassVar[tuple[str, ...]] = ("pause",)
    ratios: ClassVar[tuple[str, ...]] = ("full",)
    full: str | float = "95%"
    evictions: float = 0.0
    pause: str | float = "2s"


@probe(
    "redis.memory",
    emits={
        "redis.memory-full": "Redis uses nearly all of its maxmemory",
        "redis.evicting": "Redis throws out keys to make room",
        "redis.writes-refused": "Redis refuses writes for want of memory",
    },
    params=MemoryParams,
    asks="INFO twice: used_memory against maxmemory, evicted_keys and OOM errors in between",
    privilege="ACL +info",
    cost="two INFO, a pause in between",
    minimum="Redis 6.2",
)
def memory(look: Look, params: MemoryParams) -> Seen:
    """RD-1. ``maxmemory`` 0 is no limit; a full cache with an eviction policy still accepts writes."""
    here = session(look, params)
    before, after = here.two(params.number("pause"))
    used, most = after.number("used_memory"), after.number("maxmemory")
    policy = after.text("maxmemory_policy") or "unknown policy"
    full = params.number("full")
    values = numbers(
        after,
        [("used_memory", "bytes"), ("maxmemory", "bytes"), ("used_memory_peak", "bytes"), ("used_memory_rss", "bytes"),
         ("total_system_memory", "bytes"), ("mem_fragmentation_ratio", "")],
    )  # fmt: skip
    values.append(Value(name="maxmemory_policy", value=policy))
    findings: list[Finding] = []
    share = None
    if used is None or most is None:
        findings.append(unsure("redis.memory-full", f"{here.reader.address} does not tell its memory"))
    elif most == 0:
        says = f"{format_quantity(used, 'bytes')} used, maxmemory is 0: no limit"
        findings.append(judged("redis.memory-full", False, says, threshold=full, unit="ratio", parameter="full"))
    else:
        share = used / most
        says = (
            f"{format_quantity(used, 'bytes')} of {format_quantity(most, 'bytes')} used "
            f"({format_quantity(share, 'ratio', beside=full)}, limit {format_quantity(full, 'ratio')}), policy {policy}"
        )
        findings.append(
            judged("redis.memory-full", share >= full, says, measured=share, threshold=full, unit="ratio",
                   parameter="full")
        )  # fmt: skip
    evicted = grown(before, after, "evicted_keys")
    seconds = max(1e-3, after.taken - before.taken)
    if evicted is None:
        findings.append(unsure("redis.evicting", "the counter evicted_keys is absent or was reset meanwhile"))
    else:
        rate = evicted / seconds
        values.append(Value(name="evicted keys", value=evicted, unit="count", note=f"in {span(before, after)}"))
        says = f"{evicted:g} keys evicted in {span(before, after)}, policy {policy}"
        findings.append(
            judged("redis.evicting", rate > params.evictions, says, measured=rate, threshold=params.evictions,
                   unit="per_second", parameter="evictions")
        )  # fmt: skip
    errors = after.part("errorstat_OOM", "count") - before.part("errorstat_OOM", "count")
    values.append(Value(name="OOM errors", value=max(0.0, errors), unit="count", note=f"in {span(before, after)}"))
    stuck = policy == "noeviction" and share is not None and share >= 1
    if errors > 0:
        says = f"{errors:g} commands failed with OOM in {span(before, after)}, policy {policy}"
    elif stuck:
        says = f"memory is full and policy {policy} makes no room: every write fails with OOM"
    else:
        says = f"no command failed with OOM in {span(before, after)}"
    findings.append(judged("redis.writes-refused", errors > 0 or stuck, says, measured=max(0.0, errors), unit="count"))
    return Seen(evidence=(here.evidence(values, window=span(before, after)),), findings=tuple(findings))


class HitsParams(RedisParams, frozen=True, kw_only=True):
    """``below``: hit ratio. ``lookups``: fewer in the time between the samples are too few to judge."""

    durations: ClassVar[tuple[str, ...]] = ("pause",)
    ratios: ClassVar[tuple[str, ...]] = ("below",)
    below: str | float = "60%"
    lookups: int = 20
    pause: str | float = "2s"


@probe(
    "redis.hits",
    emits={"redis.hit-ratio-low": "Few lookups find their key in Redis"},
    params=HitsParams,
    asks="INFO twice: keyspace_hits and keyspace_misses in between",
    privilege="ACL +info",
    cost="two INFO, a pause in between",
    minimum="Redis 6.2",
)
def hits(look: Look, params: HitsParams) -> Seen:
    """RD-1. The ratio of the time between two samples; the one since the start hides an incident and is only shown."""
    here = session(look, params)
    below = params.number("below")
    before, after = here.two(params.number("pause"))
    id = "redis.hit-ratio-low"
    found, missed = grown(before, after, "keyspace_hits"), grown(before, after, "keyspace_misses")
    total_hits, total_misses = after.number("keyspace_hits"), after.number("keyspace_misses")
    values = []
    lifetime = ""
    if total_hits is not None and total_misses is not None and total_hits + total_misses > 0:
        ratio = total_hits / (total_hits + total_misses)
        values.append(Value(name="hit ratio since the start", value=ratio, unit="ratio", note="context only"))
        lifetime = f"; {format_quantity(ratio, 'ratio')} since the start"
    if found is None or missed is None:
        finding = unsure(id, "keyspace_hits and keyspace_misses are absent or were reset meanwhile")
        return Seen(evidence=(here.evidence(values, window=span(before, after)),), findings=(finding,))
    lookups = found + missed
    values += [
        Value(name="hits", value=found, unit="count", note=f"in {span(before, after)}"),
        Value(name="misses", value=missed, unit="count", note=f"in {span(before, after)}"),
    ]
    if lookups < params.lookups:
        says = f"{lookups:g} lookups in {span(before, after)}, {params.lookups} are needed{lifetime}"
        finding = Finding(id=id, state="unknown", says=says, reason="too-few")
    else:
        ratio = found / lookups
        values.insert(0, Value(name="hit ratio", value=ratio, unit="ratio"))
        says = (
            f"{format_quantity(ratio, 'ratio', beside=below)} of {lookups:g} lookups in {span(before, after)} found "
            f"their key, at least {format_quantity(below, 'ratio')} expected{lifetime}"
        )
        finding = judged(id, ratio < below, says, measured=ratio, threshold=below, unit="ratio", parameter="below")
    return Seen(evidence=(here.evidence(values, window=span(before, after)),), findings=(finding,))
