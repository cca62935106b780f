"""What ``opsctl db`` asks: the probes' own questions, over the probes' own session."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from opsctl.errors import ConfigError, CouldNotLook, NotConfigured, Refused, Unavailable
from opsctl.probes import postgres_blocking as blocking
from opsctl.probes.look import Look
from opsctl.probes.pgbouncer_session import number, waited
from opsctl.probes.postgres_session import PostgresParams, Session, session, short

if TYPE_CHECKING:
    from opsctl.config.settings import Settings
    from opsctl.services.model import Profile
    from opsctl.signals.reader import SignalReader


class Asked(NamedTuple):
    """The open session. ``notes``: what must be said of how the server was reached."""

    here: Session
    look: Look
    notes: tuple[str, ...]


@contextmanager
def asking(profile: Profile, settings: Settings, endpoint: str, seconds: float) -> Iterator[Asked]:
    """The endpoint's session, closed at the end. Raises ConfigError, Refused, Unavailable."""
    from opsctl.clients.readers import Readers
    from opsctl.services.resolve import resolver

    readers = Readers(resolver(profile, settings))
    look = Look(
        runbook="", profile=profile, readers=readers, signals=cast("SignalReader", None), now=time.time(), at=None,
        since=0.0, deadline=time.monotonic() + seconds,
    )  # fmt: skip
    try:
        here = session(look, PostgresParams(endpoint=endpoint))
        yield Asked(here, look, readers.notes())
    except NotConfigured as failed:
        raise ConfigError(failed.says, place=failed.setting) from None
    except CouldNotLook as failed:
        kind = Refused if failed.reason in ("forbidden", "unauthorized") else Unavailable
        raise kind(failed.says, place=failed.setting) from None
    finally:
        readers.close()


def ping(asked: Asked) -> dict[str, Any]:
    """Who we are there, and how long it took, in seconds."""
    facts = asked.here.facts
    began = time.monotonic()
    asked.here.rows("get_capacity")
    return {
        **_where(asked),
        "connect_seconds": round(facts.connect_seconds, 6),
        "question_seconds": round(time.monotonic() - began, 6),
        "version": facts.version_text,
        "role": facts.role,
        "superuser": facts.superuser,
        "sees_all": facts.sees_all,
        "standby": facts.standby,
        "tls": facts.tls,
        "up_seconds": round(facts.server_time - facts.started_at),
    }


def activity(asked: Asked, *, idle: bool, limit: int) -> dict[str, Any]:
    """Sessions with what they do; ``seconds`` of the statement, or of the state where none runs."""
    rows = [row for row in asked.here.rows("get_session_targets", {"acting": ""}) if not _ours(row)]
    working = [row for row in rows if row["state"] not in ("", "idle")]
    shown = [row for row in rows if row["state"]] if idle else working
    shown.sort(key=lambda row: -max(row["xact_seconds"] or 0.0, _seconds(row)))
    counted: dict[str, int] = {}
    for row in rows:
        what = row["state"] or row["kind"] or "hidden"
        counted[what] = counted.get(what, 0) + 1
    return {**_where(asked), "states": counted, "sessions": [_session(row) for row in shown[:limit]],
            "left_out": max(0, len(shown) - limit)}  # fmt: skip


def locks(asked: Asked) -> dict[str, Any]:
    """The waiting sessions and those that they wait for. ``behind``: the pids that one waits for; roots have none."""
    (wait,) = asked.here.rows("get_lock_waits")
    waiting = blocking.edges(asked.here) if wait["waiting"] else {}
    pids = set(waiting) | {pid for behind in waiting.values() for pid in behind}
    known = {row["pid"]: row for row in asked.here.rows("get_session_targets", {"acting": ""}) if row["pid"] in pids}
    roots = [root._asdict() for root in blocking.roots(waiting)]
    prepared = asked.here.rows("get_prepared_transactions") if 0 in pids else []
    sessions = [
        {"pid": pid, "behind": sorted(waiting.get(pid, ())), **({} if pid not in known else _session(known[pid]))}
        for pid in sorted(pids)
    ]
    gids = [{**row, "gid": short(row["gid"])} for row in prepared]
    return {**_where(asked), "waiting": wait["waiting"], "longest_seconds": wait["longest_seconds"],
            "roots": roots, "sessions": sessions, "prepared": gids}  # fmt: skip


def pool(asked: Asked) -> dict[str, Any]:
    """Slots, limits, holders, and PgBouncer's pools (None: there is none; or why it could not be asked)."""
    here = asked.here
    (room,) = here.rows("get_capacity")
    holders = [{**row, "application": short(row["application"])} for row in here.rows("get_sessions")]
    return {**_where(asked), "slots": dict(room), "limits": here.rows("get_limits"), "holders": holders,
            "pgbouncer": _pooler(asked)}  # fmt: skip


def _pooler(asked: Asked) -> dict[str, Any] | None:
    try:
        reader = asked.look.readers.pgbouncer()
        rows = [row for row in reader.show("POOLS") if row.get("database") != "pgbouncer"]
        databases = {row.get("name"): row for row in reader.show("DATABASES")}
    except NotConfigured:
        return None
    except CouldNotLook as failed:
        return {"says": failed.says, "pools": []}
    return {"says": f"{reader.address} answers", "pools": [_pool(row, databases) for row in rows]}


def _pool(row: dict[str, Any], databases: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    own = databases.get(row.get("database"), {})
    counts = ("cl_active", "cl_waiting", "sv_active", "sv_idle", "sv_used", "sv_login")
    return {
        "database": row.get("database"),
        "user": row.get("user"),
        "mode": row.get("pool_mode"),
        "longest_wait_seconds": waited(row),
        **{name: int(number(row, name)) for name in counts},
        **{name: int(number(own, name)) for name in ("pool_size", "paused", "disabled")},
    }


def size(asked: Asked, *, tables: int) -> dict[str, Any]:
    """Bytes. A database whose files could not be gone through in time has None and says why."""
    found: list[dict[str, Any]] = []
    for row in asked.here.rows("get_databases"):
        entry: dict[str, Any] = {"database": short(row["name"]), "here": row["here"], "bytes": None, "says": ""}
        try:
            if asked.look.remaining() < 0.5:
                raise CouldNotLook("skipped", "no time was left for it")
            (one,) = asked.here.rows("get_database_size", {"database": row["name"]})
            entry["bytes"] = one["bytes"]
        except CouldNotLook as failed:
            entry["says"] = failed.says
        found.append(entry)
    largest: list[dict[str, Any]] = []
    says = ""
    try:
        largest = asked.here.rows("get_table_sizes", {"rows": tables})
    except CouldNotLook as failed:
        says = failed.says
    return {**_where(asked), "databases": found, "tables": largest, "tables_say": says}


def _where(asked: Asked) -> dict[str, Any]:
    return {"address": asked.here.reader.address, "database": asked.here.facts.database, "endpoint": asked.here.name}


def _ours(row: dict[str, Any]) -> bool:
    return bool(row["own"] or row["application"].startswith("opsctl"))


def _seconds(row: dict[str, Any]) -> float:
    value = row["query_seconds"] if row["state"] == "active" else row["state_seconds"]
    return float(value or 0.0)


def _session(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "pid": row["pid"], "application": short(row["application"]), "role": row["role"], "database": row["database"],
        "address": row["address"], "kind": row["kind"], "state": row["state"], "wait": row["wait"],
        "seconds": _seconds(row), "transaction_seconds": row["xact_seconds"], "query": short(row["query"]),
    }  # fmt: skip
