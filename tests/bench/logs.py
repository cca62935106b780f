"""The errors of the last 15 minutes in a log of 1 GB that holds a day."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.measure import Argv, run
from tests.bench.table import Row

SIZE = 10**9
DAY = 86_400
LEVELS = (*(("info",) * 14), "warning", "error")
ROUNDS = 3


def _write(path: Path, now: int) -> None:
    """Every second of a day has the same lines, one in sixteen an error; the day ends at ``now``."""
    lines: list[str] = []
    size = 0
    while size < SIZE / DAY:
        level = LEVELS[len(lines) % len(LEVELS)]
        line = {
            "timestamp": f"@@@.{len(lines) * 12:03}Z",
            "level": level,
            "event": "request_failed" if level == "error" else "request_completed",
            "request_id": f"{len(lines):012x}",
            "customer_id": "cust-7",
            "path": "/api/v1/search",
            "status_code": 503 if level == "error" else 200,
            "latency_ms": 12.5,
        }
        lines.append(json.dumps(line) + "\n")
        size += len(lines[-1])
    second = "".join(lines).encode()
    with path.open("wb") as file:
        for at in range(now - DAY, now):
            file.write(second.replace(b"@@@", time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)).encode()))


def _files(folder: Path, log: Path) -> None:
    """A service with that log, and a runbook that counts its errors."""
    (folder / "services").mkdir(parents=True)
    profile = {
        "service": "big",
        "logs": {"app": {"path": str(log), "format": "json"}},
        "symptoms": [{"id": "errors", "runbook": "log-errors", "log": "app", "pattern": "failed", "within": "15m"}],
    }
    look = {
        "probe": "log.lines",
        "with": {
            "log": "app",
            "pattern": "request_failed",
            "level": "error",
            "within": "15m",
            "finding": "local.errors",
        },
    }
    runbook = {
        "runbook": "log-errors",
        "title": "Errors in a large log",
        "meaning": "For measuring.",
        "impact": "None.",
        "decides": ["local.errors"],
        "diagnosis": [look],
        "causes": [{"cause": "none", "says": "There are errors.", "confirms": ["local.errors"]}],
    }
    (folder / "services" / "big.yaml").write_text(json.dumps(profile))
    (folder / "log-errors.yaml").write_text(json.dumps(runbook))


def rows(opsctl: Path, env: dict[str, str], empty: Path) -> Iterator[Row]:
    """Wall seconds of the whole command, its start among them; the log is written before and removed after."""
    folder = empty.parent / "logs"
    folder.mkdir()
    log = folder / "app.log"
    what = "errors of the last 15 minutes in 1 GB of logs, the whole command"
    try:
        now = int(time.time())
        _write(log, now)
        _files(folder, log)
        look: Argv = [opsctl, "--runbooks", folder, "diagnose", "log-errors", "-s", "big", "--no-save"]
        runs = [run(look, env, empty) for _ in range(ROUNDS)]
        bad = next((one.code for one in runs if one.code != 1), None)  # 1: a warning, the errors were found
        if bad is not None:
            yield Row(what, None, 1.5, "s", f"it ends with {bad}")
            return
        yield Row(what, min(one.wall for one in runs), 1.5, "s", f"{log.stat().st_size / 1e9:.2f} GB")
        yield Row("  its peak memory", max(one.peak for one in runs) / 2**20, 120.0, "MB")
    finally:
        log.unlink(missing_ok=True)
