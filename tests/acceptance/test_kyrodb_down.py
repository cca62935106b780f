"""KyroDB dead, hung, loading; the service's breaker stuck: found, and remediated by the lab's own adapters or left."""

from __future__ import annotations

import time

import pytest

from tests.acceptance.session import Session, top

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    session = Session(tmp_path_factory.mktemp("kyrodb"))
    try:
        session.lab_up("vritti")
        yield session
    finally:
        session.lab_down()


def broken(session: Session, fault: str, cause: str) -> None:
    """Break it, and wait until the diagnosis names it."""
    session.opsctl("lab", "break", fault, "--no-wait", check=(0,))
    until = time.monotonic() + 40
    while True:
        # the instance that was just restarted is younger than a reconnect takes by default
        code, report = session.diagnose("kyrodb-down", "vritti", "--settle", "1s")
        if code == 2 and top(report) == cause:
            return
        assert time.monotonic() < until, report["causes"][:3]
        time.sleep(1)


def carried_out(session: Session, action: str, *more: str) -> tuple[dict, dict]:
    """The plan, and what came of it."""
    command = ("remediate", "kyrodb-down", action, "-s", "vritti", *more)
    plan = session.opsctl(*command, "--dry-run", "-o", "json", check=(0,)).json()["plan"]
    done = session.opsctl(*command, "--yes", "--plan-hash", plan["hash"], "-o", "json", check=(0,)).json()
    return plan, done


def targets(plan: dict) -> list[str]:
    return [step["target"]["id"] for step in plan["proposal"]["steps"]]


def test_a_dead_one_is_started_and_the_good_one_left(session):
    broken(session, "kyrodb-stopped", "one-instance")
    assert session.opsctl("lab", "status", "kyrodb-text").code == 3
    plan, done = carried_out(session, "restart")
    assert targets(plan) == ["kyrodb-text"]
    assert [one["id"] for one in plan["proposal"]["excluded"] if one["refused"]] == ["kyrodb-image"]
    assert done["outcome"]["word"] == "fixed"
    assert session.opsctl("lab", "status", "kyrodb-text", check=(0,)).out.startswith("kyrodb-text runs, pid=")
    assert "acted" in session.opsctl("ledger", "show", done["outcome"]["run"], "-o", "json", check=(0,)).out


def test_one_that_loads_is_never_restarted(session):
    broken(session, "kyrodb-loading", "starting")
    done = session.opsctl("remediate", "kyrodb-down", "restart", "-s", "vritti", "--anyway")
    assert done.code == 1
    assert "replays its log" in done.err + done.out
    session.opsctl("lab", "heal", "--no-wait", check=(0,))


def test_a_stuck_breaker_is_closed_by_restarting_the_service_alone(session):
    broken(session, "kyrodb-circuit-stuck", "circuit-stuck")
    plan, done = carried_out(session, "restart-service", "--param", "settle=1s")
    assert targets(plan) == ["command vritti"]
    assert done["outcome"]["word"] == "fixed"


def test_the_operators_command_leads_to_the_same_guards(session):
    session.opsctl("lab", "heal", "--no-wait", check=(0,))
    done = session.opsctl("restart", "vritti", "--unit", "kyrodb-image")
    assert done.code == 1
    assert "it answers: healthy" in done.out + done.err
    done = session.opsctl("restart", "vritti", "--unit", "kyrodb-imgae")
    assert (done.code, "kyrodb-image" in done.err) == (64, True)
