"""``postgres.terminate-idle-in-transaction``: sessions that opened a transaction and forgot it (PG-5, R2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from opsctl.actions import postgres_end as ending
from opsctl.actions.model import Did, Excluded, Limit, Pace, Proposal, Step, Verified
from opsctl.actions.postgres_client import HELP, Client, SessionParams, Sessions, left_alone, length, told
from opsctl.actions.postgres_session import before, checks, observed
from opsctl.actions.registry import Action, register
from opsctl.probes.postgres_blocking import reach

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.actions.model import Effect, Plan

_DO = "do_terminate_session"


class IdleInTransactionParams(SessionParams, frozen=True, kw_only=True):
    """``older_than``: idle in its transaction for so long, or ``blocking`` long while others wait for it."""

    durations: ClassVar[tuple[str, ...]] = ("older_than", "blocking")
    older_than: str = "5m"
    blocking: str = "1s"
    allow_pooler: bool = False


def observe(hands: Hands, params: IdleInTransactionParams) -> Sessions:
    """Sessions, and who waits for whom."""
    return observed(hands, params.endpoint, locks=True)


def propose(seen: Sessions, params: IdleInTransactionParams) -> Proposal:
    """Worst first: those that others wait for, then the longest idle."""
    idle = [c for c in seen.clients if c.state.startswith("idle in transaction")]
    victims = {c.pid: reach(seen.edges or {}, c.pid).victims for c in idle}
    chosen: list[Client] = []
    young: list[Client] = []
    blocking: list[Client] = []
    excluded: list[Excluded] = []
    for client in sorted(idle, key=lambda c: (-victims[c.pid], -(c.state_seconds or 0.0))):
        refusal = left_alone(seen, client, params, pooler_lift="--allow-pooler")
        limit = params.seconds("blocking" if victims[client.pid] else "older_than")
        if refusal is not None:
            excluded.append(refusal)
        elif (client.state_seconds or 0.0) < limit:
            (blocking if victims[client.pid] else young).append(client)
        else:
            chosen.append(client)
    steps = tuple(
        Step(
            target=ending.target(client, _DO),
            why=f"idle in its transaction for {length(client.state_seconds)}, blocks {_count(victims[client.pid])}, "
            f"{'has written' if client.wrote else 'wrote nothing'}",
            calls=(ending.call(client, _DO),),
            before=before(seen, params.endpoint),
        )
        for client in chosen
    )
    return Proposal(
        subject=seen.subject,
        scope=seen.scope,
        steps=steps,
        of=max(len(seen.here), len(steps)),
        unit="sessions",
        impact="each one's client gets an error at its next statement, and its transaction rolls back",
        lost="a transaction that was rolled back stays so",
        excluded=(
            *told(excluded, blocking, f"blocks others, idle for less than {params.blocking}", "--blocking DURATION"),
            *told([], young, f"idle for less than {params.older_than}", "--older-than DURATION"),
        ),
        checks=checks(seen),
        confirm=seen.database,
        notes=() if steps else (_nothing(idle),),
    )


def _nothing(idle: list[Client]) -> str:
    if not idle:
        return "no session is idle in a transaction"
    longest = max(c.state_seconds or 0.0 for c in idle)
    return f"{len(idle)} sessions are idle in a transaction, the longest for {length(longest)}; none may be ended"


def _count(victims: int) -> str:
    return "nobody" if victims == 0 else "1 session" if victims == 1 else f"{victims} sessions"


def apply(hands: Hands, step: Step) -> Did:
    """End that session, if it has sat still since it was seen."""
    return ending.end(hands, step, _DO)


def settled(hands: Hands, step: Step) -> Effect:
    """Whether it is gone."""
    return ending.settled(hands, step, _DO)


def verify(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Verified:
    """Whether they are gone."""
    return ending.verify(hands, plan, done, _DO)


ACTION = register(
    Action(
        id="postgres.terminate-idle-in-transaction",
        title="End sessions that sit idle in an open transaction",
        params=IdleInTransactionParams,
        observe=observe,
        propose=propose,
        apply=apply,
        settled=settled,
        undo=None,
        verify=verify,
        help={
            **HELP,
            "older_than": "Sessions idle in their transaction for so long.",
            "blocking": "Sessions idle for so long while others wait for their locks.",
            "allow_pooler": "A pooler's server sessions, too: the client behind each loses its transaction.",
        },
        weight=3,
        asks="SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid, backend_start, state and state_change "
        "are as they were seen",
        privilege="pg_monitor and pg_signal_backend",
        limit=Limit(targets=5, share=0.25),
        pace=Pace(batch=5, pause=2.0),
    )
)
