"""The part of a kubelet that gives logs: an HTTPS server that the API server asks, with a client certificate."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from tests.servers import process
from tests.servers.kube_files import Files


class Kubelet:
    """``logs``: (namespace, pod, container, previous) -> lines, or why there are none.

    Any pod not named there has the usual lines.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self.port = process.free_port()
        self.logs: dict[tuple[str, str, str, bool], list[str] | str] = {}
        self.asked: list[str] = []
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> Kubelet:
        """Listen on ``port`` of the loopback."""
        kubelet = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                kubelet.asked.append(self.path)
                told = kubelet.answer(path, parse_qs(query))
                body = (told if isinstance(told, str) else "".join(f"{line}\n" for line in told)).encode()
                limit = parse_qs(query).get("limitBytes")
                body = body[: int(limit[0])] if limit else body
                self.send_response(400 if isinstance(told, str) else 200)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Tests read ``asked``."""

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._files.server_cert, self._files.server_key)
        context.load_verify_locations(self._files.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        self._server = ThreadingHTTPServer((process.HOST, self.port), Handler)
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(timeout=2)
            self._server = None

    def answer(self, path: str, query: dict[str, list[str]]) -> list[str] | str:
        """The lines for ``/containerLogs/NAMESPACE/POD/CONTAINER``, or why there are none."""
        _, _, namespace, pod, container = path.split("/", 4)
        previous = query.get("previous") == ["true"]
        usual = ["starting", "Traceback (most recent call last):", "KeyError: 'QUEUE_URL'"] if previous else ["serving"]
        lines = self.logs.get((namespace, pod, container, previous), usual)
        if isinstance(lines, str):
            return lines
        tail = int(query["tailLines"][0]) if "tailLines" in query else len(lines)
        if query.get("timestamps") == ["true"]:
            lines = [f"2026-01-02T03:04:05.{number:09d}Z {line}" for number, line in enumerate(lines)]
        return lines[-tail:]
