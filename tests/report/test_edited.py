"""Whatever somebody writes into a saved report, it is read, refused or shown: never a crash."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opsctl.config.places import built_in
from opsctl.errors import OpsctlError
from opsctl.report import as_text
from opsctl.report.cases import find, home_of, replayed
from opsctl.report.diff import difference
from opsctl.report.diff_text import render
from opsctl.report.read import decode
from opsctl.report.style import Style
from opsctl.runbooks.load import load

CASE = next(c for c in find([home_of(built_in())]) if c.path.stem == "vritti-llm-slow").path.with_suffix(".json")
ODD: list[Any] = [
    None, 0, -1, 1e12, -1e12, "", "x", [], {}, True, ["a"], {"a": 1}, 10**30, "breach", "unknown", "not-recorded",
    "0001-01-01T00:00:00+14:00", "2026-11-21T03:07:12", "\x1b[2J",
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:4]) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


@pytest.mark.parametrize("seed", range(4))
def test_no_edit_crashes(seed):
    whole = json.loads(CASE.read_bytes())
    before = decode(CASE.read_bytes(), CASE).report
    dirs = [built_in()]
    book = load("high-latency", dirs)
    everywhere = list(places(whole))
    chance = random.Random(seed)
    told = 0
    for _ in range(25):
        raw = copy.deepcopy(whole)
        path = chance.choice(everywhere)
        inner = raw
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = chance.choice(ODD)
        try:
            kept = decode(json.dumps(raw).encode(), Path("edited.json"))
            told += bool(kept.notes)
            shown = as_text.render(kept.report, Style())
            shown += render(difference(before, kept.report), Style()) + render(difference(kept.report, before), Style())
            replayed(book, kept.report, {}, dirs)
        except OpsctlError as error:
            shown = error.sentence()
            told += 1
        assert "\x1b" not in shown, path
    assert told >= 15
