"""A service's administration of customers and their keys, over HTTP with the admin key (requirements B-46).

The calls go to where the endpoint ``admin`` is, with its headers; the paths are the profile's settings
``path.customer`` and ``path.api_keys``, and start at the root beside ``/admin``. What a build does not offer answers
404, 405 or 501 and is "unsupported", never taken for granted (domain-checks.md 2.8). No error shows a key's text.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from opsctl.clients.http_answer import HttpAnswer, first_words
from opsctl.errors import CouldNotLook, NotConfigured, Reason
from opsctl.redact import printable, redact

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.clients.http_write import HttpWriter
    from opsctl.config.endpoint import Endpoint

ENDPOINT = "admin"
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:-]{0,127}")  # what goes into a path (B-53)
_ABSENT = (404, 405, 501)
_DEAD = ("revoked", "deleted", "inactive", "disabled", "expired")


class Key(msgspec.Struct, frozen=True):
    """One key as the service lists it; never its text. ``admin``: it may administrate."""

    id: str
    active: bool
    name: str = ""
    created: str = ""
    used: str = ""
    admin: bool = False


class Sent(NamedTuple):
    """What came of one request that changes something. ``maybe``: no answer came, and it may have been carried out."""

    answer: HttpAnswer | None
    says: str
    maybe: bool = False

    @property
    def ok(self) -> bool:
        """Whether the server said that it did it."""
        return self.answer is not None and 200 <= self.answer.status < 300


def checked_id(text: str, what: str) -> str:
    """The id, if it can be part of a path. Raises ValueError."""
    if not ID.fullmatch(text) or ".." in text:
        raise ValueError(f"{what} is letters, digits and . _ @ : -, not {printable(text)[:60]!r}")
    return text


def root_of(endpoint: Endpoint) -> Endpoint:
    """The same server and login, from its root on."""
    return msgspec.structs.replace(endpoint, url=endpoint.url.rstrip("/").removesuffix("/admin"))


def path_of(hands: Hands, name: str, **ids: str) -> str:
    """The profile's ``path.NAME`` with ids put in. Raises NotConfigured where the service has none."""
    template = hands.profile.settings.get(f"path.{name}", "")
    if not template:
        says = f"{hands.profile.service} has no path.{name} in its settings"
        raise NotConfigured(says, setting=f"profile {hands.profile.service}, settings.path.{name}")
    for key, value in ids.items():
        template = template.replace("{" + key + "}", value)
    return template


class Api:
    """One command's connection. ``where``: host and port, for scopes and sentences."""

    def __init__(self, hands: Hands) -> None:
        from opsctl.clients.http import HttpReader

        self._hands = hands
        self._reader = HttpReader(root_of(hands.readers.endpoint(ENDPOINT)))
        self._writer: HttpWriter | None = None
        self.where = self._reader.address.partition("://")[2].partition("/")[0]

    def customer(self, id: str) -> dict[str, Any]:
        """The customer's record. Raises CouldNotLook: "not-found" without such a customer."""
        path = path_of(self._hands, "customer", customer_id=id)
        answer = self._get(path)
        if answer.status == 404:
            says = f"{answer.url} answers 404: there is no customer {id}, or this build has no such path"
            raise CouldNotLook("not-found", says, address=self._reader.address)
        return self._reader.decode(self._fine(answer), dict[str, Any])

    def keys(self, customer: str) -> tuple[Key, ...] | None:
        """The customer's keys; None where the service does not list them."""
        answer = self._get(path_of(self._hands, "api_keys", customer_id=customer))
        if answer.status in _ABSENT:
            return None
        found: Any = self._reader.decode(self._fine(answer), object)
        if isinstance(found, dict):
            found = next((found[name] for name in ("api_keys", "keys", "items", "data") if name in found), None)
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            says = f"{answer.url} lists its keys in a form that is not known here"
            raise CouldNotLook("bad-answer", says, address=self._reader.address)
        return tuple(_key(one) for one in found)

    def get(self, path: str) -> dict[str, Any]:
        """Another page of the administration. Raises CouldNotLook: "unsupported" where it is not offered."""
        answer = self._get(path)
        if answer.status in _ABSENT:
            says = f"{answer.url} answers {answer.status}: this build does not offer it"
            raise CouldNotLook("unsupported", says, address=self._reader.address)
        return self._reader.decode(self._fine(answer), dict[str, Any])

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Sent:
        """One request that changes something, sent once."""
        from opsctl.clients.http_write import HttpWriter, may_have_happened

        if self._writer is None:
            self._writer = HttpWriter(root_of(self._hands.writers.endpoint(ENDPOINT)))
        try:
            answer = self._writer.send_json(method, path, body)
        except CouldNotLook as failed:
            return Sent(None, failed.says, may_have_happened(failed))
        if 200 <= answer.status < 300:
            return Sent(answer, "")
        return Sent(answer, f"{method} {answer.url} answers {self._refusal(answer)}", answer.status >= 500)

    def close(self) -> None:
        """Close what was opened."""
        self._reader.close()
        if self._writer is not None:
            self._writer.close()

    def _get(self, path: str) -> HttpAnswer:
        return self._reader.get(path, accept=None, max_bytes=2**20)

    def _fine(self, answer: HttpAnswer) -> HttpAnswer:
        if answer.status == 200:
            return answer
        if answer.status in (401, 403):
            reason: Reason = "unauthorized" if answer.status == 401 else "forbidden"
            says = f"{answer.url} answers {self._refusal(answer)}"
            raise CouldNotLook(reason, says, address=self._reader.address, setting=self._reader.setting)
        raise self._reader.failure(answer)

    def _refusal(self, answer: HttpAnswer) -> str:
        """Status, the server's own words, and what helps."""
        header = self._hands.profile.settings.get("admin_key_header", "X-Admin-API-Key")
        words = redact(first_words(answer.body, 120))
        remedy = {
            401: f"; give the admin key as header {header} of the endpoint {ENDPOINT} ({self._reader.setting})",
            404: "; there is no such thing, or this build does not offer it",
            405: "; this build does not offer it",
            501: "; this build does not offer it",
            429: "; try again later",
        }.get(answer.status, "")
        return f"{answer.status}{f' ({words})' if words else ''}{remedy}"


@contextlib.contextmanager
def opened(hands: Hands) -> Iterator[Api]:
    """The API for the length of a ``with``. Raises NotConfigured, CouldNotLook."""
    api = Api(hands)
    try:
        yield api
    finally:
        api.close()


def _key(one: Mapping[str, Any]) -> Key:
    def text(*names: str) -> str:
        return printable(str(next((one[name] for name in names if one.get(name) is not None), "")))

    dead = text("status").lower() in _DEAD or bool(one.get("revoked_at")) or one.get("is_active") is False
    scopes = one.get("scopes") or [one.get("role") or one.get("scope") or ""]
    return Key(
        id=text("key_id", "api_key_id", "id"),
        active=not dead,
        name=text("name", "label"),
        created=text("created_at"),
        used=text("last_used_at"),
        admin=any("admin" in str(scope).lower() for scope in (scopes if isinstance(scopes, list) else [scopes])),
    )
