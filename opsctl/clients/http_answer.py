"""What an HTTP server answered, and the one sentence that names what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import SplitResult

import msgspec

from opsctl.errors import CouldNotLook, Reason
from opsctl.redact import printable, redact

_BY_STATUS: dict[int, tuple[Reason, str]] = {
    401: ("unauthorized", "credentials are missing or wrong"),
    403: ("forbidden", "these credentials may not read it"),
    404: ("not-found", "there is nothing at this path"),
    407: ("unauthorized", "the proxy wants credentials"),
    410: ("unsupported", "the server no longer offers this path"),
    429: ("throttled", "the server asks to slow down"),
    501: ("unsupported", "the server does not offer this"),
}
# What Go's and nginx's servers say to plain HTTP on a TLS port.
_PLAIN_ON_TLS = re.compile(rb"HTTP request (?:was sent )?to (?:an )?HTTPS", re.I)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.I | re.S)
_TAG = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>", re.I | re.S)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WORDS = 160  # characters of a server's own words shown in a sentence


class HttpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. ``headers`` have lower-case names; ``url`` holds no secrets; ``date`` is the server's clock."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    seconds: float
    date: datetime | None = None

    @property
    def content_type(self) -> str:
        """The media type without parameters, lower-case; "" when the server names none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def wants_tls(self) -> bool:
        """Whether a TLS port was spoken to in plain HTTP."""
        return self.status == 400 and _PLAIN_ON_TLS.search(self.body[:2048]) is not None

    @property
    def is_html(self) -> bool:
        """Whether a page for people came: a login page, a proxy's error, the wrong server."""
        return "html" in self.content_type or self.body[:200].lstrip()[:9].lower().startswith((b"<!doctype", b"<html"))


def shown(parts: SplitResult, *, query: bool = False) -> str:
    """A URL as text without user and password; the query, which may hold a token, only when wanted."""
    text = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return printable(f"{text}?{parts.query}" if query and parts.query else text)


def parse_date(text: str) -> datetime | None:
    """An HTTP ``Date`` header; None when it is absent or not in the standard form."""
    parts = text.replace("-", " ").split()
    try:
        _, day, month, year, clock, zone = parts
        hour, minute, second = (int(part) for part in clock.split(":"))
        if zone not in ("GMT", "UTC"):
            return None
        return datetime(int(year), _MONTHS.index(month) + 1, int(day), hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None


def first_words(body: bytes, limit: int = _WORDS) -> str:
    """The beginning of a server's text, on one line, without tags, control characters or secrets."""
    text = body[:16384].decode("utf-8", "replace")
    title = _TITLE.search(text)
    plain = title.group(1) if title else _TAG.sub(" ", text)
    plain = redact(" ".join(printable(plain).split()))
    return plain if len(plain) <= limit else plain[: limit - 1].rstrip() + "…"


def what_came(answer: HttpAnswer) -> str:
    """Names an answer that is not what was asked for: an HTML page by its title, else type and first words."""
    if not answer.body.strip():
        return "an empty body"
    if answer.is_html:
        title = _TITLE.search(answer.body[:65536].decode("utf-8", "replace"))
        named = f' titled "{first_words(title.group(0).encode(), 80)}"' if title else ""
        return f"an HTML page{named}"
    kind = printable(answer.content_type) or "no content type"
    if b"\x00" in answer.body[:512]:
        return f"binary data ({kind})"
    return f'{kind} starting "{first_words(answer.body, 60)}"'


def failure(answer: HttpAnswer, *, setting: str = "") -> CouldNotLook:
    """The failure that a status outside the accepted ones means."""
    status = answer.status
    where = f"HTTP {status} from {answer.url}"
    if answer.wants_tls:
        return CouldNotLook(
            "tls",
            f"{answer.url} is a TLS port that was spoken to in plain HTTP; its address must begin with https://",
            address=answer.url,
            setting=setting,
        )
    if status in _BY_STATUS:
        reason, meaning = _BY_STATUS[status]
    elif status >= 500:
        reason, meaning = "server-error", ""
    else:
        reason, meaning = "bad-answer", ""
    says = f"{where}: {meaning}" if meaning else where
    after = printable(answer.headers.get("retry-after", "")).strip()
    if after and status in (429, 503):
        says += f", and to wait {after} s" if after.isdigit() else f", and to wait until {after}"
    words = first_words(answer.body)
    if words and (reason in ("server-error", "bad-answer", "forbidden", "throttled") or not meaning):
        says += f' ("{words}")' if meaning or after else f": {words}"
    return CouldNotLook(reason, says, address=answer.url, setting=setting)
