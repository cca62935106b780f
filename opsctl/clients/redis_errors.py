"""What a Redis failure means: redis-py's classes and the server's error codes, as typed failures."""

from __future__ import annotations

import re

from opsctl.errors import CouldNotLook, Reason
from opsctl.redact import printable, redact


class ClientsFull(CouldNotLook):
    """The server turned our connection away because ``maxclients`` is reached."""

    def __init__(self, says: str, *, address: str, setting: str) -> None:
        super().__init__("slots-full", says, address=address, setting=setting)


_CODES: tuple[tuple[str, Reason, str], ...] = (
    (r"NOAUTH|WRONGPASS|invalid username-password|invalid password|without any password configured"
     r"|AUTH, but no password|Authentication required", "unauthorized", "refuses this user or password"),
    (r"DENIED|protected mode", "forbidden", "is in protected mode and refuses other hosts"),
    (r"LOADING|loading the dataset", "server-error", "is still loading its data"),
    (r"BUSY", "server-error", "is busy running a script"),
    (r"READONLY", "server-error", "is a replica and takes no writes"),
    (r"MISCONF", "server-error", "refuses work because it cannot save to disk"),
    (r"MASTERDOWN|CLUSTERDOWN|MOVED|ASK|TRYAGAIN|CROSSSLOT", "server-error", "hands the question on to another node"),
    (r"unknown command|unknown subcommand|Unknown subcommand|wrong number of arguments|not allowed|disabled",
     "unsupported", "does not offer"),
    (r"Name or service not known|nodename nor servname|name resolution|No address associated",
     "unresolved", "has a host name that cannot be resolved"),
    (r"Connection refused|No such file|No route to host|Network is unreachable|Error (?:111|61|2|113) ", "refused",
     "is not listening"),
    (r"CERTIFICATE_VERIFY|certificate|SSL|TLS|WRONG_VERSION_NUMBER", "tls", "cannot be trusted or spoken to over TLS"),
    (r"[Tt]imeout|timed out", "timeout", "did not answer in time"),
)  # fmt: skip
_CLOSED = re.compile(r"closed|reset|Broken pipe|EOF|Errno 104|Errno 32|not connected|Bad file descriptor")


def is_closed(error: Exception) -> bool:
    """Whether the other side closed the connection without a word."""
    return isinstance(error, OSError) or (
        type(error).__name__ == "ConnectionError" and bool(_CLOSED.search(str(error)))
    )


def failure(error: Exception, what: str, words: str, *, user: str, address: str, setting: str) -> CouldNotLook:
    """The typed failure of ``what`` (a command or ``connect``). ``words``: what the server greeted us with instead."""
    kind = type(error).__name__
    own = redact(" ".join(printable(str(error)).split()))
    own = re.sub(r"^Error -?\d+ connecting to \S+ ", "", own)[:160].rstrip(".")  # the address is in our sentence
    whole = f"{own} {words}"

    def typed(reason: Reason, says: str) -> CouldNotLook:
        return CouldNotLook(reason, says, address=address, setting=setting)

    if "max number of clients" in whole:
        says = f"{address} accepts no more clients: maxclients is reached"
        return ClientsFull(says, address=address, setting=setting)
    if kind == "NoPermissionError":
        rule = "+" + what.lower().replace(" ", "|")
        if "keys" in own:  # the command is allowed, and not on these keys
            rule = "~ and the beginning of the keys, e.g. ~cache:*"
        return typed("forbidden", f"user {user} may not run {what} at {address}; grant it: ACL SETUSER {user} {rule}")
    if kind == "AuthenticationError":
        return typed("unauthorized", f"{address} refuses user {user} or the password ({own})")
    if kind == "BusyLoadingError":
        return typed("server-error", f"{address} is still loading its data")
    if kind in ("InvalidResponse", "ValueError", "IndexError", "TypeError", "UnicodeDecodeError"):
        return typed("bad-answer", f"{address} does not speak the Redis protocol ({own})")
    for pattern, reason, says in _CODES:
        if re.search(pattern, whole):
            offer = f" {what}" if reason == "unsupported" else ""
            return typed(reason, f"{address} {says}{offer} ({own})")
    if kind == "ConnectionError" or isinstance(error, OSError):
        return typed("closed", f"{address} closed the connection during {what} ({own})")
    return typed("server-error", f"{what} failed at {address} ({own})")
