"""A real node_exporter that has nothing but its textfile collector."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from tests.servers import process, programs, used


class NodeExporter:
    """Reads ``*.prom`` of ``folder`` each time ``metrics`` is called."""

    def __init__(self, folder: Path) -> None:
        program = programs.found("node-exporter")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.url = f"http://{process.HOST}:{process.free_port()}"
        argv: list[str | Path] = [
            program.path,
            "--collector.disable-defaults",
            "--collector.textfile",
            f"--collector.textfile.directory={folder}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]
        self._server = process.start("node-exporter", argv, folder.parent / "node-exporter.log", cwd=folder)
        self._server.wait_ready(lambda: process.answers(f"{self.url}/metrics"))
        used.note("node-exporter", program.version)

    def metrics(self) -> str:
        """What Prometheus would get."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    def stop(self) -> None:
        """Stop it."""
        self._server.stop()
