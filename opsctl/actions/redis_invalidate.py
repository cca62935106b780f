"""``redis.invalidate-prefix``: remove the entries of one cache prefix, counted before, gently, counted after.

In place of ``KEYS … | xargs DEL`` and FLUSHDB (AMAS-40, AMAS-68, B-12; domain-checks.md R7).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opsctl.actions import redis_backup, redis_census, redis_prefixes
from opsctl.actions.hands import Hands
from opsctl.actions.model import Did, Effect, Plan, Step, Verified
from opsctl.actions.redis_invalidate_plan import MOST_KEYS, MOST_SHARE, InvalidateParams, Seen, propose
from opsctl.actions.redis_sweep import Swept, refused, sweep
from opsctl.actions.registry import Action, register
from opsctl.durations import format_quantity
from opsctl.errors import BadData, CannotWrite, CouldNotLook

if TYPE_CHECKING:
    from opsctl.clients.redis import RedisReader
    from opsctl.clients.redis_write import RedisWriter

_SHOWN = 10
_ASK_SECONDS = 2.0  # for sizes, and for expiries
_WINDOW = 0.5  # seconds over which hits are counted


def observe(hands: Hands, params: InvalidateParams) -> Seen:
    """Count what is there, and look at a sample of it. Raises UsageError, Refused for the prefix; CouldNotLook."""
    problem = redis_prefixes.why_not(params.prefix, hands.profile)
    if problem is not None:
        raise problem
    reader = hands.readers.redis()
    acting = _acting(hands)
    leave = redis_prefixes.nested(params.prefix, hands.profile)
    words = redis_prefixes.protected_words(hands.profile)
    before = reader.info()
    belongs = redis_prefixes.left_alone(params.prefix, leave, words)
    counted = redis_census.count(reader, params.prefix, belongs, hands.tell)
    sizes = _sizes(reader, counted.sample)
    time.sleep(max(0.0, before.taken + _WINDOW - time.monotonic()))
    after = reader.info()  # before the expiries are asked for: Redis counts those as hits
    left = reader.lifetimes(counted.sample, _ASK_SECONDS)
    grown = (after.number("keyspace_hits") or 0.0) - (before.number("keyspace_hits") or 0.0)
    backup = redis_backup.place(params.backup) if params.backup else None
    return Seen(
        address=acting.address,
        user=acting.user,
        run_id=after.text("run_id"),
        database=acting.database,
        other_database=reader.database,
        role=after.text("role"),
        mode=after.text("redis_mode") or "standalone",
        saving=bool(after.number("rdb_bgsave_in_progress") or after.number("aof_rewrite_in_progress")),
        prefix=params.prefix,
        leave=leave,
        words=words,
        keys=counted.keys,
        exact=counted.exact,
        total=max(int(after.part(f"db{reader.database}", "keys")), counted.keys + sum(counted.kept.values())),
        kept=counted.kept,
        sample=tuple(redis_census.shown_key(key) for key in counted.sample[:_SHOWN]),
        sizes=sizes,
        left=tuple(seconds for _, seconds in left),
        hits=max(0.0, grown / max(0.1, after.taken - before.taken)),
        may=_may(reader, acting.user, params.prefix),
        configured=hands.profile.cache.get(params.prefix, ""),
        backup=str(backup) if backup is not None else "",
        backup_problem=redis_backup.why_not(backup) if backup is not None else "",
    )


def apply(hands: Hands, step: Step) -> Did:
    """Walk and remove. A walk that ended early has failed: what it removed is told, and how much is left is not known.

    Raises CouldNotLook and Stopped only before the first key was removed.
    """
    prefix, writer = _pinned(hands, step)
    before = step.before
    belongs = redis_prefixes.left_alone(prefix, before["leave"], before["words"])
    inverse: dict[str, Any] | None = before.get("inverse")
    if before["backup"]:
        try:
            swept = _kept(hands, writer, step, belongs)
        except CannotWrite as failed:
            return Did(state="failed", says=f"nothing was removed: {failed.says}")
    else:
        swept = sweep(hands, writer, prefix, belongs, before["most"])
    after = {"removed": swept.removed, "slowest_ping": round(swept.slowest, 4)}
    took = f"in {format_quantity(swept.seconds, 's')}"
    if swept.slowest:
        took += f", slowest PING {format_quantity(swept.slowest, 's')}"
    if not swept.whole:
        at_least = "at least " if swept.unsure else ""
        says = f"{at_least}{swept.removed:,} keys were removed, then it ended: {swept.says}"
        state = "failed" if swept.removed or not swept.unsure else "unknown"
        return Did(state=state, says=says, inverse=inverse, after=after, seconds=swept.seconds)  # type: ignore[arg-type]
    if not swept.removed:
        return Did(state="unchanged", says=f"no key {prefix} was there any more", after=after, seconds=swept.seconds)
    says = f"{swept.removed:,} keys removed {took}"
    return Did(state="acted", says=says, inverse=inverse, after=after, seconds=swept.seconds)


def _kept(hands: Hands, writer: RedisWriter, step: Step, belongs: Any) -> Swept:
    """Keep the keys in the file first, then remove exactly those."""
    from opsctl.clients.redis_write import Kept, page_of

    prefix, started = str(step.target.pin["prefix"]), time.monotonic()
    names: dict[bytes, None] = {}
    cursor = b""
    while cursor != b"0":
        page = writer.page(cursor or b"0", prefix.encode())
        names.update(dict.fromkeys(key for key in page.keys if not belongs(key)))
        cursor = page.cursor
        if len(names) > redis_backup.MOST:
            says = f"more than {redis_backup.MOST:,} keys are there now, which no backup holds"
            raise CannotWrite(says)
    clock = writer.clock()
    kept: list[Kept] = [one for name in names if (one := writer.dump(name, clock)) is not None]
    redis_backup.write(
        redis_backup.place(step.before["backup"]), kept, run_id=str(step.target.pin["run_id"]),
        database=writer.database, prefix=prefix,
    )  # fmt: skip
    removed, says, unsure = 0, "", False
    hands.check_stop()
    if kept:
        try:
            removed = writer.unlink(page_of([one.key for one in kept]))
        except CouldNotLook as failed:
            if refused(failed):
                raise
            says, unsure = failed.says, True
    return Swept(removed, 1, not says, says, time.monotonic() - started, 0.0, unsure)


def settled(hands: Hands, step: Step) -> Effect:
    """Count again: none left = it acted. What is left is removed by doing it again, whoever wrote it."""
    try:
        prefix, writer = _pinned(hands, step)
        left = _left(writer, prefix, step)
    except CouldNotLook:
        return "unknown"
    return "not-acted" if left.keys else "acted"


def undo(hands: Hands, step: Step, inverse: Mapping[str, Any]) -> Did:
    """RESTORE each key of the backup that is not there and has not expired. Nothing newer is replaced."""
    try:
        kept = redis_backup.read(
            redis_backup.place(inverse["file"]), run_id=str(step.target.pin["run_id"]),
            database=int(step.target.pin["database"] or 0), prefix=str(step.target.pin["prefix"]),
        )  # fmt: skip
    except BadData as failed:
        return Did(state="failed", says=failed.says)
    started = time.monotonic()
    _, writer = _pinned(hands, step)
    back = newer = expired = 0
    try:
        clock = writer.clock() * 1000
        for one in kept:
            if one.ends and one.ends <= clock + 1000 * (time.monotonic() - started):
                expired += 1
                continue
            hands.check_stop()
            if writer.restore(one):
                back += 1
            else:
                newer += 1
    except CouldNotLook as failed:
        if not back:
            raise
        return Did(state="failed", says=f"{back:,} of {len(kept):,} keys are back, then: {failed.says}")
    says = f"{back:,} of {len(kept):,} keys are back"
    says += f"; {newer:,} had been written anew and stay" if newer else ""
    says += f"; {expired:,} would have expired meanwhile" if expired else ""
    state = "acted" if back else "unchanged"
    return Did(state=state, says=says, after={"restored": back}, seconds=time.monotonic() - started)  # type: ignore[arg-type]


def verify(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Verified:
    """Count once more. A walk that came to its end missed nothing: what is there now was written since."""
    says, ok = [], True
    for step in plan.proposal.steps:
        try:
            prefix, writer = _pinned(hands, step)
            left = _left(writer, prefix, step)
        except CouldNotLook as failed:
            return Verified(ok=None, says=failed.says)
        if not left.keys:
            says.append(f"no key {prefix} is left")
        elif step.number in done:
            some = ", ".join(redis_census.shown_key(key) for key in left.sample[:3])
            says.append(f"{left.keys:,} keys {prefix} were written since: {some}{' …' if left.keys > 3 else ''}")
        else:
            ok = False
            says.append(f"{left.keys:,} keys {prefix} are left")
    return Verified(ok=ok, says="; ".join(says))


def _left(reader: RedisReader, prefix: str, step: Step) -> redis_census.Counted:
    belongs = redis_prefixes.left_alone(prefix, step.before["leave"], step.before["words"])
    return redis_census.count(reader, prefix, belongs, lambda text: None)


def _pinned(hands: Hands, step: Step) -> tuple[str, RedisWriter]:
    """The prefix and the writer, held to the step's server. Raises CouldNotLook (Moved: another server)."""
    pin = step.target.pin
    writer = hands.writers.redis()
    writer.pin(str(pin["run_id"]), int(pin["database"] or 0))
    return str(pin["prefix"]), writer


def _acting(hands: Hands) -> RedisWriter:
    """The writer, for its address and user: nothing is sent by it while looking."""
    return hands.writers.redis()


def _sizes(reader: RedisReader, names: list[bytes]) -> tuple[int, ...]:
    """Bytes of these keys; none where the user may not ask: the plan then says nothing of memory."""
    try:
        return tuple(reader.sizes(names, _ASK_SECONDS).values())
    except CouldNotLook as failed:
        if failed.reason not in ("forbidden", "unsupported"):
            raise
        return ()


def _may(reader: RedisReader, user: str, prefix: str) -> bool | None:
    try:
        return reader.may(user, ("UNLINK", f"{prefix}x"))
    except CouldNotLook:
        return None


ACTION = register(
    Action(
        id="redis.invalidate-prefix",
        title="Remove the entries of one cache prefix",
        params=InvalidateParams,
        observe=observe,
        propose=propose,
        apply=apply,
        settled=settled,
        undo=undo,
        verify=verify,
        help={
            "prefix": "The prefix as the keys have it, one of the profile's `cache`. No character of it is a wildcard.",
            "max_keys": f"Remove up to so many keys, not only {MOST_KEYS:,} and {MOST_SHARE:.0%} of the database.",
            "allow_no_expiry": "Go on although most keys looked at never expire, and may be data and no cache.",
            "backup": f"Keep up to {redis_backup.MOST:,} keys in this new file first, so that it can be undone.",
        },
        weight=4,
        asks="SCAN MATCH prefix* COUNT 1000, UNLINK of each page's keys; with --backup DUMP, PTTL, and RESTORE to undo",
        privilege="ACL +info +ping +select +scan +unlink on the prefix' keys; +time +dump +pttl +restore for --backup",
    )
)
