"""What a Postgres failure means. Connect failures carry no SQLSTATE (psycopg): their text tells them apart."""

from __future__ import annotations

import re
from typing import Literal

from opsctl.errors import CouldNotLook, Reason
from opsctl.redact import printable, redact

Scope = Literal["server", "role", "database", "pooler"]


class SlotsFull(CouldNotLook):
    """The server refused a connection because no slot is left. ``scope``: whose limit it is."""

    def __init__(self, says: str, *, scope: Scope, address: str, setting: str) -> None:
        super().__init__("slots-full", says, address=address, setting=setting)
        self.scope: Scope = scope


# Order matters: with several addresses libpq reports every attempt, and the most telling one decides.
_FULL: tuple[tuple[Scope, str], ...] = (
    ("role", r"too many connections for role"),
    ("database", r"too many connections for database"),
    ("pooler", r"no more connections allowed|query_wait_timeout|pgbouncer cannot connect|max_client_conn"
               r"|too many client connections"),
    ("server", r"too many clients|connection slots are reserved|too many connections|sorry, too many"),
)  # fmt: skip
_CONNECT: tuple[tuple[str, Reason, str], ...] = (
    (r"unsupported startup parameter|unrecognized configuration parameter|option.* not supported", "unsupported",
     "refuses the session's settings, so a pooler such as PgBouncer answers there, not Postgres itself; "
     "name the server's own address"),
    (r"(?:password|\"\") authentication failed|no password supplied|empty password|authentication failed for user"
     r"|role \".*\" does not exist|SASL|SCRAM|no such user|not permitted to log in|auth_query|bouncer config error",
     "unauthorized", "refuses this user or password"),
    (r"no pg_hba\.conf entry|pg_hba\.conf rejects|permission denied for database|not allowed to connect"
     r"|not currently accepting connections", "forbidden", "does not let this user in"),
    (r"database \".*\" does not exist|no such database", "not-found", "has no such database"),
    (r"the database system is|server is starting|cannot connect now",
     "server-error", "does not accept connections now"),
    (r"certificate|does not support SSL|SSL error|SSL was required|sslmode|TLS|root\.crt",
     "tls", "cannot be trusted or spoken to over TLS"),
    (r"invalid response to SSL|expected authentication request|expected .* but received|unexpected .* from server"
     r"|invalid protocol|not supported by this version|lost synchronization|no protocol support|protocol error"
     r"|received invalid", "bad-answer", "does not speak the Postgres protocol"),
    (r"could not translate host name|failed to resolve|Name or service not known|nodename nor servname"
     r"|No address associated|Temporary failure in name resolution",
     "unresolved", "has a host name that cannot be resolved"),
    (r"definition of service|service file", "not-configured", "names a service that pg_service.conf does not define"),
    (r"timeout expired|timed out", "timeout", "did not answer in time"),
    (r"Connection refused|No such file or directory|No route to host|Network is unreachable|Host is down",
     "refused", "is not listening"),
    (r"closed the connection|Connection reset|Broken pipe|EOF|terminat|server conn crashed", "closed",
     "closed the connection before it could be used"),
)  # fmt: skip


def shown(text: str) -> str:
    """A server's or library's own words as one short clean line: the FATAL part when there is one."""
    lines = [line.strip() for line in printable(text).splitlines() if line.strip()]
    line = next(
        (line for line in lines if "FATAL:" in line or "ERROR:" in line), lines[0] if lines else "no reason given"
    )
    line = re.sub(r"^.*?(?:FATAL|ERROR):\s*", "", line)
    line = re.sub(r"^(?:connection failed: )?connection to server (?:at|on) .*? failed:\s*", "", line)
    return redact(line)[:200].rstrip(".") or "no reason given"


def connect_failure(text: str, *, address: str, setting: str) -> CouldNotLook:
    """The typed failure for the text of a refused or broken connect."""
    own = shown(text)
    text = re.sub(r"\"[^\"]*\"|'[^'\s]*'", '""', text)  # a host called mytls-db says nothing about TLS
    for scope, pattern in _FULL:
        if re.search(pattern, text, re.IGNORECASE):
            return SlotsFull(
                f"{address} has no connection slot left ({own})", scope=scope, address=address, setting=setting
            )
    for pattern, reason, says in _CONNECT:
        if re.search(pattern, text, re.IGNORECASE):
            return CouldNotLook(reason, f"{address} {says} ({own})", address=address, setting=setting)
    # Servers may speak another language (lc_messages): their words are shown, the reason stays general.
    return CouldNotLook("server-error", f"{address} refused the connection ({own})", address=address, setting=setting)


_STATES: tuple[tuple[str, Reason, str], ...] = (
    ("57014", "timeout", "was cancelled when its time was over"),
    ("55P03", "timeout", "waited too long for a lock"),
    ("42501", "forbidden", "needs a privilege this role does not have"),
    ("42", "unsupported", "is not possible on this server"),
    ("3F", "unsupported", "is not possible on this server"),
    ("55000", "unsupported", "is not possible on this server"),
    ("0A", "unsupported", "is not possible on this server"),
    ("53300", "slots-full", "found no connection slot"),
    ("57P", "closed", "was ended by the server"),
    ("08", "closed", "lost its connection"),
    ("22", "bad-query", "was rejected by the server"),
)


def query_failure(name: str, sqlstate: str | None, text: str, *, address: str, setting: str) -> CouldNotLook:
    """The typed failure of a statement: by SQLSTATE when there is one, else a broken connection."""
    own = shown(text)
    if not sqlstate:
        return CouldNotLook("closed", f"{address} broke off {name} ({own})", address=address, setting=setting)
    for state, reason, says in _STATES:
        if sqlstate.startswith(state):
            return CouldNotLook(reason, f"{name} {says} at {address} ({own})", address=address, setting=setting)
    return CouldNotLook("server-error", f"{name} failed at {address} ({own})", address=address, setting=setting)
