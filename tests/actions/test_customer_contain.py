"""customer.contain-key on the lab's Vritti over HTTP: the order, each step, crashes, and where the key's text goes."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from opsctl.actions import customer_proof
from opsctl.actions.customer_contain import CONTAIN
from opsctl.actions.hands import Stopped
from opsctl.actions.model import Plan, Proposal, Step
from opsctl.lab.vritti_customers import key_id_of
from tests.actions.vritti_double import (
    ADMIN_KEY,
    OLD_ID,
    OLD_KEY,
    TTL,
    Vritti,
    hands_on,
    kinds,
    numbered,
    propose,
    refused,
    run,
    vritti,
)


@pytest.fixture
def double(tmp_path):
    with vritti(tmp_path) as one:
        one.past_use(OLD_ID, "198.51.100.23", 30)
        one.past_use(OLD_ID, "203.0.113.50", 40, ago=10)
        yield one


@pytest.fixture
def given(tmp_path):
    """What the user gives: the old key by a file, the new one's file."""
    old = tmp_path / "old.key"
    old.write_text(OLD_KEY + "\n")
    return {
        "customer": "customer-3",
        "key": OLD_ID,
        "key_file": str(tmp_path / "new.key"),
        "old_key_file": str(old),
        "evidence": str(tmp_path / "evidence"),
    }


def new_key(given) -> str:
    return Path(given["key_file"]).read_text().strip()


def status(double: Vritti) -> str:
    record = double.app.store.customer("customer-3")
    assert record is not None
    return record["status"]


def active(double: Vritti) -> list[str]:
    return [key["key_id"] for key in double.app.store.keys_of("customer-3") if key["status"] == "active"]


def secrets_of(given) -> tuple[str, ...]:
    return (OLD_KEY, ADMIN_KEY, new_key(given))


def test_the_whole_containment(double, given):
    assert double.use(OLD_KEY, "203.0.113.50") == 422  # let in, and nothing done
    with hands_on(double) as hands:
        told: list[str] = []
        hands = replace(hands, tell=told.append)
        proposal = propose(CONTAIN, hands, suspend=True, **given)
        assert refused(proposal) == {}
        assert kinds(proposal) == ["evidence", "suspend", "revoke", "make", "wait", "prove", "reactivate", "deliver"]
        assert "203.0.113.50: 41 requests" in "".join(proposal.steps[0].shows)
        steps = numbered(proposal)
        done = run(CONTAIN, hands, steps)
        assert {did.state for did in done.values()} == {"acted"}
        assert len(done) == len(steps)
        plan = as_plan(proposal, steps, {**given, "suspend": True})
        saw = CONTAIN.verify(hands, plan, tuple(range(1, 9)))
    assert saw.ok, saw.says
    assert (status(double), active(double)) == ("active", [key_id_of(new_key(given))])
    assert (double.use(OLD_KEY), double.use(new_key(given))) == (401, 422)
    assert stat.S_IMODE(os.stat(given["key_file"]).st_mode) == 0o600
    written = [msgspec.json.encode(part).decode() for part in (plan, *done.values())]
    for secret in secrets_of(given):
        assert secret not in "".join(written + told)


def as_plan(proposal: Proposal, steps: tuple[Step, ...], given) -> Plan:
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    return Plan(
        opsctl="0", action=CONTAIN.id, service="vritti", limit=CONTAIN.limit, pace=CONTAIN.pace, cap=12, created=now,
        parameters=given, proposal=msgspec.structs.replace(proposal, steps=steps), expires=now,
    )  # fmt: skip


def test_the_evidence_is_whole_private_and_hashed(double, given):
    with hands_on(double) as hands:
        steps = numbered(propose(CONTAIN, hands, **given))
        did = CONTAIN.apply(hands, steps[0])
        assert CONTAIN.settled(hands, steps[0]) == "acted"
        folder = Path(did.after["folder"])
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
        for line in (folder / "SHA256SUMS").read_text().splitlines():
            digest, name = line.split("  ")
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        assert len((folder / "lines.jsonl").read_text().splitlines()) == 70
        timeline = (folder / "timeline.txt").read_text().splitlines()
        assert [line.split(" from ")[1].split(" ")[0].rstrip(";") for line in timeline if "first used" in line] == [
            "198.51.100.23",
            "203.0.113.50",
        ]
        (folder / "lines.jsonl").write_text("")
        assert CONTAIN.settled(hands, steps[0]) == "not-acted"  # an edit shows, and it is exported anew


def test_a_key_that_is_only_suspected_goes_on_working(double, given):
    with hands_on(double) as hands:
        proposal = propose(CONTAIN, hands, suspected=True, **given)
        assert kinds(proposal) == ["evidence", "make", "deliver"]
        assert "revoke-key customer-3" in "".join(proposal.notes)
        steps = numbered(proposal)
        done = run(CONTAIN, hands, steps)
        assert [did.state for did in done.values()] == ["acted"] * 3
        assert (double.use(OLD_KEY), double.use(new_key(given))) == (422, 422)
        undone = CONTAIN.undo(hands, steps[1], done["make"].inverse)
        assert undone.state == "acted"
    assert active(double) == [OLD_ID]


def test_the_only_key_left_is_not_taken_back(double, given):
    with hands_on(double) as hands:
        steps = numbered(propose(CONTAIN, hands, **given))
        done = run(CONTAIN, hands, steps)
        undone = CONTAIN.undo(hands, steps[2], done["make"].inverse)
    assert undone.state == "failed"
    assert "the only key" in undone.says
    assert len(active(double)) == 1


@pytest.mark.parametrize("crash", range(8))
@pytest.mark.parametrize("recorded", [True, False])
def test_after_a_crash_at_each_step_it_goes_on_and_nothing_is_done_twice(double, given, crash, recorded, monkeypatch):
    """The process ends after step ``crash`` acted, with its result written down or not; another one goes on."""
    monkeypatch.setattr(customer_proof, "wait", lambda hands, seconds, why: None)
    double.app.cache.clear()
    with hands_on(double) as hands:
        steps = numbered(propose(CONTAIN, hands, suspend=True, **given))
        for step in steps[: crash + 1]:
            assert CONTAIN.apply(hands, step).state == "acted"
    keys = active(double)
    with hands_on(double) as hands:
        again = propose(CONTAIN, hands, suspend=True, **given)
        assert refused(again) == {}, "the preconditions hold in the middle"
        there = {step.target.id: step.target.pin for step in again.steps}
        left = list(steps[crash + 1 :])
        if not recorded and CONTAIN.settled(hands, steps[crash]) == "not-acted":
            left.insert(0, steps[crash])
        assert all(there[step.target.id] == step.target.pin for step in left)
        done = [CONTAIN.apply(hands, step) for step in left]
    assert {did.state for did in done} <= {"acted", "unchanged"}, [did.says for did in done]
    assert status(double) == "active"
    assert active(double) == [key_id_of(new_key(given))]
    if crash >= 3:
        assert active(double) == keys, "the key that was made is the one that stays"
    assert double.use(new_key(given)) == 422


def test_a_key_whose_text_was_lost_in_a_crash_is_revoked_and_made_anew(double, given, monkeypatch):
    from opsctl.actions import customer_keyfile

    class Killed(BaseException):
        pass

    def killed(path, key):
        raise Killed

    with hands_on(double) as hands:
        make = next(s for s in numbered(propose(CONTAIN, hands, **given)) if s.before["kind"] == "make")
        monkeypatch.setattr(customer_keyfile, "write", killed)
        with pytest.raises(Killed):
            CONTAIN.apply(hands, make)
        monkeypatch.undo()
        (lost,) = set(active(double)) - {OLD_ID}
        assert Path(given["key_file"]).read_bytes() == b""
        assert CONTAIN.settled(hands, make) == "not-acted"
        assert CONTAIN.apply(hands, make).state == "acted"
        assert CONTAIN.settled(hands, make) == "acted"
        assert CONTAIN.apply(hands, make).state == "unchanged"
    assert lost not in active(double)
    assert set(active(double)) == {OLD_ID, key_id_of(new_key(given))}


def test_a_full_disk_leaves_no_key_behind(double, given, monkeypatch):
    from opsctl.actions import customer_keyfile

    def full(path, key):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(customer_keyfile, "write", full)
    with hands_on(double) as hands:
        make = next(s for s in numbered(propose(CONTAIN, hands, **given)) if s.before["kind"] == "make")
        did = CONTAIN.apply(hands, make)
    assert (did.state, did.inverse) == ("failed", None)
    assert "No space left on device" in did.says
    assert active(double) == [OLD_ID]


def test_the_proof_waits_while_the_old_key_is_remembered(double, given):
    with hands_on(double) as hands:
        steps = {step.before["kind"]: step for step in numbered(propose(CONTAIN, hands, **given))}
        assert double.use(OLD_KEY) == 422  # from now on it is remembered
        told: list[str] = []
        hands = replace(hands, tell=told.append)
        CONTAIN.apply(hands, steps["revoke"])
        assert double.use(OLD_KEY) == 422, "revoked, and still let in"
        did = CONTAIN.apply(hands, steps["prove"])
    assert did.state == "acted"
    assert "lets the old key in (422)" in told[0]


def test_the_proof_fails_where_the_key_is_let_in_for_longer_than_keys_are_remembered(double, given):
    with hands_on(double, settings={"key_cache_ttl": "200ms"}) as hands:
        proposal = propose(CONTAIN, hands, suspend=True, **given)
        steps = {step.before["kind"]: step for step in numbered(proposal)}
        did = CONTAIN.apply(hands, steps["prove"])  # never revoked
        assert (did.state, did.inverse) == ("failed", None)
        assert "lets the old key in" in did.says
        CONTAIN.apply(hands, steps["suspend"])
        double.app.cache.clear()
        did = CONTAIN.apply(hands, steps["prove"])
    assert did.state == "failed"
    assert "403" in did.says, "a suspension does not prove the revocation"


def test_every_address_must_refuse_it(double, given, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    with vritti(other) as second, hands_on(double, settings={"key_cache_ttl": "100ms"}) as hands:
        asked = {**given, "address": [double.url, second.url]}
        steps = {step.before["kind"]: step for step in numbered(propose(CONTAIN, hands, **asked))}
        CONTAIN.apply(hands, steps["revoke"])
        double.app.cache.clear()
        did = CONTAIN.apply(hands, steps["prove"])
        assert did.state == "failed"
        assert second.url in did.says
        second.app.store.revoke("customer-3", OLD_ID)
        second.app.cache.clear()
        assert CONTAIN.apply(hands, steps["prove"]).says.startswith("the old key is refused with 401 at 2 addresses")


def test_waiting_can_be_stopped(double, given):
    def stop() -> None:
        raise Stopped("the stop file is there")

    with hands_on(double, check_stop=stop) as hands:
        wait = next(s for s in numbered(propose(CONTAIN, hands, **given)) if s.before["kind"] == "wait")
        assert wait.before["seconds"] == TTL
        with pytest.raises(Stopped):
            CONTAIN.apply(hands, wait)


def test_what_refuses_and_what_lifts_it(double, given, tmp_path):
    with hands_on(double) as hands:
        without = {k: v for k, v in given.items() if k != "old_key_file"}
        assert refused(propose(CONTAIN, hands, **without)) == {"old-key": "--without-proof"}
        assert refused(propose(CONTAIN, hands, without_proof=True, **without)) == {}
        other = {**given, "key": key_id_of("key-4-of-another")}
        assert refused(propose(CONTAIN, hands, **other)) == {"key": ""}, "another customer's key"
        Path(given["key_file"]).write_text("something of mine")
        assert refused(propose(CONTAIN, hands, **given)) == {"key-file": ""}
        Path(given["key_file"]).unlink()
        Path(given["key_file"]).symlink_to(tmp_path / "elsewhere")
        assert refused(propose(CONTAIN, hands, **given)) == {"key-file": ""}
        Path(given["key_file"]).unlink()
        double.log.unlink()
        assert refused(propose(CONTAIN, hands, **given)) == {"evidence": "--without-evidence"}
        assert "evidence" not in kinds(propose(CONTAIN, hands, without_evidence=True, **given))


def test_a_service_that_does_not_list_keys(tmp_path, given):
    folder = tmp_path / "unlisted"
    folder.mkdir()
    with vritti(folder, keys_routes=False) as double, hands_on(double) as hands:
        double.past_use(OLD_ID, "198.51.100.23", 3)
        proposal = propose(CONTAIN, hands, **given)
        assert refused(proposal) == {"key": "--unlisted"}
        assert "does not list" in next(check.says for check in proposal.checks if check.id == "key")
        revoke = next(s for s in numbered(proposal) if s.before["kind"] == "revoke")
        did = CONTAIN.apply(hands, revoke)
    assert did.state == "failed"
    assert "this build does not offer it" in did.says


def test_the_last_key_that_may_administrate_stays(double, given):
    for key in double.app.store._data["keys"].values():
        key["scopes"] = ["admin"] if key["key_id"] == OLD_ID else []
    with hands_on(double) as hands:
        assert refused(propose(CONTAIN, hands, **given)) == {"last-admin": ""}


@pytest.mark.parametrize("wrong", [{"customer": "../admin"}, {"key": "a/b"}, {"cache_ttl": "soon"}, {"customer": ""}])
def test_ids_cannot_lead_elsewhere(given, wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**given, **wrong}, CONTAIN.params)


def test_nothing_is_suspended_for_a_suspicion(given):
    with pytest.raises(msgspec.ValidationError, match="only suspected"):
        msgspec.convert({**given, "suspected": True, "suspend": True}, CONTAIN.params)


def test_a_restart_empties_the_cache_instead_of_waiting(double, given, tmp_path, monkeypatch):
    from opsctl.actions import service_ready
    from opsctl.services.model import Adapter

    monkeypatch.setattr(service_ready, "wait_for", lambda look, seconds: look())
    script = tmp_path / "restart"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/restarted\n")
    script.chmod(0o755)
    with hands_on(double) as hands:
        adapter = Adapter(kind="command", unit="vritti-api", argv=(str(script),))
        profile = msgspec.structs.replace(hands.profile, adapters={"app": adapter})
        hands = replace(hands, profile=profile)
        proposal = propose(CONTAIN, hands, restart="app", **given)
        assert kinds(proposal) == ["evidence", "revoke", "make", "restart", "prove", "deliver"]
        assert any("B-47" in note for note in proposal.notes)
        restart = numbered(proposal)[3]
        assert restart.calls == (str(script),)
        assert CONTAIN.apply(hands, restart).state == "acted"
        assert (tmp_path / "restarted").exists()
        assert CONTAIN.settled(hands, restart) == "unknown", "nothing tells one run of it from another"
