"""The write side of HTTP. Probes and runbooks cannot import it (a contract in pyproject.toml says so)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from opsctl.clients.http import HttpReader, Params
from opsctl.clients.http_answer import HttpAnswer
from opsctl.errors import CouldNotLook

# Failures before anything could have reached the server. After any other one it may have acted.
_BEFORE = frozenset({"not-configured", "unresolved", "refused", "tls", "bad-query"})


def may_have_happened(failed: CouldNotLook) -> bool:
    """Whether a request that ended with this failure may have been carried out all the same."""
    return failed.reason not in _BEFORE


class HttpWriter(HttpReader):
    """An endpoint that may be written to; one request is sent at most once."""

    def send_json(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        timeout: float = 10.0,
        headers: Mapping[str, str] | None = None,
        params: Params | None = None,
        max_bytes: int = 2**20,
    ) -> HttpAnswer:
        """POST, PUT, PATCH or DELETE ``path`` with ``body`` as JSON; any status is returned, nothing is repeated.

        Raises CouldNotLook; ask ``may_have_happened`` of it before trying again.
        """
        if method not in ("POST", "PUT", "PATCH", "DELETE"):
            raise ValueError(f"{method} is not a write")
        encoded = b"" if body is None else msgspec.json.encode(body)
        sent = {**({"Content-Type": "application/json"} if encoded else {}), **(headers or {})}
        return self._call(method, path, params, timeout, None, max_bytes, sent, encoded)
