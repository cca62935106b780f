"""A small HTTP server for tests: pages to scrape, webhooks to receive, every request recorded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from tests.servers import process

Page = str | bytes | Callable[[], str | bytes | tuple[int, str | bytes]]


class Request(NamedTuple):
    """One request as it came. ``headers`` with lower-case names."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Web:
    """``pages``: path without query -> text, bytes, or a function that gives them (or a status and them).

    Change ``pages`` at any time. POST to a known path is recorded and answered as a GET.
    """

    def __init__(self, pages: Mapping[str, Page] | None = None) -> None:
        self.pages: dict[str, Page] = dict(pages or {})
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else b""
                headers = {name.lower(): value for name, value in self.headers.items()}
                with web._lock:
                    web.requests.append(Request(self.command, self.path, headers, body))
                status, page = web.answer(self.path.partition("?")[0])
                self.send_response(status)
                self.send_header("Content-Type", "text/plain; charset=utf-8")
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(page)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = answer

            def log_message(self, format: str, *args: object) -> None:
                """Tests read ``requests``."""

        self.port = process.free_port()
        self._server = ThreadingHTTPServer((process.HOST, self.port), Handler)
        self._server.daemon_threads = True
        self.url = f"http://{process.HOST}:{self.port}"
        self.netloc = f"{process.HOST}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def answer(self, path: str) -> tuple[int, bytes]:
        """Status and body for a path."""
        page = self.pages.get(path)
        if page is None:
            return 404, b"no such page\n"
        status = 200
        if callable(page):
            made = page()
            status, page = made if isinstance(made, tuple) else (200, made)
        return status, page.encode() if isinstance(page, str) else page

    def wait_for(self, holds: Callable[[list[Request]], bool], timeout: float = 60.0) -> list[Request]:
        """Wait until the recorded requests ``holds``; a copy of them. Raises TimeoutError."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            with self._lock:
                seen = list(self.requests)
            if holds(seen):
                return seen
            time.sleep(0.05)
        raise TimeoutError(f"the requests to {self.url} did not come to hold within {timeout:g} s")

    def stop(self) -> None:
        """Stop it; the port then refuses."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def start_web(pages: Mapping[str, Page] | None = None) -> Web:
    """A running server; stop it with ``stop``."""
    return Web(pages)
