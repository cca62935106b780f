"""Ten slow backends asked at once, the same questions one after the other by hand, and the memory it takes."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.bench.backends import DELAY, RUNBOOK, ten_backends
from tests.bench.measure import Argv, run
from tests.bench.table import Row

ROUNDS = 7


def rows(opsctl: Path, env: dict[str, str], empty: Path) -> Iterator[Row]:
    """The whole diagnosis against its slowest probe, the script beside it, and the peak of memory."""
    with ten_backends(empty.parent / "backends") as backends:
        look: Argv = [opsctl, "--runbooks", backends.folder, "diagnose", RUNBOOK, "-s", "bench", "--no-save"]
        # What every run pays before the first question: the program, its configuration, the same runbook.
        start: Argv = [opsctl, "--runbooks", backends.folder, "runbook", "show", RUNBOOK]
        backends.delay(DELAY)
        missing = f"; without {', '.join(backends.left_out)}" if backends.left_out else ""
        what = f"{backends.looks} probes, each answered after {DELAY * 1000:.0f} ms: whole / slowest probe"
        slowest = _slowest(look, env, empty)
        if isinstance(slowest, str):
            yield Row(what, None, 1.6, "x", slowest)
            return
        factors, walls, peaks, scripts = [], [], [], []
        by_hand: Argv = ["sh", backends.script]
        tools = [name for name in ("curl", "psql", "redis-cli", "kubectl") if shutil.which(name) is None]
        for _ in range(ROUNDS):
            begun = run(start, env, empty)
            whole = run(look, env, empty)
            again = _slowest(look, env, empty)
            probe = again if isinstance(again, float) else slowest
            factors.append((whole.wall - begun.wall) / probe)
            walls.append(whole.wall)
            peaks.append(whole.peak)
            if not tools:
                scripts.append(run(by_hand, env, empty).wall)
        yield Row(
            what,
            statistics.median(factors),
            1.6,
            "x",
            f"slowest probe {slowest:.2f} s, its driver's import in it{missing}",
        )
        yield Row("  the whole diagnosis", statistics.median(walls), None, "s")
        hand = statistics.median(scripts) if scripts else None
        lacks = f"no {', '.join(tools)} on this machine" if tools else ""
        yield Row("  the same by curl, psql, redis-cli, kubectl in turn", hand, None, "s", lacks)
        yield Row("peak memory of a diagnosis over all backends", max(peaks) / 2**20, 120.0, "MB", missing.strip("; "))


def _slowest(look: Argv, env: dict[str, str], empty: Path) -> float | str:
    """Seconds of the slowest probe of one run, or why it cannot be told."""
    argv = [str(part) for part in [*look, "-o", "json"]]
    done = subprocess.run(argv, env=env, cwd=empty, capture_output=True, text=True, timeout=120, check=False)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        return f"the diagnosis ends with {done.returncode}: {done.stderr.strip()[-200:]}"
    failed = [f"{one.get('probe', '')}: {one['says']}" for one in (*report["unknown"], *report["not_configured"])]
    if failed:
        return f"not every probe was answered: {'; '.join(failed)}"
    return max(float(one["seconds"]) for one in report["evidence"])
