"""Reports that are kept: replay, HTML; and checking a hundred runbooks."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.bench.measure import least, ratio, run
from tests.bench.table import Row

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "tests/cases/high-latency/amas-database-locks.json"  # 38 probes
BOOKS = ("high-latency", "high-error-rate")


def rows(opsctl: Path, env: dict[str, str], empty: Path) -> Iterator[Row]:
    """Replay by ratio, the HTML's size and what it takes beyond the same report as JSON, a hundred runbooks' lint."""
    base: list[str | Path] = [opsctl.parent / "python", "-c", "pass"]
    replay: list[str | Path] = [opsctl, "diagnose", "high-latency", "--replay", KEPT, "--no-save"]
    what, code = "opsctl diagnose --replay REPORT", run(replay, env, empty).code
    if code in (1, 2):
        yield Row(what, ratio(replay, base, env, empty, rounds=9), 12.0, "x")
    else:
        yield Row(what, None, 12.0, "x", f"it ends with {code}")
    show: list[str | Path] = [opsctl, "report", "show", KEPT, "-o"]
    page = subprocess.run([*show, "html"], env=env, cwd=empty, capture_output=True, check=False).stdout
    yield Row("HTML report of 38 probes", len(page) / 1000 if page else None, 400.0, "kB")
    beyond = least([*show, "html"], env, empty).wall - least([*show, "json"], env, empty).wall
    yield Row("HTML report, beyond the same as JSON", max(beyond, 0.0), 0.5, "s")
    yield _lint(opsctl, env, empty)


def _lint(opsctl: Path, env: dict[str, str], empty: Path) -> Row:
    """Files that were never read before in the first run; the least of five is the cached one, so the first counts."""
    books = empty / "hundred"
    books.mkdir()
    for number in range(100):
        name = BOOKS[number % len(BOOKS)]
        text = (ROOT / "runbooks" / f"{name}.yaml").read_text(encoding="utf-8")
        own = text.replace(f"runbook: {name}", f"runbook: book-{number:03}", 1)
        (books / f"book-{number:03}.yaml").write_text(own, encoding="utf-8")
    once = run([opsctl, "--runbooks", books, "runbook", "lint"], env, empty)
    what = "opsctl runbook lint of 100 runbooks, never read before"
    return Row(
        what, once.wall if once.code == 0 else None, 1.5, "s", "" if once.code == 0 else f"ends with {once.code}"
    )
