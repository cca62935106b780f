"""2,000,000 keys of one prefix removed: how long others wait meanwhile, and `KEYS | xargs DEL` beside it."""

from __future__ import annotations

import json
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.table import Row
from tests.servers import process, programs
from tests.servers.redis import Redis, start_redis

KEYS = 2_000_000
PREFIX = "page"  # of DEBUG POPULATE, which adds the colon
ROUNDS = 3
MOST_ROUNDS = 6
QUIET = 0.004  # seconds: where a PING takes longer while nothing is done, the machine is what delays it

# Asks each 2 ms from a process of its own, as another program would; says the longest before the work and during it.
_PINGER = """
import json, select, socket, sys, time
link = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
def longest():
    took = 0.0
    while not select.select([sys.stdin], [], [], 0)[0]:
        began = time.perf_counter()
        link.sendall(b"PING\\r\\n")
        link.recv(64)
        took = max(took, time.perf_counter() - began)
        time.sleep(0.002)
    sys.stdin.readline()
    return took
print("ready", flush=True)
idle = longest()
print("go", flush=True)
print(json.dumps([idle, longest()]), flush=True)
"""

# The action as the engine calls it, in the installed opsctl: plan, look again, act, verify.
_ACT = """
import json, sys, time
from opsctl.actions import redis_invalidate as action
from opsctl.actions.hands import Hands
from opsctl.actions.redis_invalidate_plan import InvalidateParams
from opsctl.clients.readers import Readers
from opsctl.clients.writers import Writers
from opsctl.config.endpoint import Endpoint
from opsctl.services.model import Profile
resolve = lambda name: Endpoint(name="redis", url=sys.argv[1], setting="bench")
hands = Hands(profile=Profile(service="bench", cache={sys.argv[2]: "60s"}), settings=None, readers=Readers(resolve),
              writers=Writers(resolve), signals=None, now=time.time())
params = InvalidateParams(prefix=sys.argv[2], max_keys=int(sys.argv[3]), allow_no_expiry=True)
(step,) = action.propose(action.observe(hands, params), params).steps
print("go", flush=True)
sys.stdin.readline()
began = time.perf_counter()
did = action.apply(hands, step)
acted = time.perf_counter() - began
assert did.state == "acted" and did.after["removed"] == int(sys.argv[3]), did
print(json.dumps(acted), flush=True)
"""


class Round(NamedTuple):
    """Seconds in all, and the longest PING of another connection: meanwhile, and while nothing was done."""

    total: float
    worst: float
    idle: float


def rows(opsctl: Path, env: dict[str, str], empty: Path) -> Iterator[Row]:
    """Both ways in turns on one server. The least of the longest pings: what the work itself does to others.

    Rounds in which the machine alone delays a PING are repeated, and shown.
    """
    what = f"{KEYS:,} keys invalidated: the longest PING of another connection"
    client = programs.which("redis-cli")
    if client is None or programs.which("redis-server") is None:
        yield Row(what, None, 15.0, "ms", "no redis-server or redis-cli here")
        return
    with tempfile.TemporaryDirectory(prefix="opsctl-bench-redis-") as folder:
        server = start_redis(Path(folder))
        try:
            python = opsctl.parent / "python"
            pairs: list[tuple[Round, Round]] = []
            while len(pairs) < MOST_ROUNDS and sum(one.idle <= QUIET for one, _ in pairs) < ROUNDS:
                ours_now = _round(server, lambda: _ours(python, server, env, empty))
                pairs.append((ours_now, _round(server, lambda: _xargs(server, client))))
        finally:
            server.stop()
    ours, theirs = [one for one, _ in pairs], [other for _, other in pairs]
    yield Row(what, min(one.worst for one in ours) * 1e3, 15.0, "ms", _list(ours))
    yield Row("  KEYS | xargs DEL", min(one.worst for one in theirs) * 1e3, None, "ms", _list(theirs))
    share = statistics.median(one.total / other.total for one, other in pairs)
    yield Row("  its time, of KEYS | xargs DEL's", share, 2.2, "x")
    yield Row("  its time", statistics.median(one.total for one in ours), None, "s")
    yield Row("  KEYS | xargs DEL", statistics.median(other.total for other in theirs), None, "s")


def _list(rounds: list[Round]) -> str:
    told = ", ".join(f"{one.worst * 1e3:.1f} (idle {one.idle * 1e3:.1f})" for one in rounds)
    return f"longest of each round {told}"


def _round(server: Redis, work: Callable[[], Iterator[float]]) -> Round:
    """Fill, start the work and the pinger, wait for both. ``work`` yields once when it is about to begin, then its
    seconds."""
    _fill(server)
    course = work()
    next(course)
    argv = [sys.executable, "-u", "-I", "-S", "-c", _PINGER, str(server.port)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as pinger:
        assert pinger.stdin is not None
        assert pinger.stdout is not None
        try:
            pinger.stdout.readline()
            time.sleep(2.0)
            pinger.stdin.write("go\n")
            pinger.stdout.readline()
            total = next(course)
            pinger.stdin.write("end\n")
            idle, worst = json.loads(pinger.stdout.readline())
        finally:
            pinger.kill()
    left = _client(server).dbsize()
    assert left == 0, left
    return Round(total, worst, idle)


def _ours(python: Path, server: Redis, env: dict[str, str], empty: Path) -> Iterator[float]:
    argv = [str(python), "-c", _ACT, server.url, f"{PREFIX}:", str(KEYS)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, cwd=empty) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "go\n", "the plan could not be made"
        yield 0.0
        child.stdin.write("\n")
        child.stdin.flush()
        yield float(json.loads(child.stdout.readline()))


def _xargs(server: Redis, client: Path) -> Iterator[float]:
    yield 0.0
    ask = f"{shlex.quote(str(client))} -h {process.HOST} -p {server.port}"
    began = time.perf_counter()
    subprocess.run(
        ["/bin/sh", "-c", f"{ask} KEYS '{PREFIX}:*' | xargs {ask} DEL"], stdout=subprocess.DEVNULL, check=True
    )
    yield time.perf_counter() - began


def _fill(server: Redis) -> None:
    """Values of 100 bytes; the server has time to settle its table."""
    client = _client(server)
    client.flushall()
    client.execute_command("DEBUG", "POPULATE", str(KEYS), PREFIX, "100")
    client.close()
    time.sleep(1.0)


def _client(server: Redis) -> Any:
    import redis

    return redis.Redis.from_url(server.url, socket_timeout=120)
