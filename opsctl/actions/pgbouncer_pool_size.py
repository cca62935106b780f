"""``pgbouncer.set-pool-size``: more server connections per pool, as far as Postgres has room for them (R2 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opsctl.actions import pgbouncer_session as console
from opsctl.actions.model import Check, Did, Excluded, Limit, Pace, Proposal, Step, Target, Verified
from opsctl.actions.pgbouncer_session import Console, PoolerParams, whole
from opsctl.actions.postgres_session import reader_of
from opsctl.actions.registry import Action, register
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.actions.model import Effect, Plan

KEY = "default_pool_size"


class PoolSizeParams(PoolerParams, frozen=True, kw_only=True):
    """``size``: connections per pool (database and user). ``keep_free``: slots that stay free in Postgres."""

    size: int
    database: str = ""
    postgres: str = "postgres"
    keep_free: int = 10

    def __post_init__(self) -> None:
        if not 1 <= self.size <= 10_000:
            raise ValueError("size is a number from 1 to 10000")
        if self.keep_free < 0:
            raise ValueError("keep_free must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The console, and the free slots of the Postgres behind it (None: could not be asked, ``why``)."""

    console: Console
    free: int | None
    slots: int = 0
    why: str = ""


def observe(hands: Hands, params: PoolSizeParams) -> Seen:
    """The pooler's pools and the server's room."""
    seen = console.observed(hands, params.endpoint)
    try:
        (room,) = reader_of(hands, params.postgres).rows("get_capacity")
    except CouldNotLook as failure:
        return Seen(console=seen, free=None, why=failure.says)
    return Seen(console=seen, free=room["slots"] - room["used"] - room["hidden"], slots=room["slots"])


def propose(seen: Seen, params: PoolSizeParams) -> Proposal:
    """One step, for all databases that use the default."""
    here = seen.console
    old = whole(here.config.get(KEY, {}), "value")
    using = sorted(name for name, row in here.databases.items() if whole(row, "pool_size") == old)
    excluded = [
        Excluded(
            id=f"database {name}",
            says=f"its own pool_size is {whole(row, 'pool_size')}",
            why="set in pgbouncer.ini: change it there, then pgbouncer.reload",
        )
        for name, row in sorted(here.databases.items())
        if name not in using and (not params.database or name == params.database)
    ]
    wanted = using if not params.database else [name for name in using if name == params.database]
    steps: tuple[Step, ...] = ()
    if params.size == old:
        excluded.append(Excluded(id=KEY, says=f"{KEY} = {old}", why=f"it is {old} already", refused=True))
    elif wanted:
        steps = (
            Step(
                target=Target(id=KEY, pin=console.pin(here), says=f"{KEY} = {old}, used by {', '.join(using)}"),
                why=f"pools of {', '.join(wanted)} may hold {params.size} server connections instead of {old}",
                calls=(f"SET {KEY} = '{params.size}'",),
                before={"endpoint": params.endpoint, "old": old, "new": params.size, "databases": using},
                shows=(f"- {KEY} = {old}", f"+ {KEY} = {params.size}"),
            ),
        )
    smaller = params.size < old
    return Proposal(
        subject=here.subject,
        scope=here.scope,
        steps=steps,
        of=1,
        unit="settings",
        impact="server connections above the new size are closed as they get free"
        if smaller
        else "clients that wait get a server connection; Postgres holds more sessions",
        undo=f"SET {KEY} = '{old}'",
        excluded=tuple(excluded),
        checks=(_changeable(here), console.may_control(here), _room(seen, params, using, smaller)),
        notes=(f"the next RELOAD or restart takes {KEY} from pgbouncer.ini again: write {params.size} there, too",),
    )


def _changeable(here: Console) -> Check:
    row = here.config.get(KEY)
    if row is None:
        return Check(id="changeable", says=f"PgBouncer {here.version} shows no {KEY}", ok=None)
    ok = str(row.get("changeable")).lower() == "yes"
    says = f"{KEY} {'can' if ok else 'cannot'} be changed while it runs"
    return Check(id="changeable", says=says, ok=ok)


def _room(seen: Seen, params: PoolSizeParams, using: list[str], smaller: bool) -> Check:
    """All pools full at their new size must leave ``keep_free`` slots."""
    if seen.free is None:
        return Check(id="room", says=f"the server's free slots could not be asked: {seen.why}", ok=None)
    pools = [row for row in seen.console.pools if row.get("database") in using]
    names = ("sv_active", "sv_idle", "sv_used", "sv_tested", "sv_login")
    held = sum(whole(row, name) for row in pools for name in names)
    count = max(1, len(pools))
    more = max(0, count * params.size - held)
    says = (
        f"{count} pools of {params.size} may open {more} more connections, Postgres has {seen.free} of {seen.slots} "
        f"slots free and {params.keep_free} stay free"
    )
    return Check(id="room", says=says, ok=smaller or more <= seen.free - params.keep_free, lift="--keep-free N")


def apply(hands: Hands, step: Step) -> Did:
    """Set it, and see that the databases took it."""
    kept = step.before
    inverse = {"endpoint": kept["endpoint"], "old": kept["old"], "new": kept["new"]}

    def after(before: Console, now: Console) -> Did:
        return _took(now, kept["new"], inverse)

    return console.controlled(hands, kept, step.target.pin, lambda writer: writer.set(KEY, kept["new"]), after)


def _took(now: Console, value: int, inverse: Mapping[str, Any] | None) -> Did:
    have = whole(now.config.get(KEY, {}), "value")
    if have != value:
        return Did(state="failed", says=f"{KEY} is {have}, not {value}")
    sizes = {name: whole(row, "pool_size") for name, row in sorted(now.databases.items())}
    says = f"{KEY} is {value} now"
    return Did(state="acted", says=says, inverse=None if inverse is None else dict(inverse), after={"pool_size": sizes})


def undo(hands: Hands, step: Step, inverse: Mapping[str, Any]) -> Did:
    """Back to the old value, unless somebody has set another one since."""
    writer = hands.writers.pgbouncer(inverse["endpoint"])
    now = console.look(writer)
    have = whole(now.config.get(KEY, {}), "value")
    if have == inverse["old"]:
        return Did(state="unchanged", says=f"{KEY} is {have} already")
    if have != inverse["new"]:
        return Did(state="skipped", says=f"somebody has set {KEY} to {have} since: left as it is")
    return console.controlled(
        hands,
        inverse,
        console.pin(now),
        lambda w: w.set(KEY, inverse["old"]),
        lambda _, after: _took(after, inverse["old"], None),
    )


def settled(hands: Hands, step: Step) -> Effect:
    """Whether it has the new value."""
    try:
        now = console.look(hands.readers.pgbouncer(step.before["endpoint"]))
    except CouldNotLook:
        return "unknown"
    return "acted" if whole(now.config.get(KEY, {}), "value") == step.before["new"] else "not-acted"


def verify(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Verified:
    """Whether the pools have the size and fewer clients wait."""
    try:
        now = console.look(hands.readers.pgbouncer(plan.proposal.steps[0].before["endpoint"]))
    except CouldNotLook as failure:
        return Verified(ok=None, says=failure.says)
    value = plan.proposal.steps[0].before["new"]
    waiting = sum(whole(row, "cl_waiting") for row in now.pools)
    have = whole(now.config.get(KEY, {}), "value")
    return Verified(ok=have == value, says=f"{KEY} is {have}; {waiting} clients wait")


ACTION = register(
    Action(
        id="pgbouncer.set-pool-size",
        title="Change how many server connections each of PgBouncer's pools may hold",
        params=PoolSizeParams,
        observe=observe,
        propose=propose,
        apply=apply,
        settled=settled,
        undo=undo,
        verify=verify,
        help={
            **console.HELP,
            "size": "Server connections per pool, that is per database and user.",
            "database": "The database it is for; others that use the default are changed with it and named.",
            "postgres": "The endpoint of the Postgres behind it.",
            "keep_free": "Slots that must stay free in Postgres when all pools are full.",
        },
        weight=3,
        asks="SET default_pool_size = 'N' on PgBouncer's console",
        privilege="a user of admin_users",
        limit=Limit(targets=1, share=1.0),
        pace=Pace(batch=1, pause=0.0),
    )
)
