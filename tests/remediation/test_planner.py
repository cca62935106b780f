"""From what is seen to a plan: parameters bound, limits held, pinned, sealed; and which mitigations are proposed."""

from datetime import timedelta
from pathlib import Path

import pytest

from opsctl.actions.model import Limit, Step, Target
from opsctl.errors import ConfigError, Refused, Unavailable, UsageError
from opsctl.model import CauseResult, Finding, Report
from opsctl.remediation.applying import asks
from opsctl.remediation.candidates import candidates
from opsctl.remediation.digest import as_data, from_data, hash_of, names
from opsctl.remediation.limits import cap_of, held, limit_of
from opsctl.remediation.planner import bound, make_plan, nothing_to_do
from opsctl.runbooks.load import Loaded
from opsctl.runbooks.model import CauseSpec, LimitSpec, Mitigation, Parameter, ProbeUse, Runbook, VerifySpec
from opsctl.services.model import Dependency, Profile
from tests.remediation import world as worlds


@pytest.mark.parametrize(
    ("targets", "share", "of", "tightened", "max_targets", "max_share", "cap"),
    [
        (5, 0.25, 31, None, None, None, 5),
        (5, 0.25, 12, None, None, None, 3),
        (5, 0.25, 8, None, None, None, 2),
        (5, 0.25, 3, None, None, None, 1),  # one is always allowed
        (5, 0.25, 0, None, None, None, 1),
        (5, 0.25, 31, LimitSpec(targets=2), None, None, 2),
        (5, 0.25, 31, LimitSpec(targets=50), None, None, 5),  # a runbook never loosens
        (5, 0.25, 31, LimitSpec(share="10%"), None, None, 3),
        (5, 0.25, 31, LimitSpec(share=0.9), None, None, 5),
        (5, 0.25, 31, LimitSpec(targets=2), 40, None, 40),  # the user named the number
        (5, 0.25, 31, None, 1, None, 1),
        (5, 0.25, 0, None, 40, None, 40),  # nobody knows the total
        (5, 0.25, 40, None, 40, 0.5, 20),
        (5, 0.25, 40, None, None, 0.9, 5),  # a share alone cannot raise
        (5, 0.25, 40, None, None, 0.05, 2),
        (100, 0.29, 100, None, None, None, 29),  # 0.29 * 100 is a little less than 29 in binary
    ],
)
def test_the_limit_is_absolute_and_relative(targets, share, of, tightened, max_targets, max_share, cap):
    limit = limit_of(Limit(targets=targets, share=share), tightened, max_targets, max_share)
    assert cap_of(limit, of) == cap


@pytest.mark.parametrize(("max_targets", "max_share"), [(0, None), (-1, None), (None, 0.0), (None, 1.5)])
def test_limits_that_admit_nothing(max_targets, max_share):
    with pytest.raises(UsageError):
        limit_of(Limit(), None, max_targets, max_share)


def test_steps_beyond_the_limit_name_what_would_admit_them():
    steps = [Step(target=Target(id=f"pid {n}", pin={}), why="", calls=()) for n in range(7)]
    within, beyond = held(steps, Limit(targets=5, share=0.25), 31, "sessions")
    assert [(s.number, s.target.id) for s in within] == [(n + 1, f"pid {n}") for n in range(5)]
    assert [(one.id, one.lift) for one in beyond] == [("pid 5", "--max-targets 7"), ("pid 6", "--max-targets 7")]
    assert beyond[0].why == "beyond the limit of 5 of 31 sessions (5 and 25%)"


def test_a_plan_says_everything_and_is_sealed(ana, world):
    world.make("a", "b", "c")
    world.make("d", reserved=True)
    plan = ana.plan({"but": ["c"]}, max_targets=1)
    assert [(s.number, s.target.id) for s in plan.proposal.steps] == [(1, "a")]
    assert {one.id: one.lift for one in plan.proposal.excluded} == {
        "c": "", "d": "--even-reserved", "b": "--max-targets 2",
    }  # fmt: skip
    assert (plan.service, plan.cap, plan.parameters["but"]) == ("home", 1, ["c"])
    assert plan.expires - plan.created == timedelta(seconds=300)
    assert len(plan.hash) == 64
    assert plan.hash == hash_of(as_data(plan)) == hash_of(as_data(from_data(as_data(plan))))
    assert names(plan, plan.hash[:6].upper())
    assert not names(plan, plan.hash[:5])
    assert not names(plan, "")
    assert asks(plan).type == ""


def test_what_cannot_be_undone_asks_for_the_name(ana, world):
    world.make("a")

    def propose(seen, params):
        import msgspec

        return msgspec.structs.replace(worlds.propose(seen, params), undo="", lost="water is gone", confirm="home")

    asked = asks(ana.plan(action=worlds.action(propose=propose)))
    assert asked.type == "home"
    assert asked.question == "open valve on valves at home: 1 of 1 valves"


def test_a_server_that_does_not_answer_makes_no_plan(ana, world):
    world.flag("gone")
    with pytest.raises(Unavailable, match="the plan could not be made: nothing listens at valves:1"):
        ana.plan()


def test_a_role_that_may_not_look(ana):
    def denied(hands, params):
        from opsctl.errors import CouldNotLook

        raise CouldNotLook("forbidden", "permission denied for view valves")

    with pytest.raises(Refused, match="permission denied"):
        ana.plan(action=worlds.action(observe=denied))


def test_parameters_of_the_runbook_and_of_the_user():
    action = worlds.action()
    mitigation = Mitigation(action=worlds.ID, with_={"pressure": {"param": "bar"}, "but": ["x"]})
    assert bound(action, {}, mitigation, {"bar": "7"}).pressure == 7
    assert bound(action, {"pressure": "9", "but": None}, mitigation, {"bar": 7}) == worlds.Valves(
        pressure=9, but=("x",)
    )
    with pytest.raises(ConfigError, match="pressure names the unknown parameter 'bar'"):
        bound(action, {}, mitigation, {})
    with pytest.raises(UsageError, match="Expected `int`"):
        bound(action, {"pressure": "high"}, mitigation, {"bar": 7})
    with pytest.raises(UsageError, match="unknown field `valve`"):
        bound(action, {"valve": 1})
    with pytest.raises(ConfigError, match=r"mitigation testing.open-valve: .*`int`"):
        bound(action, {}, mitigation, {"bar": "high"})


# --- candidates ---

DRY = Finding(id="local.dry", state="breach", says="no water at two taps", measured=2, threshold=0)


def report(causes=(), findings=(DRY,), verdict="critical", **more):
    from datetime import UTC, datetime

    return Report(
        runbook="dry-house", service="home", verdict=verdict, says="dry", started_at=datetime.now(UTC),
        findings=tuple(findings), causes=tuple(causes), **more,
    )  # fmt: skip


def cause(name, status, confirmed=("local.dry",)):
    return CauseResult(
        cause=name, says=f"The {name}.", status=status, score=1, confirmed=confirmed, refuted=(), not_measured=(),
        checks=1, measured=1,
    )  # fmt: skip


def book(*mitigation):
    return Loaded(
        Runbook(
            runbook="dry-house",
            title="No water",
            meaning="",
            impact="",
            parameters=(Parameter(name="bar", help="", type="integer", default=3),),
            diagnosis=(ProbeUse(probe="signal.objectives"),),
            causes=(CauseSpec(cause="closed", says="", confirms=("local.dry",)),),
            mitigation=mitigation,
        ),
        Path("dry-house.yaml"),
        b"",
    )


HOME = Profile(service="home", dependencies={"well": Dependency(kind="well")})


def test_candidates_smallest_first_with_why():
    worlds.action(weight=2)
    big = worlds.action(weight=2)._replace(id="testing.replace-pipe", weight=7)
    from opsctl.actions.registry import _actions, register

    _actions.pop(big.id, None)
    register(big)
    loaded = book(
        Mitigation(action=big.id, causes=("closed",), when=("local.dry",)),
        Mitigation(action=worlds.ID, name="open-possible", causes=("rust",)),
        Mitigation(action=worlds.ID, causes=("closed",)),
        Mitigation(action=worlds.ID, name="refuted", causes=("frozen",)),
        Mitigation(action=worlds.ID, name="elsewhere", services=("mill",)),
        Mitigation(action=worlds.ID, name="needy", needs="pump"),
        Mitigation(action=worlds.ID, name="unbroken", causes=("closed",), when=("local.flood",)),
        Mitigation(action="testing.nothing"),
    )
    seen = report([cause("closed", "confirmed"), cause("rust", "possible"), cause("frozen", "refuted", ())])
    found = candidates(loaded, seen, HOME)
    assert [(one.name, one.applies) for one in found] == [
        ("open-valve", True), ("replace-pipe", True), ("open-possible", True),
        ("refuted", False), ("elsewhere", False), ("needy", False), ("unbroken", False), ("nothing", False),
    ]  # fmt: skip
    whys = {one.name: one.why for one in found}
    assert whys["open-valve"] == "The closed (confirmed): no water at two taps"
    assert whys["refuted"] == "frozen is refuted"
    assert whys["elsewhere"] == "it is for mill"
    assert whys["needy"] == "home does not depend on pump"
    assert whys["unbroken"] == "not broken: local.flood (not looked at)"
    assert whys["nothing"] == "there is no action testing.nothing"
    assert not any(one.applies for one in candidates(loaded, report(verdict="ok"), HOME))
    _actions.pop(big.id)


def test_a_plan_for_a_runbook_knows_what_must_become_ok(ana, world):
    world.make("a")
    seen = report([cause("closed", "confirmed")], parameters={"bar": "8"}, chosen=("bar",))
    mitigation = Mitigation(
        action=worlds.ID,
        causes=("closed",),
        with_={"pressure": {"param": "bar"}},
        limit=LimitSpec(targets=1),
        guards=("errors",),
        verify=VerifySpec(deadline="20s"),
    )
    plan = make_plan(worlds.action(), {}, ana.hands(profile=HOME), mitigation=mitigation, report=seen)
    assert (plan.runbook, plan.cause, plan.given, plan.parameters["pressure"]) == (
        "dry-house",
        "closed",
        {"bar": "8"},
        8,
    )
    assert plan.verification.findings == ("local.dry",)
    assert plan.verification.before == (DRY,)
    assert (plan.verification.deadline, plan.guards, plan.cap) == (20.0, ("errors",), 1)
    shorter = make_plan(
        worlds.action(), {}, ana.hands(profile=HOME), mitigation=mitigation, report=seen, verify_for=5.0
    )
    assert shorter.verification.deadline == 5.0


def test_nothing_to_do_says_what_was_left_out(ana, world):
    world.make("a", level=3)
    error = nothing_to_do(ana.plan())
    assert error.code == 1
    assert error.says == (
        "there is nothing to do on valves at home: no target is left of 1 valves (1 left out: open already (3))"
    )
