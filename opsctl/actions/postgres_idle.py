"""``postgres.terminate-idle``: leaked idle sessions of an application, down to its pool (PG-13, R2, B-18)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, ClassVar

from opsctl.actions import postgres_end as ending
from opsctl.actions.model import Check, Did, Excluded, Limit, Pace, Proposal, Step, Verified
from opsctl.actions.postgres_client import HELP, Client, SessionParams, Sessions, left_alone, length, shown, told
from opsctl.actions.postgres_session import before, checks, observed, writer_of
from opsctl.actions.registry import Action, register
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from opsctl.actions.hands import Hands
    from opsctl.actions.model import Effect, Plan

_DO = "do_terminate_session"
_FULL = 0.9  # of the slots, or of a limit of its own: below it nobody lacks a slot
_BATCH = 5
_LISTENING = "a session that listened and has run something else since cannot be told from outside"


class IdleParams(SessionParams, frozen=True, kw_only=True):
    """``keep``: sessions left to the application; without it what its pool is configured to hold, per address."""

    durations: ClassVar[tuple[str, ...]] = ("older_than",)
    older_than: str = "10m"
    keep: int | None = None
    client_addr: str = ""
    allow_free: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.keep is not None and self.keep < 0:
            raise ValueError("keep must not be negative")


def observe(hands: Hands, params: IdleParams) -> Sessions:
    """Sessions, and what the pooler holds."""
    return observed(hands, params.endpoint)


def propose(seen: Sessions, params: IdleParams) -> Proposal:
    """The application with the most idle sessions; longest idle first."""
    limit = params.seconds("older_than")
    found: list[Client] = []
    young: list[Client] = []
    excluded: list[Excluded] = []
    for client in seen.clients:
        if client.kind == "walsender":
            excluded += [refusal] if (refusal := left_alone(seen, client, params)) is not None else []
        if client.state != "idle" or client.kind == "walsender":
            continue
        refusal = left_alone(seen, client, params)
        if refusal is None and params.client_addr and client.address != params.client_addr:
            refusal = Excluded(
                id=client.id, says=client.says, why=f"from {client.address}", lift=f"--client-addr {client.address}"
            )
        if refusal is not None:
            excluded.append(refusal)
        elif (client.state_seconds or 0.0) < limit:
            young.append(client)
        else:
            found.append(client)
    found.sort(key=lambda c: -(c.state_seconds or 0.0))
    worst = _worst(found)
    mine = [c for c in found if _holder(c) == worst]
    excluded += [_other(c) for c in found if _holder(c) != worst]
    holds = [
        c for c in seen.here if _holder(c) == worst and (not params.client_addr or c.address == params.client_addr)
    ]
    keep = _keep(seen, params, holds)
    spare = max(0, len(holds) - keep)
    excluded += [
        Excluded(id=c.id, says=c.says, why=f"{keep} sessions are left to {c.app}", lift=f"--keep {max(0, keep - 1)}")
        for c in mine[spare:]
    ]
    application, role = worst
    kept = {"application": application, "role": role, "observed": seen.server_time}
    steps = tuple(
        Step(
            target=ending.target(client, _DO),
            why=f"idle for {length(client.state_seconds)}; {client.app} holds {len(holds)} sessions, {keep} are left",
            calls=(ending.call(client, _DO),),
            before=before(seen, params.endpoint, **kept),
        )
        for client in mine[:spare]
    )
    return Proposal(
        subject=seen.subject,
        scope=seen.scope,
        steps=steps,
        of=max(len(holds), len(steps)),
        unit=f"sessions of {shown(application) or shown(role)}" if worst != ("", "") else "sessions",
        impact="nothing runs in them; a client that still wants its session gets an error at its next statement",
        lost="an ended session stays so; its client opens another one",
        excluded=told(excluded, young, f"idle for less than {params.older_than}", "--older-than DURATION"),
        checks=(*checks(seen, pooler_matters=True), _full(seen, params)),
        confirm=seen.database,
        notes=(_LISTENING,) if steps else (f"no session may be ended that has been idle for {params.older_than}",),
    )


def _holder(client: Client) -> tuple[str, str]:
    return client.application, client.role


def _worst(found: list[Client]) -> tuple[str, str]:
    counted = Counter(_holder(c) for c in found)
    return max(counted, key=lambda key: (counted[key], key)) if counted else ("", "")


def _other(client: Client) -> Excluded:
    lift = f"--app {shown(client.application)}" if client.application else ""
    return Excluded(id=client.id, says=client.says, why="not the application with the most idle sessions", lift=lift)


def _keep(seen: Sessions, params: IdleParams, holds: list[Client]) -> int:
    if params.keep is not None:
        return params.keep
    return seen.pool * len({c.address for c in holds})


def _full(seen: Sessions, params: IdleParams) -> Check:
    """Ending idle sessions helps only where slots are scarce: of the server, or of a limit of role or database."""
    share = seen.used / seen.slots if seen.slots else 0.0
    says = f"{seen.used} of {seen.slots} slots are used ({share:.0%})"
    for row in seen.limits:
        part = row["sessions"] / max(1, row["limit"])
        if part > share and (row["kind"] == "role" or row["name"] == seen.database):
            share = part
            says = (
                f"{row['kind']} {shown(row['name'])} has used {row['sessions']} of its own {row['limit']} ({part:.0%})"
            )
    ok = params.allow_free or share >= _FULL
    return Check(id="slots-scarce", says=f"{says}; {_FULL:.0%} makes it worth it", ok=ok, lift="--allow-free")


def apply(hands: Hands, step: Step) -> Did:
    """End that session, if it has sat still since; nothing when new ones have taken the place of those ended before."""
    if step.number > _BATCH:
        writer = writer_of(hands, step.before["endpoint"])
        opened = _opened(writer, step.before)
        if opened >= _BATCH:
            return Did(state="skipped", says=f"left: {_replaced(opened, step.before)}")
    return ending.end(hands, step, _DO)


def _opened(reader: Any, kept: Mapping[str, Any]) -> int:
    asked = {"application": kept["application"], "role": kept["role"], "database": kept["database"]}
    (row,) = reader.rows("get_new_sessions", {**asked, "since": kept["observed"]})
    return int(row["opened"])


def _replaced(opened: int, kept: Mapping[str, Any]) -> str:
    who = shown(kept["application"]) or shown(kept["role"])
    return (
        f"{who} has opened {opened} new sessions since: this is its pool, or the leak goes on; look at the application"
    )


def settled(hands: Hands, step: Step) -> Effect:
    """Whether it is gone."""
    return ending.settled(hands, step, _DO)


def verify(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Verified:
    """Whether they are gone, and stay gone."""
    seen = ending.verify(hands, plan, done, _DO)
    if seen.ok is not True:
        return seen
    step = next(step for step in plan.proposal.steps if step.number in done)
    try:
        opened = _opened(ending.looker(hands, step.before["endpoint"]), step.before)
    except CouldNotLook as failure:
        return Verified(ok=None, says=failure.says)
    if opened >= max(1, len(done)):
        return Verified(ok=False, says=f"{seen.says}; {_replaced(opened, step.before)}")
    return seen


ACTION = register(
    Action(
        id="postgres.terminate-idle",
        title="End leaked idle sessions of the application that holds the most",
        params=IdleParams,
        observe=observe,
        propose=propose,
        apply=apply,
        settled=settled,
        undo=None,
        verify=verify,
        help={
            **HELP,
            "older_than": "Sessions idle for so long.",
            "keep": "Sessions left to the application; without it its configured pool per client address.",
            "client_addr": "Only sessions from this address, e.g. of a pod that is gone.",
            "allow_free": "Although slots are not scarce.",
        },
        weight=3,
        asks="SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid, backend_start, state and state_change "
        "are as they were seen",
        privilege="pg_monitor and pg_signal_backend",
        limit=Limit(targets=10, share=0.25),
        pace=Pace(batch=_BATCH, pause=2.0),
    )
)
