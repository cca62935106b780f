"""Start-up: ratios of CPU time to ``python -c pass`` of the same virtual environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.bench.measure import ratio, run
from tests.bench.table import Row

# uv's console script: it imports nothing before the program (pip's older ones import re).
UV_SCRIPT = """\
#!{python}
# -*- coding: utf-8 -*-
import sys
from opsctl.__main__ import main
if __name__ == "__main__":
    if sys.argv[0].endswith("-script.pyw"):
        sys.argv[0] = sys.argv[0][:-11]
    elif sys.argv[0].endswith(".exe"):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit(main())
"""

# Commands that go through Typer and ask no server, with the code they end with in an empty home folder.
TYPER_COMMANDS = (
    (("runbook", "list"), 0),
    (("runbook", "show", "high-latency"), 0),
    (("runbook", "show", "high-latency", "--markdown"), 0),
    (("runbook", "lint"), 0),
    (("probe", "list"), 0),
    (("probe", "show", "http.health"), 0),
    (("service", "list"), 0),
    (("service", "show", "vritti"), 0),
    (("service", "lint"), 0),
    (("context", "list"), 0),
    (("context", "show", "--sources"), 0),
    (("lab", "faults"), 0),
    (("lab", "status"), 69),  # no lab runs
    (("diagnose", "--help"), 0),
    (("diagnose", "high-latency", "--help"), 0),
    (("diagnose", "no-such-runbook"), 64),
)


def rows(opsctl: Path, env: dict[str, str], empty: Path) -> Iterator[Row]:
    """Version and help behind both kinds of script, then every Typer command that needs no backend."""
    python = opsctl.parent / "python"
    base: list[str | Path] = [python, "-c", "pass"]
    uv = opsctl.parent / "opsctl-uv"
    uv.write_text(UV_SCRIPT.format(python=python))
    uv.chmod(0o755)
    for argument in ("--version", "--help"):
        yield Row(f"opsctl {argument}, pip's script", ratio([opsctl, argument], base, env, empty), 2.0, "x")
        yield Row(f"opsctl {argument}, uv's script", ratio([uv, argument], base, env, empty), 1.3, "x")
    for command, code in TYPER_COMMANDS:
        what = f"opsctl {' '.join(command)}"
        once = run([opsctl, *command], env, empty)
        if once.code == code:
            yield Row(what, ratio([opsctl, *command], base, env, empty, rounds=9), 8.0, "x")
        else:
            yield Row(what, None, 8.0, "x", f"it ends with {once.code}")
