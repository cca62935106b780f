"""``postgres.cancel-query``: statements that have been running for too long (R1 c, PG-14 by the statement's start)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from opsctl.actions import postgres_end as ending
from opsctl.actions.model import Did, Excluded, Limit, Pace, Proposal, Step, Verified
from opsctl.actions.postgres_client import HELP, Client, SessionParams, Sessions, left_alone, length, shown, told
from opsctl.actions.postgres_session import before, checks, observed
from opsctl.actions.registry import Action, register

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.actions.model import Effect, Plan

_DO = "do_cancel_query"
# Cancelled half-way these leave something behind (an invalid index) or lose hours of somebody's work.
_MAINTENANCE = re.compile(
    r"\s*(vacuum|analy[sz]e|reindex|cluster|refresh|create\s+(unique\s+)?index|alter|copy)\b", re.IGNORECASE
)


class CancelParams(SessionParams, frozen=True, kw_only=True):
    """``older_than``: statements that have been running for so long."""

    durations: ClassVar[tuple[str, ...]] = ("older_than",)
    older_than: str = "1m"
    pid: tuple[str, ...] = ()
    allow_maintenance: bool = False
    allow_waiting: bool = False
    allow_pooler: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(not pid.isdigit() for pid in self.pid):
            raise ValueError("pid is the number of a process")


def observe(hands: Hands, params: CancelParams) -> Sessions:
    """Sessions."""
    return observed(hands, params.endpoint)


def propose(seen: Sessions, params: CancelParams) -> Proposal:
    """Longest first. A statement that waits for a lock is a victim: cancelling it frees nobody."""
    limit = params.seconds("older_than")
    running = [c for c in seen.clients if c.state == "active" and c.kind == "client backend"]
    chosen: list[Client] = []
    young: list[Client] = []
    excluded: list[Excluded] = []
    for client in sorted(running, key=lambda c: -(c.query_seconds or 0.0)):
        if client.ours:
            continue
        if (client.query_seconds or 0.0) < limit:
            young.append(client)
        elif (refusal := _kept(seen, client, params)) is not None:
            excluded.append(refusal)
        else:
            chosen.append(client)
    steps = tuple(
        Step(
            target=ending.target(client, _DO),
            why=f"its statement has been running for {length(client.query_seconds)}, limit {params.older_than}",
            calls=(ending.call(client, _DO),),
            before=before(seen, params.endpoint),
        )
        for client in chosen
    )
    nothing = f"no statement of {seen.database} has been running for {params.older_than}"
    return Proposal(
        subject=seen.subject,
        scope=seen.scope,
        steps=steps,
        of=max(len(seen.here), len(steps)),
        unit="sessions",
        impact="each one's client gets an error (canceling statement due to user request); its session stays",
        lost="what the statement had done so far is lost",
        excluded=told(excluded, young, f"running for less than {params.older_than}", "--older-than DURATION"),
        checks=checks(seen),
        confirm=seen.database,
        notes=() if steps or excluded else (nothing,),
    )


def _kept(seen: Sessions, client: Client, params: CancelParams) -> Excluded | None:
    refusal = left_alone(seen, client, params, pooler_lift="--allow-pooler")
    if refusal is not None:
        return refusal
    why, lift = "", ""
    if params.pid and str(client.pid) not in params.pid:
        why, lift = "another session", f"--pid {client.pid}"
    elif client.wait == "Lock" and not params.allow_waiting:
        why, lift = "it waits for a lock: see who holds it", "--allow-waiting"
    elif _MAINTENANCE.match(client.query) and not params.allow_maintenance:
        word = shown(client.query).split()[0].upper()
        why, lift = f"{word} leaves work half done when it is cancelled", "--allow-maintenance"
    return Excluded(id=client.id, says=client.says, why=why, lift=lift) if why else None


def apply(hands: Hands, step: Step) -> Did:
    """Cancel that statement, if it still runs."""
    return ending.end(hands, step, _DO)


def settled(hands: Hands, step: Step) -> Effect:
    """Whether that statement still runs."""
    return ending.settled(hands, step, _DO)


def verify(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Verified:
    """Whether they have ended."""
    return ending.verify(hands, plan, done, _DO)


ACTION = register(
    Action(
        id="postgres.cancel-query",
        title="Cancel statements that have been running for long",
        params=CancelParams,
        observe=observe,
        propose=propose,
        apply=apply,
        settled=settled,
        undo=None,
        verify=verify,
        help={
            **HELP,
            "older_than": "Statements that have been running for so long.",
            "pid": "Only the statement of this session; may be repeated.",
            "allow_maintenance": "VACUUM, CREATE INDEX, ALTER, COPY and the like, too.",
            "allow_waiting": "Statements that wait for a lock, too.",
            "allow_pooler": "A pooler's server sessions, too: the client behind each gets the error.",
        },
        weight=2,
        asks="SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid, backend_start and query_start are as they "
        "were seen and it is active",
        privilege="pg_monitor and pg_signal_backend",
        limit=Limit(targets=5, share=0.25),
        pace=Pace(batch=5, pause=2.0),
    )
)
