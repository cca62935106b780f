"""An HTTP server that misbehaves in one way, over bare sockets. Every way is a function of the connection.

with BadServer(drips_body) as server:
    HttpReader(endpoint(server.url)).get()
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import socket
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType

HOST = "127.0.0.1"
MIB = 2**20


class Talk:
    """One connection. ``request`` is what came up to the end of its body."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self.sock = sock
        self.stopping = stopping
        self.request = b""

    def read_request(self) -> bool:
        """Read one request; False when the client has gone."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.sock.recv(65536)
            if not piece:
                return False
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(body) < length:
            body += self.sock.recv(65536)
        self.request = data
        return True

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.sock.sendall(data)

    def wait(self, seconds: float) -> bool:
        """Sleep; True when the server is being stopped."""
        return self.stopping.wait(seconds)


Behaviour = Callable[[Talk], None]


class BadServer:
    """Serves each request with ``behaviour``, then closes the connection."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.requests: list[bytes] = []
        self._stopping = threading.Event()
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.netloc = f"{HOST}:{self.port}"
        self.url = f"http://{self.netloc}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        talk = Talk(sock, self._stopping)
        with contextlib.suppress(OSError), sock:
            if talk.read_request():
                self.requests.append(talk.request)
                self.behaviour(talk)

    def __enter__(self) -> BadServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._listener.close()


def answer(status: int, body: bytes, kind: str = "application/json", *headers: str) -> Behaviour:
    """A complete, well-formed answer."""
    head = f"HTTP/1.1 {status} Whatever\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    head += "".join(f"{header}\r\n" for header in headers) + "Connection: close\r\n\r\n"

    def behave(talk: Talk) -> None:
        talk.send(head.encode() + body)

    return behave


def hangs(talk: Talk) -> None:
    """Takes the request and says nothing."""
    talk.wait(60)


def drips_headers(talk: Talk) -> None:
    """A byte of the headers every 50 ms, without end."""
    talk.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not talk.wait(0.05):
        talk.send(b"a")


def drips_body(talk: Talk) -> None:
    """A byte of the body every 50 ms, without end."""
    talk.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n")
    while not talk.wait(0.05):
        talk.send(b"1\r\n \r\n")


def drips_error(talk: Talk) -> None:
    """A 500 whose explanation never ends."""
    talk.send(b"HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not talk.wait(0.05):
        talk.send(b"2\r\nno\r\n")


def closes(talk: Talk) -> None:
    """Closes without an answer."""


def resets(talk: Talk) -> None:
    """Resets the connection."""
    talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def closes_half_way(talk: Talk) -> None:
    """Closes after a part of the promised body."""
    talk.send(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{"status":"succ')


def closes_half_way_chunked(talk: Talk) -> None:
    """Closes inside a chunked body."""
    talk.send(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n')


def not_http(talk: Talk) -> None:
    """Another protocol."""
    talk.send(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n")
    talk.wait(1)


def tls_alert(talk: Talk) -> None:
    """What many TLS servers answer to plain HTTP: an alert record."""
    talk.send(b"\x15\x03\x01\x00\x02\x02\x46")


def endless_headers(talk: Talk) -> None:
    """Headers without end."""
    talk.send(b"HTTP/1.1 200 OK\r\n")
    for number in range(100_000):
        talk.send(b"X-%d: %s\r\n" % (number, b"a" * 1000))


def huge(talk: Talk) -> None:
    """200 MiB of JSON in chunks, its length not told."""
    talk.send(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n')
    piece = b"%x\r\n%s\r\n" % (MIB, b"a" * MIB)
    for _ in range(200):
        talk.send(piece)
    talk.send(b'4\r\n":1}\r\n0\r\n\r\n')


def huge_told(talk: Talk) -> None:
    """200 MiB, its length told in advance."""
    talk.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (200 * MIB))
    for _ in range(200):
        talk.send(b" " * MIB)


@functools.cache
def _bomb() -> bytes:
    return gzip.compress(b" " * (200 * MIB), 1)


def gzip_bomb(talk: Talk) -> None:
    """200 MiB of blanks in about 200 kB."""
    packed = _bomb()
    talk.send(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
        % len(packed)
    )
    talk.send(packed)


def gzip_broken(talk: Talk) -> None:
    """Says gzip, sends something else."""
    answer(200, b"this is not gzip at all", "application/json", "Content-Encoding: gzip")(talk)


def redirects_elsewhere(talk: Talk) -> None:
    """To another origin, as a login proxy does."""
    answer(302, b"", "text/html", "Location: https://u:p@login.example.com/sign-in?token=abc")(talk)


def redirects_for_ever(talk: Talk) -> None:
    """To itself."""
    answer(302, b"", "text/html", "Location: /again")(talk)


HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Who are you?</body></html>"
html = answer(200, HTML, "text/html; charset=utf-8")
broken_json = answer(200, b'{"status": "success", "data": {"resultType": "vec')
empty_body = answer(200, b"")
bare_nan = answer(200, b'{"status": "success", "data": NaN}')
other_shape = answer(200, b'["success", {"labels": 3}]')
binary = answer(200, bytes(range(256)) * 4, "application/octet-stream")
unauthorized = answer(401, b"", "text/plain", 'WWW-Authenticate: Basic realm="x"')
forbidden = answer(403, HTML, "text/html")
not_found = answer(404, b"404 page not found", "text/plain")
throttled = answer(429, b"slow down", "text/plain", "Retry-After: 30")
oops = answer(500, b"<html><body><h1>Internal Server Error</h1>\x1b[31mboom</body></html>", "text/html")
bad_gateway = answer(502, b"upstream connect error", "text/plain")
tls_only = answer(400, b"Client sent an HTTP request to an HTTPS server.\n", "text/plain")


def refusing_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def elapsed(act: Callable[[], object]) -> tuple[float, BaseException | None]:
    """Seconds that ``act`` took and what it raised."""
    begun = time.monotonic()
    try:
        act()
    except Exception as error:
        return time.monotonic() - begun, error
    return time.monotonic() - begun, None
