"""A TCP proxy that makes any server slow: the first answer on each connection comes so much later."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

from tests.servers import process


class Slow:
    """Listens on ``port`` for as long as the test wants. ``delay``: seconds from a connection's first byte to its
    first answer; later answers on the same connection pass at once. Change it at any time."""

    def __init__(self, target: int, delay: float) -> None:
        self.target = target
        self.delay = delay
        self.port = process.free_port()
        self.netloc = f"{process.HOST}:{self.port}"
        self._listener = socket.create_server((process.HOST, self.port), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """Accept no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection((process.HOST, self.target), timeout=10)
            except OSError:
                return
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            asked = threading.Event()
            threading.Thread(target=self._pump, args=(client, server, asked, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, asked, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, asked: threading.Event, answers: bool) -> None:
        first = True
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if answers and first:
                    asked.wait(10)  # gRPC servers speak first
                    time.sleep(self.delay)
                if not answers:
                    asked.set()
                first = False
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def start_slow(target: int, delay: float = 0.2) -> Slow:
    """A proxy in front of the local port ``target``."""
    return Slow(target, delay)
