"""What setting a role's timeout would change: parameters, what was observed, the proposal. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opsctl.actions.model import Check, Excluded, Params, Proposal, Step, Target
from opsctl.actions.postgres_client import shown
from opsctl.durations import parse_duration

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
                target=Target(id=id, pin=pin, says=f"{params.setting} is {shown_value(old)} for its new sessions"),
                why=f"new sessions of {shown(seen.role)} give up after {value} by themselves",
                calls=(f"{who} SET {params.setting} = '{value}'",),
                before={**kept, **change, "old": old},
                shows=(f"- {params.setting} = {shown_value(old)}", f"+ {params.setting} = {value}"),
            ),
        )
    return Proposal(
        subject=f"postgres {seen.address} as {seen.acting or 'the default role'}",
        scope=f"postgres {seen.address}",
        steps=steps,
        of=1,
        unit="role settings",
        impact=f"sessions opened from now on; the {seen.sessions} that are there keep what they started with",
        undo=f"back to {shown_value(old)} (RESET)" if old is None else f"back to {shown_value(old)}",
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
        return Excluded(
            id=id, says=f"{params.setting} = {shown_value(old)}", why=f"it is {value} already", refused=True
        )
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


def shown_value(value: str | None) -> str:
    return "not set" if value is None else shown(value)


def _name(name: str) -> str:
    import re

    plain = re.fullmatch(r"[a-z_][a-z0-9_]*", name)
    return name if plain else '"' + shown(name, 100).replace('"', '""') + '"'
