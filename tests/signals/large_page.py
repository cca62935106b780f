"""A metrics page as large as the limits speak of, and what it costs to evaluate two of them.

``python -m tests.signals.large_page`` prints the figures: CPU seconds per signal and the peak of memory.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from opsctl.signals.direct import evaluate
from opsctl.signals.exposition import Page
from opsctl.signals.growth import Scrapes
from opsctl.signals.model import Ratio, Selector, Signal

SIZE = 50 * 2**20
EDGES = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf")
NAME = "episodic_memory_http_request_duration_seconds"
SIGNALS = {
    "quantile": Signal(quantile=0.99, histogram=NAME),
    "quantile by endpoint": Signal(quantile=0.99, histogram=NAME, by=("endpoint",)),
    "mean": Signal(mean=NAME),
    "rate": Signal(rate=f"{NAME}_count"),
    "ratio": Signal(ratio=Ratio(of=Selector(metric=f"{NAME}_count", where={"code": "=~5.."}), over=f"{NAME}_count")),
}


class Measured(NamedTuple):
    """CPU seconds per signal, both pages evaluated; peak resident bytes of the process; rows per signal."""

    seconds: dict[str, float]
    peak: int
    rows: dict[str, int]


def write_page(path: Path, size: int, step: int) -> None:
    """The worst page: nearly every line belongs to the one histogram that is wanted, and every series has moved."""
    with path.open("w") as file:
        file.write(f"# TYPE {NAME} histogram\n")
        number = 0
        while file.tell() < size:
            labels = f'endpoint="/api/v1/e{number % 500}",code="{(200, 200, 500)[number % 3]}",customer="c{number}"'
            count = 0
            for place, edge in enumerate(EDGES):
                count += 1_000_000 + (number * 7 + place) % 50 + step * (place + 1)
                file.write(f'{NAME}_bucket{{{labels},le="{edge}"}} {count}.0\n')
            file.write(f"{NAME}_count{{{labels}}} {count}.0\n{NAME}_sum{{{labels}}} {count * 0.01:.6f}\n")
            number += 1


def evaluate_pages(first: Path, second: Path) -> Measured:
    """Evaluate every signal on two pages, in this process."""
    scrapes = Scrapes(Page(first.read_bytes(), time=1000.0), Page(second.read_bytes(), time=1005.0), 5.0)
    seconds, rows = {}, {}
    for name, signal in SIGNALS.items():
        began = time.process_time()
        rows[name] = len(evaluate(signal, scrapes, window=5.0).rows)
        seconds[name] = round(time.process_time() - began, 3)
    return Measured(seconds, peak_memory(), rows)


def peak_memory() -> int:
    """Bytes that this program held at most. Linux' ru_maxrss would count what the parent held before exec as well."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def measure(folder: Path, size: int = SIZE) -> Measured:
    """Write two pages and evaluate them in a process of their own, so that only that is measured."""
    for name, step in (("first.txt", 0), ("second.txt", 3)):
        write_page(folder / name, size, step)
    argv = [sys.executable, "-m", "tests.signals.large_page", str(folder / "first.txt"), str(folder / "second.txt")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=True)
    return Measured(*json.loads(done.stdout))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(evaluate_pages(Path(sys.argv[1]), Path(sys.argv[2]))))
    else:
        with tempfile.TemporaryDirectory() as name:
            found = measure(Path(name))
        for signal, cost in found.seconds.items():
            print(f"{signal:22} {cost:6.3f} s CPU   {found.rows[signal]} rows")
        print(f"{'all':22} {sum(found.seconds.values()):6.3f} s CPU   peak {found.peak / 2**20:.0f} MB")
