"""Logs as they really are: huge lines, holes, odd encodings, a clock set back, rotation in every style, and garbage."""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsctl.clients.logfile import LogWindow
from opsctl.clients.logline import LEVELS, MAX_LINE, LogLine, read_line, summary
from opsctl.errors import CouldNotLook

NOW = 1795230432.0  # 2026-11-21T03:07:12Z


def stamp(ago: float) -> str:
    return datetime.fromtimestamp(NOW - ago, UTC).isoformat()


def window(path: Path, *, within: float = 300, **how: object) -> LogWindow:
    return LogWindow(str(path), **{"since": NOW - within, "until": NOW, **how})  # type: ignore[arg-type]


def read(path: Path, **how: float) -> tuple[list[LogLine], LogWindow]:
    one = window(path, **how)
    return list(one), one


def lines(first: float, last: float, each: float = 1.0, text: str = "x" * 60) -> str:
    """Lines from ``first`` to ``last`` seconds ago; each ends with how long ago it was."""
    count = int((first - last) / each) + 1
    return "".join(f"{stamp(first - n * each)} INFO {text} {first - n * each:g}\n" for n in range(count))


def last_words(found: list[LogLine]) -> list[str]:
    return [line.text.split()[-1] for line in found]


def test_a_line_of_100_megabytes_is_never_held_whole(tmp_path: Path) -> None:
    import tracemalloc

    log = tmp_path / "app.log"
    with log.open("w") as file:
        file.write(lines(5000, 301))
        file.write(f"{stamp(200)} ERROR huge ")
        for _ in range(100):
            file.write("y" * 2**20)
        file.write("\n" + lines(100, 1))
    tracemalloc.start()
    found, told = read(log)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(found), told.cut, told.complete) == (101, 1, True)
    assert found[0].text.startswith(f"{stamp(200)} ERROR huge yyy")
    assert len(found[0].text) == MAX_LINE
    assert peak < 20 * 2**20


def test_a_huge_json_line_keeps_its_time(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text('{"level": "error", "time": ' + str(int(NOW - 9)) + ', "x": "' + "z" * 100_000 + '"}\n')
    found, told = read(log)
    assert (found[0].time, told.cut, told.unparsed) == (NOW - 9, 1, 0)


def test_a_file_that_ends_in_one_line_without_end(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(lines(100, 1).encode() + b"x" * 50_000)
    assert len(read(log)[0]) == 101
    log.write_bytes(b"x" * 50_000)
    assert read(log)[1].timeless


def test_a_hole_where_the_file_was_emptied_under_its_writer(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    with log.open("wb") as file:
        file.seek(30 * 2**20)
        file.write(b"rest of a line\n" + lines(400, 1).encode())
    found, told = read(log)
    assert (last_words(found)[0], len(found), told.complete) == ("300", 300, True)


def test_a_stray_zero_byte_is_no_binary_file(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"\0\0" + lines(20, 10).encode() + b"bro\0ken\n")
    assert len(read(log)[0]) == 12


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_sixteen_bits_a_character(tmp_path: Path, encoding: str) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(("\ufeff" + lines(9000, 1, text="grüße 😀 " + "x" * 60)).encode(encoding))
    found, told = read(log)
    assert last_words(found) == [str(n) for n in range(300, 0, -1)]
    assert "grüße 😀" in found[0].text
    assert told.bytes_read < log.stat().st_size
    assert told.damaged == 0


def test_latin_1_among_utf_8(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(
        f"{stamp(9)} ERROR größer\n".encode()
        + f"{stamp(8)} ERROR größer\n".encode("latin-1")
        + f'{{"ts": {NOW - 7}, "msg": "größer"}}\n'.encode("latin-1")
        + b"\xef\xbb\xbf" + f"{stamp(6)} INFO mark\n".encode()
    )  # fmt: skip
    found, told = read(log)
    assert ["größer" in line.text for line in found] == [True, True, True, False]
    assert (told.damaged, told.unparsed) == (2, 0)
    assert summary(found[2]) == "größer"


def test_a_clock_that_was_set_back(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(lines(9000, 0, 5) + lines(3600, 0, 5))  # an hour is told twice
    found, told = read(log)
    assert len(found) == 61 + 61 or len(found) == 61  # where halving lands between the two tellings
    assert last_words(found)[-61:] == [str(n) for n in range(300, -1, -5)]
    assert told.set_back in (0.0, 3600.0)
    log.write_text(lines(250, 100, 10) + lines(200, 0, 10))
    found, told = read(log)
    assert (len(found), told.set_back, told.complete) == (37, 100.0, True)


def test_lines_a_little_out_of_order(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    rows = lines(20_000, 1, text="x" * 300).splitlines(keepends=True)
    rows = [row for n in range(0, len(rows), 7) for row in reversed(rows[n : n + 7])]
    log.write_text("".join(rows))
    found, told = read(log)
    assert sorted(map(int, last_words(found))) == list(range(1, 301))
    assert told.bytes_read < log.stat().st_size / 2


NAMES = ["app.log.1", "app.log-20261121", "app.log.2026-11-21", "app-20261121.log", "app.1.log", "app.log.old"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("packed", [False, True])
def test_rotation_in_every_style(tmp_path: Path, name: str, packed: bool) -> None:
    (tmp_path / "app.log").write_text(lines(100, 1))
    old = lines(9000, 101).encode()
    place = tmp_path / (f"{name}.gz" if packed else name)
    place.write_bytes(gzip.compress(old) if packed else old)
    os.utime(place, (NOW - 101, NOW - 101))
    (tmp_path / "app.login.txt").write_text(lines(50, 1))  # another file
    (tmp_path / "app-worker.log").write_text(lines(50, 1))
    found, told = read(tmp_path / "app.log")
    assert last_words(found) == [str(n) for n in range(300, 0, -1)]
    assert (told.complete, told.notes) == (True, [])


def test_several_rotations_back_but_no_further(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text(lines(10, 1))
    for number, (first, last) in enumerate([(60, 11), (150, 61), (400, 151), (900, 401)], 1):
        place = tmp_path / f"app.log.{number}"
        place.write_text(lines(first, last))
        os.utime(place, (NOW - last, NOW - last))
    (tmp_path / "app.log.4").chmod(0)
    found, told = read(tmp_path / "app.log")
    assert last_words(found) == [str(n) for n in range(300, 0, -1)]
    assert (told.complete, told.notes) == (True, [])


def test_a_rotation_packed_otherwise_is_said(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text(lines(10, 1))
    (tmp_path / "app.log.1.zst").write_bytes(b"\x28\xb5\x2f\xfd")
    found, told = read(tmp_path / "app.log")
    assert (len(found), told.complete) == (10, False)
    assert told.notes == [f"{tmp_path}/app.log.1.zst is packed in a way that is not read here; it was left out"]


def test_a_gzip_rotation_is_unpacked_only_when_the_window_reaches_it(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text(lines(310, 1))
    (tmp_path / "app.log.1.gz").write_bytes(b"no gzip at all")
    found, told = read(tmp_path / "app.log")
    assert (len(found), told.complete, told.notes) == (300, True, [])
    (tmp_path / "app.log").write_text(lines(50, 1))
    half = gzip.compress(lines(9000, 51).encode())
    (tmp_path / "app.log.1.gz").write_bytes(half[: len(half) // 2])
    found, told = read(tmp_path / "app.log")
    assert (len(found), told.complete) == (50, False)
    assert "ends too early" in told.notes[0]
    # The older file's last change is before the window: nothing of the window can be in it.
    os.utime(tmp_path / "app.log.1.gz", (NOW - 301.5, NOW - 301.5))
    assert read(tmp_path / "app.log")[1].complete


def test_a_log_that_rotates_while_it_is_read(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(lines(250, 1))
    (tmp_path / "app.log.1").write_text(lines(900, 251))
    reading = iter(one := window(log))
    first = next(reading)
    log.rename(tmp_path / "app.log.2")
    log.write_text(lines(0, 0))
    assert len([first, *reading]) == 300
    assert one.complete


def test_a_log_that_is_emptied_while_it_is_read(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(lines(250, 1, 0.01))
    reading = iter(one := window(log))
    next(reading)
    os.truncate(log, 0)
    list(reading)
    assert not one.complete
    assert one.notes == [f"{log} was emptied or cut short while it was read"]


def test_a_log_that_grows_faster_than_it_is_read(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(lines(250, 1))
    reading = window(log)
    count = 0
    with log.open("a") as file:
        for line in reading:
            file.write(f"{line.text}\n" * 3)
            file.flush()
            count += 1
    assert count == 250


def test_a_link_to_a_pipe_and_a_device(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "app.log").symlink_to(tmp_path / "pipe")
    for place in (tmp_path / "app.log", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(CouldNotLook) as caught:
            read(place)
        assert (caught.value.reason, "not a regular file" in caught.value.says) == ("bad-answer", True)


def test_the_deadline_holds_while_seeking_and_unpacking(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text(lines(9000, 1))
    one = window(tmp_path / "app.log", deadline=time.monotonic() - 1)
    with pytest.raises(CouldNotLook) as caught:
        list(one)
    assert caught.value.reason == "timeout"
    (tmp_path / "app.log").write_text(lines(5, 1))
    (tmp_path / "app.log.1.gz").write_bytes(gzip.compress(lines(900, 6).encode()))
    found, told = read(tmp_path / "app.log", deadline=time.monotonic() - 1)
    assert (len(found), told.complete) == (5, False)


KEYS = ["timestamp", "time", "ts", "@timestamp", "level", "msg", "date", "t", "log.level"]
JSONISH = st.dictionaries(
    st.sampled_from(KEYS),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
    | st.sampled_from([stamp(5), "2026-13-99T99:99:99Z", "1e999", "-0", "9" * 40, "0001-01-01T00:00:00+14:00"])
    | st.lists(st.integers(), max_size=2),
)  # fmt: skip


def _never_raises(check: Callable[[], object]) -> None:
    began = time.monotonic()
    check()
    assert time.monotonic() - began < 20


@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass")))
@settings(max_examples=300, deadline=None)
def test_no_line_raises(raw: bytes) -> None:
    def check() -> None:
        line = read_line(raw, NOW)
        assert line.level in ("", *LEVELS)
        assert isinstance(summary(line), str)

    _never_raises(check)


@given(JSONISH)
@settings(max_examples=300, deadline=None)
def test_no_json_line_raises(fields: dict[str, object]) -> None:
    import json

    raw = json.dumps(fields).encode("utf-8", "surrogatepass")
    line = read_line(raw, NOW)
    assert line.time is None or -1e11 < line.time < 1e11
    assert line.level in ("", *LEVELS)
    assert isinstance(summary(line), str)
    read_line(raw[: len(raw) // 2], NOW, cut=True)


PIECES = st.lists(
    st.sampled_from([lines(5, 5).encode(), lines(900, 890).encode(), b"\n", b"\r\n", b"\0", b"{", b'{"time": 1}\n'])
    | st.binary(max_size=200),
    max_size=30,
)


@given(PIECES, st.sampled_from([b"", b"\xff\xfe", b"\xfe\xff"]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_file_raises_anything_untyped(pieces: list[bytes], mark: bytes, packed: bool) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        log = Path(name) / "app.log"
        log.write_bytes(mark + b"".join(pieces))
        (Path(name) / ("app.log.1.gz" if packed else "app.log.1")).write_bytes(b"".join(reversed(pieces)))
        found, reason = [], ""
        try:
            found = list(window(log, max_bytes=500))
        except CouldNotLook as failed:
            reason = failed.reason
        assert reason in ("", "bad-answer")
        assert all(line.time is not None and NOW - 300 <= line.time <= NOW for line in found)
