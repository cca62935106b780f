"""Postgres, the endpoint that acts: the server and database of the look, and the rights of the actions, no more."""

from __future__ import annotations

import time
from typing import Any

from opsctl.clients.postgres import PostgresReader, Preflight
from opsctl.doctor.acting import another, by_the_look
from opsctl.doctor.model import Checks, Remedy
from opsctl.doctor.remedies import identifier, psql
from opsctl.doctor.site import Site
from opsctl.errors import CouldNotLook


def examine(site: Site, reader: PostgresReader, facts: Preflight, checks: Checks, until: float) -> None:
    """``reader``: an open read-only session of the acting role."""
    _same(site, facts, checks, until)
    role, place = identifier(facts.role), f"As a superuser, in psql ({psql(reader.address, facts.database)})"
    if facts.superuser:
        says = f"{facts.role} is a superuser, and acting needs none: it could do everything"
        how = "Make a role with the rights of the actions, and use that; this prints it ready to run"
        checks.breach("least-privilege", says, Remedy(how=how, run="opsctl doctor --grants postgres-act"))
    else:
        checks.ok("least-privilege", f"{facts.role} is no superuser")
    if facts.may_signal:
        checks.ok("may-signal", f"{facts.role} may cancel statements and end sessions of others")
    else:
        says = f"{facts.role} may not end sessions of others: it lacks pg_signal_backend, so every action on sessions "
        remedy = Remedy(how=place, run=f"GRANT pg_signal_backend TO {role};")
        checks.breach("may-signal", says + "is refused", remedy)
    if facts.sees_all:
        checks.ok("sees-sessions", "it sees what all sessions do")
    else:
        says = f"{facts.role} does not see what other roles' sessions do: it lacks pg_read_all_stats, so no session is "
        remedy = Remedy(how=place, run=f"GRANT pg_read_all_stats TO {role};")
        checks.breach("sees-sessions", says + "found to be the one of the plan, and all are skipped", remedy)
    if facts.standby:
        checks.ok("standby", "it is a standby: timeouts of roles cannot be set there")
    try:
        mine = _role(reader, facts, until)
    except CouldNotLook as failure:
        checks.failed("may-alter", failure)
        return
    more = "may alter roles" if _alters(mine) else "may alter no other role, so postgres.set-role-timeout is refused"
    checks.ok("may-alter", f"{facts.role} {more}")


def tell(site: Site, reader: PostgresReader, facts: Preflight, checks: Checks, until: float) -> None:
    """Without an endpoint that acts: what the role of the look can do."""
    if not site.acts:
        return
    cannot = []
    if not facts.may_signal:
        cannot.append("end sessions or cancel statements of others (pg_signal_backend)")
    try:
        if not _alters(_role(reader, facts, until)):
            cannot.append("set timeouts of other roles (CREATEROLE)")
    except CouldNotLook:
        pass  # the same session is asked for much more, and its failure is told there
    by_the_look(site, f"role {facts.role}", cannot, checks)


def _role(reader: PostgresReader, facts: Preflight, until: float) -> dict[str, Any]:
    rows = reader.rows("get_acting_role", {"acting": facts.role}, timeout=max(0.1, min(5.0, until - time.monotonic())))
    return rows[0] if rows else {}


def _alters(mine: dict[str, Any]) -> bool:
    return bool(mine.get("superuser") or mine.get("creates_roles"))


def _same(site: Site, facts: Preflight, checks: Checks, until: float) -> None:
    """A server is known by the moment it was started: two do not share a microsecond."""
    if site.beside is None:
        return
    look = PostgresReader(site.beside)
    try:
        seen = look.open(max(0.1, min(3.0, until - time.monotonic())))
        if abs(seen.started_at - facts.started_at) > 1e-3:
            another(site, f"{look.address}, where one looks", checks)
        elif seen.database != facts.database:
            says = f"it is in database {facts.database}, one looks in {seen.database}: every action is refused"
            checks.breach("same-server", says, Remedy(how=f"Name database {seen.database} with {site.setting}"))
        else:
            checks.ok("same-server", f"the server and database of the look, which is done as {seen.role}")
            if seen.role == facts.role:
                checks.ok("own-role", "looking and acting are the same role: whoever may look may act")
    except CouldNotLook as failure:
        checks.failed("same-server", failure)
    finally:
        look.close()
