"""``postgres.terminate-blocker``: the session at the root of the blocking tree (PG-4, R2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from opsctl.actions import postgres_end as ending
from opsctl.actions.model import Check, Did, Excluded, Limit, Pace, Proposal, Step, Verified
from opsctl.actions.postgres_client import HELP, Client, SessionParams, Sessions, left_alone, length, shown
from opsctl.actions.postgres_session import before, checks, observed
from opsctl.actions.registry import Action, register
from opsctl.durations import format_quantity
from opsctl.probes.postgres_blocking import Root, roots

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.actions.model import Effect, Plan

_DO = "do_terminate_blocker"
_WRAPAROUND = "(to prevent wraparound)"


class BlockerParams(SessionParams, frozen=True, kw_only=True):
    """``waited``: others must have waited for so long."""

    durations: ClassVar[tuple[str, ...]] = ("waited",)
    waited: str = "1s"
    allow_pooler: bool = False


def observe(hands: Hands, params: BlockerParams) -> Sessions:
    """Sessions, and who waits for whom."""
    return observed(hands, params.endpoint, locks=True)


def propose(seen: Sessions, params: BlockerParams) -> Proposal:
    """The roots, most victims first: ending one frees all that wait behind it."""
    known = {client.pid: client for client in seen.clients}
    waiting = seen.edges or {}
    found = roots(waiting)
    steps: list[Step] = []
    excluded: list[Excluded] = []
    for root in found:
        client = known.get(root.pid)
        refusal = _prepared(seen, root) if root.pid == 0 else _kept(seen, client, root, params)
        if refusal is not None:
            excluded.append(refusal)
        elif client is not None:
            doing = f"{client.state} for {length(client.state_seconds)}" if client.state else "hidden"
            steps.append(
                Step(
                    target=ending.target(client, _DO),
                    why=f"{_people(root.victims)} for its locks; {doing}, transaction {length(client.xact_seconds)}",
                    calls=(ending.call(client, _DO),),
                    before=before(seen, params.endpoint),
                )
            )
    return Proposal(
        subject=seen.subject,
        scope=seen.scope,
        steps=tuple(steps),
        of=max(len(found), 1),
        unit="blocking sessions",
        impact="its client gets an error and its transaction rolls back; the sessions behind it go on",
        lost="a transaction that was rolled back stays so",
        excluded=tuple(excluded),
        checks=(*checks(seen), _waited(seen, params, bool(waiting))),
        confirm=seen.database,
        notes=_notes(found, waiting),
    )


def _kept(seen: Sessions, client: Client | None, root: Root, params: BlockerParams) -> Excluded | None:
    if client is None:
        why = "not a client's session any more, or one of the server's own processes: look again"
        return Excluded(id=f"pid {root.pid}", says=_people(root.victims), why=why, refused=True)
    if client.kind == "autovacuum worker":
        why = (
            "autovacuum against wraparound: let it finish, and stop the DDL that waits for it"
            if _WRAPAROUND in client.query
            else "autovacuum: Postgres cancels it by itself when somebody waits"
        )
        return Excluded(id=client.id, says=client.says, why=why, refused=True)
    if client.xact_start is None:
        why = "its transaction cannot be seen, so it could not be told from the next one"
        return Excluded(id=client.id, says=client.says, why=why, refused=True)
    return left_alone(seen, client, params, pooler_lift="--allow-pooler")


def _prepared(seen: Sessions, root: Root) -> Excluded:
    """Nobody can end one: its owner decides it, from any session in its database."""
    oldest = seen.prepared[0] if seen.prepared else None
    if oldest is None:
        return Excluded(
            id="prepared transaction", says=_people(root.victims), why="its name cannot be seen", refused=True
        )
    gid = str(oldest["gid"]).replace("'", "''")
    why = (
        f"a prepared transaction is no session and survives restarts: ask {shown(oldest['role'])} what it is, then in "
        f"{shown(oldest['database'])}: ROLLBACK PREPARED '{shown(gid, 200)}'"
    )
    says = f"{_people(root.victims)}; prepared {length(oldest['prepared_seconds'])} ago"
    return Excluded(id=f"prepared transaction {shown(gid)}", says=says, why=why, refused=True)


def _waited(seen: Sessions, params: BlockerParams, some: bool) -> Check:
    limit = params.seconds("waited")
    if not some:
        return Check(id="somebody-waits", says="no session waits for a lock", ok=False)
    longest = format_quantity(seen.waited, "s", beside=limit)
    says = f"the longest wait is {longest}, {params.waited} makes it worth it"
    return Check(id="somebody-waits", says=says, ok=seen.waited >= limit, lift="--waited DURATION")


def _notes(found: list[Root], waiting: object) -> tuple[str, ...]:
    if found:
        return ()
    if waiting:
        return ("the waiting sessions wait for each other: Postgres ends one of them after deadlock_timeout",)
    return ("no session waits for a lock",)


def _people(victims: int) -> str:
    return "1 session waits" if victims == 1 else f"{victims} sessions wait"


def apply(hands: Hands, step: Step) -> Did:
    """End that session, if it is still that transaction and somebody still waits for it."""
    return ending.end(hands, step, _DO)


def settled(hands: Hands, step: Step) -> Effect:
    """Whether it is gone."""
    return ending.settled(hands, step, _DO)


def verify(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Verified:
    """Whether it is gone."""
    return ending.verify(hands, plan, done, _DO)


ACTION = register(
    Action(
        id="postgres.terminate-blocker",
        title="End the session whose locks the others wait for",
        params=BlockerParams,
        observe=observe,
        propose=propose,
        apply=apply,
        settled=settled,
        undo=None,
        verify=verify,
        help={
            **HELP,
            "waited": "Others must have waited for so long.",
            "allow_pooler": "A pooler's server session, too: the client behind it loses its transaction.",
        },
        weight=3,
        asks="SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid, backend_start and xact_start are as "
        "they were seen and somebody waits for it",
        privilege="pg_monitor and pg_signal_backend",
        limit=Limit(targets=1, share=1.0),
        pace=Pace(batch=1, pause=2.0),
    )
)
