"""An HTTP server that records what it is asked, alone or before a real one; says whether anything was a write.

with Recorder(upstream=prometheus.url) as recorder:
    diagnose(prometheus_url=recorder.url)
    recorder.assert_only_reads()
"""

from __future__ import annotations

import http.client
import http.server
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import NamedTuple
from urllib.parse import urlsplit

HOST = "127.0.0.1"

# POSTs that ask and change nothing: PromQL queries (a URL may be too short for them), "may I?" of Kubernetes.
READ_POSTS = (
    "/api/v1/query",
    "/api/v1/query_range",
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
)

Answer = tuple[int, str, bytes]  # status, content type, body
Page = str | bytes | Answer | Callable[["Seen"], Answer]


class Seen(NamedTuple):
    """One request as it came; header names in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def is_read(self) -> bool:
        """Whether it can change nothing."""
        return self.method in ("GET", "HEAD") or (self.method == "POST" and self.path.endswith(READ_POSTS))


class Recorder:
    """``pages``: path -> text (JSON), bytes (plain text), an Answer or a function; ``upstream`` answers the rest."""

    def __init__(self, pages: Mapping[str, Page] | None = None, *, upstream: str = "") -> None:
        self.pages: dict[str, Page] = dict(pages or {})
        self.seen: list[Seen] = []
        self._upstream = urlsplit(upstream)
        self._lock = threading.Lock()
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else b""
                path, _, query = self.path.partition("?")
                headers = {name.lower(): value for name, value in self.headers.items()}
                seen = Seen(self.command, path, query, headers, body)
                with recorder._lock:
                    recorder.seen.append(seen)
                status, kind, data = recorder._answer(seen)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = answer

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://{HOST}:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def writes(self) -> list[str]:
        """Every request that may have changed something, as "METHOD path"."""
        with self._lock:
            return [f"{seen.method} {seen.path}" for seen in self.seen if not seen.is_read]

    def assert_only_reads(self, *, some: bool = True) -> None:
        """Fail on any write, and (``some``) when nothing was asked at all: an unused recorder proves nothing."""
        assert self.writes() == []
        assert self.seen or not some, f"nobody asked {self.url}"

    def stop(self) -> None:
        """Stop it; the port then refuses."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _answer(self, seen: Seen) -> Answer:
        page = self.pages.get(seen.path)
        if page is None:
            return self._forward(seen) if self._upstream.netloc else (404, "text/plain", b"no such page\n")
        if isinstance(page, str):
            return 200, "application/json", page.encode()
        if isinstance(page, bytes):
            return 200, "text/plain; charset=utf-8", page
        return page(seen) if callable(page) else page

    def _forward(self, seen: Seen) -> Answer:
        link = http.client.HTTPConnection(self._upstream.netloc, timeout=30)
        target = self._upstream.path.rstrip("/") + seen.path + (f"?{seen.query}" if seen.query else "")
        passed = {name: value for name, value in seen.headers.items() if name in ("content-type", "authorization")}
        try:
            link.request(seen.method, target, seen.body or None, passed)
            got = link.getresponse()
            return got.status, got.getheader("Content-Type") or "text/plain", got.read()
        except OSError as error:
            return 502, "text/plain", f"upstream: {error}".encode()
        finally:
            link.close()
