"""A double of one KyroDB instance over real gRPC, that answers whatever a test wants, or nothing.

Not the lab's: that one has a fault catalogue and an HTTP port. The messages are the lab's, written apart from the
client's decoder, so that the two check each other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc

from opsctl.lab.kyrodb import health_response
from tests.servers import used

HOST = "127.0.0.1"
UNKNOWN, HEALTHY, DEGRADED, UNHEALTHY = range(4)
COMPONENTS = {
    "cache": "healthy (512 entries)",
    "hot_tier": "healthy (2048 docs)",
    "cold_tier": "healthy (61440 docs)",
    "wal": "healthy",
}


class Kyrodb:
    """``status``, ``components``, ``uptime``, ``delay`` (s), ``fails`` (a gRPC code), ``answer`` (raw bytes) may be
    changed while it runs. ``key``: the API key it wants. ``tls``: certificate and key files."""

    def __init__(self, *, key: str = "", tls: tuple[Path, Path] | None = None, offers: bool = True) -> None:
        self.status = HEALTHY
        self.components = dict(COMPONENTS)
        self.uptime = 86_400
        self.delay = 0.0
        self.fails: grpc.StatusCode | None = None
        self.answer: bytes | None = None
        self.asked: list[bytes] = []
        self.metadata: dict[str, str] = {}
        self.each: Callable[[int], None] = lambda number: None  # called with the number of the call before it answers
        self._key = key
        self._over = threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        same = {"Health": grpc.unary_unary_rpc_method_handler(self._health)} if offers else {}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("kyrodb.v1.KyroDBService", same),))
        if tls is None:
            self.port = self._server.add_insecure_port(f"{HOST}:0")
        else:
            pair = (tls[1].read_bytes(), tls[0].read_bytes())
            self.port = self._server.add_secure_port(f"{HOST}:0", grpc.ssl_server_credentials([pair]))
        self.address = f"{HOST}:{self.port}"
        self._server.start()
        used.note("kyrodb", "kyrodb.v1", "double", "(Health over real gRPC)")

    def _health(self, request: bytes, context: Any) -> bytes:
        self.asked.append(request)
        self.each(len(self.asked))
        self.metadata = dict(context.invocation_metadata())
        if self._key and self.metadata.get("x-api-key") != self._key:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "missing or invalid API key")
        if self.delay:
            self._over.wait(self.delay)
        if self.fails is not None:
            context.abort(self.fails, "as told")
        if request and request[2:].decode() not in COMPONENTS:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"unknown component: {request[2:].decode()}")
        if self.answer is not None:
            return self.answer
        return health_response(self.status, "0.9.2", self.components, self.uptime, "abc1234")

    def stop(self) -> None:
        """Stop it; the port then refuses."""
        self._over.set()
        self._server.stop(0).wait()

    def __enter__(self) -> Kyrodb:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
