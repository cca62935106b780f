"""Counters, gauges and histograms of the simulated services, shown in Prometheus' text format.

A few dozen lines instead of a dependency: the lab needs exact control over names, labels, buckets and units.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path

Labels = tuple[str, ...]

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _braces(names: Labels, values: Labels, extra: str = "") -> str:
    parts = [f'{n}="{v.translate(_ESCAPES)}"' for n, v in zip(names, values, strict=True)]
    if extra:
        parts.append(extra)
    return "{" + ",".join(parts) + "}" if parts else ""


class Series:
    """One metric with its labelled series. ``kind``: counter or gauge."""

    def __init__(self, kind: str, name: str, help: str, labels: Labels = ()) -> None:
        self.kind, self.name, self.help, self.labels = kind, name, help, labels
        self.at = 0.0  # unix time of the value when the page shall tell it
        self._values: dict[Labels, float] = {} if labels else {(): 0.0}
        self._lock = threading.Lock()

    def add(self, *labels: str, by: float = 1.0) -> None:
        """Count up (a gauge may also go down)."""
        with self._lock:
            self._values[labels] = self._values.get(labels, 0.0) + by

    def set(self, value: float, *labels: str) -> None:
        """The gauge's value now."""
        with self._lock:
            self._values[labels] = value

    def forget(self, *labels: str) -> None:
        """Show this series no longer."""
        with self._lock:
            self._values.pop(labels, None)

    def get(self, *labels: str) -> float:
        """The value of one series, 0 if there is none yet."""
        return self._values.get(labels, 0.0)

    def lines(self) -> list[str]:
        """Samples in the text format."""
        with self._lock:
            values = list(self._values.items())
        at = f" {self.at * 1000:.0f}" if self.at else ""
        return [f"{self.name}{_braces(self.labels, key)} {_number(value)}{at}" for key, value in values]


class Histogram:
    """A histogram; ``edges`` in the metric's own unit, without +Inf."""

    kind = "histogram"

    def __init__(self, name: str, help: str, labels: Labels, edges: tuple[float, ...]) -> None:
        self.name, self.help, self.labels, self.edges = name, help, labels, edges
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}
        self._lock = threading.Lock()

    def observe(self, value: float, *labels: str) -> None:
        """Count one observation."""
        with self._lock:
            counts = self._counts.get(labels)
            if counts is None:
                counts = self._counts[labels] = [0] * (len(self.edges) + 1)
                self._sums[labels] = 0.0
            counts[bisect_left(self.edges, value)] += 1
            self._sums[labels] += value

    def lines(self) -> list[str]:
        """Samples in the text format: cumulative buckets, sum, count."""
        with self._lock:
            series = [(key, list(counts), self._sums[key]) for key, counts in self._counts.items()]
        lines: list[str] = []
        for key, counts, total in series:
            running = 0
            for edge, count in zip((*self.edges, float("inf")), counts, strict=True):
                running += count
                braces = _braces(self.labels, key, 'le="' + _number(edge) + '"')
                lines.append(f"{self.name}_bucket{braces} {running}")
            braces = _braces(self.labels, key)
            lines += [f"{self.name}_sum{braces} {total!r}", f"{self.name}_count{braces} {running}"]
        return lines


class Registry:
    """All metrics of one process. ``before``: called before each page, to set gauges that are only looked up."""

    def __init__(self) -> None:
        self._all: list[Series | Histogram] = []
        self.before: list[Callable[[], None]] = []

    def counter(self, name: str, help: str, *labels: str) -> Series:
        """A new counter."""
        return self._added(Series("counter", name, help, labels))

    def gauge(self, name: str, help: str, *labels: str) -> Series:
        """A new gauge."""
        return self._added(Series("gauge", name, help, labels))

    def _added(self, series: Series) -> Series:
        self._all.append(series)
        return series

    def histogram(self, name: str, help: str, labels: Labels, edges: tuple[float, ...]) -> Histogram:
        """A new histogram."""
        one = Histogram(name, help, labels, edges)
        self._all.append(one)
        return one

    def page(self, only: str = "") -> bytes:
        """The page in Prometheus' text format 0.0.4; ``only`` the metrics whose names begin so."""
        for refresh in self.before:
            refresh()
        lines: list[str] = []
        for one in self._all:
            if not one.name.startswith(only):
                continue
            lines += [f"# HELP {one.name} {one.help}", f"# TYPE {one.name} {one.kind}", *one.lines()]
        return ("\n".join(lines) + "\n").encode()


def resident_bytes() -> float:
    """Memory of this process: resident bytes."""
    try:
        return float(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        pass
    try:
        asked = subprocess.run(  # noqa: S603
            ["/bin/ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, text=True, timeout=2, check=False
        )
        return float(asked.stdout.strip()) * 1024
    except (OSError, ValueError, subprocess.TimeoutExpired):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return float(peak if sys.platform == "darwin" else peak * 1024)


def add_process_metrics(registry: Registry, started: float | Callable[[], float]) -> None:
    """The ``process_*`` metrics that client libraries export. ``started``: unix time of the deployment."""
    cpu = registry.counter("process_cpu_seconds_total", "CPU time used, user and system, in seconds.")
    memory = registry.gauge("process_resident_memory_bytes", "Resident memory in bytes.")
    start = registry.gauge("process_start_time_seconds", "Start time, unix time in seconds.")
    threads = registry.gauge("process_threads", "Threads of the process.")

    def refresh() -> None:
        cpu.set(time.process_time())
        memory.set(resident_bytes())
        start.set(started() if callable(started) else started)
        threads.set(threading.active_count())

    registry.before.append(refresh)
