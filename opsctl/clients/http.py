"""The read side of HTTP: GET and HEAD against one endpoint, every failure typed, everything under one deadline.

httpx is behind ``http_exchange`` and ``wire``, loaded with the first request: building a reader costs nothing.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload
from urllib.parse import SplitResult, quote, unquote, urlencode, urljoin, urlsplit

import msgspec

from opsctl.clients.http_answer import HttpAnswer, failure, shown, what_came
from opsctl.clients.oauth2 import TokenSource
from opsctl.clients.typed import ready
from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook
from opsctl.redact import printable, redact

if TYPE_CHECKING:
    from opsctl.clients.http_exchange import Exchange, Limits

T = TypeVar("T")

Params = Mapping[str, "str | float | Iterable[str]"]

MAX_BYTES = 64 * 2**20
_OK = frozenset({200})
_REDIRECTED = frozenset({301, 302, 303, 307, 308})
_REDIRECTS = 5
_QUERY_PATHS = ("/api/v1/query", "/api/v1/query_range")
_REVIEW_PATH = "apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_PORTS = {"http": 80, "https": 443}


class HttpReader:
    """One endpoint, one connection pool; safe to use from several threads. It has no call that writes.

    ``address`` is the endpoint's URL without user, password and query; ``setting`` says who chose it.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.setting = endpoint.setting
        self._base = _split(endpoint)
        self.address = shown(self._base).rstrip("/")
        self._login = _basic(self._base)
        self._lock = threading.Lock()
        self._opened: Exchange | None = None
        chosen = endpoint.http.oauth2
        self._tokens = TokenSource(chosen, self._ask_token, setting=endpoint.setting) if chosen else None

    def get(
        self,
        path: str = "",
        *,
        params: Params | None = None,
        timeout: float = 5.0,
        accept: frozenset[int] | None = _OK,
        max_bytes: int = MAX_BYTES,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """GET ``path`` under the endpoint's URL ("" = the URL itself) and read the whole body within ``timeout`` s.

        A status outside ``accept`` (None = any) and every failure on the way raise CouldNotLook. ``max_bytes`` bounds
        the unpacked body; of an error's body under ``accept=None`` the first 256 kB within a second are given.
        """
        return self._call("GET", path, params, timeout, accept, max_bytes, headers)

    def head(
        self,
        path: str = "",
        *,
        params: Params | None = None,
        timeout: float = 5.0,
        accept: frozenset[int] | None = _OK,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """HEAD ``path``: status and headers only; raises as ``get``."""
        return self._call("HEAD", path, params, timeout, accept, 0, headers)

    @overload
    def get_json(self, path: str = "", *, type: type[T], **how: Any) -> T: ...
    @overload
    def get_json(self, path: str = "", **how: Any) -> Any: ...
    def get_json(self, path: str = "", *, type: Any = Any, **how: Any) -> Any:
        """``get`` decoded into ``type``; HTML, broken JSON and other shapes are "bad-answer" naming what came."""
        return self.decode(self.get(path, **how), type)

    def decode(self, answer: HttpAnswer, type: type[T]) -> T:
        """An answer's JSON body as ``type``; raises CouldNotLook("bad-answer")."""
        try:
            return msgspec.json.decode(answer.body, type=ready(type))
        except msgspec.ValidationError as error:
            says = f"{answer.url} answered with JSON of another shape: {redact(printable(str(error)))}"
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            broken = answer.body.lstrip()[:1] in (b"{", b"[") and not answer.is_html
            came = f"broken JSON ({printable(str(error))})" if broken else f"{what_came(answer)}, not JSON"
            says = f"{answer.url} answered with {came}"
        raise CouldNotLook("bad-answer", says, address=self.address, setting=self.setting)

    def post_query(self, path: str, form: Params, *, timeout: float, max_bytes: int = MAX_BYTES) -> HttpAnswer:
        """POST a PromQL query as a form; any status is returned. Refuses every path that is not a query's."""
        if not path.endswith(_QUERY_PATHS):
            raise ValueError(f"{path} is not a query: the read side posts to nothing else")
        body = urlencode(list(_pairs(form))).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._call("POST", path, None, timeout, None, max_bytes, kind, body)

    def post_review(self, body: bytes, *, timeout: float) -> HttpAnswer:
        """POST a Kubernetes SelfSubjectAccessReview ("may I?"): answered, never stored; any status is returned."""
        kind = {"Content-Type": "application/json", "Accept": "application/json"}
        return self._call("POST", _REVIEW_PATH, None, timeout, None, 2**20, kind, body)

    def failure(self, answer: HttpAnswer) -> CouldNotLook:
        """What an answer with an unaccepted status means, with this endpoint's setting."""
        return failure(answer, setting=self.setting)

    def close(self) -> None:
        """Close all connections; a later call opens new ones."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened:
            opened.close()

    def _call(
        self,
        method: str,
        path: str,
        params: Params | None,
        timeout: float,
        accept: frozenset[int] | None,
        max_bytes: int,
        headers: Mapping[str, str] | None,
        body: bytes = b"",
    ) -> HttpAnswer:
        deadline = time.monotonic() + timeout  # loading httpx counts: it takes a second on a busy machine

        from opsctl.clients.http_exchange import Limits

        limits = Limits(deadline, timeout, accept, max_bytes)
        url = self._url(path, params)
        sent = {**dict(self.endpoint.http.headers), **(headers or {})}
        if self._login and not any(name.lower() == "authorization" for name in sent):
            sent["Authorization"] = self._login
        try:
            if timeout <= 0:
                raise CouldNotLook("timeout", "no time was left to ask")
            answer = self._authorized(method, url, sent, body, limits)
        except CouldNotLook as failed:
            failed.address = failed.address or self.address
            failed.setting = failed.setting or self.setting
            raise
        if not limits.wants(answer.status):
            raise self.failure(answer)
        return answer

    def _authorized(self, method: str, url: str, sent: dict[str, str], body: bytes, limits: Limits) -> HttpAnswer:
        """With a token if the endpoint wants one, renewed once when the server no longer takes it."""
        if not self._tokens:
            return self._followed(method, url, sent, body, limits)
        token = self._tokens.header(limits.deadline - time.monotonic())
        answer = self._followed(method, url, {**sent, "Authorization": token}, body, limits)
        if answer.status == 401:
            self._tokens.forget(token)
            token = self._tokens.header(limits.deadline - time.monotonic())
            answer = self._followed(method, url, {**sent, "Authorization": token}, body, limits)
        return answer

    def _followed(self, method: str, url: str, sent: dict[str, str], body: bytes, limits: Limits) -> HttpAnswer:
        """Redirects are followed inside the origin only; a query is never turned from POST into GET by one."""
        for _ in range(_REDIRECTS + 1):
            answer = self._exchange().send(method, url, sent, body, limits)
            if answer.status not in _REDIRECTED or (limits.accept and answer.status in limits.accept):
                return answer
            if method not in ("GET", "HEAD") and answer.status not in (307, 308):
                return answer
            url = _redirect(url, answer)
        raise CouldNotLook("bad-answer", f"{answer.url} redirects more than {_REDIRECTS} times")

    def _exchange(self) -> Exchange:
        from opsctl.clients.http_exchange import Exchange

        with self._lock:
            if self._opened is None:
                self._opened = Exchange(self.endpoint.http)
            return self._opened

    def _ask_token(self, headers: dict[str, str], form: bytes, timeout: float) -> HttpAnswer:
        """POST to the OAuth 2.0 token server: the one POST besides queries; it changes nothing that is watched."""
        from opsctl.clients.http_exchange import Limits

        chosen = self.endpoint.http.oauth2
        if chosen is None:
            raise AssertionError("a token is asked for only when oauth2 is set")
        sent = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json", **headers}
        limits = Limits(time.monotonic() + timeout, timeout, None, 2**20)
        return self._exchange().send("POST", chosen.token_url, sent, form, limits)

    def _url(self, path: str, params: Params | None) -> str:
        base = self._base
        where = base.path or "/"
        if path:
            where = base.path.rstrip("/") + "/" + quote(path.lstrip("/"), safe="/%:@!$&'()*+,;=~-._")
        query = "&".join(part for part in (base.query, urlencode(list(_pairs(params or {})))) if part)
        return f"{base.scheme}://{base.netloc.rpartition('@')[2]}{where}" + (f"?{query}" if query else "")


def _pairs(params: Params) -> Iterator[tuple[str, str]]:
    for name, value in params.items():
        if isinstance(value, str | int | float):
            yield name, str(value)
        else:
            yield from ((name, str(one)) for one in value)


def _split(endpoint: Endpoint) -> SplitResult:
    """The endpoint's URL in parts ("http://" may be left out); raises CouldNotLook("unresolved")."""
    url = endpoint.url.strip()
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme in _PORTS and parts.hostname and parts.port != 0:
            return parts
    except ValueError:
        pass
    says = f"the address of {endpoint.name} is not an http:// or https:// URL with a host"
    raise CouldNotLook("unresolved", says, setting=endpoint.setting)


def _redirect(url: str, answer: HttpAnswer) -> str:
    location = answer.headers.get("location", "")
    target = urljoin(url, location)
    if location and _origin(urlsplit(target)) == _origin(urlsplit(url)):
        return target.partition("#")[0]
    # This endpoint's credentials must not reach another server, and its answer would not be this server's.
    elsewhere = shown(urlsplit(target)) if location else "nowhere"
    says = f"HTTP {answer.status} from {answer.url} redirects to {elsewhere}, which is another origin"
    raise CouldNotLook("bad-answer", f"{says}; set the address to where the service really is")


def _origin(parts: SplitResult) -> tuple[str, str, int | None]:
    try:
        return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return parts.scheme, "", None


def _basic(parts: SplitResult) -> str:
    if parts.username is None and parts.password is None:
        return ""
    login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(login.encode()).decode()
