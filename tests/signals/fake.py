"""A stand-in for Prometheus that answers by a function: for failures that the real one does not show on demand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from tests.servers import process


class FakePrometheus:
    """``reply(query)`` gives a value, [] for no series, or (status, text); ``queries`` is what was asked.

    Asked for the time of the newest sample, it says now.
    """

    def __init__(self, reply: Callable[[str], object]) -> None:
        self.queries: list[str] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                query = form["query"][0]
                fake.queries.append(query)
                found = time.time() if "timestamp(" in query else reply(query)
                status, text = found if isinstance(found, tuple) else (200, _vector(found))
                body = str(text).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Tests read ``queries``."""

        port = process.free_port()
        self._server = ThreadingHTTPServer((process.HOST, port), Handler)
        self._server.daemon_threads = True
        self.url = f"http://{process.HOST}:{port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Stop it; the port then refuses."""
        self._server.shutdown()
        self._server.server_close()


def _vector(found: object) -> str:
    vector = [] if found == [] else [{"metric": {}, "value": [time.time(), str(found)]}]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": vector}})
