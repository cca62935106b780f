"""The HTTP side of the simulated services: exact routes, JSON in and out, keep-alive, loopback only."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from opsctl.lab import clock
from opsctl.lab.identity import HOST

MAX_BODY = 1 << 20


class Request(NamedTuple):
    """One request: ``tail`` is what follows the route's path, for routes that end in ``/``."""

    method: str
    path: str
    tail: str
    headers: Any
    body: bytes
    client: str
    asked: str = ""  # what follows the question mark

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query."""
        return dict(parse_qsl(self.asked))

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; an empty dict when it is none."""
        try:
            found = json.loads(self.body or b"{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


class Answer(NamedTuple):
    """Status and body; a dict or list is sent as JSON."""

    status: int
    body: Any = ""
    type: str = "application/json"


Handler = Callable[[Request], Answer]


def page(body: bytes) -> Answer:
    """A metrics page."""
    return Answer(200, body, "text/plain; version=0.0.4; charset=utf-8")


class Server(ThreadingHTTPServer):
    """The server of one port."""

    daemon_threads = True
    request_queue_size = 128
    routes: dict[tuple[str, str], Handler]

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._links: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, to hang up when the service ends."""
        self._links.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """The connection ended."""
        self._links.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that clients keep open."""
        for link in list(self._links):
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one segment
    timeout = 120
    server: Server
    server_version = "lab"
    sys_version = ""

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY:
            self.close_connection = True
            return self._send(Answer(413, {"detail": "too large"}))
        body = self.rfile.read(length) if length else b""
        path, _, asked = self.path.partition("?")
        handler = self.server.routes.get((self.command, path))
        tail = ""
        if handler is None:
            head, _, tail = path.rpartition("/")
            handler = self.server.routes.get((self.command, head + "/"))
        if handler is None:
            handler, tail = self._under(path)
        if handler is None:
            known = any(p == path for _, p in self.server.routes)
            return self._send(Answer(405 if known else 404, {"detail": "Method not allowed" if known else "Not found"}))
        client = self.client_address[0]
        return self._send(handler(Request(self.command, path, tail, self.headers, body, client, asked)))

    def _under(self, path: str) -> tuple[Handler | None, str]:
        """The route ``/x/...`` that a path is under, and the rest of the path."""
        head = path
        while head:
            head, _, _ = head.rpartition("/")
            if handler := self.server.routes.get((self.command, head + "/...")):
                return handler, path.removeprefix(head + "/")
        return None, ""

    def _send(self, answer: Answer) -> None:
        body = answer.body
        if not isinstance(body, bytes):
            body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _serve  # noqa: N815

    def do_HEAD(self) -> None:
        """As GET, without the body."""
        self.command = "GET"
        try:
            self._serve()
        finally:
            self.command = "HEAD"

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header, by the service's own clock."""
        return super().date_time_string(clock.now() if timestamp is None else timestamp)

    def log_message(self, format: str, *args: Any) -> None:
        """The services write their own log."""


def serve(port: int, routes: dict[tuple[str, str], Handler]) -> Server:
    """Listen on 127.0.0.1 and answer in threads; a route path that ends in ``/`` takes one more segment,
    one that ends in ``/...`` any number of them."""
    server = Server((HOST, port), _Handler, bind_and_activate=False)
    server.routes = routes
    server.allow_reuse_address = True
    server.server_bind()
    server.server_activate()
    server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.5}, daemon=True).start()
    return server
