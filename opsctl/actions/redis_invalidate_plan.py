"""The plan of ``redis.invalidate-prefix``, from what was counted: pure."""

from __future__ import annotations

import math
import shlex

from opsctl.actions import redis_backup, redis_census
from opsctl.actions.model import Check, Excluded, Params, Proposal, Step, Target
from opsctl.clients.redis_pages import literal
from opsctl.durations import format_quantity
from opsctl.model import Struct

MOST_KEYS = 10_000
MOST_SHARE = 0.2
FEW = 1000  # so few are no risk, whatever their share


class InvalidateParams(Params, frozen=True, kw_only=True):
    """What ``redis.invalidate-prefix`` takes."""

    prefix: str
    max_keys: int | None = None
    allow_no_expiry: bool = False
    backup: str = ""


class Seen(Struct, frozen=True, kw_only=True):
    """The server, and what is below the prefix. ``sizes`` bytes and ``left`` seconds of the keys looked at."""

    address: str
    user: str
    run_id: str
    database: int
    other_database: int  # of the endpoint that looks; the same unless the configuration is wrong
    role: str
    mode: str
    saving: bool
    prefix: str
    leave: tuple[str, ...]
    words: tuple[str, ...]
    keys: int
    exact: bool
    total: int
    kept: dict[str, int]
    sample: tuple[str, ...]
    sizes: tuple[int, ...]
    left: tuple[float, ...]
    hits: float  # a second, of the whole server
    may: bool | None  # whether the user may UNLINK; None: not known
    configured: str  # the lifetime that the profile gives
    backup: str
    backup_problem: str


def propose(seen: Seen, params: InvalidateParams) -> Proposal:
    """One step: the prefix. The caps count keys, and are preconditions."""
    never = sum(one == math.inf for one in seen.left) / len(seen.left) if seen.left else 0.0
    excluded = tuple(
        Excluded(
            id=f"prefix {whose}" if whose in seen.leave else whose,
            says=f"{number:,} keys below {seen.prefix}",
            why="another prefix of the profile" if whose in seen.leave else "no cache, by its name",
            refused=whose not in seen.leave,
        )
        for whose, number in seen.kept.items()
    )
    many = "" if seen.exact else "about "
    subject = f"redis db{seen.database}@{seen.address} as {seen.user}"
    scope = f"redis {seen.address}/{seen.database}"
    nothing = Proposal(
        subject=subject, scope=scope, steps=(), of=1, unit="prefixes", impact="", excluded=excluded,
        notes=(f"no key begins with {seen.prefix} in database {seen.database} ({seen.total:,} keys)",),
    )  # fmt: skip
    if not seen.keys:
        return nothing
    share = seen.keys / seen.total
    size = f"{many}{seen.keys:,} keys, {format_quantity(share, 'ratio')} of the {seen.total:,} in db{seen.database}"
    if seen.sizes:
        size += f", about {format_quantity(sum(seen.sizes) / len(seen.sizes) * seen.keys, 'bytes')}"
    shows = [f"{size} (MEMORY USAGE of {len(seen.sizes)} keys)" if seen.sizes else size]
    if seen.left:
        shows.append(redis_census.told_lifetimes(redis_census.lifetimes(seen.left)))
    shows += [f"{'for instance' if not number else '            '} {key}" for number, key in enumerate(seen.sample)]
    pattern = shlex.quote(literal(seen.prefix.encode()).decode())
    limit = params.max_keys if params.max_keys is not None else max(MOST_KEYS, FEW)
    step = Step(
        target=Target(
            id=f"prefix {seen.prefix}",
            pin={"run_id": seen.run_id, "database": seen.database, "prefix": seen.prefix},
            says=f"{many}{seen.keys:,} keys",
        ),
        why=f"named; a cache prefix of the profile{f', lifetime {seen.configured}' if seen.configured else ''}",
        calls=(
            f"redis-cli -n {seen.database} SCAN 0 MATCH {pattern} COUNT 1000   and so on with each cursor",
            f"redis-cli -n {seen.database} UNLINK KEY...   the keys of each answer",
        ),
        before={
            "keys": seen.keys,
            "most": limit,
            "leave": list(seen.leave),
            "words": list(seen.words),
            "backup": seen.backup,
            **({"inverse": {"file": seen.backup}} if seen.backup else {}),
        },
        shows=tuple(shows),
    )
    return Proposal(
        subject=subject,
        scope=scope,
        steps=(step,),
        of=1,
        unit="prefixes",
        impact=_impact(seen),
        undo=f"RESTORE of the keys in {seen.backup}, until they would have expired" if seen.backup else "",
        lost="" if seen.backup else "the entries are not kept; the cache rebuilds itself",
        excluded=excluded,
        checks=_checks(seen, params, share, never),
        confirm="" if seen.backup else seen.prefix,
        notes=_notes(seen, never),
    )


def _impact(seen: Seen) -> str:
    says = f"up to {seen.keys:,} lookups miss and their entries are made again by what the cache spares"
    if seen.hits >= 1:
        worst = seen.hits * min(1.0, seen.keys / max(1, seen.total))
        says += (
            f"; of {format_quantity(seen.hits, 'per_second')} hits now about {format_quantity(worst, 'per_second')}"
            " become misses at first, if all keys are asked for alike, and at the most all of them"
        )
    return says


def _notes(seen: Seen, never: float) -> tuple[str, ...]:
    notes = []
    if seen.saving:
        notes.append("Redis is saving to disk now: what changes meanwhile is copied, which takes memory")
    if seen.may is None:
        notes.append(f"whether {seen.user} may run UNLINK was not told (ACL DRYRUN needs Redis 7 and +acl|dryrun)")
    if 0 < never <= 0.5:
        notes.append(f"{format_quantity(never, 'ratio')} of the keys looked at never expire")
    return tuple(notes)


def _checks(seen: Seen, params: InvalidateParams, share: float, never: float) -> tuple[Check, ...]:
    checks = [
        Check(id="primary", says=f"the server is the primary (role {seen.role})", ok=seen.role == "master"),
        Check(
            id="standalone",
            says="no Redis Cluster" if seen.mode == "standalone"
            else f"Redis runs as {seen.mode}, which this action does not support: each node has other keys",
            ok=seen.mode == "standalone",
        ),
        *_amounts(seen, params, share),
    ]  # fmt: skip
    if seen.database != seen.other_database:
        says = f"redis-act is database {seen.database}, redis is database {seen.other_database}: they must be the same"
        checks.append(Check(id="database", says=says, ok=False))
    if seen.may is False:
        says = f"user {seen.user} may not run UNLINK; grant it: ACL SETUSER {seen.user} +unlink"
        checks.append(Check(id="permitted", says=says, ok=False))
    if never > 0.5:
        says = f"{format_quantity(never, 'ratio')} of the keys looked at never expire: that may be data and no cache"
        lift = "--allow-no-expiry"
        checks.append(Check(id="expires", says=says, ok=params.allow_no_expiry, lift=lift))
    if seen.backup:
        says = f"a backup holds up to {redis_backup.MOST:,} keys, {seen.keys:,} are there"
        checks.append(Check(id="backup-size", says=says, ok=seen.keys <= redis_backup.MOST))
        says = seen.backup_problem or f"{seen.backup} can be written"
        checks.append(Check(id="backup-file", says=says, ok=not seen.backup_problem))
    return tuple(checks)


def _amounts(seen: Seen, params: InvalidateParams, share: float) -> tuple[Check, ...]:
    """The caps: absolute and relative, both lifted by naming a number that holds what is there."""
    lift = f"--max-keys {seen.keys}"
    if params.max_keys is not None:
        says = f"{seen.keys:,} keys, --max-keys {params.max_keys:,}"
        return (Check(id="keys", says=says, ok=seen.keys <= params.max_keys, lift=lift),)
    says = f"{seen.keys:,} keys, at most {MOST_KEYS:,} without naming the number"
    of = f"{format_quantity(share, 'ratio', beside=MOST_SHARE)} of the database, at most"
    return (
        Check(id="keys", says=says, ok=seen.keys <= MOST_KEYS, lift=lift),
        Check(
            id="share",
            says=f"{of} {MOST_SHARE:.0%}, or up to {FEW:,} keys",
            ok=share <= MOST_SHARE or seen.keys <= FEW,
            lift=lift,
        ),
    )
