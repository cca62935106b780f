"""How the postgres actions look and act: what a plan needs, the one acting connection, the way round full slots."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opsctl.actions.model import Check
from opsctl.actions.postgres_client import Sessions, clients
from opsctl.clients.postgres_errors import SlotsFull
from opsctl.durations import format_quantity
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.probes.postgres_blocking import WAITERS

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.clients.postgres import PostgresReader
    from opsctl.clients.postgres_write import PostgresWriter

FALLBACK = "postgres-superuser"  # when no slot is left for the usual roles: the reserved ones (R2)
POOLER = "pgbouncer"


def reader_of(hands: Hands, endpoint: str) -> PostgresReader:
    """The open read-only session; that of ``postgres-superuser`` when no slot is left for it. Raises CouldNotLook."""
    reader = hands.readers.postgres(endpoint)
    try:
        reader.open()
    except SlotsFull as full:
        try:
            other = hands.readers.postgres(FALLBACK)
        except NotConfigured:
            raise full from None
        other.open()
        return other
    return reader


def writer_of(hands: Hands, endpoint: str) -> PostgresWriter:
    """The acting session, opened. Raises CouldNotLook.

    When slots are full it is that of ``postgres-superuser``; what looked through the same few slots lets go first, so
    that one single reserved slot is enough.
    """
    writer = hands.writers.postgres(endpoint)
    if writer.is_open:
        writer.open()
        return writer
    let_go(hands, endpoint)
    try:
        writer.open()
    except SlotsFull as full:
        try:
            other = hands.writers.postgres(FALLBACK)
        except NotConfigured:
            says = f"{full.says}; set the endpoint {FALLBACK}, whose role may use the reserved slots"
            raise SlotsFull(says, scope=full.scope, address=full.address, setting=full.setting) from None
        other.open()
        return other
    return writer


def let_go(hands: Hands, endpoint: str) -> None:
    """Close the sessions that look: the acting one can look, too."""
    for name in dict.fromkeys((endpoint, FALLBACK)):
        with contextlib.suppress(CouldNotLook):
            hands.readers.postgres(name).close()


def give_back(hands: Hands) -> None:
    """Close the acting session through a reserved slot: the next act may find an ordinary one."""
    with contextlib.suppress(CouldNotLook):
        writer = hands.writers.postgres(FALLBACK)
        if writer.is_open:
            writer.close()


def observed(hands: Hands, endpoint: str, *, locks: bool = False) -> Sessions:
    """The server's sessions, its capacity, who acts, what the pooler holds; ``locks``: who waits for whom, too."""
    from opsctl.clients.postgres_write import role_of

    primary = hands.readers.postgres(endpoint).address
    acting = role_of(hands.writers.endpoint(endpoint))
    reader = reader_of(hands, endpoint)
    facts = reader.open()
    (room,) = reader.rows("get_capacity")
    role = next(iter(reader.rows("get_acting_role", {"acting": acting})), None)
    poolers, unknown = pooled(hands)
    edges: Mapping[int, frozenset[int]] | None = None
    waited, prepared = 0.0, ()
    if locks:
        (wait,) = reader.rows("get_lock_waits")
        waited = float(wait["longest_seconds"] or 0.0)
        rows = reader.rows("get_lock_edges", {"limit": WAITERS}) if wait["waiting"] else []
        edges = {row["pid"]: frozenset(row["blocked_by"]) for row in rows}
        prepared = tuple(reader.rows("get_prepared_transactions"))  # type: ignore[assignment]
    settings = hands.profile.settings
    return Sessions(
        clients=clients(reader.rows("get_session_targets", {"acting": acting})),
        address=primary,
        database=facts.database,
        started_at=facts.started_at,
        server_time=facts.server_time,
        sees_all=facts.sees_all,
        read_as=facts.role,
        acting=acting,
        acting_exists=role is not None,
        acting_superuser=role is not None and role["superuser"],
        acting_signals=role is not None and role["may_signal"],
        protected_apps=_listed(settings.get("protected_applications", "")),
        protected_users=_listed(settings.get("protected_roles", "")),
        poolers=poolers,
        poolers_unknown=unknown,
        slots=room["slots"],
        used=room["used"],
        limits=tuple(reader.rows("get_limits")),
        edges=edges,
        waited=waited,
        pool=int(hands.profile.capacity.get("database_connections", 0)),
        prepared=prepared,
    )


def pooled(hands: Hands) -> tuple[frozenset[tuple[int, int]], str]:
    """Backends that PgBouncer says are its own (pid, port), and why it could not say; "" when there is none."""
    try:
        rows = hands.readers.pgbouncer(POOLER).show("SERVERS")
    except NotConfigured:
        return frozenset(), ""
    except CouldNotLook as failure:
        return frozenset(), failure.says
    return frozenset((_number(row.get("remote_pid")), _number(row.get("local_port"))) for row in rows), ""


def checks(seen: Sessions, *, pooler_matters: bool = False) -> tuple[Check, ...]:
    """What must hold before any session is touched."""
    sees = (
        f"{seen.read_as} sees what all sessions do"
        if seen.sees_all
        else f"{seen.read_as} does not see other roles' sessions: as a superuser, "
        f"GRANT pg_read_all_stats TO {seen.read_as}"
    )
    acts = f"{seen.acting} acts" if seen.acting_exists else f"there is no role {seen.acting or '(none given)'} there"
    made = [
        Check(id="sees-all", says=sees, ok=seen.sees_all),
        Check(id="acting-role", says=acts, ok=seen.acting_exists),
    ]
    if pooler_matters and seen.poolers_unknown:
        says = f"which sessions are PgBouncer's own could not be asked: {seen.poolers_unknown}"
        made.append(Check(id="pooler-known", says=says, ok=None))
    return tuple(made)


def before(seen: Sessions, endpoint: str, **more: Any) -> dict[str, Any]:
    """What a step keeps for apply: which server it was made for."""
    return {"endpoint": endpoint, "server_started": seen.started_at, "database": seen.database, **more}


def another_server(writer: PostgresWriter, kept: Mapping[str, Any]) -> str:
    """Why the acting session is not where the plan was made; "" when it is. Raises CouldNotLook."""
    facts = writer.open()
    if facts.database != kept["database"]:
        return f"the acting endpoint is in database {facts.database}, the plan was made for {kept['database']}"
    if abs(facts.started_at - float(kept["server_started"])) > 1e-3:
        gap = format_quantity(abs(facts.started_at - float(kept["server_started"])), "s")
        return f"{writer.address} was restarted, or is another server: its start differs by {gap} from the plan's"
    return ""


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _number(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        return -1
