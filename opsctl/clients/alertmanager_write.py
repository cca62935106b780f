"""Alertmanager's API v2, write side: create or change a silence, expire one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from opsctl.clients.alertmanager import AlertmanagerReader, Silence
from opsctl.clients.http_answer import HttpAnswer
from opsctl.clients.http_write import HttpWriter
from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    from collections.abc import Sequence

ANNOTATIONS_FROM = (0, 32)  # older servers drop them without a word


class Draft(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A silence as it is sent. ``id`` "" makes a new one. ``matchers``: structs in the API's field names."""

    id: str = ""
    matchers: Sequence[Any]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    annotations: dict[str, str] = {}


class Listed(NamedTuple):
    """All silences of a server, and what its clock said with them (None: it did not tell)."""

    silences: tuple[Silence, ...]
    date: datetime | None


class _Created(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="silenceID")


class AlertmanagerWriter(AlertmanagerReader):
    """Everything the reader can, and the two calls that change silences. Nothing is sent twice."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self._writer = HttpWriter(endpoint)

    def listed(self, timeout: float = 10.0) -> Listed:
        """All silences with the server's time, in one request. Raises CouldNotLook."""
        got = self._fetch("/api/v2/silences", timeout)
        return Listed(self._http.decode(got, tuple[Silence, ...]), got.date)

    def post(self, draft: Draft, timeout: float = 10.0) -> str:
        """Create the silence, or change the one whose id it has; returns the id that is in force afterwards.

        The server gives a changed silence another id when it cannot be changed in place (alert-tooling.md 2): compare.
        Raises CouldNotLook: "bad-query" when it refuses the content, "not-found" for an id that it does not know.
        """
        body = msgspec.to_builtins(draft, str_keys=True)
        for name, at in (("startsAt", draft.starts_at), ("endsAt", draft.ends_at)):
            body[name] = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        got = self._writer.send_json("POST", "/api/v2/silences", body, timeout=timeout)
        if got.status != 200:
            raise self._failure(got)
        return self._writer.decode(got, _Created).id

    def expire(self, id: str, timeout: float = 10.0) -> None:
        """End the silence now. One that has ended already is left as it is. Raises CouldNotLook as ``post``."""
        got = self._writer.send_json("DELETE", f"/api/v2/silence/{id}", timeout=timeout)
        if got.status != 200:
            raise self._missing(got, id) or self._failure(got)

    def _missing(self, got: HttpAnswer, id: str) -> CouldNotLook | None:
        """0.25 answers 500 for an id that it does not know; 0.26 and newer 404."""
        if got.status == 404 or (got.status == 500 and b"not found" in got.body):
            says = f"Alertmanager knows no silence {id}"
            return CouldNotLook("not-found", says, address=self.address, setting=self.setting)
        return None

    def close(self) -> None:
        """Close connections."""
        super().close()
        self._writer.close()
