"""kill -9 at every point: nothing is done twice, nothing is done unrecorded, and resume or undo goes on."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from opsctl.errors import Refused, TryLater
from opsctl.remediation.ending import exit_code
from opsctl.remediation.events import Verifying
from opsctl.remediation.resuming import resume
from opsctl.remediation.undoing import plan_undo, undo
from tests.remediation import world as worlds


def _heed():
    """A test run in the background ignores SIGINT, and its children would, too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(ana, *words, fault=""):
    """An operator's process, not waited for."""
    env = {**ana.environ, "FAULT": fault, "OPSCTL_ACTOR": "ben@laptop"}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.remediation.operate", str(ana.world.folder), *words],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_heed,
    )  # fmt: skip


def run(ana, *words, fault=""):
    """Its exit code and what it said."""
    child = start(ana, *words, fault=fault)
    out, err = child.communicate(timeout=60)
    assert "Traceback" not in err
    return child.returncode, json.loads(out) if out else {}


def resumed(ana, id):
    return resume(id, ana.hands(), ana.ledger, who=ana.who, on_event=ana.events.append)


def whole(ana, id):
    """The record is whole, and every act of the world is in it."""
    assert ana.ledger.verify().broken == ()
    assert ana.ledger.leases() == []
    return ana.ledger.run(id)


@pytest.mark.parametrize(
    ("fault", "acted", "open_step"),
    [
        ("before-act:a", [], 1),
        ("after-act:a", ["open a"], 1),
        ("before-act:b", ["open a"], 2),
        ("after-act:b", ["open a", "open b"], 2),
        ("after-act:c", ["open a", "open b", "open c"], 3),
    ],
)
def test_killed_while_it_acts_then_resumed(ana, world, fault, acted, open_step):
    world.make("a", "b", "c")
    code, _ = run(ana, "apply", fault=fault)
    assert code == -signal.SIGKILL
    assert world.acts == acted
    left = ana.ledger.runs()[0]
    assert left.state == "running"
    assert ana.record(left.id)[-1] == ("intent", open_step)
    outcome = resumed(ana, left.id)
    assert (outcome.word, outcome.done) == ("verified", 3)
    assert world.acts == ["open a", "open b", "open c"]
    settled = [e.body for e in ana.ledger.entries(left.id) if e.kind == "settled"]
    assert [s["effect"] for s in settled] == ["acted" if fault.startswith("after") else "not-acted"]
    assert whole(ana, left.id).word == "verified"
    # the inverse was known before the act, so that undo restores all of it
    assert undo(left.id, ana.hands(), ana.ledger, who=ana.who).word == "undone"
    assert world.levels() == {"a": 0, "b": 0, "c": 0}


def test_killed_between_two_steps(ana, world):
    world.make("a", "b", "c")
    worlds.action(pace=worlds.Pace(batch=2, pause=1.5))
    child = start_slow_pace(ana)
    wait_for(lambda: len(world.acts) == 1 and ("result", 1) in ana.record(ana.ledger.runs()[0].id))
    child.kill()
    child.communicate()
    worlds.action()
    id = ana.ledger.runs()[0].id
    outcome = resumed(ana, id)
    assert (outcome.word, outcome.done) == ("verified", 3)
    assert world.acts == ["open a", "open b", "open c"]
    assert not [e for e in ana.ledger.entries(id) if e.kind == "settled"]


def start_slow_pace(ana):
    """An operator whose plan waits long between batches."""
    code = (
        "from opsctl.actions.model import Pace; from tests.remediation import world as w; import sys;"
        "make = w.action; w.action = lambda **k: make(pace=Pace(batch=2, pause=1.5), **k);"
        "from tests.remediation.operate import main; sys.exit(main(*sys.argv[1:]))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(ana.world.folder), "apply"],
        env=ana.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_heed,
    )  # fmt: skip


def wait_for(holds, seconds=30.0):
    until = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except IndexError:
            pass
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.02)


def test_killed_after_the_act_and_nobody_can_tell(ana, world):
    world.make("a", "b")
    run(ana, "apply", fault="after-act:a")
    id = ana.ledger.runs()[0].id
    world.flag("dark")
    outcome = resumed(ana, id)
    assert (outcome.word, exit_code(outcome)) == ("unknown", 3)
    assert "a: whether it took effect is not known" in outcome.says
    assert world.acts == ["open a"]
    # with light again it is looked at once more, and the rest is done
    (world.folder / "dark").unlink()
    assert resumed(ana, id).word == "verified"
    assert world.acts == ["open a", "open b"]


def test_a_finished_run_is_left_alone(ana, world):
    world.make("a")
    _, said = run(ana, "apply")
    before = ana.record(said["run"])
    outcome = resumed(ana, said["run"])
    assert outcome.says == f"run {said['run']} is finished (verified): nothing is left to do"
    assert ana.record(said["run"]) == before


def test_what_is_left_moved_meanwhile(ana, world):
    world.make("a", "b")
    run(ana, "apply", fault="after-act:a")
    id = ana.ledger.runs()[0].id
    world.replace("b")
    outcome = resumed(ana, id)
    assert (outcome.word, exit_code(outcome)) == ("stopped", 77)
    assert "b is another one now" in outcome.says
    assert world.acts == ["open a"]
    assert whole(ana, id).word == "stopped"


def test_the_server_is_gone_when_it_is_resumed(ana, world):
    world.make("a", "b")
    run(ana, "apply", fault="before-act:b")
    id = ana.ledger.runs()[0].id
    world.flag("gone")
    outcome = resumed(ana, id)
    assert (outcome.word, outcome.done) == ("unknown", 1)
    assert "nothing listens" in outcome.says
    (world.folder / "gone").unlink()
    assert resumed(ana, id).word == "verified"
    assert world.acts == ["open a", "open b"]


def test_a_failed_step_is_tried_again_when_it_is_resumed(ana, world):
    world.make("a", "b", "c")
    world.flag("denied-b")
    outcome = ana.apply(ana.plan())
    assert outcome.word == "failed"
    (world.folder / "denied-b").unlink()
    again = resumed(ana, outcome.run)
    assert (again.word, again.done, again.failed) == ("verified", 3, 0)
    assert world.acts == ["open a", "open b", "open c"]


@pytest.mark.parametrize(
    ("fault", "closed"),
    [("before-undo:b", []), ("after-undo:b", ["close b"]), ("after-undo:a", ["close b", "close a"])],
)
def test_killed_while_it_undoes_then_undone_again(ana, world, fault, closed):
    world.make("a", "b")
    outcome = ana.apply(ana.plan())
    code, _ = run(ana, "undo", outcome.run, fault=fault)
    assert code == -signal.SIGKILL
    assert world.acts[2:] == closed
    assert ana.ledger.run(outcome.run).state == "running"
    # resume says who goes on with it, and does nothing
    assert "opsctl ledger undo" in resumed(ana, outcome.run).says
    done = undo(outcome.run, ana.hands(), ana.ledger, who=ana.who)
    assert done.word == "undone"
    assert world.acts[2:] == ["close b", "close a"]
    assert world.levels() == {"a": 0, "b": 0}
    assert whole(ana, outcome.run).state == "undone"


def test_undo_waits_until_it_is_known_what_was_done(ana, world):
    world.make("a", "b")
    run(ana, "apply", fault="after-act:b")
    id = ana.ledger.runs()[0].id
    with pytest.raises(Refused, match=f"First opsctl ledger resume {id}|whether that took effect is not recorded"):
        plan_undo(ana.ledger, id)
    resumed(ana, id)
    assert [one.step.target.id for one in plan_undo(ana.ledger, id).inverses] == ["b", "a"]


def test_a_run_that_goes_on_is_not_resumed(ana, world):
    world.make("a")
    world.flag("slow")
    child = start(ana, "apply")
    wait_for(lambda: world.flagged("slow-a"))
    with pytest.raises(TryLater, match="is locked by ben@laptop"):
        resumed(ana, ana.ledger.runs()[0].id)
    world.flag("go-on")
    out, _ = child.communicate(timeout=30)
    assert json.loads(out)["word"] == "verified"
    assert world.acts == ["open a"]


def test_ctrl_c_ends_it_between_two_acts(ana, world):
    world.make("a", "b")
    world.flag("slow")
    world.flag("deaf")  # an act that does not ask whether it may go on
    child = start(ana, "apply")
    wait_for(lambda: world.flagged("slow-a"))
    child.send_signal(signal.SIGINT)
    time.sleep(0.2)
    world.flag("go-on")
    out, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert "Traceback" not in err
    said = json.loads(out)
    assert (said["word"], said["says"]) == ("interrupted", "Ctrl-C before the next step; 1 of 2 steps are done")
    assert world.acts == ["open a"]
    assert ana.results(said["run"]) == {1: "acted"}
    assert whole(ana, said["run"]).word == "interrupted"
    assert resumed(ana, said["run"]).word == "verified"
    assert world.acts == ["open a", "open b"]


def test_ctrl_c_in_the_middle_of_a_long_act(ana, world):
    world.make("a", "b")
    world.flag("slow")
    child = start(ana, "apply")
    wait_for(lambda: world.flagged("slow-a"))
    child.send_signal(signal.SIGTERM)
    out, _ = child.communicate(timeout=30)
    said = json.loads(out)
    assert (child.returncode, said["word"]) == (130, "interrupted")
    assert world.acts == []
    assert ana.results(said["run"]) == {1: "failed"}


def test_ctrl_c_twice_leaves_the_act(ana, world):
    world.make("a", "b")
    world.flag("slow")
    world.flag("deaf")
    child = start(ana, "apply")
    wait_for(lambda: world.flagged("slow-a"))
    child.send_signal(signal.SIGINT)
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=30)
    said = json.loads(out)
    assert (child.returncode, said["word"]) == (130, "interrupted")
    assert f"opsctl ledger resume {said['run']}" in said["says"]
    assert ana.record(said["run"])[-1] == ("intent", 1)
    for name in ("slow", "deaf"):
        (world.folder / name).unlink()
    assert resumed(ana, said["run"]).word == "verified"
    assert world.acts == ["open a", "open b"]


def test_interrupted_while_it_looks_whether_it_helped(ana, world):
    """Every act is done: going on means to look once more, and nothing else."""
    world.make("a")
    dry = worlds.action(verify=lambda hands, plan, done: worlds.Verified(ok=False, says="dry"))
    outcome = ana.apply(
        ana.plan(action=dry),
        on_event=lambda event: os.kill(os.getpid(), signal.SIGINT) if isinstance(event, Verifying) else None,
    )
    assert (outcome.word, exit_code(outcome), outcome.done) == ("interrupted", 130, 1)
    assert outcome.says == "every step is done; Ctrl-C while it was looked: dry"
    worlds.action()
    assert resumed(ana, outcome.run).word == "verified"
    assert world.acts == ["open a"]
