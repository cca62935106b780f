"""An alert storm in a real Alertmanager: 10,000 alerts listed and grouped, 50,000 with 2,000 fresh silences."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.bench.measure import Argv, run
from tests.bench.table import Row
from tests.servers import programs
from tests.servers.alertmanager import Alertmanager, start_alertmanager

BATCH = 1000


def _fire(server: Alertmanager, first: int, last: int) -> None:
    for start in range(first, last, BATCH):
        server.post_alerts(
            *(
                {
                    "alertname": f"A{number % 50}",
                    "service": f"service-{number % 20}",
                    "severity": ("critical", "warning")[number % 2],
                    "instance": f"host-{number}",
                }
                for number in range(start, min(start + BATCH, last))
            ),
            annotations={"summary": "measured"},
        )


def _own_answer(server: Alertmanager) -> float:
    """Seconds of Alertmanager alone."""
    began = time.monotonic()
    with urllib.request.urlopen(f"{server.url}/api/v2/alerts", timeout=120) as answer:
        answer.read()
    return time.monotonic() - began


def rows(opsctl: Path, env: dict[str, str], empty: Path) -> Iterator[Row]:
    """Seconds over Alertmanager's own, peak of memory; then the storm, amtool beside it."""
    missing = programs.find("alertmanager")
    if isinstance(missing, programs.Missing):
        yield Row("10,000 alerts listed and grouped", None, 5.0, "s", missing.says)
        return
    server = start_alertmanager(empty.parent / "alerts")
    try:
        look: Argv = [opsctl, "alerts", "list", "--alertmanager-url", server.url, "--group-by", "alertname,service"]
        _fire(server, 0, 10_000)
        own = min(_own_answer(server) for _ in range(3))
        runs = [run(look, env, empty) for _ in range(3)]
        bad = next((one.code for one in runs if one.code != 0), None)
        what = "10,000 alerts listed and grouped, over Alertmanager's own time"
        if bad is not None:
            yield Row(what, None, 5.0, "s", f"it ends with {bad}")
        else:
            yield Row(what, max(0.0, min(one.wall for one in runs) - own), 5.0, "s", f"its own: {own:.2f} s")
            yield Row("  peak memory", max(one.peak for one in runs) / 2**20, 300.0, "MB")
        _fire(server, 10_000, 50_000)
        for number in range(2000):
            server.silence({"alertname": f"A{number % 50}", "instance": f"host-{number}"})
        one = run(look, env, empty)
        note = {0: "complete", 69: "flagged: Alertmanager took longer, its own count is shown"}.get(
            one.code, f"it ends with {one.code}"
        )
        what = "50,000 alerts, 2,000 fresh silences: an answer or a flagged partial one"
        yield Row(what, one.wall if one.code in (0, 3, 69) else None, 30.0, "s", note)
        yield Row("  peak memory", one.peak / 2**20, None, "MB")
        amtool: Argv = ["amtool", f"--alertmanager.url={server.url}", "-o", "json", "alert", "query", "-a", "-s"]
        try:
            beside = run(amtool, env, empty)
        except OSError:
            beside = None
        if beside is not None:
            yield Row("  amtool alert query after it, warm", beside.wall, None, "s", f"ends with {beside.code}")
    finally:
        server.stop()
