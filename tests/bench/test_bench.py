"""The bench's own parts: rows are judged right, and a child is measured."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.bench.measure import run
from tests.bench.table import Row, render


def test_a_row_over_its_limit_fails() -> None:
    assert Row("a", 2.0, 2.0, "x").state == "ok"
    assert Row("a", 2.1, 2.0, "x").state == "FAIL"
    assert Row("a", 2.1, None, "x").state == "-"
    assert Row("a", None, 2.0, "x", "no bash").state == "not measured"
    assert "2.10 x  FAIL  why" in render([Row("a", 2.1, 2.0, "x", "why")])


def test_a_child_is_measured(tmp_path: Path) -> None:
    busy = run([sys.executable, "-c", "sum(range(10**7)); bytearray(50_000_000); exit(3)"], {}, tmp_path)
    idle = run([sys.executable, "-c", "pass"], {}, tmp_path)
    assert busy.code == 3
    assert idle.code == 0
    assert busy.cpu > idle.cpu
    assert busy.peak > idle.peak
