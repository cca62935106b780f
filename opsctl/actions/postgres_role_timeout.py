"""``postgres.set-role-timeout``: new sessions of one role in one database give up by themselves (R2 3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opsctl.actions import sql
from opsctl.actions.model import Check, Did, Excluded, Limit, Pace, Params, Proposal, Step, Target, Verified
from opsctl.actions.postgres_client import Client, clients, shown
from opsctl.actions.postgres_session import another_server, give_back, reader_of, writer_of
from opsctl.actions.registry import Action, register
from opsctl.durations import parse_duration
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.actions.model import Effect, Plan
    from opsctl.clients.postgres import PostgresReader
    from opsctl.clients.postgres_write import PostgresWriter

SETTINGS = {  # and the oldest server that has it
    "idle_in_transaction_session_timeout": 14,
    "statement_timeout": 14,
    "lock_timeout": 14,
    "idle_session_timeout": 14,
    "transaction_timeout": 17,
}


class RoleTimeoutParams(Params, frozen=True, kw_only=True):
    """``role`` and ``database``: "" is the role with the most sessions idle in a transaction, and this database."""

    endpoint: str = "postgres"
    role: str = ""
    database: str = ""
    setting: str = "idle_in_transaction_session_timeout"
    timeout: str = "60s"

    def __post_init__(self) -> None:
        if self.setting not in SETTINGS:
            raise ValueError(f"setting is one of {', '.join(SETTINGS)}")
        if parse_duration(self.timeout) < 1:
            raise ValueError("timeout must be 1s or longer; 0 would mean none at all")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The role's own settings in that database (``settings``: as the catalogue has them, None = no such role there)."""

    address: str
    here: str
    started_at: float
    version: int
    standby: bool
    acting: str
    acting_superuser: bool
    acting_creates: bool
    role: str
    database: str
    sessions: int
    found: Mapping[str, Any] | None


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


def propose(seen: Seen, params: RoleTimeoutParams) -> Proposal:
    """One step: the value as it would be, and as it was."""
    value = written(params.timeout)
    id = f"role {shown(seen.role)} in {shown(seen.database)}"
    old = None if seen.found is None else value_of(seen.found["settings"], params.setting)
    excluded = _excluded(seen, params, id, value, old)
    steps: tuple[Step, ...] = ()
    if excluded is None and seen.found is not None:
        who = f"ALTER ROLE {_name(seen.role)} IN DATABASE {_name(seen.database)}"
        pin = {"role_oid": seen.found["role_oid"], "database_oid": seen.found["database_oid"], "value": old}
        kept = {"endpoint": params.endpoint, "server_started": seen.started_at, "database": seen.here}
        change = {"role": seen.role, "in_database": seen.database, "setting": params.setting, "value": value}
        steps = (
            Step(
                target=Target(id=id, pin=pin, says=f"{params.setting} is {_shown(old)} for its new sessions"),
                why=f"new sessions of {shown(seen.role)} give up after {value} by themselves",
                calls=(f"{who} SET {params.setting} = '{value}'",),
                before={**kept, **change, "old": old},
                shows=(f"- {params.setting} = {_shown(old)}", f"+ {params.setting} = {value}"),
            ),
        )
    return Proposal(
        subject=f"postgres {seen.address} as {seen.acting or 'the default role'}",
        scope=f"postgres {seen.address}",
        steps=steps,
        of=1,
        unit="role settings",
        impact=f"sessions opened from now on; the {seen.sessions} that are there keep what they started with",
        undo=f"back to {_shown(old)} (RESET)" if old is None else f"back to {_shown(old)}",
        excluded=() if excluded is None else (excluded,),
        checks=_checks(seen, params),
        notes=("pooled connections live long: the setting reaches them as the pool renews them",),
    )


def _excluded(seen: Seen, params: RoleTimeoutParams, id: str, value: str, old: str | None) -> Excluded | None:
    if not seen.role:
        why = "no session is idle in a transaction, so no role stands out"
        return Excluded(id="role", says="", why=why, lift="--role NAME")
    if seen.found is None:
        return Excluded(id=id, says="", why="there is no such role or database", refused=True)
    if seen.found["superuser"] or seen.found["replication"]:
        kind = "a superuser" if seen.found["superuser"] else "a replication role"
        return Excluded(id=id, says="", why=f"{shown(seen.role)} is {kind}", refused=True)
    if old is not None and _same(old, value):
        return Excluded(id=id, says=f"{params.setting} = {_shown(old)}", why=f"it is {value} already", refused=True)
    return None


def _checks(seen: Seen, params: RoleTimeoutParams) -> tuple[Check, ...]:
    needed = SETTINGS[params.setting]
    new = Check(
        id="server-knows",
        says=f"{params.setting} needs Postgres {needed}, this is {seen.version // 10_000}",
        ok=seen.version >= needed * 10_000,
    )
    writes = Check(
        id="primary",
        says="a standby takes no ALTER ROLE" if seen.standby else "the server takes writes",
        ok=not seen.standby,
    )
    may = seen.acting_superuser or (
        seen.found is not None
        and (seen.found["itself"] or (seen.acting_creates and (seen.version < 160_000 or seen.found["member"])))
    )
    says = (
        f"{seen.acting} may alter {shown(seen.role)}"
        if may
        else f"{seen.acting or 'the acting role'} may not alter {shown(seen.role) or 'a role'}: that takes the role "
        "itself, CREATEROLE (with ADMIN on the role from 16 on), or a superuser"
    )
    return (new, writes, Check(id="may-alter", says=says, ok=bool(may)))


def value_of(settings: list[str] | tuple[str, ...], name: str) -> str | None:
    """The value of one setting in a ``setconfig``, as it is written there; None when it is not set."""
    found = (entry.partition("=")[2] for entry in settings if entry.partition("=")[0] == name)
    return next(found, None)


def written(timeout: str) -> str:
    """A duration as Postgres takes it: it knows no ``1m``."""
    thousandths = round(parse_duration(timeout) * 1000)
    return f"{thousandths // 1000}s" if thousandths % 1000 == 0 else f"{thousandths}ms"


def _same(old: str, new: str) -> bool:
    if old.isdigit():  # without a unit Postgres takes milliseconds
        return int(old) == round(parse_duration(new) * 1000)
    try:
        return parse_duration(old.replace("min", "m").replace(" ", "")) == parse_duration(new)
    except ValueError:
        return False


def _shown(value: str | None) -> str:
    return "not set" if value is None else shown(value)


def _name(name: str) -> str:
    import re

    plain = re.fullmatch(r"[a-z_][a-z0-9_]*", name)
    return name if plain else '"' + shown(name, 100).replace('"', '""') + '"'


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
                state="skipped", says=f"changed meanwhile: it is {_shown(now)} now, it was {_shown(kept['old'])}"
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
            return Did(state="unchanged", says=f"it is {_shown(now)} already")
        if now != step.before["value"]:
            return Did(state="skipped", says=f"somebody has set it to {_shown(now)} since: left as it is")
        return _change(hands, writer, inverse, inverse["old"], None)
    finally:
        give_back(hands)


def _change(
    hands: Hands, writer: PostgresWriter, kept: Mapping[str, Any], value: str | None, inverse: Mapping[str, Any] | None
) -> Did:
    from opsctl.clients.postgres_write import NotActed, Unclear

    names = {"role": kept["role"], "database": kept["in_database"], "setting": kept["setting"]}
    says = f"{kept['setting']} of {shown(kept['role'])} in {shown(kept['in_database'])} is {_shown(value)} now"
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
