"""A house with valves: a service that is unhealthy while one is closed, the runbook that opens them, and its user.

The action is the engine tests' own (tests/remediation/world.py); commands run as subprocesses that know it.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.acceptance.session import Done
from tests.remediation.world import World

ROOT = Path(__file__).resolve().parents[2]
START = (
    "import sys; from tests.remediation import world; world.action(); "
    "from opsctl.cli.run import run; sys.exit(run(sys.argv[1:]))"
)
CTRL_C, CTRL_D = "\x03", "\x04"
RUNBOOK = """
runbook: dry-house
title: No water comes
meaning: A valve is closed.
impact: Nobody can wash.
parameters:
  - {name: slow, type: duration, default: 2s, help: Slower than this is slow.}
decides: [http.unhealthy]
diagnosis:
  - probe: http.health
    with: {endpoint: health, slow: {param: slow}}
causes:
  - {cause: closed-valve, says: A valve is closed., confirms: [http.unhealthy]}
  - {cause: weak-pump, says: The pump is weak., confirms: [http.slow]}
mitigation:
  - action: testing.open-valve
    causes: [closed-valve]
    says: Open what is closed.
    verify: {findings: [http.unhealthy], deadline: 20s}
  - action: testing.open-valve
    name: open-gently
    causes: [weak-pump]
    with: {pressure: 1}
"""


class House:
    """``world`` is the truth; ``opsctl`` and ``typed`` are what its user runs."""

    def __init__(self, folder: Path, *valves: str) -> None:
        self.folder = folder
        self.world = World(folder / "valves").make(*valves)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.world))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        books = folder / "books"
        (books / "services").mkdir(parents=True)
        (books / "dry-house.yaml").write_text(RUNBOOK)
        url = f"http://127.0.0.1:{self.server.server_port}/health"
        service = {
            "service": "home",
            "endpoints": {"health": {"kind": "http", "url": url, "expect": {"status": "ok"}}},
            "settings": {"valves": str(self.world.folder)},
            "symptoms": [
                {"id": "water", "runbook": "dry-house", "endpoint": "health", "field": "status", "expect": "ok"}
            ],
        }
        (books / "services" / "home.yaml").write_text(json.dumps(service))
        keep = ("PATH", "LANG", "LC_ALL", "TMPDIR")
        self.environ = {name: os.environ[name] for name in keep if name in os.environ}
        self.environ |= {"HOME": str(folder), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        self.environ |= {"OPSCTL_RUNBOOKS": str(books), "OPSCTL_CONFIG": os.devnull, "OPSCTL_ACTOR": "ana@bastion"}

    def opsctl(self, *words: str, **environ: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-c", START, *words],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environ | environ,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def typed(self, *words: str, answers: list[tuple[str, str]]) -> tuple[int, str]:
        """On a terminal: each answer is typed when its question is seen. Exit code and everything that was shown."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            argv = [sys.executable, "-c", START, *words]
            os.execve(sys.executable, argv, self.environ | {"COLUMNS": "100", "TERM": "dumb"})
        shown, waiting, end = "", list(answers), time.monotonic() + 90
        since = 0
        while time.monotonic() < end:
            if select.select([terminal], [], [], 0.2)[0]:
                try:
                    piece = os.read(terminal, 65536).decode(errors="replace")
                except OSError:
                    break
                if not piece:
                    break
                shown += piece
            if waiting and waiting[0][0] in shown[since:]:
                since = len(shown)
                answer = waiting.pop(0)[1]
                os.write(terminal, answer.encode() + (b"" if answer in (CTRL_C, CTRL_D) else b"\n"))
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
        assert not waiting, f"never asked: {waiting[0][0]!r}\n{shown}"
        return os.waitstatus_to_exitcode(status), re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", shown).replace("\r\n", "\n")

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def _handler(world: World) -> type[BaseHTTPRequestHandler]:
    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            closed = [name for name, level in world.levels().items() if not level and name.startswith("main")]
            body = json.dumps({"status": "dry" if closed else "ok"}).encode()
            self.send_response(503 if closed else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    return Health
