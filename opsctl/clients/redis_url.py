"""Redis URLs (``redis:``, ``rediss:``, ``unix:``, ``host:port``) as connection options; no password leaves here."""

from __future__ import annotations

import contextlib
import socket
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook

_GREETING_SECONDS = 0.3


def options(endpoint: Endpoint) -> tuple[dict[str, Any], str]:
    """The options of that endpoint (``scheme`` included) and its address ``host:port`` or socket path.

    The database number is left out on purpose: INFO speaks for the whole server, and SELECT is one command less.
    Raises CouldNotLook for a URL that cannot be read, without repeating it.
    """
    url = endpoint.url.strip()
    if "://" not in url:
        url = f"redis://{url}"
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("redis", "rediss", "unix"):
            raise ValueError("scheme")
        chosen: dict[str, Any] = {"scheme": parts.scheme}
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        for key, value in (("username", parts.username), ("password", parts.password)):
            if value or key in query:
                chosen[key] = unquote(value) if value else query[key]
        if parts.scheme == "unix":
            chosen["path"] = unquote(parts.path)
            return chosen, chosen["path"]
        if not parts.hostname and parts.netloc:
            raise ValueError("host")
        chosen["host"] = unquote(parts.hostname or "localhost")
        chosen["port"] = parts.port or 6379
    except ValueError:
        raise CouldNotLook(
            "not-configured",
            f"the Redis address from {endpoint.setting} is not a redis://, rediss:// or unix:// URL",
            setting=endpoint.setting,
        ) from None
    if parts.scheme == "rediss":
        chosen.update({key: value for key, value in query.items() if key.startswith("ssl_")})
        if "ssl_check_hostname" in chosen:
            chosen["ssl_check_hostname"] = chosen["ssl_check_hostname"].lower() not in ("0", "no", "false")
        elif chosen.get("ssl_cert_reqs") == "none":
            chosen["ssl_check_hostname"] = False
    return chosen, f"{chosen['host']}:{chosen['port']}"


def database(endpoint: Endpoint) -> int:
    """The number of the URL's database (``/2`` or ``?db=2``), 0 when it gives none."""
    url = endpoint.url.strip()
    parts = urlsplit(url if "://" in url else f"redis://{url}")
    given = parse_qs(parts.query).get("db", [""])[-1] or ("" if parts.scheme == "unix" else parts.path.strip("/"))
    return int(given) if given.isascii() and given.isdigit() and len(given) < 6 else 0


def greeting(chosen: dict[str, Any]) -> str:
    """What the server says to a connection that says nothing: at maxclients its reason. "" for silence."""
    if chosen["scheme"] == "rediss":
        return ""
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX if chosen["scheme"] == "unix" else socket.AF_INET) as plain,
    ):
        plain.settimeout(_GREETING_SECONDS)
        plain.connect(chosen["path"] if chosen["scheme"] == "unix" else (chosen["host"], chosen["port"]))
        return plain.recv(200).decode("utf-8", "replace")
    return ""
