"""One HTTP request and its answer over ``wire``, bounded in time and size, failures named. Loaded on first use."""

from __future__ import annotations

import io
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpcore

from opsctl import __version__
from opsctl.clients import wire
from opsctl.clients.http_answer import HttpAnswer, parse_date, shown
from opsctl.clients.httpx_library import httpx
from opsctl.clients.proxy import proxy_for
from opsctl.config.endpoint import HttpAccess
from opsctl.errors import CouldNotLook, Reason
from opsctl.redact import printable, redact

_ERROR = 256 * 1024  # bytes read of an answer that only explains an error
_ERROR_SECONDS = 1.0  # and how long they may take
_PIECE = 2**20  # bytes unpacked at a time: a small packed body must not fill all memory


class Limits(NamedTuple):
    """Bounds of one call: ``deadline`` is time.monotonic(), ``accept`` None means any status."""

    deadline: float
    timeout: float
    accept: frozenset[int] | None
    max_bytes: int

    def wants(self, status: int) -> bool:
        """Whether an answer with this status is what was asked for."""
        return self.accept is None or status in self.accept

    def whole(self, status: int) -> bool:
        """Whether its body must be complete; an error's explanation need not be."""
        return status in self.accept if self.accept else status < 400


class Exchange:
    """The connection pools of one endpoint, one per origin (the service's, and its token server's if any)."""

    def __init__(self, access: HttpAccess) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._clients: dict[str, httpx.Client] = {}

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            client.close()

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes, limits: Limits) -> HttpAnswer:
        """The answer, whatever its status; repeated once when a kept-alive connection turns out to be dead."""
        name = redact(shown(urlsplit(url), query=True))
        try:
            client = self._client(url)
            with wire.call(limits.deadline, limits.timeout) as call:
                try:
                    return self._once(client, call, method, url, name, headers, body, limits)
                except (httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError) as error:
                    # A server may close an idle connection just as it is used again. Only reads are repeated.
                    if call.connected or call.received or method not in ("GET", "HEAD"):
                        raise _cut_off(error, call.received, name) from None
            with wire.call(limits.deadline, limits.timeout) as call:
                try:
                    return self._once(client, call, method, url, name, headers, body, limits)
                except (httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError) as error:
                    raise _cut_off(error, call.received, name) from None
        except httpcore.PoolTimeout:
            says = f"all connections for {name} are busy; none became free within {limits.timeout:.3g} s"
            raise CouldNotLook("timeout", says) from None
        except httpcore.ProxyError as error:
            raise _proxy_failure(str(error)) from None
        except (httpcore.LocalProtocolError, httpx.InvalidURL, ValueError):
            # The library's own message would quote the header, which may be a credential.
            says = f"the request for {name} cannot be sent: a header or the URL holds characters that are not allowed"
            raise CouldNotLook("bad-query", says) from None

    def _once(
        self,
        client: httpx.Client,
        call: wire.Call,
        method: str,
        url: str,
        name: str,
        headers: Mapping[str, str],
        body: bytes,
        limits: Limits,
    ) -> HttpAnswer:
        started = time.monotonic()
        extensions: dict[str, Any] = {"timeout": {"pool": max(0.001, call.left())}}
        if self._access.server_name:
            extensions["sni_hostname"] = self._access.server_name
        request = client.build_request(method, url, headers=dict(headers), content=body or None, extensions=extensions)
        answer = client.send(request, stream=True)
        try:
            names = {key.lower(): value for key, value in answer.headers.items()}
            got = b"" if method == "HEAD" else _body(answer, names, call, limits, name)
        finally:
            answer.close()
        return HttpAnswer(
            status=answer.status_code,
            headers=names,
            body=got,
            url=name,
            seconds=time.monotonic() - started,
            date=parse_date(names.get("date", "")),
        )

    def _client(self, url: str) -> httpx.Client:
        parts = urlsplit(url)
        key = f"{parts.scheme}://{parts.netloc}"
        with self._lock:
            client = self._clients.get(key)
            if client is None:
                proxy = self._access.proxy_url or proxy_for(parts)
                secure = parts.scheme == "https"
                client = wire.client(self._access, secure=secure, proxy=proxy, agent=f"opsctl/{__version__}")
                self._clients[key] = client
            return client


def _body(answer: httpx.Response, names: Mapping[str, str], call: wire.Call, limits: Limits, name: str) -> bytes:
    packed = names.get("content-encoding", "").strip().lower()
    if not limits.whole(answer.status_code):
        return _explanation(answer, packed, call)
    length = names.get("content-length", "")
    if length.isdigit() and int(length) > limits.max_bytes and not packed:
        raise _too_large(name, limits.max_bytes)
    whole = io.BytesIO()
    for piece in _unpacked(answer, packed, name):
        if whole.tell() + len(piece) > limits.max_bytes:
            raise _too_large(name, limits.max_bytes)
        whole.write(piece)
    return whole.getvalue()


def _explanation(answer: httpx.Response, packed: str, call: wire.Call) -> bytes:
    """The beginning of a body that explains an error; empty when it does not come."""
    whole = b""
    call.deadline = min(call.deadline, time.monotonic() + _ERROR_SECONDS)
    try:
        for piece in _unpacked(answer, packed, ""):
            whole += piece[:_ERROR]
            if len(whole) >= _ERROR:
                break
    except (CouldNotLook, httpcore.ReadError, httpcore.RemoteProtocolError):
        pass  # the status is known, and says more than the failure to read its explanation
    return whole[:_ERROR]


def _unpacked(answer: httpx.Response, packed: str, name: str) -> Iterator[bytes]:
    if packed in ("", "identity"):
        yield from answer.iter_raw()
        return
    if packed not in ("gzip", "x-gzip"):
        raise CouldNotLook("bad-answer", f"{name} answered packed as {printable(packed)}, which was not asked for")
    unzip = zlib.decompressobj(wbits=31)
    try:
        for raw in answer.iter_raw():
            data = raw
            while data:
                yield unzip.decompress(data, _PIECE)
                data = unzip.unconsumed_tail
                if unzip.eof and (data := unzip.unused_data):  # gzip files may follow one another
                    unzip = zlib.decompressobj(wbits=31)
    except zlib.error:
        raise CouldNotLook("bad-answer", f"{name} answered with broken gzip data") from None
    while not unzip.eof and (piece := unzip.decompress(b"", _PIECE)):
        yield piece
    if not unzip.eof:
        raise CouldNotLook("closed", f"{name} closed the connection half-way through the answer")


def _too_large(name: str, max_bytes: int) -> CouldNotLook:
    return CouldNotLook("too-large", f"the answer of {name} is larger than the limit of {max_bytes / 2**20:.4g} MiB")


def _cut_off(error: Exception, received: int, name: str) -> CouldNotLook:
    text = str(error)
    if isinstance(error, httpcore.RemoteProtocolError) and "too long" in text:
        return CouldNotLook("too-large", f"{name} answered with headers larger than 100 kB")
    if isinstance(error, httpcore.RemoteProtocolError) and "peer closed" not in text and "disconnected" not in text:
        return CouldNotLook("bad-answer", f"{name} answered with something that is not HTTP")
    if received:
        return CouldNotLook(
            "closed", f"{name} closed the connection half-way through the answer ({received} bytes came)"
        )
    return CouldNotLook("closed", f"{name} closed the connection without an answer")


def _proxy_failure(text: str) -> CouldNotLook:
    status = int(text[:3]) if text[:3].isdigit() else 0
    reasons: dict[int, Reason] = {401: "unauthorized", 407: "unauthorized", 403: "forbidden", 429: "throttled"}
    reason: Reason = reasons.get(status, "server-error" if status >= 500 else "bad-answer")
    return CouldNotLook(reason, f"the proxy refuses the connection: {printable(text)}")
