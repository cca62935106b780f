"""Connection strings as people have them in DATABASE_URL, turned into what libpq takes. No password leaves here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook

# What holds for each session opsctl opens for looking (PG-0). search_path: nobody's own function is ever called.
SESSION = {
    "statement_timeout": "5000",
    "lock_timeout": "500",
    "default_transaction_read_only": "on",
    "search_path": "pg_catalog",
    "bytea_output": "hex",
}
APPLICATION = "opsctl:diagnose"


def parameters(endpoint: Endpoint, connect_seconds: float, session: Mapping[str, str] = SESSION) -> dict[str, str]:
    """libpq's parameters for that endpoint, with the session's limits. Raises CouldNotLook for an unreadable string.

    Understands what ORMs write: ``postgresql+asyncpg://``, ``jdbc:postgresql://``, Prisma's ``?schema=…&pgbouncer=…``.
    """
    from psycopg import Error, pq
    from psycopg.conninfo import conninfo_to_dict

    known = {option.keyword.decode(): option for option in pq.Conninfo.get_defaults()}
    try:
        given = conninfo_to_dict(_plain(endpoint.url, frozenset(known)))
    except (Error, ValueError):
        # libpq repeats parts of the string in its message, and those may be the password.
        raise CouldNotLook(
            "not-configured",
            f"the Postgres address from {endpoint.setting} is neither a postgresql:// URL nor key=value pairs",
            setting=endpoint.setting,
        ) from None
    values = {key: str(value) for key, value in given.items() if value is not None}

    def effective(key: str) -> str:
        default = known[key].val
        return values.get(key) or (default.decode(errors="replace") if default else "")

    values["options"] = " ".join(
        [effective("options"), *(f"-c {key}={value}" for key, value in session.items())]
    ).strip()
    values["sslmode"] = effective("sslmode")
    values["application_name"] = APPLICATION
    values["client_encoding"] = "UTF8"
    values["connect_timeout"] = str(max(2, round(connect_seconds)))
    if effective("target_session_attrs") == "read-write":
        values["target_session_attrs"] = "primary"  # our own session is read-only, and libpq would turn it away
    elif effective("target_session_attrs") == "read-only":
        values["target_session_attrs"] = "standby"
    return values


def address(values: dict[str, str]) -> str:
    """``database@host:port`` of these parameters and libpq's defaults; never a user's password."""
    from psycopg import pq

    merged: dict[str, str] = {}
    for option in pq.Conninfo.get_defaults():
        if option.keyword in (b"host", b"hostaddr", b"port", b"dbname", b"user", b"service"):
            default = option.val.decode(errors="replace") if option.val else ""
            merged[option.keyword.decode()] = default
    merged.update(values)
    database = merged.get("dbname") or merged.get("user", "")
    if merged.get("service") and not merged.get("host"):
        return f"service {merged['service']}"
    hosts = (merged.get("host") or merged.get("hostaddr") or "localhost").split(",")
    ports = (merged.get("port") or "5432").split(",")
    places = [f"{host}:{ports[index] if index < len(ports) else ports[-1]}" for index, host in enumerate(hosts)]
    return f"{database}@{','.join(places)}"


def tls(used: bool, sslmode: str) -> str:
    """Whether the connection is encrypted and its server certificate was checked, in words."""
    if not used:
        return "no"
    checked = sslmode in ("verify-ca", "verify-full")
    return f"yes, certificate {'' if checked else 'not '}checked (sslmode={sslmode})"


def _plain(url: str, known: frozenset[str]) -> str:
    """The string without a driver's prefix and without query parameters that only the application's driver knows."""
    url = url.strip().removeprefix("jdbc:")
    if not re.match(r"[a-z][a-z0-9+]*://", url):
        return url
    parts = urlsplit(url)
    scheme = parts.scheme.partition("+")[0]
    if scheme not in ("postgres", "postgresql"):
        raise ValueError(scheme)
    renamed = {"ssl": "sslmode"}  # asyncpg
    kept = [(renamed.get(key, key), value) for key, value in parse_qsl(parts.query) if renamed.get(key, key) in known]
    kept = [(key, value) for key, value in kept if not (key == "sslmode" and value in ("true", "false", "1", "0"))]
    return parts._replace(scheme="postgresql", query=urlencode(kept, quote_via=quote), fragment="").geturl()


def implementation() -> str:
    """How psycopg speaks to libpq here: ``binary``, ``c`` or ``python``. Raises ImportError when it cannot."""
    from psycopg import pq

    return pq.__impl__


def default(keyword: str) -> str:
    """What libpq takes for a parameter that is not given (environment, service file, the user's name)."""
    from psycopg import pq

    for option in pq.Conninfo.get_defaults():
        if option.keyword.decode() == keyword:
            return option.val.decode(errors="replace") if option.val else ""
    return ""
