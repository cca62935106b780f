"""log.lines: counts, shares, windows, samples, and what it must not conclude."""

from __future__ import annotations

import functools
import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opsctl.clients.logfile import LogWindow
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.model import Seen
from opsctl.probes.log import LinesParams, lines
from opsctl.services.model import LogFile, Profile
from tests.fakes.endpoints import look_at, says, states, values

NOW = 1795230432.0
ID = "local.seen"


def line(ago: float, event: str, level: str = "error", **more: object) -> str:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - ago))
    return json.dumps({"timestamp": stamp, "level": level, "event": event, **more}) + "\n"


def look(path: Path | str, *, format: str = "json", **params: object) -> Seen:
    profile = Profile(service="mine", logs={"app": LogFile(path=str(path), format=format)})
    asked = msgspec.convert({"log": "app", "finding": ID, **params}, LinesParams)
    return lines(look_at({}, profile, now=NOW), asked)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """In the window: 6 pool errors and 2 others at error, 12 at info of which one says the words; before it: 50."""
    path = tmp_path / "app.log"
    text = "".join(line(900, "Connection pool timeout") for _ in range(50))
    text += "".join(line(200 - number, "Connection pool timeout", request_id=f"r{number}") for number in range(6))
    text += line(100, "validation failed") + line(99, "validation failed")
    text += "".join(line(90, "request done", "info") for _ in range(11))
    path.write_text(text + line(50, "Connection pool timeout recovered", "info"))
    return path


def test_more_lines_than_the_bound(log: Path) -> None:
    seen = look(log, pattern="Connection pool timeout", above=5)
    assert states(seen) == {ID: "breach"}
    assert says(seen, ID) == "7 lines in 5m match, bound 5"
    assert values(seen)["matched"] == 7
    assert values(seen)["lines_looked_at"] == 20
    assert values(seen)["rate"] == pytest.approx(7 / 300)
    assert seen.evidence[0].window == "5m"
    assert seen.evidence[0].query == "Connection pool timeout"
    assert seen.evidence[0].source == f"log {log}"


def test_not_more_than_the_bound(log: Path) -> None:
    assert states(look(log, pattern="Connection pool timeout", above=7)) == {ID: "ok"}
    assert states(look(log, pattern="no such thing")) == {ID: "ok"}
    assert states(look(log, pattern="Connection pool timeout", level="critical")) == {ID: "ok"}


def test_the_window_is_the_services_unless_given(log: Path) -> None:
    profile = Profile(service="mine", window="3m20s", logs={"app": LogFile(path=str(log), format="json")})
    asked = LinesParams(log="app", finding=ID, pattern="Connection pool timeout")
    assert says(lines(look_at({}, profile, now=NOW), asked), ID) == "7 lines in 3m20s match, bound 0"
    assert says(look(log, pattern="Connection pool timeout", within="197s"), ID) == "4 lines in 3m17s match, bound 0"


def test_a_share_is_of_the_error_lines(log: Path) -> None:
    seen = look(log, pattern="Connection pool timeout", share_above="20%")
    assert states(seen) == {ID: "breach"}
    assert says(seen, ID) == "6 of 8 error lines in 5m match (75 %, bound 20 %)"
    assert (seen.findings[0].measured, seen.findings[0].threshold) == (0.75, 0.2)
    assert states(look(log, pattern="validation", share_above=0.5)) == {ID: "ok"}


def test_a_share_of_few_lines_is_not_judged(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text(line(10, "boom") + line(9, "request done", "info"))
    assert states(look(path, pattern="boom", share_above=0.2)) == {ID: "unknown too-few"}
    assert states(look(path, pattern="other", share_above=0.2)) == {ID: "ok"}
    path.write_text(line(9, "request done", "info"))
    assert states(look(path, pattern="boom", share_above=0.2)) == {ID: "ok"}


def test_several_patterns_are_counted_apart_and_together(log: Path) -> None:
    seen = look(log, patterns={"pool": "pool", "timeout": "timeout", "schema": "validation"}, above=8)
    assert states(seen) == {ID: "breach"}
    found = values(seen)
    assert (found["matched"], found["pattern pool"], found["pattern schema"]) == (9, 7, 2)


def test_samples_are_the_newest_redacted_and_short(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    secret = "postgres://danci:hunter2@db/app token=sk-abcdefghijkl \x1b[31m"
    path.write_text("".join(line(20 - n, f"boom {n}", detail=secret + "x" * 500) for n in range(5)))
    seen = look(path, pattern="boom")
    samples = [value.value for value in seen.evidence[0].values if value.name == "line"]
    assert len(samples) == 3
    assert str(samples[-1]).startswith("ERROR boom 4 detail=postgres://danci:[redacted]@db/app")
    for sample in samples:
        assert len(str(sample)) == 200
        assert "hunter2" not in str(sample)
        assert "sk-abc" not in str(sample)
        assert "\x1b" not in str(sample)


def test_a_stack_trace_is_of_its_lines_level(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    stamp = time.strftime("%Y-%m-%d %H:%M:%S+00:00", time.gmtime(NOW - 5))
    text = f"{stamp} ERROR request failed\n  File x.py\nValueError: no partition of relation\n"
    path.write_text(text * 3 + f"{stamp} INFO fine\nno partition in this text\n")
    seen = look(path, format="text", pattern="no partition", share_above=0.5)
    assert says(seen, ID) == "3 of 3 error lines in 5m match (100 %, bound 50 %)"


def test_lines_not_understood_are_counted(log: Path) -> None:
    with log.open("a") as file:
        file.write("Traceback: not JSON\n{broken\n")
    assert values(look(log, pattern="boom"))["lines not understood"] == 2


def test_a_window_larger_than_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "app.log"
    with path.open("w") as file:
        for number in range(3000):
            event = "boom" if number % 100 == 0 else "fine"
            file.write(line(280 - number / 11, event, "info", filler="x" * 150))
    monkeypatch.setattr("opsctl.probes.log_count.LogWindow", functools.partial(LogWindow, max_bytes=200_000))
    seen = look(path, pattern="boom", above=5)
    assert states(seen) == {ID: "breach"}
    assert " of 5m match" in says(seen, ID)
    seen = look(path, pattern="boom", above=50)
    assert states(seen) == {ID: "unknown too-large"}
    assert "MiB before that were left out" in says(seen, ID)
    assert next(value for value in seen.evidence[0].values if value.name == "matched").at_least


def failure_of(path: Path | str, **params: Any) -> CouldNotLook:
    with pytest.raises(CouldNotLook) as caught:
        look(path, pattern="x", **params)
    return caught.value


def test_no_lines_in_the_window_proves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("")
    assert failure_of(path).reason == "no-data"
    assert failure_of(path).says == f"{path} has no line of the last 5m: it is empty"
    path.write_text(line(3600, "boom"))
    assert failure_of(path).says.endswith("its newest line is from 2026-11-21 02:07:12 UTC")
    path.write_text("boom\nboom\n")
    assert failure_of(path, format="text").reason == "bad-answer"


def test_logs_that_are_not_here(tmp_path: Path) -> None:
    assert failure_of(tmp_path / "none.log").reason == "not-found"
    assert failure_of("kubernetes:Deployment/orchestrator").reason == "not-configured"
    with pytest.raises(NotConfigured):
        lines(look_at({}), LinesParams(log="app", finding=ID, pattern="x"))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"pattern": "("},
        {"pattern": "x", "level": "loud"},
        {"pattern": "x", "within": "soon"},
        {"pattern": "x", "within": "0s"},
        {"pattern": "x", "share_above": "much"},
        {"pattern": "x", "patern": "y"},
    ],
)
def test_parameters_are_checked_when_they_load(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"log": "app", "finding": ID, **wrong}, LinesParams)
