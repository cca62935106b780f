"""Reading the end of a log: times, levels, windows, rotation, and files that are no logs."""

from __future__ import annotations

import gzip
import os
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from opsctl.clients.logfile import LogWindow
from opsctl.clients.logline import MAX_LINE, LogLine, at_least, read_line, summary
from opsctl.errors import CouldNotLook

NOW = 1795230432.0  # 2026-11-21T03:07:12Z


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> object:
    """A host an hour east of UTC, so that local and UTC times cannot be mixed up unseen."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class Read:
    """A window that was read: its lines, and what is said about it afterwards."""

    def __init__(self, window: LogWindow) -> None:
        self.lines: list[LogLine] = list(window)
        self.window = window

    def __getattr__(self, name: str) -> Any:
        return getattr(self.window, name)


def tail_of(path: Path, *, within: float = 300, **how: Any) -> Read:
    return Read(LogWindow(str(path), **{"since": NOW - within, "until": NOW, **how}))


def stamp(ago: float) -> str:
    return datetime.fromtimestamp(NOW - ago).astimezone().isoformat()


@pytest.mark.parametrize(
    "line",
    [
        '{"timestamp": "2026-11-21T03:07:12Z", "level": "error"}',
        '{"timestamp": "2026-11-21T04:07:12.000+01:00", "level": "ERROR"}',
        '{"time": 1795230432, "levelname": "ERROR"}',
        '{"time": 1795230432000, "level": 50}',
        '{"ts": 1795230432.0, "severity": "err"}',
        '{"@timestamp": "2026-11-21T03:07:12.000000000Z", "log.level": "error"}',
        "2026-11-21T03:07:12Z ERROR it broke",
        "2026-11-21 04:07:12,000 ERROR it broke",  # Python's logging: local time
        "2026-11-21 03:07:12 UTC [error] it broke",
        "[2026-11-21T03:07:12.000Z] [error] it broke",
        "2026/11/21 04:07:12 [error] 17#17: it broke",  # nginx
        "level=error ts=2026-11-21T03:07:12Z msg=broke",
        '127.0.0.1 - - [21/Nov/2026:04:07:12 +0100] "GET / HTTP/1.1" 500 12',
        "Nov 21 04:07:12 host app[12]: ERROR it broke",
    ],
)
def test_times_and_levels(line: str) -> None:
    read = read_line(line.encode(), NOW)
    assert read.time == NOW, line
    assert read.parsed
    assert read.level == ("" if "HTTP/1.1" in line else "error")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "  at frame (file.js:12)",
        "{broken",
        '{"time": true}',
        "2026-13-45 99:99:99 x",
        "error 2026",
        "[1]",
        '"text"',
    ],
)
def test_lines_without_a_time(line: str) -> None:
    assert read_line(line.encode(), NOW).time is None


def test_syslog_of_december_read_in_january() -> None:
    january = datetime(2027, 1, 1, 0, 0, 5).timestamp()
    assert read_line(b"Dec 31 23:59:59 host app: x", january).time == january - 6


def test_levels_are_ordered() -> None:
    assert at_least("critical", "error")
    assert not at_least("warning", "error")
    assert not at_least("", "trace")


def test_summary_of_a_json_line() -> None:
    line = (
        '{"timestamp": "2026-11-21T03:07:12Z", "level": "error", "event": "search failed", "status_code": 503, "x": {}}'
    )
    assert summary(read_line(line.encode(), NOW)) == "ERROR search failed status_code=503"
    assert summary(read_line(b"  two   words ", NOW)) == "two words"


def test_the_window(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("".join(f"{stamp(ago)} INFO n{ago}\n" for ago in (900, 301, 299, 10, 0, -5)))
    tail = tail_of(log)
    assert [line.text.split()[-1] for line in tail.lines] == ["n299", "n10", "n0"]
    assert tail.complete
    assert tail.end == NOW + 5


def test_lines_without_a_time_belong_to_the_line_before(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(f"{stamp(900)} ERROR old\n  at old frame\n{stamp(60)} ERROR new\n  at new frame\ncaused by: x\n")
    tail = tail_of(log)
    assert [line.text.split()[-1] for line in tail.lines] == ["new", "frame", "x"]
    assert {line.time for line in tail.lines} == {NOW - 60}
    assert tail.unparsed == 0


def test_lines_that_are_not_of_the_format_are_counted(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(f'{{"time": {NOW - 5}}}\nnot json\n{{"time": {NOW - 4}, "cut": \n[]\n')
    assert tail_of(log, format="json").unparsed == 3
    assert len(tail_of(log, format="json").lines) == 4


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    with log.open("w") as file:
        for ago in range(200_000, 0, -1):
            file.write(f"{stamp(ago / 10)} INFO {'x' * 80} {ago}\n")
    size = log.stat().st_size
    tail = tail_of(log)
    assert [int(line.text.split()[-1]) for line in tail.lines] == list(range(3000, 0, -1))
    assert (tail.complete, tail.notes) == (True, [])
    assert tail.bytes_read < size / 10
    past = tail_of(log, since=NOW - 12_000, until=NOW - 11_900)  # in the middle
    assert [int(line.text.split()[-1]) for line in past.lines] == list(range(120_000, 118_999, -1))
    assert past.bytes_read < size / 8


def test_of_a_window_that_is_too_large_the_newest_part_is_read(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    with log.open("w") as file:
        for ago in range(20_000, 0, -1):
            file.write(f"{stamp(ago / 100)} INFO {'x' * 80} {ago}\n")
    tail = tail_of(log, max_bytes=100_000)
    assert (tail.complete, tail.unread) == (False, log.stat().st_size - 100_000)
    assert tail.start is not None
    assert NOW - 200 < tail.start < NOW
    assert tail.lines[0].text.startswith("2026")  # the first, partial line is left out
    assert tail.lines[-1].text.endswith(" 1")


def test_rotated_files_are_followed_once(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(f"{stamp(10)} INFO new\n")
    old = "".join(f"{stamp(ago)} INFO old\n" for ago in (900, 200, 100))
    (tmp_path / "app.log.1").write_text(old)
    tail = tail_of(log)
    assert [line.text.split()[-1] for line in tail.lines] == ["old", "old", "new"]
    assert tail.complete
    (tmp_path / "app.log.1").unlink()
    with gzip.open(tmp_path / "app.log.1.gz", "wb") as file:
        file.write(old.encode())
    assert len(tail_of(log).lines) == 3
    (tmp_path / "app.log.1.gz").write_bytes(b"not gzip")
    broken = tail_of(log)
    assert (len(broken.lines), broken.complete) == (1, False)
    assert broken.notes == [f"{log}.1.gz: it is not gzip, or damaged; it was left out"]
    # The new file reaches back far enough: the old one is not read.
    log.write_text(f"{stamp(600)} INFO a\n{stamp(10)} INFO new\n")
    (tmp_path / "app.log.1").write_text(f"{stamp(20)} INFO impossible\n")
    assert [line.text.split()[-1] for line in tail_of(log).lines] == ["new"]


def test_an_empty_file_and_one_without_times(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("")
    empty = tail_of(log)
    assert (empty.lines, empty.complete, empty.timeless, empty.end) == ([], True, False, None)
    log.write_text("one\ntwo\n")
    assert tail_of(log).timeless
    assert tail_of(log).lines == []


def test_long_lines_and_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(
        f"{stamp(5)} INFO ".encode() + b"x" * 10 * MAX_LINE + b"\n" + f"{stamp(4)} INFO ".encode() + b"\xff\xfe\n"
        + f"{stamp(3)} INFO windows\r\n".encode()
    )  # fmt: skip
    tail = tail_of(log)
    assert (tail.cut, tail.damaged, len(tail.lines)) == (1, 1, 3)
    assert len(tail.lines[0].text) == MAX_LINE
    assert tail.lines[2].text.endswith("windows")


def failure_of(path: Path | str) -> CouldNotLook:
    with pytest.raises(CouldNotLook) as caught:
        list(LogWindow(str(path), since=0, until=NOW, setting="profile mine, logs.app"))
    assert caught.value.setting == "profile mine, logs.app"
    return caught.value


def test_a_file_that_is_not_on_this_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = failure_of(tmp_path / "none.log")
    assert failed.reason == "not-found"
    assert failed.says == (f"{tmp_path}/none.log does not exist on this host; logs are read on the service's own host")
    monkeypatch.chdir(tmp_path)
    assert f"{tmp_path}/logs/app.log" in failure_of("logs/app.log").says


def test_files_that_are_no_logs(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(bytes(range(256)) * 10)
    assert failure_of(tmp_path / "data.bin").reason == "bad-answer"
    assert failure_of(tmp_path).reason == "bad-answer"
    os.mkfifo(tmp_path / "pipe")
    assert failure_of(tmp_path / "pipe").reason == "bad-answer"  # and does not wait for a writer
    assert failure_of(tmp_path / "data.bin" / "x").reason == "bad-answer"


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "app.log").write_text("x")

    def refuse(*path: object, **how: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)  # root, as in CI, may read everything
    assert failure_of(tmp_path / "app.log").reason == "forbidden"


def test_a_deadline(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(f"{stamp(5)} INFO x\n" * 5000)
    with pytest.raises(CouldNotLook) as caught:
        tail_of(log, deadline=time.monotonic() - 1)
    assert caught.value.reason == "timeout"
