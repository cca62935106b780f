"""What to do when a system cannot be reached, and how names and addresses are written into something to paste."""

from __future__ import annotations

import re
import shlex

from opsctl.doctor.model import Remedy
from opsctl.doctor.site import Site
from opsctl.errors import CouldNotLook

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_RESERVED = frozenset({"user", "all", "table", "select", "group", "order", "default", "current_user", "public"})


def identifier(name: str) -> str:
    """A Postgres name as SQL wants it."""
    quoted = '"' + name.replace('"', '""') + '"'
    return name if _PLAIN.fullmatch(name) and name not in _RESERVED else quoted


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def psql(address: str, database: str = "") -> str:
    """How to get into psql at ``database@host:port``."""
    known, _, place = address.rpartition("@")
    host, _, port = place.split(",")[0].rpartition(":")
    words = ["psql", *(["-h", host] if host else []), *(["-p", port] if port else []), "-U", "postgres"]
    return shlex.join([*words, "-d", database or known or "postgres"])


def redis_cli(address: str, *, tls: bool = False) -> str:
    """How to get into redis-cli at ``host:port`` or a socket path."""
    if address.startswith("/"):
        return shlex.join(["redis-cli", "-s", address])
    host, _, port = address.rpartition(":")
    return shlex.join(["redis-cli", *(["--tls"] if tls else []), "-h", host, "-p", port])


def reach(failure: CouldNotLook, site: Site) -> Remedy | None:
    """What helps against a failure to reach a system at all; the address is put right where its setting is."""
    where = failure.setting or site.setting
    correct = f"correct {where}" if where else "correct the address"
    host = _host(failure.address)
    if failure.reason == "unresolved":
        return Remedy(
            how=f"Find out what this host's DNS says; if the name is wrong, {correct}",
            run=f"getent hosts {shlex.quote(host)}" if host else "",
        )
    if failure.reason == "refused":
        return Remedy(how=f"Start it if it should be there, or {correct}")
    if failure.reason == "timeout":
        return Remedy(how=f"A firewall that drops packets, or a server that hangs; if the address is wrong, {correct}")
    if failure.reason == "unauthorized":
        return _credentials(failure, site, where)
    if failure.reason == "missing-library":
        return _library(site)
    if failure.reason in ("tls", "bad-answer", "not-configured", "unsupported", "closed"):
        return Remedy(how=f"Something else than a {site.kind} as expected answers there: {correct}") if where else None
    return None


def _credentials(failure: CouldNotLook, site: Site, where: str) -> Remedy:
    role = re.search(r'user "([^"]+)"|role "([^"]+)"', failure.says)
    if site.kind == "postgres" and role:
        name = identifier(role[1] or role[2])
        return Remedy(
            how="Set the password anew as a superuser, in psql"
            + (f" ({psql(failure.address)})" if failure.address else "")
            + f", and keep it with {where} (password_file) or in ~/.pgpass",
            run=f"\\password {name}",
        )
    return Remedy(
        how=f"Give the right credentials with {where}: by password_file, credentials_file or their _env forms"
    )


def _library(site: Site) -> Remedy:
    package = {"kyrodb": "opsctl[kyrodb]", "postgres": "psycopg[binary]", "pgbouncer": "psycopg[binary]"}
    wanted = package.get(site.kind, site.kind)
    import sys

    return Remedy(how="In a shell, into opsctl's own environment", run=f"{sys.executable} -m pip install '{wanted}'")


def _host(address: str) -> str:
    """The host of ``db@host:port``, ``host:port`` or a URL; "" when it is none."""
    found = re.fullmatch(r"(?:[a-z0-9+.-]+://)?(?:[^@/]*@)?(\[[^\]]+\]|[^:/,]+)(?:[:/,].*)?", address)
    return found[1].strip("[]") if found else ""
