"""A plan is applied: shown, guarded, recorded before and after each act, verified."""

import time

import msgspec
import pytest

from opsctl.actions.model import Did
from opsctl.errors import BadData, Refused, TryLater
from opsctl.remediation.ending import exit_code
from opsctl.remediation.events import Began, Ended, Paused, StepBegins, StepDone
from opsctl.remediation.failed import NothingToDo
from opsctl.remediation.undoing import undo
from tests.remediation import world as worlds


def test_each_act_stands_between_its_intent_and_its_result(ana, world):
    world.make("a", "b", "c")
    outcome = ana.apply(ana.plan())
    assert (outcome.word, outcome.says, outcome.done, outcome.undoable) == ("verified", "water runs", 3, True)
    assert exit_code(outcome) == 0
    assert world.acts == ["open a", "open b", "open c"]
    assert ana.record(outcome.run) == [
        ("begun", 0),
        ("intent", 1), ("result", 1), ("intent", 2), ("result", 2), ("intent", 3), ("result", 3),
        ("verified", 0), ("outcome", 0),
    ]  # fmt: skip
    run = ana.ledger.run(outcome.run)
    assert (run.actor, run.reason, run.ticket, run.state, run.word) == (
        "ana@bastion", "no water", "INC-7", "done", "verified",
    )  # fmt: skip
    assert ana.ledger.verify().broken == ()
    assert ana.ledger.leases() == []


def test_the_first_alone_then_in_batches(ana, world):
    world.make("a", "b", "c", "d")
    action = worlds.action(pace=worlds.Pace(batch=2, pause=0.01))
    ana.apply(ana.plan(action=action))
    order = [type(event).__name__ for event in ana.events if isinstance(event, StepDone | Paused)]
    assert order == ["StepDone", "Paused", "StepDone", "StepDone", "Paused", "StepDone"]
    assert isinstance(ana.events[0], Began)
    assert isinstance(ana.events[-1], Ended)


def test_an_empty_selection_is_an_error(ana, world):
    world.make("a", reserved=True)
    plan = ana.plan()
    with pytest.raises(NothingToDo, match="no target is left of 1 valves") as caught:
        ana.apply(plan)
    assert caught.value.code == 1
    assert "--even-reserved" in caught.value.sentence()
    assert ana.ledger.runs() == []
    assert len(ana.plan({"even_reserved": True}).proposal.steps) == 1


def test_a_moved_pin_refuses_the_whole_plan(ana, world):
    world.make("a", "b")
    plan = ana.plan()
    old = plan.proposal.steps[1].target.pin["made"]
    world.replace("b")
    with pytest.raises(Refused, match=f"b is another one now: made {old} -> {world.read('b')['made']}") as caught:
        ana.apply(plan)
    assert caught.value.code == 77
    assert world.acts == []
    assert ana.ledger.runs() == []
    assert ana.ledger.leases() == []


def test_a_target_that_is_gone_is_left_out_and_said(ana, world):
    world.make("a", "b", "c")
    plan = ana.plan()
    world.path("a").unlink()
    world.write("b", {**world.read("b"), "level": 7})
    outcome = ana.apply(plan)
    assert (outcome.word, outcome.done, outcome.skipped) == ("verified", 1, 2)
    assert world.acts == ["open c"]
    assert ana.results(outcome.run) == {1: "skipped", 2: "skipped", 3: "acted"}
    said = {e.step.target.id: e.did.says for e in ana.told(StepDone)}
    assert said["a"] == "it is gone, or no longer what was planned for"
    assert said["b"] == "it is no longer one to act on: open already (7)"


def test_all_targets_gone_is_nothing_done(ana, world):
    world.make("a")
    plan = ana.plan()
    world.path("a").unlink()
    outcome = ana.apply(plan)
    assert (outcome.word, exit_code(outcome)) == ("nothing-done", 1)
    assert "gone" in outcome.says


def test_a_target_replaced_in_the_last_moment_is_skipped(ana, world):
    world.make("a", "b")

    def at(event):
        if isinstance(event, StepBegins) and event.step.target.id == "b":
            world.replace("b")

    outcome = ana.apply(ana.plan(), on_event=at)
    assert ana.results(outcome.run) == {1: "acted", 2: "skipped"}
    assert world.acts == ["open a"]


def test_a_precondition_that_no_longer_holds_refuses(ana, world):
    world.make("a")
    plan = ana.plan()
    world.flag("shut")
    with pytest.raises(Refused, match="not now: the main is shut"):
        ana.apply(plan)
    assert world.acts == []


def test_permission_is_missing_for_the_third_of_five(ana, world):
    world.make("a", "b", "c", "d", "e")
    world.flag("denied-c")
    outcome = ana.apply(ana.plan())
    assert (outcome.word, exit_code(outcome), outcome.done, outcome.failed) == ("failed", 2, 2, 1)
    assert outcome.says == "c: permission denied; 2 of 5 steps are done"
    assert world.acts == ["open a", "open b"]
    assert ana.results(outcome.run) == {1: "acted", 2: "acted", 3: "failed"}
    assert outcome.undoable


def test_the_server_goes_in_the_middle(ana, world):
    world.make("a", "b", "c")

    def at(event):
        if isinstance(event, StepDone):
            world.flag("gone")

    outcome = ana.apply(ana.plan(), on_event=at)
    assert (outcome.word, outcome.done) == ("failed", 1)
    assert ana.results(outcome.run) == {1: "acted", 2: "failed"}


def test_an_act_without_a_clear_answer_is_looked_at(ana, world):
    world.make("a", "b")
    world.flag("bug-a")
    outcome = ana.apply(ana.plan())
    assert outcome.word == "verified"
    assert world.acts == ["open a", "open b"]
    first = next(e.body for e in ana.ledger.entries(outcome.run) if e.kind == "result")
    assert first["state"] == "acted"
    assert first["inverse"] == {"level": 0}
    assert "RuntimeError: lost the answer" in first["says"]


def test_an_act_of_which_nothing_is_known_ends_it(ana, world):
    world.make("a", "b")
    world.flag("silent-a")
    outcome = ana.apply(ana.plan())
    assert (outcome.word, exit_code(outcome)) == ("unknown", 3)
    assert world.acts == ["open a"]


def test_an_edited_plan_is_refused(ana, world):
    world.make("a")
    plan = ana.plan()
    with pytest.raises(BadData, match="hash does not fit"):
        ana.apply(msgspec.structs.replace(plan, cap=99))
    assert world.acts == []


def test_an_expired_plan_is_refused(ana, world):
    world.make("a")
    plan = ana.plan()
    with pytest.raises(Refused, match=r"the plan expired at \d\d:\d\d:\d\d UTC, 5m ago"):
        ana.apply(plan, clock=lambda: plan.expires.timestamp() + 300)


def test_a_clock_that_jumped_back_refuses_the_plan(ana, world):
    world.make("a")
    plan = ana.plan()
    with pytest.raises(Refused, match="a clock is wrong"):
        ana.apply(plan, clock=lambda: plan.created.timestamp() - 3600)
    assert world.acts == []


def test_a_clock_that_jumps_while_it_is_applied_changes_nothing(ana, world):
    world.make("a", "b", "c")
    plan = ana.plan()
    jumps = iter([0.0, 0.0, 0.0])
    outcome = ana.apply(plan, clock=lambda: time.time() + next(jumps, 86_400.0))
    assert (outcome.word, outcome.done) == ("verified", 3)
    assert ana.ledger.verify().broken == ()


def test_the_same_again_is_too_soon(ana, world):
    world.make("a")
    ana.apply(ana.plan())
    world.write("a", {**world.read("a"), "level": 0})
    with pytest.raises(Refused, match="too soon, 10m must pass between two: a: testing") as caught:
        ana.apply(ana.plan())
    assert "--again" in caught.value.sentence()
    assert ana.apply(ana.plan(), again=True).word == "verified"
    # a clock that was put back does not open the way either
    world.write("a", {**world.read("a"), "level": 0})
    early = time.time() - 86_400
    plan = ana.plan(hands=ana.hands(now=early))
    with pytest.raises(Refused, match="in the future, by this clock"):
        ana.apply(plan, clock=lambda: early)


def test_somebody_else_is_at_it(ana, world):
    world.make("a")
    plan = ana.plan()
    held = ana.ledger.lease(plan.proposal.scope, actor="ben", host="laptop", command="opsctl x", seconds=60)
    with pytest.raises(TryLater, match="is locked by ben on laptop"):
        ana.apply(plan)
    ana.ledger.release(held)
    assert ana.apply(plan).word == "verified"


def test_an_action_whose_effect_does_not_show_is_not_verified(ana, world):
    world.make("a")
    plan = ana.plan(
        action=worlds.action(verify=lambda hands, plan, done: worlds.Verified(ok=False, says="dry")), verify_for=0.2
    )
    outcome = ana.apply(plan)
    assert (outcome.word, outcome.says, exit_code(outcome)) == ("not-verified", "dry", 1)


def test_undo_takes_back_the_last_first(ana, world):
    world.make("a", "b")
    outcome = ana.apply(ana.plan())
    done = undo(outcome.run, ana.hands(), ana.ledger, who=ana.who)
    assert (done.word, done.says) == ("undone", "2 of 2 acts taken back by ana@bastion")
    assert world.acts == ["open a", "open b", "close b", "close a"]
    assert world.levels() == {"a": 0, "b": 0}
    assert ana.ledger.run(outcome.run).state == "undone"
    with pytest.raises(NothingToDo, match="is undone already"):
        undo(outcome.run, ana.hands(), ana.ledger, who=ana.who)


def test_undo_leaves_what_never_acted_and_says_what_stays(ana, world):
    world.make("a", "b", "c")
    world.flag("denied-c")

    def once(hands, step):
        did = worlds.apply(hands, step)
        return Did(state=did.state, says=did.says) if step.target.id == "a" else did

    worlds.action(apply=once)
    outcome = ana.apply(ana.plan(action=worlds.action(apply=once)))
    assert outcome.word == "failed"
    done = undo(outcome.run, ana.hands(), ana.ledger, who=ana.who)
    assert done.word == "undone"
    assert done.says == "1 of 2 acts taken back by ana@bastion; a stays: this act has no inverse"
    assert world.acts == ["open a", "open b", "close b"]


def test_an_undo_that_fails_is_said_and_can_be_tried_again(ana, world):
    world.make("a", "b")
    outcome = ana.apply(ana.plan())
    world.flag("denied-a")
    failed = undo(outcome.run, ana.hands(), ana.ledger, who=ana.who)
    assert (failed.word, exit_code(failed)) == ("failed", 2)
    assert world.levels() == {"a": 3, "b": 0}
    (world.folder / "denied-a").unlink()
    assert undo(outcome.run, ana.hands(), ana.ledger, who=ana.who).word == "undone"
    assert world.acts == ["open a", "open b", "close b", "close a"]


def test_what_fails_to_show_it_does_not_break_it_off(ana, world):
    world.make("a", "b")

    def closed(event):
        raise BrokenPipeError

    outcome = ana.apply(ana.plan(), on_event=closed)
    assert outcome.word == "verified"
    assert world.acts == ["open a", "open b"]
