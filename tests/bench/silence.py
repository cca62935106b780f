"""Creating a silence: requests and time, amtool's beside it."""

from __future__ import annotations

import http.client
import statistics
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.bench.measure import Argv, run
from tests.bench.table import Row
from tests.servers import process, programs
from tests.servers.alertmanager import start_alertmanager

ROUNDS = 7


class Counter(ThreadingHTTPServer):
    """Passes requests on to a port of this machine and counts them."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__((process.HOST, 0), _Passing)
        self.target, self.count = port, 0
        self.url = f"http://{process.HOST}:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Passing(BaseHTTPRequestHandler):
    server: Counter

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""

    def _pass(self) -> None:
        self.server.count += 1
        body = self.rfile.read(int(self.headers.get("Content-Length", 0) or 0))
        link = http.client.HTTPConnection(process.HOST, self.server.target, timeout=30)
        link.request(self.command, self.path, body or None, {"Content-Type": "application/json"} if body else {})
        answer = link.getresponse()
        data = answer.read()
        link.close()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = _pass


def rows(opsctl: Path, env: dict[str, str], empty: Path) -> Iterator[Row]:
    """Each round makes another silence, by both in turns; requests are counted in a round of their own."""
    what = "requests of `silence create` beyond amtool's"
    amtool = programs.which("amtool")
    if amtool is None:
        yield Row(what, None, 2.0, "", "no amtool here")
        return
    with tempfile.TemporaryDirectory(prefix="opsctl-bench-am-") as folder:
        server = start_alertmanager(Path(folder))
        try:
            counter = Counter(server.port)
            ours = _counted(counter, _opsctl(opsctl, counter.url, "counted"), env, empty)
            theirs = _counted(counter, _amtool(amtool, counter.url, "counted-too"), env, empty)
            counter.shutdown()
            yield Row(what, float(ours - theirs), 2.0, "", f"{ours} and {theirs}")
            pairs = [
                (
                    run(_opsctl(opsctl, server.url, f"one-{number}"), env, empty).wall,
                    run(_amtool(amtool, server.url, f"other-{number}"), env, empty).wall,
                )
                for number in range(ROUNDS)
            ]
        finally:
            server.stop()
    yield Row("opsctl silence create", statistics.median(one for one, _ in pairs), None, "s")
    yield Row("  amtool silence add", statistics.median(other for _, other in pairs), None, "s")


def _counted(counter: Counter, argv: Argv, env: dict[str, str], empty: Path) -> int:
    before = counter.count
    assert run(argv, env, empty).code == 0, argv
    return counter.count - before


def _opsctl(opsctl: Path, url: str, name: str) -> Argv:
    made: list[str | Path] = [opsctl, "silence", "create", f"service={name}", "--for", "1h", "-c", "bench", "--yes"]
    return [*made, "--alertmanager-url", url]


def _amtool(amtool: Path, url: str, name: str) -> Argv:
    return [amtool, "--alertmanager.url", url, "silence", "add", f"service={name}", "-d", "1h", "-c", "bench"]
