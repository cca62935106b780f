"""Addresses as text: is it a URL, whose is it, does it hold a password, and how is it shown without one."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

_PORTS = {"http": 80, "https": 443}
_KEYS = r"(?:ssl)?password|[a-z_-]*(?:token|api_?key|secret)"
# Patterns are compiled when an address is looked at: without a configuration file there is none.
_USERINFO = r"([A-Za-z][A-Za-z0-9+.-]*://[^\s/?#@:]*):[^\s@]+@"  # user:password@ in a URL
_QUERY = rf"(?i)([?&](?:{_KEYS})=)[^&\s#]+"
_LIBPQ = r"(?i)((?:^|\s)(?:ssl)?password\s*=\s*)(?:'(?:[^'\\]|\\.)*'|[^\s']\S*)"


def holds_password(text: str) -> bool:
    """Whether an address (URL or libpq string) holds a password or token."""
    return any(re.search(pattern, text) for pattern in (_USERINFO, _QUERY, _LIBPQ))


def without_password(text: str) -> str:
    """An address as it may be shown."""
    text = re.sub(_USERINFO, lambda found: found[1] if found[1].endswith("://") else f"{found[1]}@", text)
    return re.sub(_LIBPQ, r"\1…", re.sub(_QUERY, r"\1…", text))


def with_password(url: str, password: str) -> str:
    """A Postgres or Redis address with the password in it: a URL's userinfo or query, or a libpq string's key."""
    if "://" not in url:
        escaped = password.replace("\\", "\\\\").replace("'", "\\'")
        return f"{url} password='{escaped}'".strip()
    secret = quote(password, safe="")
    scheme, _, rest = url.partition("://")
    ends = min((at for at in (rest.find(c) for c in "/?#") if at >= 0), default=len(rest))
    user, _, host = rest[:ends].rpartition("@")
    name = user.partition(":")[0]
    if scheme.startswith("postgres") and not name:  # libpq wants a user where there is a password
        return f"{url}{'&' if '?' in url else '?'}password={secret}"
    return f"{scheme}://{name}:{secret}@{host}{rest[ends:]}"


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: what credentials belong to. A text that is no URL is its own origin."""
    try:
        parts = urlsplit(url)
        if parts.hostname:
            scheme = parts.scheme.lower()
            return scheme, parts.hostname.lower(), parts.port or _PORTS.get(scheme)
    except ValueError:
        pass
    return "", url, None


def http_url(what: str, url: str) -> None:
    """Raises ValueError unless ``url`` is an http or https URL with a host. Never shows it: it may hold a password."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or any(c.isspace() or ord(c) < 32 for c in url):
        raise ValueError(f"{what} is not an http:// or https:// URL with a host")


def state_url(what: str, url: str) -> None:
    """Raises ValueError unless ``url`` is a Postgres URL. Never shows it: it may hold a password."""
    if not re.match(r"postgres(?:ql)?://\S+\Z", url):
        raise ValueError(f"{what} is not a postgresql:// address")


def http_remedy(url: str) -> str:
    """What to write instead of something that is not an HTTP URL."""
    plain = "://" not in url and "@" not in url and url.isprintable() and " " not in url and 0 < len(url) < 100
    return f"Write http://{url.removeprefix('//')}." if plain else "Write it as http://host:port."


def members(url: str) -> tuple[str, ...]:
    """The addresses of a cluster whose members are asked one by one, written with commas between them."""
    return tuple(one.strip() for one in url.split(",") if one.strip()) or (url,)


def http_urls(name: str, what: str, url: str) -> None:
    """``http_url`` for the endpoint ``name``; Alertmanager's may be several, with commas between them."""
    for one in members(url) if name == "alertmanager" else (url,):
        http_url(what, one)
