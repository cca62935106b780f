"""One GET on a socket that never blocks: connect, TLS, send, read; every failure named. Driven by ``http_many``."""

from __future__ import annotations

import base64
import re
import selectors
import socket
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from opsctl import __version__
from opsctl.clients.http_answer import HttpAnswer, parse_date
from opsctl.clients.http_body import body_of, headers_of
from opsctl.config.endpoint import HttpAccess
from opsctl.errors import CouldNotLook
from opsctl.redact import printable, redact

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_HEAD = 100 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] +(\d{3})")


class Got(NamedTuple):
    """What came of one address: an answer, or why there is none. ``seconds``: how long it took."""

    answer: HttpAnswer | None = None
    error: CouldNotLook | None = None
    seconds: float = 0.0


class Place(NamedTuple):
    """One address. ``shown``: without user, password and what looks like a secret."""

    secure: bool
    host: str
    port: int
    target: str
    login: str
    shown: str
    numeric: bool

    @classmethod
    def of(cls, url: str) -> Place:
        """Raises CouldNotLook "unresolved" for what is no http:// or https:// URL with a host."""
        text = url.strip()
        try:
            parts = urlsplit(text if "://" in text else f"http://{text}")
            port = parts.port or {"http": 80, "https": 443}[parts.scheme]
            host = parts.hostname or ""
        except (ValueError, KeyError):
            host, port = "", 0
        if not host or any(c.isspace() or ord(c) < 32 for c in text):
            shown = redact(printable(text))[:100]
            raise CouldNotLook("unresolved", f"{shown} is not an http:// or https:// URL with a host")
        login = ""
        if parts.username is not None or parts.password is not None:
            raw = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
            login = base64.b64encode(raw.encode()).decode()
        target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        target += f"?{quote(parts.query, safe='/?%:@!$&()*+,;=~-._[]')}" if parts.query else ""
        bare = parts.netloc.rpartition("@")[2]
        shown = redact(printable(f"{parts.scheme}://{bare}{parts.path}" + (f"?{parts.query}" if parts.query else "")))
        return cls(parts.scheme == "https", host, port, target, login, shown, _is_number(host))

    @property
    def origin(self) -> tuple[bool, str, int]:
        """What connections are counted by."""
        return self.secure, self.host, self.port

    @property
    def peer(self) -> str:
        """host:port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _is_number(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except OSError:
            continue
        return True
    return False


class Fetch:
    """``go_on`` does what can be done now and says what to wait for; 0 when the answer is there."""

    def __init__(
        self, index: int, place: Place, addresses: list[Any], context: Any, access: HttpAccess, now: float, until: float
    ) -> None:
        self.index, self.place, self.started, self.until = index, place, now, until
        self.sock: socket.socket | None = None
        self.watched: socket.socket | None = None
        self.events = 0
        self._addresses = list(addresses)
        self._context, self._access = context, access
        self._step = self._connect
        self._sent = 0
        self._request = _request(place, access)
        self._read = bytearray()
        self._ended = False
        self._answer: HttpAnswer | None = None
        self._refused: OSError | None = None

    def go_on(self) -> int:
        """Raises CouldNotLook."""
        while True:
            waits = self._step()
            if waits is not None:
                return waits

    def got(self) -> Got:
        """The answer."""
        assert self._answer is not None
        return Got(self._answer, None, self._answer.seconds)

    def late(self) -> CouldNotLook:
        """No answer within its time: which part is missing."""
        place, seconds = self.place, f"{self.until - self.started:.3g} s"
        if self._step in (self._connect, self._connected):
            says = f"no connection to {place.peer} within {seconds}"
        elif self._step == self._handshake:
            says = f"connected to {place.peer}, but TLS was not agreed within {seconds}"
        elif self._read:
            says = f"the answer of {place.peer} was not complete after {seconds} ({len(self._read)} bytes came)"
        else:
            says = f"connected to {place.peer}, but no answer within {seconds}"
        return self._failed("timeout", says)

    def close(self) -> None:
        """Hang up."""
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def _failed(self, reason: Any, says: str) -> CouldNotLook:
        return CouldNotLook(reason, says, address=self.place.shown)

    def _connect(self) -> int | None:
        """Try the next address of the name."""
        self.close()
        if not self._addresses:
            raise self._no_way()
        family, _, _, _, address = self._addresses.pop(0)
        try:
            self.sock = socket.socket(family, socket.SOCK_STREAM)
            self.sock.setblocking(False)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock.connect(address)
        except BlockingIOError:
            self._step = self._connected
            return _WRITE
        except OSError as error:
            self._refused = self._refused if isinstance(self._refused, ConnectionRefusedError) else error
            return None
        self._step = self._connected
        return None

    def _connected(self) -> int | None:
        assert self.sock is not None
        code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            error = OSError(code, "")
            self._refused = self._refused if isinstance(self._refused, ConnectionRefusedError) else error
            self._step = self._connect
            return None
        if not self.place.secure:
            self._step = self._send
            return None
        from opsctl.clients.tls import handshake_failure

        try:
            name = self._access.server_name or self.place.host
            self.sock = self._context.wrap_socket(self.sock, server_hostname=name, do_handshake_on_connect=False)
        except (OSError, ValueError) as error:
            failed = error if isinstance(error, OSError) else OSError(str(error))
            raise handshake_failure(failed, self.place.peer) from None
        self._step = self._handshake
        return None

    def _handshake(self) -> int | None:
        import ssl

        from opsctl.clients.tls import handshake_failure

        assert isinstance(self.sock, ssl.SSLSocket)
        try:
            self.sock.do_handshake()
        except ssl.SSLWantReadError:
            return _READ
        except ssl.SSLWantWriteError:
            return _WRITE
        except OSError as error:
            raise handshake_failure(error, self.place.peer) from None
        self._step = self._send
        return None

    def _send(self) -> int | None:
        assert self.sock is not None
        try:
            self._sent += self.sock.send(self._request[self._sent :])
        except (BlockingIOError, InterruptedError):
            return _WRITE
        except OSError as error:
            if (waits := _tls_waits(error)) is not None:
                return waits
            raise self._failed("closed", f"{self.place.shown} closed the connection without an answer") from None
        if self._sent == len(self._request):
            self._step = self._receive
        return None

    def _receive(self) -> int | None:
        assert self.sock is not None
        try:
            data = self.sock.recv(65536)
        except (BlockingIOError, InterruptedError):
            return _READ
        except OSError as error:
            if (waits := _tls_waits(error)) is not None:
                return waits
            data = b""
        self._read += data
        self._ended = not data
        self._answer = self._parsed()
        return 0 if self._answer is not None else None

    def _parsed(self) -> HttpAnswer | None:
        """The answer, when it is all there. Raises CouldNotLook."""
        head, _, body = bytes(self._read).partition(b"\r\n\r\n")
        begins = self._read[:5]
        if begins[:2] == b"\x15\x03":
            raise self._failed("tls", f"{self.place.peer} is a TLS port; its address must begin with https://")
        if begins and not b"HTTP/".startswith(bytes(begins)):
            raise self._failed("bad-answer", f"{self.place.peer} answers, but does not speak HTTP")
        if b"\r\n\r\n" not in self._read:
            if self._ended:
                part = f"half-way through the answer ({len(self._read)} bytes came)" if self._read else ""
                says = f"{self.place.shown} closed the connection {part or 'without an answer'}"
                raise self._failed("closed", says)
            if len(self._read) > _HEAD:
                raise self._failed("too-large", f"{self.place.shown} answered with headers larger than 100 kB")
            return None
        found = _STATUS.match(head)
        if found is None:
            raise self._failed("bad-answer", f"{self.place.shown} answered with something that is not HTTP")
        status = int(found[1])
        if status < 200:  # a note before the answer
            del self._read[: len(head) + 4]
            return self._parsed() if self._read or self._ended else None
        headers = headers_of(head)
        whole = body_of(status, headers, body, self._ended)
        if whole is None:
            if self._ended:
                part = f"half-way through the answer ({len(self._read)} bytes came)"
                says = f"{self.place.shown} closed the connection {part}"
                raise self._failed("closed", says)
            return None
        import time

        return HttpAnswer(
            status=status,
            headers=headers,
            body=whole,
            url=self.place.shown,
            seconds=time.monotonic() - self.started,
            date=parse_date(headers.get("date", "")),
        )

    def _no_way(self) -> CouldNotLook:
        import errno
        import os

        error, peer = self._refused, self.place.peer
        code = error.errno if error is not None else None
        if code == errno.ECONNREFUSED:
            return self._failed("refused", f"connection refused at {peer}: nothing listens there")
        if code in (errno.EHOSTUNREACH, errno.ENETUNREACH):
            return self._failed("refused", f"{peer} cannot be reached from this host: no route")
        if code == errno.ETIMEDOUT:
            return self._failed("timeout", f"no connection to {peer}: it does not answer")
        return self._failed("refused", f"no connection to {peer}: {os.strerror(code) if code else 'no address'}")


def _request(place: Place, access: HttpAccess) -> bytes:
    default = 443 if place.secure else 80
    host = f"[{place.host}]" if ":" in place.host else place.host
    lines = [
        f"GET {place.target} HTTP/1.1",
        f"Host: {host}" + ("" if place.port == default else f":{place.port}"),
        f"User-Agent: opsctl/{__version__}",
        "Accept: application/json, */*;q=0.5",
        "Accept-Encoding: identity",
        "Connection: close",
    ]
    if place.login:
        lines.append(f"Authorization: Basic {place.login}")
    lines += [f"{name}: {value}" for name, value in access.headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _tls_waits(error: OSError) -> int | None:
    """What TLS waits for, when that is all that is wrong."""
    kind = type(error).__name__
    return _READ if kind == "SSLWantReadError" else _WRITE if kind == "SSLWantWriteError" else None
