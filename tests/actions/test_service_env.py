"""service.set-env on real files: in one step, with a copy, undone to the byte, never over somebody else's edit."""

from __future__ import annotations

import os
import stat

import msgspec
import pytest

from opsctl.actions import filewrite
from opsctl.actions.service_env import SET_ENV
from opsctl.errors import CouldNotLook
from opsctl.services.model import Adapter
from tests.actions.service_hands import done, hands_for, plan_of, proposed

TEXT = b"# keep me\r\nPOOL=20 # per process\r\nAPI_KEY=old-secret-value\r\nNAME=caf\xe9\r\n"


@pytest.fixture
def env(tmp_path):
    path = tmp_path / ".env"
    path.write_bytes(TEXT)
    path.chmod(0o640)
    return path


@pytest.fixture
def hands(env):
    return hands_for({"app": Adapter(kind="pm2", unit="shop", folder=str(env.parent), env_file=".env")}, {})


def copies(env):
    return sorted(env.parent.glob(".env.opsctl-*"))


def test_a_value_is_set_and_taken_back(env, hands):
    proposal, (did,) = done(SET_ENV, hands, set=["POOL=30", "NEW=a b"])
    assert did.state == "acted"
    after = env.read_bytes()
    assert after == TEXT.replace(b"POOL=20", b"POOL=30") + b"NEW='a b'\r\n"
    assert stat.S_IMODE(env.stat().st_mode) == 0o640
    (copy,) = copies(env)
    assert (copy.read_bytes(), stat.S_IMODE(copy.stat().st_mode)) == (TEXT, 0o600)
    assert SET_ENV.settled(hands, proposal.steps[0]) == "acted"
    assert SET_ENV.verify(hands, plan_of(SET_ENV, proposal), (1,)).ok
    assert "opsctl restart shop --unit app" in proposal.impact
    assert SET_ENV.undo(hands, proposal.steps[0], did.inverse).state == "acted"
    assert env.read_bytes() == TEXT
    assert SET_ENV.undo(hands, proposal.steps[0], did.inverse).state == "unchanged"
    assert list(env.parent.glob(".*.opsctl-[0-9]")) == []


def test_a_plan_shows_what_changes_and_no_secret(env, hands, tmp_path):
    source = tmp_path / "key"
    source.write_text("new-secret-value\n")
    proposal, (did,) = done(SET_ENV, hands, set=["POOL=30"], set_from=[f"API_KEY=file:{source}"])
    (step,) = proposal.steps
    assert step.shows == (
        '- POOL="20"',
        '+ POOL="30"',
        "- API_KEY=[redacted]",
        f"+ API_KEY=the value in {source}",
    )
    told = msgspec.json.encode([proposal, did]).decode()
    assert "secret-value" not in told
    assert b"API_KEY=new-secret-value\r\n" in env.read_bytes()


def test_secrets_are_not_taken_from_the_command_line():
    for text in ("API_KEY=abc", "UPSTREAM=https://a:pa55word@host"):
        with pytest.raises(msgspec.ValidationError, match="give it by a file"):
            msgspec.convert({"set": [text]}, SET_ENV.params)


@pytest.mark.parametrize("given", [["POOL"], ["1X=2"], ["A=1", "A=2"], ["A=b\nc"]])
def test_what_is_no_value(given):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"set": given}, SET_ENV.params)


def test_somebody_elses_edit_is_never_overwritten(env, hands):
    (step,) = proposed(SET_ENV, hands, set=["POOL=30"]).steps
    assert SET_ENV.settled(hands, step) == "not-acted"
    env.write_bytes(TEXT + b"MORE=1\r\n")
    assert SET_ENV.apply(hands, step).state == "skipped"
    assert SET_ENV.settled(hands, step) == "unknown"
    _, (did,) = done(SET_ENV, hands, set=["POOL=31"])
    env.write_bytes(env.read_bytes() + b"LATER=1\r\n")
    undone = SET_ENV.undo(hands, step, did.inverse)
    assert undone.state == "skipped"
    assert str(copies(env)[-1]) in undone.says
    assert env.read_bytes().endswith(b"LATER=1\r\n")


def test_the_secrets_file_changed_since_the_plan(env, hands, tmp_path):
    source = tmp_path / "key"
    source.write_text("one-value")
    (step,) = proposed(SET_ENV, hands, set_from=[f"API_KEY=file:{source}"]).steps
    source.write_text("another-value")
    assert SET_ENV.apply(hands, step).state == "skipped"
    assert env.read_bytes() == TEXT
    assert copies(env) == []


def test_nothing_to_do_when_it_is_so_already(hands):
    proposal = proposed(SET_ENV, hands, set=["POOL=20"])
    assert proposal.steps == ()
    assert proposal.notes == ('POOL is "20" already',)


def test_copies_are_never_overwritten(env, hands):
    done(SET_ENV, hands, set=["POOL=30"])
    done(SET_ENV, hands, set=["POOL=31"])
    assert len(copies(env)) == 2


def test_a_link_stays_a_link_and_a_file_with_two_names_is_refused(env, tmp_path, hands):
    real = tmp_path / "shared.env"
    env.rename(real)
    env.symlink_to(real)
    _, (did,) = done(SET_ENV, hands, set=["POOL=30"])
    assert did.state == "acted"
    assert env.is_symlink()
    assert b"POOL=30" in real.read_bytes()
    os.link(real, tmp_path / "second.env")
    (check,) = [one for one in proposed(SET_ENV, hands, set=["POOL=31"]).checks if not one.ok]
    assert "2 names" in check.says


def test_a_write_that_fails_leaves_the_file_as_it_was(env, hands, monkeypatch):
    (step,) = proposed(SET_ENV, hands, set=["POOL=30"]).steps

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(filewrite.os, "fsync", full)
    did = SET_ENV.apply(hands, step)
    assert (did.state, "No space left" in did.says) == ("failed", True)
    assert env.read_bytes() == TEXT
    assert copies(env) == []


def test_another_users_file_is_refused(env, monkeypatch):
    place = filewrite.place(str(env), TEXT)
    monkeypatch.setattr(filewrite.os, "geteuid", lambda: 4321)
    assert "belongs to user 1" in filewrite.hindrance(place._replace(uid=1))
    assert "group" in filewrite.hindrance(place._replace(uid=4321, gid=87654))


def test_no_env_file_no_folder(tmp_path):
    bare = hands_for({"app": Adapter(kind="pm2", unit="shop", env_file=".env")}, {})
    with pytest.raises(CouldNotLook, match="set folder"):
        proposed(SET_ENV, bare, set=["A=1"])
    none = hands_for({"app": Adapter(kind="pm2", unit="shop")}, {})
    with pytest.raises(CouldNotLook, match="names no env file"):
        proposed(SET_ENV, none, set=["A=1"])
    with pytest.raises(CouldNotLook, match="is not a file"):
        proposed(SET_ENV, none, set=["A=1"], env_file=str(tmp_path / "nothing"))
