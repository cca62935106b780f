"""``postgres.set-role-timeout``: new sessions of one role in one database give up by themselves (R2 3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opsctl.actions import sql
from opsctl.actions.model import Did, Limit, Pace, Verified
from opsctl.actions.postgres_client import Client, clients, shown
from opsctl.actions.postgres_role_plan import SETTINGS, RoleTimeoutParams, Seen, propose, shown_value, value_of
from opsctl.actions.postgres_session import another_server, give_back, reader_of, writer_of
from opsctl.actions.registry import Action, register
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.actions.model import Effect, Plan, Step
    from opsctl.clients.postgres import PostgresReader
    from opsctl.clients.postgres_write import PostgresWriter


def observe(hands: Hands, params: RoleTimeoutParams) -> Seen:
    """Who the role is, what its sessions start with, and whether the acting role may change that."""
    from opsctl.clients.postgres_write import role_of

    primary = hands.readers.postgres(params.endpoint).address
    acting = role_of(hands.writers.endpoint(params.endpoint))
    reader = reader_of(hands, params.endpoint)
    facts = reader.open()
    mine = next(iter(reader.rows("get_acting_role", {"acting": acting})), None) or {}
    all_sessions = clients(reader.rows("get_session_targets", {"acting": acting}))
    database = params.database or facts.database
    role = params.role or _worst(all_sessions, database)
    return Seen(
        address=primary,
        here=facts.database,
        started_at=facts.started_at,
        version=facts.version,
        standby=facts.standby,
        acting=acting,
        acting_superuser=bool(mine.get("superuser")),
        acting_creates=bool(mine.get("creates_roles")),
        role=role,
        database=database,
        sessions=sum(
            1 for c in all_sessions if c.role == role and c.database == database and c.kind == "client backend"
        ),
        found=_look(reader, role, database, acting),
    )


def _worst(all_sessions: tuple[Client, ...], database: str) -> str:
    counted = Counter(
        c.role
        for c in all_sessions
        if c.state.startswith("idle in transaction") and c.database == database and not (c.superuser or c.ours)
    )
    return max(counted, key=lambda role: (counted[role], role)) if counted else ""


def _look(reader: PostgresReader, role: str, database: str, acting: str) -> Mapping[str, Any] | None:
    asked = {"role": role, "database": database, "acting": acting}
    return next(iter(reader.rows("get_role_overrides", asked)), None)


def apply(hands: Hands, step: Step) -> Did:
    """Set it, if it still is what it was. The catalogue is read just before: ALTER ROLE takes no condition."""
    kept = step.before
    writer = writer_of(hands, kept["endpoint"])
    try:
        if wrong := another_server(writer, kept):
            return Did(state="skipped", says=wrong)
        now, oids = _now(writer, kept)
        if oids != (step.target.pin["role_oid"], step.target.pin["database_oid"]):
            return Did(state="skipped", says="changed meanwhile: the role or database was dropped and made again")
        if now != kept["old"]:
            return Did(
                state="skipped",
                says=f"changed meanwhile: it is {shown_value(now)} now, it was {shown_value(kept['old'])}",
            )
        inverse = {
            name: kept[name]
            for name in ("role", "in_database", "setting", "old", "endpoint", "server_started", "database")
        }
        return _change(hands, writer, kept, kept["value"], inverse)
    finally:
        give_back(hands)


def undo(hands: Hands, step: Step, inverse: Mapping[str, Any]) -> Did:
    """Put back exactly what was there: the old value, or no setting at all."""
    writer = writer_of(hands, inverse["endpoint"])
    try:
        facts = writer.open()
        if facts.database != inverse["database"]:
            return Did(state="skipped", says=f"the acting endpoint is in database {facts.database} now")
        now, _ = _now(writer, inverse)
        if now == inverse["old"]:
            return Did(state="unchanged", says=f"it is {shown_value(now)} already")
        if now != step.before["value"]:
            return Did(state="skipped", says=f"somebody has set it to {shown_value(now)} since: left as it is")
        return _change(hands, writer, inverse, inverse["old"], None)
    finally:
        give_back(hands)


def _change(
    hands: Hands, writer: PostgresWriter, kept: Mapping[str, Any], value: str | None, inverse: Mapping[str, Any] | None
) -> Did:
    from opsctl.clients.postgres_write import NotActed, Unclear

    names = {"role": kept["role"], "database": kept["in_database"], "setting": kept["setting"]}
    says = f"{kept['setting']} of {shown(kept['role'])} in {shown(kept['in_database'])} is {shown_value(value)} now"
    did = Did(state="acted", says=says, inverse=None if inverse is None else dict(inverse), after={"value": value})
    try:
        if value is None:
            writer.act(sql.load("do_reset_role_setting"), names=names)
        else:
            writer.act(sql.load("do_set_role_setting"), names=names, literals={"value": value})
    except NotActed as refused:
        return Did(state="failed", says=refused.failure.says)
    except Unclear as unclear:
        try:
            now, _ = _now(writer, kept)
        except CouldNotLook:
            return Did(state="unknown", says=unclear.failure.says)
        return did if now == value else Did(state="failed", says=unclear.failure.says)
    return did


def _now(reader: PostgresReader, kept: Mapping[str, Any]) -> tuple[str | None, tuple[str, str]]:
    found = _look(reader, kept["role"], kept["in_database"], "")
    if found is None:
        return None, ("", "")
    return value_of(found["settings"], kept["setting"]), (found["role_oid"], found["database_oid"])


def settled(hands: Hands, step: Step) -> Effect:
    """Whether it has the new value."""
    try:
        now, _ = _now(reader_of(hands, step.before["endpoint"]), step.before)
    except CouldNotLook:
        return "unknown"
    return "acted" if now == step.before["value"] else "not-acted"


def verify(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Verified:
    """Whether the catalogue has it."""
    for step in plan.proposal.steps:
        if step.number in done:
            effect = settled(hands, step)
            says = f"{step.target.id}: {step.before['setting']} = {step.before['value']}"
            return Verified(ok={"acted": True, "not-acted": False, "unknown": None}[effect], says=says)
    return Verified(ok=None, says="nothing was done")


ACTION = register(
    Action(
        id="postgres.set-role-timeout",
        title="Give a role's new sessions a timeout",
        params=RoleTimeoutParams,
        observe=observe,
        propose=propose,
        apply=apply,
        settled=settled,
        undo=undo,
        verify=verify,
        help={
            "endpoint": "Which Postgres of the service is meant.",
            "role": "The role; without it the one with the most sessions idle in a transaction.",
            "database": "The database; without it the endpoint's own.",
            "setting": f"Which timeout: {', '.join(SETTINGS)}.",
            "timeout": "How long, e.g. 60s.",
        },
        weight=4,  # it helps the next time: what ends sessions now comes first
        asks="ALTER ROLE r IN DATABASE d SET idle_in_transaction_session_timeout = '60s'",
        privilege="the role itself, CREATEROLE, or a superuser",
        limit=Limit(targets=1, share=1.0),
        pace=Pace(batch=1, pause=0.0),
    )
)
