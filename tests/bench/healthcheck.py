"""A thousand HTTP addresses that answer after 50 ms, and the same with twenty that never do."""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.measure import Argv, run
from tests.bench.table import Row
from tests.servers import process

NUMBER, HANGING, DELAY, DEADLINE = 1000, 20, 0.05, 6.0
_PORTS = 10  # a hundred addresses each: what is measured is opsctl, not one server's patience

# In a process of its own, so that it has a processor beside the one that asks.
SERVER = """
import asyncio, sys
delay, ports = float(sys.argv[1]), [int(word) for word in sys.argv[2:]]
ANSWER = b'HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: 15\\r\\n\\r\\n{"status":"ok"}'
async def serve(reader, writer):
    head = await reader.readuntil(b"\\r\\n\\r\\n")
    if b"/hang" in head.split(b"\\r\\n")[0]:
        await asyncio.sleep(3600)
    await asyncio.sleep(delay)
    writer.write(ANSWER)
    await writer.drain()
    writer.close()
async def main():
    for port in ports:
        await asyncio.start_server(serve, "127.0.0.1", port, backlog=1024)
    print("ready", flush=True)
    await asyncio.sleep(3600)
asyncio.run(main())
"""


@contextlib.contextmanager
def slow_server(delay: float = DELAY, ports: int = _PORTS) -> Iterator[list[str]]:
    """The base URLs of a server that answers each GET after ``delay`` s, and ``/hang…`` never."""
    numbers = [process.free_port() for _ in range(ports)]
    argv = [sys.executable, "-c", SERVER, str(delay), *map(str, numbers)]
    server = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        assert server.stdout.readline().strip() == "ready"
        yield [f"http://{process.HOST}:{port}" for port in numbers]
    finally:
        server.kill()
        server.wait()


def targets(folder: Path, bases: list[str], number: int, hanging: int) -> Path:
    """A file of so many addresses, the last of them hanging."""
    lines = [f"{bases[n % len(bases)]}/{'hang' if n >= number - hanging else 'health'}/{n}" for n in range(number)]
    path = folder / f"targets-{hanging}.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def rows(opsctl: Path, env: dict[str, str], empty: Path) -> Iterator[Row]:
    """Wall time and memory of the whole command; then that hanging addresses cost only themselves."""
    with slow_server() as bases:
        calm = targets(empty.parent, bases, NUMBER, 0)
        look: Argv = [opsctl, "healthcheck", "--targets", calm, "--quiet"]
        runs = [run(look, env, empty) for _ in range(5)]
        bad = next((one.code for one in runs if one.code != 0), None)
        note = f"it ends with {bad}" if bad is not None else ""
        wall = statistics.median(one.wall for one in runs)
        what = f"healthcheck of {NUMBER} addresses, each answers after {DELAY * 1000:.0f} ms"
        yield Row(what, None if note else wall, 3.0, "s", note)
        yield Row("  peak memory", None if note else max(one.peak for one in runs) / 2**20, 200.0, "MB", note)

        some = targets(empty.parent, bases, NUMBER, HANGING)
        argv = [str(opsctl), "healthcheck", "--targets", str(some), "--timeout", f"{DEADLINE:g}s", "-o", "json"]
        whole = run(argv, env, empty).wall
        done = subprocess.run(argv, env=env, cwd=empty, capture_output=True, text=True, timeout=120, check=False)
        states = [one["state"] for one in json.loads(done.stdout)["subjects"]] if done.stdout else []
        good, late = states.count("ok"), states.count("critical")
        right = (good, late) == (NUMBER - HANGING, HANGING)
        note = f"{good} ok, {late} critical" + ("" if right else "; not as it should be")
        yield Row(f"  with {HANGING} that hang, --timeout {DEADLINE:g}s", whole if right else None, DEADLINE, "s", note)
