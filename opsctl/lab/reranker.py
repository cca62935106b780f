"""The reranker outside: an HTTP API as Cohere's. It may answer late, or take no connection any more."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Any

from opsctl.lab.identity import HOST
from opsctl.lab.part import Switches
from opsctl.lab.web import Answer, Request, Server, serve

SECONDS = 0.03
SLOW_SECONDS = 1.5  # longer than the client's deadline
FILL = 4  # connections that fill a queue of length 0 on every system


class Wall:
    """A port on which connecting never completes: nobody accepts, and the queue of waiting connections is full."""

    def __init__(self, port: int) -> None:
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((HOST, port))
        self._listener.listen(0)
        self._waiting: list[socket.socket] = []
        for _ in range(FILL):
            one = socket.socket()
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect((HOST, port))
            self._waiting.append(one)

    def close(self) -> None:
        """Give the port back."""
        for one in (*self._waiting, self._listener):
            one.close()


class Reranker:
    """Listens on ``port``, or hides it behind a wall."""

    def __init__(self, port: int, switches: Switches) -> None:
        self._port, self._on = port, switches
        self._lock = threading.Lock()
        self._wall: Wall | None = None
        self._server = self._serve()

    def _serve(self) -> Server:
        return serve(self._port, {("POST", "/v2/rerank"): self.rerank})

    def change(self, on: frozenset[str]) -> None:
        """Put up the wall, or take it down."""
        with self._lock:
            walled = "rerank-unreachable" in on
            if walled and self._wall is None:
                self._server.shutdown()
                self._server.server_close()
                self._server.hang_up()
                self._wall = Wall(self._port)
            elif not walled and self._wall is not None:
                self._wall.close()
                self._wall = None
                self._server = self._serve()

    def rerank(self, request: Request) -> Answer:
        """The documents in a new order."""
        time.sleep(SLOW_SECONDS if "rerank-slow" in self._on else SECONDS)
        documents = request.json().get("documents", [])
        found = [{"index": n, "relevance_score": round(1 / (n + 1), 3)} for n in range(len(documents))]
        return Answer(200, {"results": found, "meta": {"billed_units": {"search_units": 1}}})


def start(settings: dict[str, Any], switches: Switches) -> dict[str, Any]:
    """Serve on ``port``."""
    switches.when_changed(Reranker(settings["port"], switches).change)
    return {}
