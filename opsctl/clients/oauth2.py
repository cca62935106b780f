"""OAuth 2.0 client credentials: fetches a token, keeps it until shortly before it expires."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from urllib.parse import quote, urlencode

import msgspec

from opsctl.clients.http_answer import HttpAnswer, failure, what_came
from opsctl.clients.typed import ready
from opsctl.config.endpoint import OAuth2
from opsctl.errors import CouldNotLook

_SPARE = 10.0  # seconds before its end from which a token is no longer used

# (headers, form body, seconds) -> the token server's answer
Ask = Callable[[dict[str, str], bytes, float], HttpAnswer]


class _Token(msgspec.Struct):
    access_token: str
    kind: str = msgspec.field(name="token_type", default="Bearer")
    expires_in: float | str | None = None


class TokenSource:
    """Thread-safe; one token at a time. ``ask`` posts a form to the token URL."""

    def __init__(self, settings: OAuth2, ask: Ask, *, setting: str = "") -> None:
        self._settings = settings
        self._ask = ask
        self._setting = setting
        self._lock = threading.Lock()
        self._header = ""
        self._until = 0.0

    def header(self, timeout: float) -> str:
        """The Authorization header; raises CouldNotLook when no token is to be had."""
        with self._lock:
            if not self._header or time.monotonic() >= self._until:
                self._fetch(timeout)
            return self._header

    def forget(self, header: str) -> None:
        """Drop a token that the server refused, unless another thread has a newer one."""
        with self._lock:
            if self._header == header:
                self._header = ""

    def _fetch(self, timeout: float) -> None:
        chosen = self._settings
        form = [("grant_type", "client_credentials"), *chosen.endpoint_params]
        if chosen.scopes:
            form.append(("scope", " ".join(chosen.scopes)))
        # RFC 6749 2.3.1: identifier and secret are form-encoded before they become basic auth.
        login = f"{quote(chosen.client_id, safe='')}:{quote(chosen.client_secret, safe='')}"
        basic = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()}
        answer = self._ask(basic, urlencode(form).encode(), timeout)
        if answer.status in (400, 401):
            # Servers that do not take basic auth want the secret in the form.
            form += [("client_id", chosen.client_id), ("client_secret", chosen.client_secret)]
            answer = self._ask({}, urlencode(form).encode(), timeout)
        if answer.status != 200:
            failed = failure(answer)
            reason = "unauthorized" if answer.status in (400, 401) else failed.reason
            raise CouldNotLook(reason, f"no OAuth 2.0 token: {failed.says}", address=answer.url, setting=self._setting)
        try:
            token = msgspec.json.decode(answer.body, type=ready(_Token))
            lasts = float(token.expires_in) if token.expires_in is not None else float("inf")
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
            says = f"the OAuth 2.0 token server {answer.url} answered with {what_came(answer)} instead of a token"
            raise CouldNotLook("bad-answer", says, address=answer.url, setting=self._setting) from None
        kind = "Bearer" if token.kind.lower() == "bearer" else token.kind
        self._header = f"{kind} {token.access_token}"
        self._until = time.monotonic() + max(0.0, lasts - _SPARE)
