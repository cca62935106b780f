"""Saved plans: for their owner only, whole or not at all, refused when edited, over, or of another place."""

import json
import os
import stat

import pytest

from opsctl.errors import BadData, CannotWrite, Refused, UsageError
from opsctl.remediation import planfile
from opsctl.remediation.digest import hash_of


@pytest.fixture
def plan(ana, world):
    world.make("a", "b")
    return ana.plan()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "plan.json"


def edit(path, change, *, reseal=False):
    data = json.loads(path.read_text())
    change(data)
    if reseal:
        data["hash"] = hash_of(data)
    path.write_text(json.dumps(data))


def test_a_saved_plan_comes_back_as_it_was(plan, path):
    planfile.save(plan, path)
    assert planfile.read(path) == plan
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.glob(".*part")) == []
    assert json.loads(path.read_text())["schema"] == "opsctl.plan/1"


def test_it_does_not_write_over_a_file_unless_told(plan, path):
    path.write_text("mine")
    with pytest.raises(CannotWrite, match="there is a file of that name"):
        planfile.save(plan, path)
    assert path.read_text() == "mine"
    planfile.save(plan, path, overwrite=True)
    assert planfile.read(path) == plan


def test_a_folder_that_is_not_there(plan, tmp_path):
    with pytest.raises(CannotWrite, match="No such file"):
        planfile.save(plan, tmp_path / "none" / "plan.json")


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data["proposal"]["steps"].pop(),
        lambda data: data["proposal"]["steps"][0]["target"].update(id="z"),
        lambda data: data.update(expires="2099-01-01T00:00:00Z"),
        lambda data: data.update(cap=1000),
        lambda data: data.update(more="than there was"),
        lambda data: data.update(hash=""),
        lambda data: data.pop("hash"),
    ],
)
def test_an_edited_plan_is_refused(plan, path, change):
    planfile.save(plan, path)
    edit(path, change)
    with pytest.raises(BadData, match="was edited after it was made") as caught:
        planfile.read(path)
    assert caught.value.code == 65


def test_another_layout_of_the_same_json_is_the_same_plan(plan, path):
    planfile.save(plan, path)
    path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True))
    assert planfile.read(path) == plan


def test_what_is_no_plan(plan, path):
    for text, says in {
        "": "this is no plan",
        "not json": "this is no plan",
        "[]": "this is no plan of opsctl",
        '{"schema": "opsctl.report/2"}': "this is no plan of opsctl",
    }.items():
        path.write_text(text)
        with pytest.raises(BadData, match=says):
            planfile.read(path)
    planfile.save(plan, path, overwrite=True)
    edit(path, lambda data: data.update(schema="opsctl.plan/2"), reseal=True)
    with pytest.raises(BadData, match=r"written by another opsctl \(opsctl.plan/2; this one reads opsctl.plan/1\)"):
        planfile.read(path)
    with pytest.raises(UsageError, match="there is no plan"):
        planfile.read(path.with_name("none.json"))


def test_a_plan_that_is_over_or_for_another_place(plan, path):
    planfile.save(plan, path)
    with pytest.raises(Refused, match="the plan expired at") as caught:
        planfile.read(path, now=plan.expires.timestamp())
    assert caught.value.code == 77
    with pytest.raises(Refused, match="was made for home, not for mill"):
        planfile.read(path, service="mill")
    with pytest.raises(Refused, match="was made in no context, not in context prod"):
        planfile.read(path, context="prod")
    assert planfile.read(path, service="home", context="") == plan


def test_a_plan_that_was_shown_is_found_by_its_hash(plan, ana):
    kept = planfile.keep(plan, ana.environ)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert planfile.keep(plan, ana.environ) == kept
    assert planfile.kept(plan.hash[:8], environ=ana.environ) == plan
    for bad in ("", "abc", "../../etc/passwd", "zzzzzz*"):
        with pytest.raises(UsageError, match="is no plan's hash"):
            planfile.kept(bad, environ=ana.environ)
    other = "0" * 12 if not plan.hash.startswith("0") else "f" * 12
    with pytest.raises(Refused, match="was shown here"):
        planfile.kept(other, environ=ana.environ)
    os.utime(kept, (0, 0))
    planfile.keep(ana.plan({"pressure": 5}), ana.environ)
    assert not kept.exists()
