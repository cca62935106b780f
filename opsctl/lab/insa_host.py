"""The small host that INSA's agents run on: its CPU and memory are simulated, what is used of them is real.

The host has ``CORES`` of a core and ``MEMORY`` bytes; what the agents' process, their workers and a neighbour really
use is counted against that, and shown by the names of the usual host exporter. So a fault needs no machine full of
work: a leak of 160 MB or a third of a core fills this host.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time

from opsctl.lab.metrics import Registry, resident_bytes
from opsctl.lab.strain import compute

CORES = 0.3
MEMORY = 320 * 2**20
SYSTEM = 90 * 2**20  # what the rest of the host always holds
AGENTS = 60 * 2**20  # of the agents' process when the host begins: what it holds beyond that is other work
QUICK, SLOW = 18 * 2**20, 1.2 * 2**20  # bytes a second that are leaked, to the first mark and from then on
FIRST_MARK = 0.9  # of the host's memory
MODEL_TO = 0.95  # of the host's memory
WORKER = 12 * 2**20
MORE_WORKERS = 8
CARRIED = 0.3  # CPU seconds at most that are counted a little later than they were used
MOST = 0.985  # of the host's memory: nothing here grows beyond it

# A process of its own that tells its CPU seconds and memory once in a while, and ends with its parent.
_CHILD = """
import os, resource, sys, threading, time
burn, hold = float(sys.argv[1]), int(sys.argv[2])
kept = bytearray(os.urandom(4096)) * (hold // 4096)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
def resident():
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
number, told, begun = 1, 0.0, time.monotonic()
while True:
    now, used = time.monotonic(), time.process_time()
    if now - told > 0.25:
        told = now
        try:
            print(used, resident(), flush=True)
        except OSError:
            os._exit(0)
    if used < burn * (now - begun):
        for _ in range(20000):
            number = number * 1103515245 + 12345 & 0x7FFFFFFF
    else:
        time.sleep(0.01 if burn else 0.25)
"""


class Child:
    """One more process on the host. ``cpu``: seconds it has used; ``memory``: bytes it holds."""

    def __init__(self, *, burn: float, hold: int) -> None:
        argv = [sys.executable, "-I", "-S", "-c", _CHILD, str(burn), str(hold)]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
        self.cpu = self.memory = 0.0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):
                self.cpu, self.memory = map(float, line.split())

    def end(self) -> None:
        """End it and wait until it is gone."""
        self._process.kill()
        self._process.wait()


class Host:
    """The host with its faults: ``change`` is told what is switched on."""

    def __init__(self, registry: Registry, started: float) -> None:
        self._began = self.started = started
        self._workers: list[Child] = []
        self._neighbours: list[Child] = []
        self._kept: list[bytearray] = []
        self._on: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        self._other = max(0.0, resident_bytes() - AGENTS)
        self._at, self._counted, self._gone = time.monotonic(), self._used(), 0.0
        self._cpu = registry.counter("node_cpu_seconds_total", "CPU time by mode.", "cpu", "mode")
        total = registry.gauge("node_memory_MemTotal_bytes", "Memory of the host.")
        total.set(MEMORY)
        free = registry.gauge("node_memory_MemAvailable_bytes", "Memory that can be had.")
        registry.counter("node_vmstat_oom_kill", "Processes killed for memory.").set(0)
        self._health = registry.gauge("insa_worker_health_status", "1 = healthy.", "worker_name")
        self._waiting = registry.gauge("insa_worker_queue_depth", "Tasks that wait.", "worker_name")
        registry.before.append(self._count_cpu)
        registry.before.append(lambda: free.set(max(0.0, MEMORY - self.memory())))
        self._shown: set[str] = set()
        self._show_workers()

    @property
    def workers(self) -> int:
        """Workers that run: two in this process, the others each in one of their own."""
        return 2 + len(self._workers)

    def memory(self) -> float:
        """Bytes in use on the host."""
        others = sum(child.memory for child in (*self._workers, *self._neighbours))
        return SYSTEM + max(0.0, resident_bytes() - self._other) + others

    def change(self, on: frozenset[str]) -> None:
        """Begin and end what strains the host."""
        new, gone, self._on = on - self._on, self._on - on, on
        if "agent-leak" in new:
            threading.Thread(target=self._leak, daemon=True).start()
        if "agent-hot-loop" in new:
            threading.Thread(target=self._spin, daemon=True).start()
        if "agent-model-memory" in new:
            # As a new process would: it starts, and loads its model at once.
            self.started = time.time()
            self._kept.append(_filled(int(MODEL_TO * MEMORY - self.memory())))
        if "agent-workers" in new:
            self._workers = [Child(burn=0.0, hold=WORKER) for _ in range(MORE_WORKERS)]
        if "agent-neighbour" in new:
            self._neighbours = [Child(burn=CORES * 0.95, hold=0)]
        if gone & {"agent-leak", "agent-model-memory"}:
            _give_back(self._kept)
            self.started = self._began
        for name, children in (("agent-workers", self._workers), ("agent-neighbour", self._neighbours)):
            if name in gone:
                for child in children:
                    child.end()
                with self._lock:  # what they used stays used
                    self._gone += sum(child.cpu for child in children)
                    children.clear()
        self._show_workers()

    def _show_workers(self) -> None:
        names = {f"worker-{number + 1}" for number in range(self.workers)}
        for gauge, value in ((self._health, 1.0), (self._waiting, 0.0)):
            for name in self._shown - names:
                gauge.forget(name)
            for name in names:
                gauge.set(value, name)
        self._shown = names

    def _used(self) -> float:
        """CPU seconds used on the host so far."""
        return time.process_time() + sum(child.cpu for child in (*self._workers, *self._neighbours))

    def _count_cpu(self) -> None:
        with self._lock:
            now, used = time.monotonic(), self._used() + self._gone
            share = CORES * (now - self._at)
            busy = min(max(0.0, used - self._counted), share)
            self._cpu.add("0", "user", by=busy)
            self._cpu.add("0", "idle", by=share - busy)
            # Others tell their use in steps, which a small moment has no room for; more than the host has is lost.
            self._at, self._counted = now, max(self._counted + busy, used - CARRIED)

    def _leak(self) -> None:
        while "agent-leak" in self._on:
            pace = QUICK if self.memory() < FIRST_MARK * MEMORY else SLOW
            if self.memory() < MOST * MEMORY:
                self._kept.append(_filled(int(pace * 0.25)))
            time.sleep(0.25)
        _give_back(self._kept)

    def _spin(self) -> None:
        while "agent-hot-loop" in self._on:
            compute(0.012)
            time.sleep(0.025)


def _give_back(kept: list[bytearray]) -> None:
    """Free it, and have the C library return it to the system: in an old process it may keep it for later."""
    kept.clear()
    with contextlib.suppress(OSError, AttributeError):  # only glibc has it, and only there it is needed
        import ctypes

        ctypes.CDLL(None).malloc_trim(0)


def _filled(size: int) -> bytearray:
    """Memory that is really taken: every page of it is written to."""
    return bytearray(os.urandom(4096)) * max(1, size // 4096)
