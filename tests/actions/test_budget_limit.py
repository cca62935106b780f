"""budget.raise-limit on the lab's Vritti: growth, approval, size, a build that does nothing, undo."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from opsctl.actions import budget
from opsctl.actions.budget import RAISE
from tests.actions.test_customer_contain import as_plan
from tests.actions.vritti_double import hands_on, numbered, propose, refused, vritti

ROUTE = {"path.budget_limit": "/admin/budget"}


@pytest.fixture(autouse=True)
def growth(monkeypatch):
    """What the cost is made of is measured in tests/probes/test_signal_factors.py."""
    found: list[tuple[bool | None, str]] = [(True, "3 times the requests")]
    monkeypatch.setattr(budget, "_growth", lambda hands: found[0])
    return found


@pytest.fixture
def double(tmp_path):
    with vritti(tmp_path) as one:
        one.app.meter.add("cheap", 48.0)
        yield one


def test_raised_read_back_and_put_back(double):
    with hands_on(double, settings=ROUTE) as hands:
        proposal = propose(RAISE, hands, to=80, approver="bob")
        assert refused(proposal) == {}
        (step,) = numbered(proposal)
        assert "approved by bob" in step.why
        did = RAISE.apply(hands, step)
        assert (did.state, did.inverse) == ("acted", {"limit": 50.0})
        assert did.after["daily_cost_usd"] == 48.0, "the spend is still counted"
        assert double.app.meter.limit == 80
        assert RAISE.settled(hands, step) == "acted"
        assert RAISE.verify(hands, as_plan(proposal, (step,), {}), (1,)).ok
        assert RAISE.apply(hands, step).state == "unchanged"
        assert RAISE.undo is not None
        assert RAISE.undo(hands, step, did.inverse).state == "acted"
    assert double.app.meter.limit == 50


def test_a_build_that_takes_it_and_changes_nothing(tmp_path):
    with vritti(tmp_path, budget_route="ignored") as double, hands_on(double, settings=ROUTE) as hands:
        (step,) = numbered(propose(RAISE, hands, to=80, approver="bob"))
        did = RAISE.apply(hands, step)
        assert (did.state, did.inverse) == ("failed", None)
        assert "its limit is still $50.00: this build does not use it" in did.says
        assert RAISE.settled(hands, step) == "not-acted"


def test_a_build_without_such_a_request_names_the_env_file(tmp_path):
    with vritti(tmp_path, budget_route="") as double:
        with hands_on(double) as hands:
            proposal = propose(RAISE, hands, to=80, approver="bob")
            assert proposal.steps == ()
            assert proposal.excluded[0].lift == "--route PATH"
            assert "REFLECTION_MAX_COST_PER_DAY_USD=80" in proposal.notes[0]
        with hands_on(double, settings=ROUTE) as hands:
            (step,) = numbered(propose(RAISE, hands, to=80, approver="bob"))
            did = RAISE.apply(hands, step)
            assert did.state == "failed"
            assert "does not offer it" in did.says


def test_what_refuses_and_what_lifts_it(double, growth):
    with hands_on(double, settings=ROUTE) as hands:
        assert refused(propose(RAISE, hands, to=80)) == {"approver": "--approver NAME"}
        assert refused(propose(RAISE, hands, to=80, approver="ana")) == {"approver": ""}, "the one who does it"
        assert refused(propose(RAISE, hands, to=101, approver="bob")) == {"size": ""}
        assert refused(propose(RAISE, hands, to=40, approver="bob")) == {"size": ""}
        past = {"until": "2020-01-01T00:00:00Z"}
        assert refused(propose(RAISE, hands, to=80, approver="bob", **past)) == {"until": ""}
        growth[0] = (False, "one customer makes most of it")
        assert refused(propose(RAISE, hands, to=80, approver="bob")) == {"cause": "--cause growth"}
        growth[0] = (None, "not known")
        assert refused(propose(RAISE, hands, to=80, approver="bob")) == {"cause": "--cause growth"}
        assert refused(propose(RAISE, hands, to=80, approver="bob", cause="growth")) == {}
        assert propose(RAISE, hands, to=50, approver="bob").excluded[0].why.endswith("already")


def test_a_counter_that_began_anew_is_not_verified(double):
    with hands_on(double, settings=ROUTE) as hands:
        proposal = propose(RAISE, hands, to=80, approver="bob")
        (step,) = numbered(proposal)
        RAISE.apply(hands, step)
        double.app.meter._spent.clear()  # what a restart does (B-47)
        saw = RAISE.verify(hands, as_plan(proposal, (step,), {}), (1,))
    assert saw.ok is False
    assert "began at nothing" in saw.says


def test_it_ends_at_the_next_midnight():
    now = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
    assert budget.ends(now, "") == datetime(2026, 11, 22, tzinfo=UTC)
    assert budget.ends(now, "2026-11-23T02:00:00+02:00") == datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize("wrong", [{"to": 0}, {"to": -5}, {"until": "2026-11-22"}, {"until": "soon"}, {"route": "x"}])
def test_values_that_make_no_sense(wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"to": 80.0, **wrong}, RAISE.params)
