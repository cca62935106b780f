"""`--watch`: a line per look in a log; on a terminal a screen redrawn in place, whose last report stays."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time

import pytest

from tests.acceptance.app import App
from tests.cli import shop

WATCH = ("diagnose", "slow", "-s", "shop", "--watch", "--every", "1s")
BEGIN = "\x1b[?2026h\x1b[H"


def _heed_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _own_terminal():
    """Ctrl-C on the terminal reaches the command only when it is the command's own."""
    _heed_interrupts()
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def app():
    one = App(latency=0.02)
    yield one
    one.stop()


@pytest.fixture
def session(tmp_path, app):
    return shop.session(tmp_path, app)


def start(session, *more, ready=_heed_interrupts, **how):
    return subprocess.Popen(
        [sys.executable, "-m", "opsctl", *WATCH, *more],
        cwd=session.folder,
        env=session.environ | {"TERM": "xterm"},
        preexec_fn=ready,
        **how,
    )


PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "bufsize": 1}


def test_in_a_log_each_look_is_a_line_and_a_change_is_marked(session, app):
    child = start(session, **PIPES)
    lines = [child.stdout.readline(), child.stdout.readline()]
    app.change(latency=0.9)
    while "CRITICAL" not in lines[-1]:
        assert len(lines) < 30
        lines.append(child.stdout.readline())
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 2, err
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ OK shop: latency_p99 .*\n", lines[0])
    changed = next(line for line in lines if "(was ok)" in line)
    assert "CRITICAL sev2 (was ok) shop: latency_p99" in changed
    assert changed.rstrip().endswith("; slow-rate confirmed")
    assert err == ""
    saved = list((session.folder / "home/.local/state/opsctl/reports").glob("*.json"))
    assert [json.loads(file.read_text())["verdict"] for file in saved] == ["critical"]


def test_for_a_program_each_look_is_a_line_of_json_and_terminating_is_an_end_like_any(session):
    child = start(session, "-o", "json", "--no-save", **PIPES)
    reports = [json.loads(child.stdout.readline()) for _ in range(2)]
    child.terminate()
    child.communicate(timeout=30)
    assert child.returncode == 0
    assert [one["verdict"] for one in reports] == ["ok", "ok"]
    assert reports[0]["started_at"] < reports[1]["started_at"]
    assert not (session.folder / "home/.local/state/opsctl/reports").exists()


class Terminal:
    """A terminal of a given size that a command runs in."""

    def __init__(self, session, *more, columns=80, lines=30):
        self.leader, follower = pty.openpty()
        self.resize(columns, lines)
        self.child = start(session, *more, ready=_own_terminal, stdin=follower, stdout=follower, stderr=follower)
        os.close(follower)
        self.said = ""

    def resize(self, columns, lines):
        fcntl.ioctl(self.leader, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self, seconds):
        ready, _, _ = select.select([self.leader], [], [], seconds)
        if ready:
            try:
                self.said += os.read(self.leader, 65536).decode(errors="replace")
            except OSError:
                return False
        return bool(ready)

    def frames(self):
        """The screens so far, without their control sequences."""
        whole = [part.partition("\x1b[J")[0] for part in self.said.split(BEGIN)[1:] if "\x1b[J" in part]
        return [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", part).replace("\r\n", "\n") for part in whole]

    def until(self, wanted, seconds=60):
        """The first screen, from now on, that ``wanted`` says yes to."""
        seen, end = len(self.frames()), time.monotonic() + seconds
        while time.monotonic() < end:
            for frame in self.frames()[seen:]:
                if wanted(frame):
                    return frame
            self.read(1)
        raise AssertionError(self.said[-3000:])

    def end(self):
        """What is left on the terminal when the command is over, and its exit code."""
        end = time.monotonic() + 60
        while self.child.poll() is None and time.monotonic() < end:
            self.read(0.2)
        while self.read(0.2) and self.child.poll() is None:
            pass
        code = self.child.wait(10)
        self.read(0.2)
        os.close(self.leader)
        left = self.said.rpartition("\x1b[?1049l")[2]
        return code, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", left).replace("\r\n", "\n")


def test_a_screen_that_is_redrawn_and_a_report_that_stays(session, app):
    terminal = Terminal(session)
    first = terminal.until(lambda frame: "OK  shop" in frame)
    assert first.startswith("slow on shop, every 1s")
    assert "data 0 s old" in first or "data 1 s old" in first
    app.change(latency=0.9)
    broken = terminal.until(lambda frame: "ok -> critical" in frame)
    assert "CRITICAL  sev2  shop" in broken
    assert re.search(r"> \d\d:\d\d:\d\d UTC  ok -> critical, \d s ago", broken)
    grown = terminal.until(lambda frame: re.search(r"[▁-█]{4,}", frame))
    assert "highest" in grown
    os.write(terminal.leader, b"\x03")
    code, left = terminal.end()
    assert code == 2
    assert left.startswith("CRITICAL  sev2  shop")
    assert left.rstrip().splitlines()[-1].startswith("Saved ")
    assert "\x1b[?25h" in terminal.said  # the cursor is back


def test_narrow_low_and_resized(session, app):
    app.change(latency=0.9)
    terminal = Terminal(session, "--no-save", columns=36, lines=8)
    small = terminal.until(lambda frame: "CRITICAL" in frame)
    lines = small.split("\n")
    assert len(lines) == 8
    assert "more lines" in lines[-1]
    terminal.resize(100, 40)
    large = terminal.until(lambda frame: "more lines" not in frame and "CRITICAL" in frame)
    assert "(q ends, r looks now)" in large
    os.write(terminal.leader, b"q")
    code, left = terminal.end()
    assert code == 2
    assert "CRITICAL" in left


def test_ended_before_the_first_look_is_done(session, app):
    app.stop()
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    silent.listen()
    profile = session.folder / "runbooks" / "services" / "shop.yaml"
    profile.write_text(profile.read_text().replace(app.netloc, f"127.0.0.1:{silent.getsockname()[1]}"))
    terminal = Terminal(session)
    terminal.until(lambda frame: "looking for" in frame)
    os.write(terminal.leader, b"\x03")
    code, left = terminal.end()
    silent.close()
    assert code == 130
    assert "interrupted; nothing was changed" in left
