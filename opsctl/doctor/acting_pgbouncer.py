"""PgBouncer, the endpoint that acts: the pooler of the look, and a user of admin_users."""

from __future__ import annotations

import time

from opsctl.clients import postgres_dsn
from opsctl.clients.pgbouncer import PgbouncerReader
from opsctl.config.endpoint import Endpoint
from opsctl.doctor.acting import another, by_the_look
from opsctl.doctor.model import Checks, Remedy
from opsctl.doctor.site import Site
from opsctl.errors import CouldNotLook
from opsctl.redact import printable

# Of two poolers on one host at least one of these differs.
_OWN = ("listen_addr", "listen_port", "unix_socket_dir", "pidfile", "conffile", "logfile", "auth_file")


def examine(site: Site, reader: PgbouncerReader, checks: Checks, until: float) -> None:
    """``reader``: a session of the acting user at the console. Raises CouldNotLook."""
    assert site.endpoint is not None
    config = _config(reader, until)
    _same(site, reader, config, checks, until)
    user, admins = _user(site.endpoint), _admins(config)
    if user in admins:
        checks.ok("may-control", f"{user} is one of admin_users")
        return
    names = ", ".join([*(name for name in admins if name), user])
    checks.breach(
        "may-control",
        f"{user} is not one of admin_users: every command that changes something is refused",
        Remedy(how="In pgbouncer.ini, then RELOAD on the console as an admin", run=f"admin_users = {names}"),
    )


def tell(site: Site, reader: PgbouncerReader, checks: Checks, until: float) -> None:
    """Without an endpoint that acts: whether the user of the look may control."""
    if not site.acts or site.endpoint is None:
        return
    user = _user(site.endpoint)
    try:
        admins = _admins(_config(reader, until))
    except CouldNotLook as failure:
        by_the_look(site, f"user {user}", (), checks, untold=f"what it may do could not be told ({failure.says})")
        return
    cannot = [] if user in admins else ["control the pooler (admin_users)"]
    by_the_look(site, f"user {user}", cannot, checks)


def _config(reader: PgbouncerReader, until: float) -> dict[str, str]:
    rows = reader.show("CONFIG", max(0.1, min(5.0, until - time.monotonic())))
    return {str(row.get("key")): printable(str(row.get("value") or "")) for row in rows}


def _admins(config: dict[str, str]) -> list[str]:
    return [name.strip() for name in config.get("admin_users", "").split(",")]


def _user(endpoint: Endpoint) -> str:
    return postgres_dsn.parameters(endpoint, 3.0).get("user") or postgres_dsn.default("user")


def _same(site: Site, reader: PgbouncerReader, config: dict[str, str], checks: Checks, until: float) -> None:
    if site.beside is None:
        return
    look = PgbouncerReader(site.beside)
    try:
        seen = _config(look, until)
        if look.address == reader.address or all(seen.get(key) == config.get(key) for key in _OWN):
            checks.ok("same-server", "the pooler of the look")
        else:
            another(site, f"{look.address}, where one looks", checks)
    except CouldNotLook as failure:
        checks.failed("same-server", failure)
    finally:
        look.close()
