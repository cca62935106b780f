"""`opsctl remediate`: what would help, the plan, consent with and without a terminal, the outcome, undo and resume."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.house import House


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path, "main", "side")
    yield made
    made.close()


def hash_in(text: str) -> str:
    found = re.search(r"--plan-hash ([0-9a-f]+)", text)
    assert found, text
    return found[1]


def plan_of(house, *more):
    return house.opsctl("remediate", "dry-house", "open-valve", "-s", "home", *more)


def test_without_an_action_it_says_what_would_help_and_why(house):
    done = house.opsctl("remediate", "dry-house", "-s", "home")
    assert done.code == 0
    assert "What would help, the smallest first\n 1  open-valve" in done.out
    assert "A valve is closed (confirmed)" in done.out
    assert "open-gently  weak-pump is refuted" in done.out
    assert "Next  opsctl remediate dry-house open-valve -s home\n      (plan only; changes nothing)" in done.out
    told = json.loads(house.opsctl("remediate", "dry-house", "-s", "home", "-o", "json").out)
    assert [(a["name"], a["applies"]) for a in told["actions"]] == [("open-valve", True), ("open-gently", False)]
    assert house.world.acts == []


def test_a_plan_is_shown_and_nothing_is_changed(house):
    done = plan_of(house)
    assert done.code == 0
    assert done.out.startswith("PLAN  open-valve on valves at home")
    assert " do     main" in done.out
    assert "2 of 2 valves (100%, limit 5)" in done.out
    assert "Nothing was changed. To apply this plan:" in done.out
    assert house.world.acts == []


def test_the_plan_that_was_shown_is_applied_by_its_hash_and_verified(house):
    shown = plan_of(house, "--pressure", "7").out
    line = shown.rstrip().splitlines()[-1].split()
    assert line[0] == "opsctl"
    done = house.opsctl(*line[1:])
    assert done.code == 0, done.err
    assert house.world.acts == ["open main", "open side"]
    assert house.world.levels() == {"main": 7, "side": 7}
    assert "FIXED" in done.out
    run = re.search(r"ledger show (\w+)", done.out)[1]
    story = house.opsctl("ledger", "show", run)
    assert story.code == 0
    assert "main" in story.out
    assert "FIXED" in story.out


def test_yes_alone_agrees_to_nothing_that_was_shown(house):
    done = plan_of(house, "--yes")
    assert done.code == 64
    assert "--plan-hash" in done.err
    assert house.world.acts == []


@pytest.mark.parametrize(("given", "code"), [("000000", 77), ("zzz", 64)])
def test_a_hash_that_was_never_shown(house, given, code):
    assert plan_of(house, "--yes", "--plan-hash", given).code == code
    assert house.world.acts == []


def test_a_saved_plan_is_applied_by_somebody_else(house):
    saved = plan_of(house, "--save-plan", "plan.json")
    assert saved.code == 0
    assert "--plan plan.json --yes" in saved.out
    assert (house.folder / "plan.json").stat().st_mode & 0o777 == 0o600
    done = house.opsctl(
        "remediate", "dry-house", "open-valve", "-s", "home", "--plan", "plan.json", "--yes", OPSCTL_ACTOR="eve@desk"
    )
    assert done.code == 0, done.err
    assert "held by eve@desk" in done.out


def test_an_edited_plan_is_refused(house):
    plan_of(house, "--save-plan", "plan.json")
    path = house.folder / "plan.json"
    path.write_text(path.read_text().replace('"level": 3', '"level": 9'))
    done = plan_of(house, "--plan", "plan.json", "--yes")
    assert done.code == 65
    assert house.world.acts == []


def test_a_target_that_was_replaced_refuses_the_plan(house):
    shown = hash_in(plan_of(house).out)
    house.world.replace("side")
    done = plan_of(house, "--yes", "--plan-hash", shown)
    assert done.code == 77
    assert "side" in done.err
    assert house.world.acts == []


def test_a_precondition_that_does_not_hold_refuses(house):
    house.world.flag("shut")
    done = plan_of(house)
    assert done.code == 77
    assert "REFUSED" in done.out
    assert "the main is shut" in done.out


def test_an_action_that_the_diagnosis_does_not_call_for(house):
    done = house.opsctl("remediate", "dry-house", "open-gently", "-s", "home")
    assert done.code == 77
    assert "weak-pump is refuted" in done.err
    assert house.opsctl("remediate", "dry-house", "open-gently", "-s", "home", "--anyway").code == 0


def test_nothing_to_do_is_an_error(house):
    done = plan_of(house, "--but", "main", "--but", "side")
    assert done.code == 1
    assert "left alone, as asked" in done.out
    assert "there is nothing to do" in done.err


def test_the_limit_is_raised_only_by_its_number(house):
    house.world.make(*(f"v{n}" for n in range(8)))
    done = plan_of(house)
    assert "5 of 10 valves" in done.out
    assert "lift with --max-targets 10" in " ".join(done.out.split())
    assert "10 of 10 valves" in plan_of(house, "--max-targets", "10").out


def test_as_json_the_plan_and_the_run(house):
    planned = json.loads(plan_of(house, "-o", "json").out)
    assert planned["schema"] == "opsctl.run/1"
    assert planned["applied"] is False
    assert [s["target"]["id"] for s in planned["plan"]["proposal"]["steps"]] == ["main", "side"]
    done = plan_of(house, "--yes", "--plan-hash", planned["plan"]["hash"], "-o", "json")
    told = json.loads(done.out)
    assert told["outcome"]["word"] == "fixed"
    assert [s["state"] for s in told["steps"]] == ["acted", "acted"]


def test_undo_takes_back_last_first_and_says_so(house):
    plan_of(house, "--yes", "--plan-hash", hash_in(plan_of(house).out))
    assert house.opsctl("ledger", "undo", "last").code == 64  # nobody can be asked
    done = house.opsctl("ledger", "undo", "last", "--yes")
    assert done.code == 0, done.err
    assert house.world.acts == ["open main", "open side", "close side", "close main"]
    assert "UNDONE" in done.out


def test_a_crash_between_act_and_record_is_resumed_without_acting_twice(house):
    shown = hash_in(plan_of(house).out)
    words = ("remediate", "dry-house", "open-valve", "-s", "home", "--yes", "--plan-hash", shown)
    assert house.opsctl(*words, FAULT="after-act:main").code == -9
    assert "resume" in house.opsctl("ledger", "show", "last").out
    done = house.opsctl("ledger", "resume", "last", "--yes")
    assert done.code == 0, done.err
    assert house.world.acts == ["open main", "open side"]
    assert house.opsctl("ledger", "verify").code == 0


def test_a_stop_file_halts(house):
    shown = hash_in(plan_of(house).out)
    state = house.folder / ".local/state/opsctl"
    (state / "STOP").write_text("release freeze\n")
    done = plan_of(house, "--yes", "--plan-hash", shown)
    assert done.code == 77
    assert "release freeze" in done.err
    assert house.world.acts == []


def test_on_a_terminal_it_asks(house):
    words = ("remediate", "dry-house", "open-valve", "-s", "home")
    code, shown = house.typed(*words, answers=[("Go on? [y/N]", "n")])
    assert code == 0
    assert "Nothing was changed." in shown
    assert house.world.acts == []
    code, shown = house.typed(*words, answers=[("Go on? [y/N]", "y")])
    assert code == 0, shown
    assert house.world.acts == ["open main", "open side"]


def test_the_guided_path_diagnoses_plans_applies_and_notes(house):
    code, shown = house.typed(
        "runbook",
        "run",
        "dry-house",
        "-s",
        "home",
        answers=[
            ("Plan which one?", "1"),
            ("Go on? [y/N]", "y"),
            ("A note for the ledger", "the plumber closed it"),
            ("Look again?", "y"),
        ],
    )
    assert code == 0, shown
    assert "$ opsctl diagnose dry-house -s home" in shown
    assert "$ opsctl remediate dry-house open-valve -s home" in shown
    assert "Nothing is broken any more." in shown
    assert "the plumber closed it" in house.opsctl("ledger", "show", "last").out


def test_the_guided_path_is_left_without_a_trace(house):
    code, shown = house.typed("runbook", "run", "dry-house", "-s", "home", answers=[("Plan which one?", "q")])
    assert code in (1, 2)
    assert "Left. Nothing was changed." in shown
    assert house.world.acts == []
    assert "Nothing has been done yet" in house.opsctl("ledger", "list").out


def test_the_guided_path_needs_a_terminal(house):
    done = house.opsctl("runbook", "run", "dry-house", "-s", "home")
    assert done.code == 64
    assert "opsctl remediate dry-house ACTION" in done.err


def test_unknown_names_say_which_is_nearest(house):
    done = house.opsctl("remediate", "dry-house", "open-valv", "-s", "home")
    assert done.code == 64
    assert "open-valve" in done.err
