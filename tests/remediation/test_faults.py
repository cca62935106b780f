"""What can go wrong around the acts: the ledger, the lease, the stop file, a guard signal, another operator."""

import multiprocessing
import os
import sqlite3
import threading

import pytest

from opsctl.errors import CannotWrite, OpsctlError, Refused, Unavailable
from opsctl.ledger.opened import path_of
from opsctl.remediation.applying import apply
from opsctl.remediation.ending import exit_code
from opsctl.remediation.events import Ended, StepBegins, StepDone, Warned
from opsctl.remediation.resuming import resume
from opsctl.remediation.undoing import undo
from tests.remediation import world as worlds
from tests.remediation.conftest import ANA, Operator


class Failing:
    """A ledger whose disk is full from the given append on, until told otherwise."""

    def __init__(self, ledger, kinds, error=None):
        self._ledger = ledger
        self.kinds = list(kinds)
        self.error = error or CannotWrite("the ledger cannot be written (the disk is full)")

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    def append(self, run, kind, body, step=0):
        if (kind, step) in self.kinds:
            raise self.error
        return self._ledger.append(run, kind, body, step)


def test_without_a_record_nothing_is_done(ana, world):
    world.make("a", "b")
    plan = ana.plan()
    with pytest.raises(CannotWrite, match=r"the disk is full\); nothing was done") as caught:
        apply(plan, ana.hands(), Failing(ana.ledger, [("intent", 1)]), who=ana.who)
    assert caught.value.code == 73
    assert world.acts == []
    assert ana.ledger.leases() == []


def test_a_ledger_that_really_has_no_room(ana, world):
    """SQLite itself says that it is full: its pages are counted out."""
    world.make("a", "b")
    connection = ana.ledger._database._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")

    def go_on():
        for _ in range(50):  # what is left in the last page may do for a while
            apply(ana.plan(), ana.hands(), ana.ledger, who=ana.who, again=True)
            world.make("a", "b")

    with pytest.raises(CannotWrite, match="the disk is full"):
        go_on()
    # whatever acted is in the record: as many results as acts
    connection.execute("PRAGMA max_page_count = 1000000")
    kinds = [e.kind for run in ana.ledger.runs() for e in ana.ledger.entries(run.id) if e.kind in ("intent", "result")]
    assert kinds.count("intent") >= len(world.acts) >= kinds.count("result")
    with sqlite3.connect(path_of(ana.environ)) as check:
        assert check.execute("PRAGMA quick_check").fetchone()[0] == "ok"


def test_the_ledger_goes_between_two_acts(ana, world):
    world.make("a", "b", "c")
    gone = Unavailable("the ledger does not answer")
    with pytest.raises(Unavailable, match="1 of 3 steps are done and recorded, the next was not begun"):
        apply(ana.plan(), ana.hands(), Failing(ana.ledger, [("intent", 2)], gone), who=ana.who)
    assert world.acts == ["open a"]
    id = ana.ledger.runs()[0].id
    assert ana.results(id) == {1: "acted"}
    assert resume(id, ana.hands(), ana.ledger, who=ana.who).done == 3
    assert world.acts == ["open a", "open b", "open c"]


def test_the_ledger_goes_after_an_act(ana, world):
    world.make("a", "b")
    events = []
    failing = Failing(ana.ledger, [("result", 1)])
    outcome = apply(ana.plan(), ana.hands(), failing, who=ana.who, on_event=events.append)
    assert (outcome.word, exit_code(outcome)) == ("unknown", 3)
    assert outcome.says.startswith("a: open (acted), and this could NOT be recorded: the ledger cannot be written")
    assert events[-1] == Ended(outcome, recorded=False)
    assert world.acts == ["open a"]
    again = resume(outcome.run, ana.hands(), ana.ledger, who=ana.who)
    assert again.word == "verified"
    assert world.acts == ["open a", "open b"]


def test_the_outcome_cannot_be_recorded(ana, world):
    world.make("a")
    events = []
    failing = Failing(ana.ledger, [("verified", 0), ("outcome", 0)])
    outcome = apply(ana.plan(), ana.hands(), failing, who=ana.who, on_event=events.append)
    assert outcome.word == "verified"
    assert [e.text for e in events if isinstance(e, Warned)] == [
        "what was seen could not be recorded (the ledger cannot be written (the disk is full)); every act is",
        "the outcome could not be recorded (the ledger cannot be written (the disk is full)); every act is",
    ]
    assert resume(outcome.run, ana.hands(), ana.ledger, who=ana.who).word == "verified"
    assert world.acts == ["open a"]


def test_the_ledger_goes_while_it_undoes(ana, world):
    world.make("a", "b")
    outcome = ana.apply(ana.plan())
    failing = Failing(ana.ledger, [("undo-result", 2)])
    lost = undo(outcome.run, ana.hands(), failing, who=ana.who)
    assert (lost.word, exit_code(lost)) == ("unknown", 3)
    assert f"opsctl ledger undo {outcome.run}" in lost.says
    with pytest.raises(CannotWrite, match="1 of 2 acts are taken back"):
        undo(outcome.run, ana.hands(), Failing(ana.ledger, [("undo-intent", 1)]), who=ana.who)
    assert undo(outcome.run, ana.hands(), ana.ledger, who=ana.who).word == "undone"
    assert world.acts == ["open a", "open b", "close b", "close a"]


def test_the_lease_is_taken_away(ana, world):
    world.make("a", "b", "c")

    def at(event):
        if isinstance(event, StepDone) and event.step.number == 1:
            ben = Operator(world, ana.environ).ledger
            ben.force_unlock(ben.leases()[0].id)
            ben.lease(f"valves {world.folder}", actor="ben", host="laptop", command="x", seconds=60)
            ben.close()

    outcome = ana.apply(ana.plan(), on_event=at)
    assert (outcome.word, exit_code(outcome), outcome.done) == ("stopped", 77, 1)
    assert "was taken away; ben on laptop holds it now; 1 of 3 steps are done" in outcome.says
    assert world.acts == ["open a"]
    assert [lease.actor for lease in ana.ledger.leases()] == ["ben"]


def test_the_lease_lasts_as_long_as_the_run(ana, world):
    """Acts that take longer than the lease was taken for: it is renewed meanwhile, so nobody else gets in."""
    world.make("a")
    world.flag("slow")
    world.flag("deaf")
    until = set()

    def look():
        for _ in range(12):
            until.update(lease.until for lease in ana.ledger.leases())
            threading.Event().wait(0.1)
        world.flag("go-on")

    looking = threading.Thread(target=look)
    looking.start()
    outcome = ana.apply(ana.plan(), lease_seconds=0.6)
    looking.join()
    assert outcome.word == "verified"
    assert len(until) > 2


def test_the_stop_file_is_there(ana, world, tmp_path):
    world.make("a")
    stop = tmp_path / "home/.local/state/opsctl/STOP"
    stop.parent.mkdir(parents=True, exist_ok=True)
    stop.write_text("failover until 15:00\x1b[31m, ask ben\n")
    with pytest.raises(Refused, match=r"STOP is there: failover until 15:00, ask ben"):
        ana.apply(ana.plan())
    stop.unlink()
    outcome = ana.apply(ana.plan())
    stop.write_text("")
    with pytest.raises(Refused, match="nothing may be changed"):
        undo(outcome.run, ana.hands(), ana.ledger, who=ana.who)
    assert world.acts == ["open a"]


def test_the_stop_file_appears_between_two_acts(ana, world, tmp_path):
    world.make("a", "b")
    stop = tmp_path / "home/.local/state/opsctl/STOP"

    def at(event):
        if isinstance(event, StepDone):
            stop.write_text("stop everything")

    outcome = ana.apply(ana.plan(), on_event=at)
    assert (outcome.word, exit_code(outcome)) == ("stopped", 77)
    assert outcome.says.endswith("STOP is there: stop everything; 1 of 2 steps are done")
    assert world.acts == ["open a"]
    stop.unlink()
    assert resume(outcome.run, ana.hands(), ana.ledger, who=ana.who).word == "verified"


def test_the_stop_file_appears_in_the_middle_of_a_long_act(ana, world, tmp_path):
    world.make("a", "b")
    world.flag("slow")
    stop = tmp_path / "home/.local/state/opsctl/STOP"

    def at(event):
        if isinstance(event, StepBegins):
            stop.write_text("now")

    outcome = ana.apply(ana.plan(), on_event=at)
    assert outcome.word == "stopped"
    assert world.acts == []
    assert ana.results(outcome.run) == {1: "failed"}


def test_the_teams_stop_file_and_one_that_cannot_be_seen(ana, world, tmp_path):
    world.make("a")
    config = tmp_path / "opsctl.yaml"
    config.write_text("stop_file: shared/STOP\n")
    hands = ana.hands(config=str(config))
    plan = ana.plan(hands=hands)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/STOP").write_text("drill")
    with pytest.raises(Refused, match="STOP is there: drill"):
        ana.apply(plan, hands=hands)
    (tmp_path / "shared/STOP").unlink()
    (tmp_path / "shared/STOP").symlink_to("STOP")  # a loop: it is not known what is there
    with pytest.raises(Refused, match="could not be looked at"):
        ana.apply(plan, hands=hands)
    assert world.acts == []


# --- two operators ---


def _race(folder, environ, barrier, results, rounds):
    os.environ.update(environ)
    worlds.action()
    operator = Operator(worlds.World(folder), environ, ANA._replace(actor=f"op-{os.getpid()}"))
    for number in range(rounds):
        barrier.wait(60)
        try:
            plan = operator.plan({"but": tuple(f"v{n}" for n in range(rounds) if n != number)})
            word = operator.apply(plan).word if plan.proposal.steps else "too late"
        except OpsctlError as error:
            word = type(error).__name__
        results.put((number, word))
        barrier.wait(60)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.needs("postgres"))])
def test_two_operators_race_fifty_times_and_one_acts(kind, world, environ, request):
    server = None
    if kind == "postgres":
        server = request.getfixturevalue("postgres")
        environ = {**environ, "OPSCTL_STATE": server.dsn("app")}
    rounds = 50
    world.make(*(f"v{number}" for number in range(rounds)))
    Operator(world, environ).ledger.close()
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(2), context.Queue()
    racers = [context.Process(target=_race, args=(world.folder, environ, barrier, results, rounds)) for _ in range(2)]
    for racer in racers:
        racer.start()
    words = [results.get(timeout=120) for _ in range(2 * rounds)]
    for racer in racers:
        racer.join(timeout=30)
        assert racer.exitcode == 0
    try:
        assert sorted(world.acts) == sorted(f"open v{number}" for number in range(rounds))
        for number in range(rounds):
            both = sorted(word for n, word in words if n == number)
            assert both.count("verified") == 1, both
            assert set(both) <= {"verified", "too late", "TryLater", "Refused", "nothing-done"}
        ledger = Operator(world, environ).ledger
        assert ledger.verify().broken == ()
        acted = [e for run in ledger.runs(limit=500) for e in ledger.entries(run.id) if e.kind == "result"]
        assert sum(e.body["state"] == "acted" for e in acted) == rounds
        ledger.close()
    finally:
        if server is not None:
            server.sql("DROP SCHEMA IF EXISTS opsctl CASCADE")
