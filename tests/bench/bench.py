"""``make bench``: every limit of the project, measured; exit 1 when one is not kept."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench import (
    alerts,
    completion,
    fan_out,
    front_door,
    healthcheck,
    invalidation,
    ledger,
    logs,
    page,
    reports,
    silence,
    storm,
)
from tests.bench.table import Row, render
from tests.packaging.install import build_wheel, clean_environment, install_wheel

Part = Callable[[Path, dict[str, str], Path], Iterator[Row]]
PARTS: dict[str, Part] = {
    "front-door": front_door.rows,
    "completion": completion.rows,
    "fan-out": fan_out.rows,
    "page": page.rows,
    "reports": reports.rows,
    "logs": logs.rows,
    "alerts": alerts.rows,
    "healthcheck": healthcheck.rows,
    "silence": silence.rows,
    "storm": storm.rows,
    "invalidation": invalidation.rows,
    "ledger": ledger.rows,
}


def main(chosen: list[str]) -> int:
    """Install opsctl as pip does, measure the chosen parts (default: all), print the table."""
    unknown = [name for name in chosen if name not in PARTS]
    if unknown:
        print(f"unknown part {unknown[0]}; known: {', '.join(PARTS)}", file=sys.stderr)
        return 64
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="opsctl-bench-") as name:
        folder = Path(name)
        empty = folder / "empty"
        empty.mkdir()
        (folder / "wheel").mkdir()
        opsctl = install_wheel(build_wheel(folder / "wheel"), folder / "installed")
        env = clean_environment(empty)
        for part in chosen or PARTS:
            for row in PARTS[part](opsctl, env, empty):
                print(f"measured: {row.what}", file=sys.stderr)
                rows.append(row)
    print(render(rows))
    failed = [row for row in rows if row.state == "FAIL"]
    missing = [row for row in rows if row.state == "not measured"]
    print(f"{len(failed)} over the limit, {len(missing)} not measured, {len(rows)} rows")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
