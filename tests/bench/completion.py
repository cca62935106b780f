"""A TAB: the CPU time of bash's completion function with 2,000 names in its cache."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path

from tests.bench.measure import run
from tests.bench.table import Row
from tests.packaging.install import ROOT

LINES = {
    "a service's name": "opsctl diagnose high-latency -s service-01",
    "a runbook's name": "opsctl diagnose h",
    "an option": "opsctl diagnose high-latency --",
}
PRESSES = 100


def rows(opsctl: Path, env: dict[str, str], empty: Path) -> Iterator[Row]:
    """One row per kind of word to complete."""
    script = ROOT / "completions" / "opsctl.bash"
    bash = shutil.which("bash")
    for what, line in LINES.items():
        name = f"TAB in bash, {what}, 2,000 names"
        if bash is None or not script.exists():
            yield Row(name, None, 5.0, "ms", "no bash" if bash is None else "completions/opsctl.bash is missing")
            continue
        cache = empty / ".cache" / "opsctl" / "complete"
        cache.mkdir(parents=True, exist_ok=True)
        for kind in ("service", "runbook", "context"):
            (cache / kind).write_text("".join(f"{kind}-{number:04d}\n" for number in range(2000)))
        words = " ".join(f"'{word}'" for word in line.split(" "))
        last = len(line.split(" ")) - 1
        begin = f"source {script}; COMP_WORDS=({words}); COMP_CWORD={last}; "
        press = f"for ((n = 0; n < {PRESSES}; n++)); do _opsctl; done; [ ${{#COMPREPLY[@]}} -gt 0 ]"
        with_presses = run([bash, "--norc", "-c", begin + press], env, empty)
        if with_presses.code != 0:
            yield Row(name, None, 5.0, "ms", "it completes nothing")
            continue
        costs = []
        for _ in range(5):
            rest = run([bash, "--norc", "-c", begin + ":"], env, empty).cpu
            costs.append((run([bash, "--norc", "-c", begin + press], env, empty).cpu - rest) / PRESSES * 1000)
        yield Row(name, statistics.median(costs), 5.0, "ms")
