"""Bare sockets that speak no or a wrong protocol, and a proxy in front of a real server that can freeze or cut.

with RawServer(lambda sock: sock.sendall(b"nonsense")) as server: ... server.port
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType

HOST = "127.0.0.1"


class RawServer:
    """Hands each accepted connection to ``behaviour`` in a thread, then closes it."""

    def __init__(self, behaviour: Callable[[socket.socket], None]) -> None:
        self.behaviour = behaviour
        self.accepted = 0
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            self.behaviour(sock)

    def __enter__(self) -> RawServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()


def silent(sock: socket.socket) -> None:
    """Takes everything and says nothing."""
    sock.settimeout(60)
    while sock.recv(65536):
        pass


def closing(sock: socket.socket) -> None:
    """Reads a little and closes."""
    sock.recv(65536)


def resetting(sock: socket.socket) -> None:
    """Resets the connection."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def http(sock: socket.socket) -> None:
    """A web server that got the wrong port."""
    sock.recv(65536)
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<html>400</html>")


def garbage(sock: socket.socket) -> None:
    """Bytes of no protocol."""
    sock.recv(65536)
    sock.sendall(bytes(range(1, 200)) * 3)


def dripping(first: bytes, each: bytes = b"a") -> Callable[[socket.socket], None]:
    """Sends ``first``, then ``each`` every 50 ms without end."""

    def behave(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(first)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            sock.sendall(each)
            time.sleep(0.05)

    return behave


def postgres_error(sqlstate: str, text: str) -> Callable[[socket.socket], None]:
    """A Postgres that refuses TLS and answers the startup message with a FATAL error."""

    def behave(sock: socket.socket) -> None:
        while True:
            packet = sock.recv(65536)
            if not packet:
                return
            if packet[4:8] == struct.pack("!I", 80877103):  # SSLRequest
                sock.sendall(b"N")
                continue
            fields = f"SFATAL\0VFATAL\0C{sqlstate}\0M{text}\0\0".encode()
            sock.sendall(b"E" + struct.pack("!I", len(fields) + 4) + fields)
            return

    return behave


class Proxy(RawServer):
    """Passes bytes to ``port`` on this host. ``freeze`` stops passing without closing; ``delay`` holds back answers."""

    def __init__(self, port: int, source: str = HOST) -> None:
        self.target = port
        self.source = source  # the address the real server sees
        self.delay = 0.0
        self.sent = b""  # what clients sent, in the order it came
        self._frozen = threading.Event()
        self._open: list[socket.socket] = []
        super().__init__(self._pass)

    def freeze(self) -> None:
        """From now on nothing passes either way; connections stay open."""
        self._frozen.set()

    def thaw(self) -> None:
        """Undo ``freeze``."""
        self._frozen.clear()

    def cut(self) -> None:
        """Close all connections."""
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def _pass(self, client: socket.socket) -> None:
        with socket.create_connection((HOST, self.target), source_address=(self.source, 0)) as server:
            self._open += [client, server]
            while True:
                ready, _, _ = select.select([client, server], [], [], 0.05)
                if self._frozen.is_set():
                    time.sleep(0.02)
                    continue
                for sock in ready:
                    data = sock.recv(65536)
                    if not data:
                        return
                    if sock is server and self.delay:
                        time.sleep(self.delay)
                    if sock is client:
                        self.sent += data
                    (client if sock is server else server).sendall(data)
