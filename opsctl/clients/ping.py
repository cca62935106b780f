"""The one POST that a check makes for itself: telling a dead man's switch (healthchecks.io's API) that it ran.

It changes nothing on a system that is watched. The address is a secret: whoever has it can say that all is well.
"""

from __future__ import annotations

import time
from urllib.parse import urlsplit, urlunsplit

from opsctl.config.endpoint import HttpAccess
from opsctl.errors import CouldNotLook

_LEAST = 0.2  # seconds that a try needs


def beside(url: str, ending: str, rid: str) -> str:
    """The ping's address with ``/start`` or ``/2`` at the end of its path and ``rid`` in its query, the rest kept."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/") + (f"/{ending}" if ending else "")
    query = "&".join(part for part in (parts.query, f"rid={rid}") if part)
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def host_of(url: str) -> str:
    """What may be shown of a ping's address."""
    return urlsplit(url).hostname or "the ping's address"


class Pings:
    """Pings of one run. ``send`` takes no longer than it is given and raises only CouldNotLook, without the URL."""

    def __init__(self, url: str, rid: str) -> None:
        self._url, self._rid = url, rid
        self.limit = 10_000  # bytes of a body that are of use to a reader; the server may allow fewer

    def send(self, ending: str, body: str = "", *, timeout: float) -> None:
        """One ping, tried again once if there is time. Raises CouldNotLook."""
        from opsctl.clients.http_exchange import Exchange, Limits

        end = time.monotonic() + timeout
        url = beside(self._url, ending, self._rid)
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        exchange = Exchange(HttpAccess())
        failed: CouldNotLook | None = None
        try:
            for tried in (1, 2):
                left = (end - time.monotonic()) / (2 if tried == 1 else 1)
                if left < _LEAST:
                    break
                try:
                    text = body.encode("utf-8", "replace")[: self.limit]
                    answer = exchange.send(
                        "POST", url, headers, text, Limits(time.monotonic() + left, left, None, 2**16)
                    )
                except CouldNotLook as error:
                    failed = error
                    continue
                told = answer.headers.get("ping-body-limit", "")
                self.limit = min(self.limit, int(told)) if told.isdigit() else self.limit
                if answer.status < 300:
                    return
                failed = CouldNotLook("server-error", f"HTTP {answer.status}")
                if answer.status < 500:
                    break
        finally:
            exchange.close()
        reason = failed.reason if failed is not None else "timeout"
        said = failed.says if failed is not None and failed.says.startswith("HTTP") else reason
        raise CouldNotLook(reason, f"the ping to {host_of(self._url)} failed ({said})")
