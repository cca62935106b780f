"""Bad input to the commands that act, and what they say in JSON when they refuse: always one object."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from opsctl.actions.model import Excluded
from opsctl.cli.plan_text import _left_out
from opsctl.report.style import Style
from tests.cli.house import START, House
from tests.cli.test_remediate import hash_in, plan_of


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path, "main", "side")
    yield made
    made.close()


def told(done):
    """The one object; what it says goes to stderr, too, where it is an error."""
    data = json.loads(done.out)
    assert data["schema"] == "opsctl.run/1"
    if done.code:
        assert data["says"] in done.err
    return data


def test_files_that_are_no_plan(house):
    (house.folder / "deep").write_text("[" * 200_000)
    (house.folder / "folder").mkdir()
    for words, code in (
        (("--plan", "deep"), 65),
        (("--plan", "folder"), 65),
        (("--plan", ""), 64),
        (("--save-plan", ""), 64),
        (("--save-plan", "none/plan.json"), 73),
        (("--verify-for", "soon"), 64),
    ):
        done = plan_of(house, *words, "-o", "json")
        assert done.code == code, words
        assert told(done)["applied"] is False
    assert house.world.acts == []


def test_a_refusal_is_one_object_with_its_exit_code(house):
    done = plan_of(house, "--but", "main", "--but", "side", "-o", "json")
    assert (done.code, told(done)["plan"]["proposal"]["steps"]) == (1, [])
    house.world.flag("shut")
    done = plan_of(house, "-o", "json")
    assert (done.code, told(done)["applied"]) == (77, False)
    done = house.opsctl("ledger", "undo", "last", "--yes", "-o", "json")
    assert (done.code, told(done)["plan"]) == (64, None)


def test_a_plan_is_applied_as_it_is_or_not_at_all(house):
    shown = hash_in(plan_of(house).out)
    for words in (("--pressure", "9"), ("--max-targets", "9"), ("--verify-for", "9s")):
        done = plan_of(house, "--yes", "--plan-hash", shown, *words)
        assert done.code == 64
        assert f"the plan was made with {words[0]}" in done.err
    assert house.world.acts == []


def test_the_command_that_goes_on_from_a_dry_run_works(house):
    plan_of(house, "--save-plan", "plan.json", "--dry-run")
    shown = plan_of(house, "--plan", "plan.json", "--dry-run").out
    line = shown.rstrip().splitlines()[-1].split()
    assert "--dry-run" not in line
    assert house.opsctl(*line[1:]).code == 0
    assert house.world.acts == ["open main", "open side"]


def test_what_nobody_reads_is_not_applied(house):
    shown = hash_in(plan_of(house).out)
    words = ["remediate", "dry-house", "open-valve", "-s", "home", "--yes", "--plan-hash", shown]
    run = subprocess.Popen(
        [sys.executable, "-c", START, *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=house.folder, env=house.environ, text=True,
    )  # fmt: skip
    run.stdout.close()
    assert "nothing was changed" in run.stderr.read()
    run.wait(60)
    run.stderr.close()
    assert house.world.acts == []


def test_many_that_are_left_out_for_one_reason_are_told_together():
    left = [Excluded(id=f"pid {n}", says="api", why="20 sessions are left", lift="--keep 19") for n in range(6)]
    left.append(Excluded(id="pid 9", says="walsender", why="never", refused=True))
    lines = _left_out(left, Style(width=80))
    assert lines == [
        " skip   6 targets  20 sessions are left; lift with --keep 19",
        "          pid 0, pid 1, pid 2, pid 3, pid 4, pid 5",
        " refuse pid 9  walsender; never",
    ]
