"""``pgbouncer.reload``, ``reconnect``, ``resume``: the console's commands that stop nobody (2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opsctl.actions import pgbouncer_session as console
from opsctl.actions.model import Did, Excluded, Limit, Pace, Proposal, Step, Target, Verified
from opsctl.actions.pgbouncer_session import Console, PoolerParams, whole
from opsctl.actions.postgres_client import shown
from opsctl.actions.registry import Action, register
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.actions.model import Effect, Plan

_WORDS = {"paused": "RESUME", "disabled": "ENABLE"}
_RESUME_UNDO = (
    "nothing brings back the state that kept clients waiting; PAUSE may block for as long as transactions run"
)


class DatabaseParams(PoolerParams, frozen=True, kw_only=True):
    """``database``: "" is each one that it applies to."""

    database: str = ""


def observe(hands: Hands, params: PoolerParams) -> Console:
    """The console."""
    return console.observed(hands, params.endpoint)


def _proposal(seen: Console, steps: tuple[Step, ...], of: int, impact: str, lost: str, **more: Any) -> Proposal:
    return Proposal(
        subject=seen.subject,
        scope=seen.scope,
        steps=steps,
        of=max(1, of),
        impact=impact,
        lost=lost,
        checks=(console.may_control(seen),),
        **more,
    )


def propose_reload(seen: Console, params: PoolerParams) -> Proposal:
    """One step: read the configuration file again."""
    step = Step(
        target=Target(id="configuration", pin=console.pin(seen), says=f"PgBouncer {seen.version}"),
        why="what was written into pgbouncer.ini takes effect",
        calls=("RELOAD",),
        before={"endpoint": params.endpoint},
    )
    notes = ("what was SET on the console and is not in pgbouncer.ini is lost; what differs is shown afterwards",)
    impact = "no client is disconnected; databases whose address changed get new server connections"
    return _proposal(seen, (step,), 1, impact, "the file decides: write the old values there and RELOAD",
                     unit="configurations", notes=notes)  # fmt: skip


def propose_reconnect(seen: Console, params: DatabaseParams) -> Proposal:
    """One step per database with server connections."""
    names, excluded = _chosen(seen, params.database)
    held = {name: whole(seen.databases[name], "current_connections") for name in names}
    steps = tuple(
        Step(
            target=Target(id=f"database {shown(name)}", pin=console.pin(seen), says=f"{held[name]} server connections"),
            why="each server connection is replaced by a new one as soon as it is free",
            calls=(f"RECONNECT {_word(name)}",),
            before={"endpoint": params.endpoint, "database": name},
        )
        for name in names
        if held[name]
    )
    excluded += [
        Excluded(id=f"database {name}", says="", why="no server connection") for name in names if not held[name]
    ]
    impact = "clients keep their connection; statements that run now finish first"
    return _proposal(seen, steps, len(seen.databases), impact, "the old connections are gone; new ones do the same",
                     unit="databases", excluded=tuple(excluded))  # fmt: skip


def propose_resume(seen: Console, params: DatabaseParams) -> Proposal:
    """One step per database that somebody paused or disabled."""
    names, excluded = _chosen(seen, params.database)
    steps = []
    for name in names:
        kinds = [kind for kind in _WORDS if whole(seen.databases[name], kind)]
        waiting = sum(whole(row, "cl_waiting") for row in seen.pools if row.get("database") == name)
        for kind in kinds:
            steps.append(
                Step(
                    target=Target(
                        id=f"database {shown(name)} {kind}", pin=console.pin(seen), says=f"{waiting} clients wait"
                    ),
                    why=f"it is {kind}: " + ("its clients wait" if kind == "paused" else "new clients are turned away"),
                    calls=(f"{_WORDS[kind]} {_word(name)}",),
                    before={"endpoint": params.endpoint, "database": name, "kind": kind},
                )
            )
    notes = ("somebody may have paused it for maintenance of the server behind it: ask first",) if steps else (
        "no database is paused or disabled",)  # fmt: skip
    return _proposal(seen, tuple(steps), len(seen.databases), "clients that wait go on", _RESUME_UNDO, unit="databases",
                     excluded=tuple(excluded), notes=notes)  # fmt: skip


def _chosen(seen: Console, database: str) -> tuple[list[str], list[Excluded]]:
    if not database:
        return sorted(seen.databases), []
    others = [name for name in sorted(seen.databases) if name != database]
    excluded = [
        Excluded(id=f"database {shown(n)}", says="", why="another database", lift=f"--database {n}") for n in others
    ]
    return ([database] if database in seen.databases else []), excluded


def _word(name: str) -> str:
    from opsctl.clients.pgbouncer_write import quoted

    return shown(quoted(name), 100)


def apply_reload(hands: Hands, step: Step) -> Did:
    """RELOAD, and say what is different now."""
    return console.controlled(
        hands,
        step.before,
        step.target.pin,
        lambda writer: writer.command("RELOAD"),
        _differs,
    )


def _differs(old: Console, now: Console) -> Did:
    changed: dict[str, str] = {}
    for key in sorted(old.config.keys() | now.config.keys()):
        was, is_ = (str(c.config.get(key, {}).get("value", "")) for c in (old, now))
        if was != is_:
            changed[key] = f"{shown(was)} -> {shown(is_)}"
    for name in sorted(old.databases.keys() | now.databases.keys()):
        was, is_ = (str(whole(c.databases.get(name, {}), "pool_size")) for c in (old, now))
        if was != is_:
            changed[f"{shown(name)} pool_size"] = f"{was} -> {is_}"
    says = "; ".join(f"{key} {how}" for key, how in list(changed.items())[:5]) or "nothing is different from before"
    return Did(state="acted", says=f"reloaded: {says}", after={"changed": changed})


def apply_reconnect(hands: Hands, step: Step) -> Did:
    """RECONNECT that database."""
    name = step.before["database"]
    return console.controlled(
        hands,
        step.before,
        step.target.pin,
        lambda writer: writer.command("RECONNECT", name),
        lambda old, now: Did(state="acted", says=f"server connections of {shown(name)} are replaced as they get free"),
    )


def apply_resume(hands: Hands, step: Step) -> Did:
    """RESUME or ENABLE that database. The pin is the database's own state: others may have been resumed before it."""
    from opsctl.clients.pgbouncer_write import NotDone

    kept = step.before
    name, kind = kept["database"], kept["kind"]
    writer = hands.writers.pgbouncer(kept["endpoint"])
    if not whole(console.look(writer).databases.get(name, {}), kind):
        return Did(state="unchanged", says=f"{shown(name)} is not {kind} any more")
    try:
        writer.command("RESUME" if kind == "paused" else "ENABLE", name)
        left = whole(console.look(writer).databases.get(name, {}), kind)
    except NotDone as refused:
        return Did(state="unknown" if refused.sent else "failed", says=refused.failure.says)
    except CouldNotLook as failure:
        return Did(state="unknown", says=f"the command was sent, then {failure.says}")
    if left:
        return Did(state="failed", says=f"{shown(name)} is still {kind}")
    return Did(state="acted", says=f"{shown(name)} is not {kind} any more")


def never_known(hands: Hands, step: Step) -> Effect:
    """A RELOAD or RECONNECT leaves nothing by which it can be told afterwards; doing it again harms nobody."""
    return "unknown"


def settled_resume(hands: Hands, step: Step) -> Effect:
    """Whether the database still is as it was."""
    try:
        now = console.look(hands.readers.pgbouncer(step.before["endpoint"]))
    except CouldNotLook:
        return "unknown"
    return "not-acted" if whole(now.databases.get(step.before["database"], {}), step.before["kind"]) else "acted"


def verify(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Verified:
    """Whether the console answers, nothing is paused that was to be resumed, and how many clients wait."""
    steps = [step for step in plan.proposal.steps if step.number in done]
    if not steps:
        return Verified(ok=None, says="nothing was done")
    try:
        now = console.look(hands.readers.pgbouncer(steps[0].before["endpoint"]))
    except CouldNotLook as failure:
        return Verified(ok=None, says=failure.says)
    left = [step.target.id for step in steps if _still(now, step.before)]
    waiting = sum(whole(row, "cl_waiting") for row in now.pools)
    return Verified(ok=not left, says=f"{', '.join(left)} still; {waiting} wait" if left else f"{waiting} clients wait")


def _still(now: Console, kept: Mapping[str, Any]) -> bool:
    return "kind" in kept and bool(whole(now.databases.get(kept["database"], {}), kept["kind"]))


_PRIVILEGE = "a user of admin_users"

RELOAD = register(
    Action(
        id="pgbouncer.reload",
        title="Have PgBouncer read its configuration again",
        params=PoolerParams,
        observe=observe,
        propose=propose_reload,
        apply=apply_reload,
        settled=never_known,
        undo=None,
        verify=verify,
        help=console.HELP,
        weight=1,
        asks="RELOAD on PgBouncer's console",
        privilege=_PRIVILEGE,
        limit=Limit(targets=1, share=1.0),
        pace=Pace(batch=1, pause=0.0),
    )
)

_DATABASE = {**console.HELP, "database": "Only this database; without it each one that it applies to."}

RECONNECT = register(
    Action(
        id="pgbouncer.reconnect",
        title="Have PgBouncer replace its server connections as they get free",
        params=DatabaseParams,
        observe=observe,
        propose=propose_reconnect,
        apply=apply_reconnect,
        settled=never_known,
        undo=None,
        verify=verify,
        help=_DATABASE,
        weight=2,
        asks="RECONNECT db on PgBouncer's console",
        privilege=_PRIVILEGE,
        limit=Limit(targets=5, share=1.0),
        pace=Pace(batch=1, pause=2.0),
    )
)

RESUME = register(
    Action(
        id="pgbouncer.resume",
        title="Let a paused or disabled database of PgBouncer work again",
        params=DatabaseParams,
        observe=observe,
        propose=propose_resume,
        apply=apply_resume,
        settled=settled_resume,
        undo=None,
        verify=verify,
        help=_DATABASE,
        weight=2,
        asks="RESUME db or ENABLE db on PgBouncer's console",
        privilege=_PRIVILEGE,
        limit=Limit(targets=5, share=1.0),
        pace=Pace(batch=1, pause=1.0),
    )
)
