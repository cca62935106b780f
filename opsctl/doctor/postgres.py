"""Postgres: reached, new enough, and what this role sees: sessions, settings, statements, slots (PG-0)."""

from __future__ import annotations

import time
from typing import Any

from opsctl.clients.postgres import PostgresReader, Preflight
from opsctl.doctor import acting_postgres, certificate, clock, versions
from opsctl.doctor.model import Checks, Remedy
from opsctl.doctor.remedies import identifier, literal, psql
from opsctl.doctor.site import Site
from opsctl.errors import CouldNotLook

_SCARCE = 3  # free slots at which a look would soon find none


def examine(site: Site, checks: Checks, until: float) -> None:
    """Raises CouldNotLook when it cannot be reached, or when the session could not be made read-only."""
    assert site.endpoint is not None
    reader = PostgresReader(site.endpoint)
    checks.address = reader.address
    before = time.time()
    try:
        facts = reader.open(_left(until))
        after = time.time()
        tls = "" if facts.tls == "no" else f", TLS {facts.tls}"
        checks.ok(
            "reachable",
            f"role {facts.role} is in database {facts.database} in {facts.connect_seconds * 1000:.0f} ms{tls}",
        )
        versions.judge(checks, "postgres", facts.version_text)
        if facts.version < 140_000:
            return  # none of the questions below would be taken
        checks.ok("read-only", "the session is read-only, and ends each statement after 5 s")
        clock.compare(checks, facts.server_time, before=before, after=after)
        _encryption(reader, facts, checks, until)
        if site.acting:
            acting_postgres.examine(site, reader, facts, checks, until)
            return
        acting_postgres.tell(site, reader, facts, checks, until)
        _power(facts, checks)
        _visible(reader, facts, checks, until)
        _statements(reader, facts, checks, until)
        _slots(reader, facts, checks, until)
    finally:
        reader.close()


def _left(until: float) -> float:
    return max(0.1, min(5.0, until - time.monotonic()))


def _as_superuser(address: str, database: str) -> str:
    return f"As a superuser, in psql ({psql(address, database)})"


def _encryption(reader: PostgresReader, facts: Preflight, checks: Checks, until: float) -> None:
    if facts.tls != "no":
        host, _, port = reader.address.rpartition("@")[2].split(",")[0].rpartition(":")
        if host and not host.startswith("/") and port.isdigit():
            certificate.look(checks, host, int(port), until, postgres=True)
    for note in reader.notes():
        how = f"Add it to the address that {reader.setting} gives (and sslrootcert=FILE for a private authority)"
        checks.breach("encryption", note, Remedy(how=how, run="sslmode=verify-full"))


def _power(facts: Preflight, checks: Checks) -> None:
    """A look needs little: a role that may do more is a risk that nobody wants at 3 in the morning."""
    if facts.superuser:
        says = f"{facts.role} is a superuser, and a look needs none"
        how = "Make a role that may only look, and use that; this prints it ready to run"
        checks.breach("least-privilege", says, Remedy(how=how, run="opsctl doctor --grants postgres"))
    elif facts.may_signal:
        checks.ok("least-privilege", f"{facts.role} may also end sessions of others, which a look does not need")
    else:
        checks.ok("least-privilege", f"{facts.role} is no superuser")


def _visible(reader: PostgresReader, facts: Preflight, checks: Checks, until: float) -> None:
    try:
        (row,) = reader.rows("get_visibility", timeout=_left(until))
    except CouldNotLook as failure:
        checks.failed("sees-sessions", failure)
        return
    role, place = identifier(facts.role), _as_superuser(reader.address, facts.database)
    if facts.sees_all:
        checks.ok("sees-sessions", "it sees what all sessions do")
    else:
        count = f" ({row['hidden']} are there now)" if row["hidden"] else ""
        checks.breach(
            "sees-sessions",
            f"{facts.role} does not see what other roles' sessions do{count}: it lacks pg_read_all_stats, so sessions, "
            "locks, waits and statements will be unknown",
            Remedy(how=place, run=f"GRANT pg_read_all_stats TO {role};"),
        )
    if facts.superuser or row["reads_settings"]:
        checks.ok("sees-settings", "it sees all settings")
    else:
        checks.breach(
            "sees-settings",
            f"{facts.role} does not see restricted settings, such as shared_preload_libraries: it lacks "
            "pg_read_all_settings",
            Remedy(how=place, run=f"GRANT pg_read_all_settings TO {role};"),
        )
    _tracked(row, place, checks)
    limit = row["role_limit"]
    if limit is not None and 0 <= limit <= row["role_sessions"] and not facts.superuser:
        checks.breach(
            "role-limit",
            f"{facts.role} has used {row['role_sessions']} of its {limit} connections: a second look at the same time "
            "is refused",
            Remedy(how=place, run=f"ALTER ROLE {role} CONNECTION LIMIT {row['role_sessions'] + 3};"),
        )
    else:
        allowed = "no limit of its own" if limit is None or limit < 0 else f"at most {limit} connections"
        checks.ok("role-limit", f"{facts.role} has {allowed}, {row['role_sessions']} used now")
    if row["uses_reserved"]:
        checks.ok("reserved-slot", "it may use the reserved slots: it gets in when applications have taken all others")


def _tracked(row: dict[str, Any], place: str, checks: Checks) -> None:
    for name, lost in (("track_activities", "what sessions run"), ("track_counts", "what tables and databases do")):
        if row[name] != "on":
            run = f"ALTER SYSTEM SET {name} = on;\nSELECT pg_reload_conf();"
            says = f"{name} is off: the server does not record {lost}"
            checks.breach("tracking", says, Remedy(how=place, run=run))
    if row["track_activities"] == row["track_counts"] == "on":
        timing = "" if row["track_io_timing"] == "on" else "; track_io_timing is off, so time spent on I/O is not"
        checks.ok("tracking", f"sessions and tables are recorded{timing}")


def _statements(reader: PostgresReader, facts: Preflight, checks: Checks, until: float) -> None:
    """pg_stat_statements: loaded, made in this database, readable."""
    place = _as_superuser(reader.address, facts.database)
    lost = "which statements take the time will be unknown"
    try:
        (row,) = reader.rows("get_statements_extension", timeout=_left(until))
        (seen,) = reader.rows("get_visibility", timeout=_left(until))
    except CouldNotLook as failure:
        checks.failed("statements", failure)
        return
    if row["schema"] is None:
        run = "CREATE EXTENSION pg_stat_statements;"
        if row["preloaded"] is False:
            loaded = ", ".join(filter(None, (str(seen["preloaded"] or ""), "pg_stat_statements")))
            run = f"ALTER SYSTEM SET shared_preload_libraries = {literal(loaded)};\n-- restart the server, then:\n{run}"
        says = f"database {facts.database} has no pg_stat_statements: {lost}"
        checks.breach("statements", says, Remedy(how=place, run=run))
        return
    try:
        found = reader.rows("get_statements", timeout=_left(until), schema=row["schema"])
    except CouldNotLook as failure:
        if failure.reason != "forbidden":
            _not_loaded(failure, seen, place, checks)
            return
        run = f"GRANT USAGE ON SCHEMA {identifier(row['schema'])} TO {identifier(facts.role)};"
        says = f"{facts.role} may not read pg_stat_statements in schema {row['schema']}: {lost}"
        checks.breach("statements", says, Remedy(how=place, run=run))
        return
    checks.ok("statements", f"pg_stat_statements can be read ({len(found)} statements)")


def _not_loaded(failure: CouldNotLook, seen: dict[str, Any], place: str, checks: Checks) -> None:
    if "shared_preload_libraries" not in failure.says:
        checks.failed("statements", failure)
        return
    loaded = ", ".join(filter(None, (str(seen["preloaded"] or ""), "pg_stat_statements")))
    run = f"ALTER SYSTEM SET shared_preload_libraries = {literal(loaded)};\n-- then restart the server"
    says = "pg_stat_statements is there but was not loaded when the server started: which statements take the time "
    checks.breach("statements", says + "will be unknown", Remedy(how=place, run=run))


def _slots(reader: PostgresReader, facts: Preflight, checks: Checks, until: float) -> None:
    try:
        (row,) = reader.rows("get_capacity", timeout=_left(until))
    except CouldNotLook as failure:
        checks.failed("slots", failure)
        return
    if not facts.sees_all:
        checks.ok("slots", f"{row['slots']} connection slots; how many are taken it may not see")
        return
    free = row["slots"] - row["used"]
    reserve = ""
    if facts.version >= 160_000 and not row["reserved"]:
        reserve = "; with reserved_connections and pg_use_reserved_connections a look gets in even when they are full"
    if free <= _SCARCE:
        says = f"{free} of {row['slots']} connection slots are free: soon a look finds none{reserve}"
        how = "See who holds them"
        checks.breach("slots", says, Remedy(how=how, run="opsctl diagnose db-pool-exhaustion"))
    else:
        checks.ok("slots", f"{free} of {row['slots']} connection slots are free{reserve}")
