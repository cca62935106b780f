"""`opsctl runbook run` left in every way at its questions: nothing half done, the exit code says it."""

from __future__ import annotations

import pytest

from tests.cli.house import CTRL_C, CTRL_D, House

RUN = ("runbook", "run", "dry-house", "-s", "home")


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path, "main", "side")
    yield made
    made.close()


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D])
def test_leaving_by_a_key_says_that_nothing_was_changed(house, key):
    code, shown = house.typed(*RUN, answers=[("Plan which one?", "1"), ("Go on? [y/N]", key)])
    assert code == 130
    assert "Left. Nothing was changed." in shown
    assert house.world.acts == []


def test_an_answer_that_is_no_number_is_asked_again(house):
    answers = [("Plan which one?", "0"), ("Plan which one?", "\u00b2"), ("Plan which one?", "q")]
    assert "is none of them" in house.typed(*RUN, answers=answers)[1]


def test_resume_that_is_left_at_its_question_changed_nothing(house):
    words = ("remediate", "dry-house", "open-valve", "-s", "home")
    house.world.flag("denied-side")
    house.typed(*words, answers=[("Go on? [y/N]", "y")])
    code, shown = house.typed("ledger", "undo", "last", answers=[("[y/N]", CTRL_C)])
    assert code == 130
    assert "nothing was changed" in shown
    assert house.world.acts == ["open main"]
