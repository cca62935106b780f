"""The door to the network for HTTP: sockets under one deadline, connection pools, proxies. The only user of httpx.

httpx's own timeouts are per read, so a server that sends a byte a second would keep a call for ever; here each
socket operation gets what is left of the whole call. Imported by ``http`` when the first request is made.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import httpcore

from opsctl.clients.httpx_library import httpx
from opsctl.clients.tls import context_for, handshake_failure
from opsctl.config.endpoint import HttpAccess
from opsctl.errors import CouldNotLook

_CONNECTIONS = 20  # per endpoint; more at once would only press a server that is in trouble


class Call(threading.local):
    """The call this thread is making. A connection belongs to one thread while a call lasts."""

    deadline = 0.0
    timeout = 0.0
    connected = False  # a new connection was made for this call
    received = 0

    def left(self) -> float:
        return self.deadline - time.monotonic()


_call = Call()


@contextlib.contextmanager
def call(deadline: float, timeout: float) -> Iterator[Call]:
    """Put everything this thread sends and reads under ``deadline`` (time.monotonic())."""
    _call.deadline, _call.timeout, _call.connected, _call.received = deadline, timeout, False, 0
    yield _call


class Stream(httpcore.NetworkStream):
    """A connected socket. Every operation ends at the call's deadline."""

    def __init__(self, sock: socket.socket, peer: str) -> None:
        self._sock = sock
        self._peer = peer
        self._fresh = True

    def _limit(self) -> None:
        left = _call.left()
        if left <= 0:
            raise self._late()
        self._sock.settimeout(left)

    def _late(self) -> CouldNotLook:
        if _call.received:
            part = f"the answer of {self._peer} was not complete after {_call.timeout:.3g} s"
            return CouldNotLook("timeout", f"{part} ({_call.received} bytes came)")
        return CouldNotLook("timeout", f"connected to {self._peer}, but no answer within {_call.timeout:.3g} s")

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._limit()
        try:
            data = self._sock.recv(max_bytes)
        except TimeoutError:
            raise self._late() from None
        except ssl.SSLError as error:
            if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
                raise httpcore.ReadError(str(error)) from None
            raise handshake_failure(error, self._peer) from None
        except OSError as error:
            raise httpcore.ReadError(str(error)) from None
        if self._fresh and data:
            self._fresh = False
            self._recognize(data)
        _call.received += len(data)
        return data

    def _recognize(self, data: bytes) -> None:
        """Tell another protocol by its first bytes, instead of waiting for the rest of a header that never comes."""
        if data[:2] == b"\x15\x03":  # a TLS alert in answer to plain HTTP
            raise CouldNotLook("tls", f"{self._peer} is a TLS port; its address must begin with https://")
        if not data.startswith(b"\x05") and not b"HTTP/".startswith(data[:5]):  # 5: a SOCKS proxy's greeting
            raise CouldNotLook("bad-answer", f"{self._peer} answers, but does not speak HTTP")

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        view = memoryview(buffer)
        while view:
            self._limit()
            try:
                view = view[self._sock.send(view) :]
            except TimeoutError:
                raise self._late() from None
            except OSError as error:
                raise httpcore.WriteError(str(error)) from None

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Stream:
        if isinstance(self._sock, ssl.SSLSocket):
            raise CouldNotLook("unsupported", f"{self._peer}: TLS inside a TLS proxy is not supported")
        try:
            self._limit()
            wrapped = ssl_context.wrap_socket(self._sock, server_hostname=server_hostname)
        except TimeoutError:
            self.close()
            raise CouldNotLook(
                "timeout", f"connected to {self._peer}, but TLS was not agreed within {_call.timeout:.3g} s"
            ) from None
        except (OSError, ValueError) as error:
            self.close()
            failed = error if isinstance(error, OSError) else OSError(str(error))
            raise handshake_failure(failed, self._peer) from None
        return Stream(wrapped, self._peer)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # httpcore asks before it reuses a connection: readable means closed by the server
            poll = select.poll()
            poll.register(self._sock.fileno(), select.POLLIN)
            return bool(poll.poll(0))
        if info == "ssl_object" and isinstance(self._sock, ssl.SSLSocket):
            return self._sock
        return self._sock if info == "socket" else None


class Network(httpcore.NetworkBackend):
    """Opens connections; failures are named here, where address and errno are known."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Stream:
        peer = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        addresses = _resolve(host, port)
        failed: OSError = TimeoutError()
        for tried, (family, _, _, _, address) in enumerate(addresses):
            left = _call.left()
            if left <= 0:
                break
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                # One dead address (IPv6 without a route) must not eat the time of the next.
                sock.settimeout(left / (len(addresses) - tried))
                sock.connect(address)
            except OSError as error:
                sock.close()
                # "refused" says more than "no route" about a name with several addresses.
                failed = failed if isinstance(failed, ConnectionRefusedError) else error
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _call.connected = True
            return Stream(sock, peer)
        raise _connect_failure(failed, peer)


def _connect_failure(error: OSError, peer: str) -> CouldNotLook:
    if isinstance(error, ConnectionRefusedError):
        return CouldNotLook("refused", f"connection refused at {peer}: nothing listens there")
    if isinstance(error, TimeoutError):
        return CouldNotLook("timeout", f"no connection to {peer} within {_call.timeout:.3g} s")
    if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return CouldNotLook("refused", f"{peer} cannot be reached from this host: no route")
    return CouldNotLook("refused", f"no connection to {peer}: {error.strerror or error}")


def _resolve(host: str, port: int) -> list[Any]:
    """Addresses of a name. In a thread of its own, because getaddrinfo knows no timeout."""
    flags = socket.AI_NUMERICHOST if _is_number(host) else 0
    got: list[Any] = []
    problem: list[OSError | UnicodeError] = []

    def ask() -> None:
        try:
            got.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags))
        except (OSError, UnicodeError) as error:
            problem.append(error)

    if flags:
        ask()
    else:
        asker = threading.Thread(target=ask, name=f"resolve {host}", daemon=True)
        asker.start()
        asker.join(max(0.0, _call.left()))
    if problem or (not got and flags):
        raise CouldNotLook("unresolved", f"the name {host} is not known to DNS here")
    if not got:
        raise CouldNotLook("unresolved", f"the name {host} was not resolved within {_call.timeout:.3g} s")
    return got


def _is_number(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            socket.inet_pton(family, host.partition("%")[0])
            return True
    return False


class _Body(httpx.SyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    def close(self) -> None:
        self._stream.close()


class Transport(httpx.BaseTransport):
    """httpx over httpcore's pool with our sockets; httpcore's failures come out unchanged."""

    def __init__(self, access: HttpAccess, *, secure: bool, proxy: str) -> None:
        context = context_for(access) if secure else None
        kept: dict[str, Any] = {
            "ssl_context": context,
            "max_connections": _CONNECTIONS,
            "keepalive_expiry": 15.0,
            "network_backend": Network(),
        }
        self._pool: httpcore.ConnectionPool
        if not proxy:
            self._pool = httpcore.ConnectionPool(**kept)
            return
        parts = urlsplit(proxy)
        bare = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        login = (unquote(parts.username or ""), unquote(parts.password or "")) if parts.username else None
        if parts.scheme in ("socks5", "socks5h"):
            try:
                self._pool = httpcore.SOCKSProxy(bare, proxy_auth=login, **kept)
            except (ImportError, RuntimeError):
                raise CouldNotLook("missing-library", f"the proxy {bare} needs: pip install socksio") from None
        elif parts.scheme in ("http", "https"):
            if parts.scheme == "https":
                kept["proxy_ssl_context"] = context_for(HttpAccess())
            self._pool = httpcore.HTTPProxy(bare, proxy_auth=login, **kept)
        else:
            raise CouldNotLook("unsupported", f"the proxy {bare} is of no known kind (http, https, socks5)")

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        answer = self._pool.handle_request(
            httpcore.Request(
                request.method,
                httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Body(answer.stream), extensions=answer.extensions
        )

    def close(self) -> None:
        self._pool.close()


def client(access: HttpAccess, *, secure: bool, proxy: str, agent: str) -> httpx.Client:
    """A pooled client; it follows no redirect and takes nothing from the environment by itself."""
    # gzip only: it is what can be unpacked piece by piece under a size limit with the standard library.
    headers = {"User-Agent": agent, "Accept-Encoding": "gzip"}
    transport = Transport(access, secure=secure, proxy=proxy)
    return httpx.Client(transport=transport, trust_env=False, follow_redirects=False, headers=headers)
