"""Adapters of kind command on real processes: a small supervisor of the tests restarts, stops and starts one."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from opsctl.actions.service_restart import RESTART
from opsctl.actions.service_switch import STOP
from opsctl.clients.command import started
from opsctl.errors import CouldNotLook
from opsctl.services.model import Adapter
from tests.actions.service_hands import done, hands_for, plan_of, proposed
from tests.fakes import badserver as bad

SUPERVISOR = """
import os, signal, subprocess, sys, time
verb, file = sys.argv[1:3]
def pid():
    try:
        number = int(open(file).read())
        os.kill(number, 0)
        state = open("/proc/%d/stat" % number).read().rpartition(")")[2].split()[0]
        return 0 if state == "Z" else number
    except (OSError, ValueError):
        return 0
if verb == "status":
    print("running pid=%d" % pid() if pid() else "stopped")
    sys.exit(0 if pid() else 3)
if verb in ("stop", "restart") and pid():
    os.kill(pid(), signal.SIGTERM)
    while pid():
        time.sleep(0.01)
if verb in ("start", "restart"):
    child = subprocess.Popen(["sleep", "300"], stdin=-3, stdout=-3, stderr=-3, start_new_session=True)
    open(file, "w").write(str(child.pid))
"""


class Unit:
    def __init__(self, folder: Path) -> None:
        (folder / "supervisor.py").write_text(SUPERVISOR)
        self.file = folder / "pid"
        self.argv = (sys.executable, "-S", str(folder / "supervisor.py"), "{verb}", str(self.file))
        self.environ = {"PATH": os.environ["PATH"]}

    @property
    def pid(self) -> int:
        number = int(self.file.read_text()) if self.file.exists() else 0
        return number if number and started(number) is not None else 0

    def hands(self, urls=None, **more):
        return hands_for({"app": Adapter(kind="command", unit="shop", argv=self.argv, **more)}, self.environ, urls)

    def kill(self) -> None:
        if pid := self.pid:
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def unit(tmp_path):
    unit = Unit(tmp_path)
    yield unit
    unit.kill()


def test_a_dead_unit_is_started_and_a_running_one_is_another_run_afterwards(unit):
    hands = unit.hands()
    proposal, (did,) = done(RESTART, hands)
    assert proposal.steps[0].why == "it is stopped"
    assert did.state == "acted"
    first = unit.pid
    assert first
    proposal, (did,) = done(RESTART, hands)
    assert proposal.steps[0].target.pin == {"state": "running", "pid": first, "started": pytest.approx(0, abs=1e18)}
    assert did.state == "acted"
    assert unit.pid not in (0, first)
    assert RESTART.settled(hands, proposal.steps[0]) == "acted"
    assert RESTART.verify(hands, plan_of(RESTART, proposal), (1,)).ok


def test_one_that_died_and_was_started_meanwhile_is_left_alone(unit):
    done(RESTART, unit.hands())
    (step,) = proposed(RESTART, unit.hands()).steps
    done(RESTART, unit.hands())
    second = unit.pid
    assert RESTART.apply(unit.hands(), step).state == "skipped"
    assert unit.pid == second


def test_stopped_and_started_again(unit):
    hands = unit.hands()
    done(RESTART, hands)
    proposal, (did,) = done(STOP, hands, adapter="app", serving=True)
    assert (did.state, unit.pid) == ("acted", 0)
    assert STOP.undo(hands, proposal.steps[0], did.inverse).state == "acted"
    assert unit.pid


def test_it_must_serve_within_its_time(unit):
    port = bad.refusing_port()
    hands = unit.hands({"readiness": ("http", f"http://127.0.0.1:{port}/ready")})
    begun = time.monotonic()
    proposal, (did,) = done(RESTART, hands, wait="1s")
    assert (did.state, did.after["ready"]) == ("acted", False)
    assert "does not serve after 1s" in did.says
    assert time.monotonic() - begun < 20
    assert RESTART.verify(hands, plan_of(RESTART, proposal), (1,)).ok is False


def test_it_serves_again(unit):
    with bad.BadServer(bad.answer(200, b"{}")) as server:
        hands = unit.hands({"readiness": ("http", f"{server.url}/ready")})
        _, (did,) = done(RESTART, hands, wait="5s")
    assert did.after["ready"] is True
    assert "readiness answers HTTP 200" in did.says


def test_without_a_status_command_nothing_is_claimed(tmp_path):
    script = tmp_path / "restart.sh"
    script.write_text("#!/bin/sh\necho restarted >> did\n")
    script.chmod(0o755)
    adapter = Adapter(kind="command", unit="shop", argv=("./restart.sh",), folder=str(tmp_path))
    hands = hands_for({"app": adapter}, {"PATH": os.environ["PATH"]})
    proposal, (did,) = done(RESTART, hands)
    assert proposal.notes == ("it has no status command, so that nothing tells whether it was restarted meanwhile",)
    assert did.state == "acted"
    assert (tmp_path / "did").read_text() == "restarted\n"
    assert RESTART.settled(hands, proposal.steps[0]) == "unknown"


def test_a_program_that_is_started_in_the_foreground_is_no_restart():
    adapter = Adapter(kind="command", unit="kyrodb", argv=("./server", "--config", "x"), foreground=True)
    with pytest.raises(CouldNotLook, match="in the foreground"):
        proposed(RESTART, hands_for({"app": adapter}, {}))
