"""Do clients wait for a server connection, and what keeps them from one: the pool's size, logins, limits (2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from opsctl.durations import format_quantity
from opsctl.model import Finding, Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.pgbouncer_session import PgbouncerParams, Row, name_of, number, session, waited, waiting
from opsctl.probes.quantities import judged
from opsctl.probes.registry import probe

_SHOWN = 8
_COUNTS = ("cl_active", "cl_waiting", "sv_active", "sv_idle", "sv_used", "sv_login")


class PoolsParams(PgbouncerParams, frozen=True, kw_only=True):
    """``above``: a client that has waited this long counts at once; a shorter queue counts when it is seen twice."""

    durations: ClassVar[tuple[str, ...]] = ("above", "pause")
    above: str | float = "1s"
    pause: str | float = "500ms"


@probe(
    "pgbouncer.pools",
    emits={
        "pgbouncer.clients-waiting": "Clients wait for a server connection of PgBouncer",
        "pgbouncer.pool-used-up": "All server connections of a pool are at work while clients wait",
        "pgbouncer.waiting-beside-idle": "Clients wait although servers are idle: logins or server checks hold them up",
    },
    params=PoolsParams,
    asks="SHOW POOLS twice, SHOW DATABASES",
    privilege="a user of stats_users",
    cost="three SHOW and a pause",
    minimum="PgBouncer 1.8",
)
def pools(look: Look, params: PoolsParams) -> Seen:
    """2.2. Exhausted is: clients wait, servers active up to the pool's size, none idle."""
    here = session(look, params)
    above = params.number("above")
    before, after, _ = here.two("POOLS", params.number("pause"))
    sizes = {row.get("name"): number(row, "pool_size") + number(row, "reserve_pool") for row in here.show("DATABASES")}
    earlier = {(row.get("database"), row.get("user")): number(row, "cl_waiting") for row in before}
    queues = [row for row in after if _queues(row, earlier, above)]
    queues.sort(key=lambda row: (-waited(row), -number(row, "cl_waiting")))
    values = [_value(row, sizes) for row in sorted(after, key=lambda row: -number(row, "cl_waiting"))[:_SHOWN]]
    findings = (_waiting(after, queues, above), *_why(queues, sizes))
    return Seen(evidence=(here.evidence(values),), findings=findings)


def _queues(row: Row, earlier: dict[tuple[Any, Any], float], above: float) -> bool:
    if number(row, "cl_waiting") <= 0:
        return False
    return waited(row) >= above or earlier.get((row.get("database"), row.get("user")), 0) > 0


def _value(row: Row, sizes: dict[Any, float]) -> Value:
    labels = {name: f"{number(row, name):g}" for name in _COUNTS}
    labels |= {"pool": name_of(row), "mode": str(row.get("pool_mode") or ""),
               "size": f"{sizes.get(row.get('database'), 0):g}"}  # fmt: skip
    return Value(name="longest wait", value=waited(row), unit="s", labels=labels)


def _waiting(rows: Sequence[Row], queues: Sequence[Row], above: float) -> Finding:
    id = "pgbouncer.clients-waiting"
    if not queues:
        some = sum(number(row, "cl_waiting") for row in rows)
        says = f"{waiting(some)}, none for {format_quantity(above, 's')} and none twice"
        return judged(id, False, says if some else "no client waits for a server connection", measured=0.0,
                      threshold=above, unit="s", parameter="above")  # fmt: skip
    worst = queues[0]
    says = (
        f"{name_of(worst)}: {waiting(number(worst, 'cl_waiting'))} for a server connection, the longest for "
        f"{format_quantity(waited(worst), 's', beside=above)}"
    )
    says += f"; {len(queues) - 1} more pools with a queue" if len(queues) > 1 else ""
    return judged(id, True, says, measured=waited(worst), threshold=above, unit="s", parameter="above")


def _why(queues: Sequence[Row], sizes: dict[Any, float]) -> tuple[Finding, Finding]:
    used, beside = "pgbouncer.pool-used-up", "pgbouncer.waiting-beside-idle"
    if not queues:
        says = "no client waits for a server connection"
        return judged(used, False, says), judged(beside, False, says)
    worst = queues[0]
    size = sizes.get(worst.get("database"), 0)
    active, idle = number(worst, "sv_active"), number(worst, "sv_idle")
    says = (
        f"{name_of(worst)}: {active:g} servers at work, {idle:g} idle, {number(worst, 'sv_login'):g} logging in; "
        f"the pool's size is {size:g}"
    )
    full = size > 0 and active >= size and idle == 0
    return (
        judged(used, full, says, measured=active, threshold=size, unit="count"),
        judged(beside, idle > 0, says, measured=idle, threshold=0, unit="count"),
    )


class LimitsParams(PgbouncerParams, frozen=True, kw_only=True):
    """``near``: share of max_client_conn from which it counts as nearly used up."""

    ratios: ClassVar[tuple[str, ...]] = ("near",)
    near: str | float = "90%"


@probe(
    "pgbouncer.limits",
    emits={
        "pgbouncer.database-at-limit": "A database has as many server connections as PgBouncer allows it",
        "pgbouncer.clients-near-limit": "Nearly as many clients are connected as PgBouncer allows",
    },
    params=LimitsParams,
    asks="SHOW DATABASES, SHOW LISTS, SHOW CONFIG",
    privilege="a user of stats_users",
    cost="three SHOW",
    minimum="PgBouncer 1.8",
)
def limits(look: Look, params: LimitsParams) -> Seen:
    """2.2. A pool at its size is normal at peak: it harms when clients wait, see ``pgbouncer.pools``."""
    here = session(look, params)
    near = params.number("near")
    databases = here.show("DATABASES")
    counts = {row.get("list"): number(row, "items") for row in here.show("LISTS")}
    config = {row.get("key"): row.get("value") for row in here.show("CONFIG")}
    most = float(config.get("max_client_conn") or 0)
    clients = counts.get("used_clients", 0.0)
    values = [
        Value(
            name="server connections", value=number(row, "current_connections"), unit="count",
            labels={"database": str(row.get("name")), "pool_size": f"{number(row, 'pool_size'):g}",
                    "reserve": f"{number(row, 'reserve_pool'):g}", "max_db": f"{number(row, 'max_connections'):g}"},
        )
        for row in sorted(databases, key=lambda row: -number(row, "current_connections"))[:_SHOWN]
    ]  # fmt: skip
    values += [
        Value(name="clients", value=clients, unit="count"),
        Value(name="max_client_conn", value=most, unit="count"),
    ]
    full = [row for row in databases if 0 < number(row, "max_connections") <= number(row, "current_connections")]
    if full:
        worst = full[0]
        says = (
            f"database {worst.get('name')} has {number(worst, 'current_connections'):g} server connections, "
            f"max_db_connections is {number(worst, 'max_connections'):g}"
        )
    else:
        says = "no database is at its max_db_connections"
    share = clients / most if most else 0.0
    findings = (
        judged("pgbouncer.database-at-limit", bool(full), says),
        judged("pgbouncer.clients-near-limit", most > 0 and share >= near,
               f"{clients:g} clients, max_client_conn is {most:g}", measured=share, threshold=near, unit="ratio",
               parameter="near"),
    )  # fmt: skip
    return Seen(evidence=(here.evidence(values),), findings=findings)
