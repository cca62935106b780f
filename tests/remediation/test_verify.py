"""Whether it helped is told by the probes that found it, asked again over real HTTP."""

import time

import pytest

from opsctl.errors import ConfigError
from opsctl.remediation.ending import exit_code
from opsctl.remediation.events import Verifying
from opsctl.remediation.planner import make_plan
from opsctl.runbooks.engine import Setting, diagnose
from opsctl.runbooks.model import CauseSpec, Mitigation, ProbeUse, Runbook, VerifySpec
from opsctl.services.model import EndpointSpec, Profile
from opsctl.signals.model import Band, Objective, Signal
from tests.remediation import world as worlds
from tests.remediation.test_planner import book
from tests.servers.web import Web

DRY = "local.dry"


class House:
    """A service whose page tells how many valves are closed."""

    def __init__(self, world):
        self.world = world
        self.more = 0
        self.web = Web({"/metrics": self.page})
        self.profile = Profile(
            service="home",
            direct_pause="50ms",
            endpoints={"metrics": EndpointSpec(kind="metrics")},
            signals={"closed": Signal(gauge="valves_closed", unit="count")},
            objectives=(
                Objective(id="closed", runbook="dry-house", signal="closed", bands=(Band(above=0, severity="sev2"),)),
            ),
        )
        spec = Runbook(
            runbook="dry-house",
            title="No water",
            meaning="",
            impact="",
            diagnosis=(
                ProbeUse(probe="signal.threshold", with_={"signal": "closed", "above": 0, "finding": DRY}),
                ProbeUse(probe="signal.threshold", with_={"signal": "closed", "above": 9, "finding": "local.flood"}),
                ProbeUse(probe="signal.objectives"),
            ),
            causes=(CauseSpec(cause="closed", says="Valves are closed.", confirms=(DRY,)),),
        )
        self.loaded = book()._replace(runbook=spec)

    def page(self):
        if self.world.flagged("no-page"):
            return 503, "down\n"
        closed = self.more + sum(not level for level in self.world.levels().values())
        return f"# TYPE valves_closed gauge\nvalves_closed {closed}\n"

    def hands(self, ana):
        return ana.hands(profile=self.profile, endpoints={"metrics": self.web.url + "/metrics"})

    def report(self, ana):
        hands = self.hands(ana)
        setting = Setting(hands.profile, hands.readers, hands.signals, now=time.time(), changes=False)
        return diagnose(self.loaded, setting, {})

    def plan(self, ana, *, findings=(), deadline="1s", **how):
        mitigation = Mitigation(
            action=worlds.ID, causes=("closed",), verify=VerifySpec(findings=findings, deadline=deadline)
        )
        return make_plan(worlds.action(), {}, self.hands(ana), mitigation=mitigation, report=self.report(ana), **how)


@pytest.fixture
def house(world):
    house = House(world)
    yield house
    house.web.stop()


def test_the_probe_that_found_it_says_it_is_gone(ana, world, house):
    world.make("a", "b")
    plan = house.plan(ana)
    assert plan.verification.findings == (DRY,)
    assert [f.measured for f in plan.verification.before] == [2]
    outcome = ana.apply(plan, hands=house.hands(ana), loaded=house.loaded)
    assert (outcome.word, exit_code(outcome)) == ("fixed", 0)
    assert "before: 2" in outcome.says
    assert [f.id for f in outcome.findings] == [DRY]  # no other probe was asked
    body = next(e.body for e in ana.ledger.entries(outcome.run) if e.kind == "verified")
    assert (body["ok"], body["findings"][0]["state"]) == (True, "ok")


def test_it_looks_again_until_it_is_gone(ana, world, house):
    world.make("a")
    plan = house.plan(ana, deadline="20s")
    house.more = 1

    def at(event):
        if isinstance(event, Verifying):
            house.more = 0

    outcome = ana.apply(plan, hands=house.hands(ana), loaded=house.loaded, on_event=at)
    assert outcome.word == "fixed"
    assert len(ana.told(Verifying)) == 1
    assert 0 < ana.told(Verifying)[0].left <= 20


@pytest.mark.parametrize(("more", "word"), [(0, "fixed"), (1, "improved"), (3, "no-effect"), (9, "worse")])
def test_the_four_words(ana, world, house, more, word):
    world.make("a", "b", "c")
    plan = house.plan(ana, verify_for=0.1)
    house.more = more
    outcome = ana.apply(plan, hands=house.hands(ana), loaded=house.loaded)
    assert outcome.word == word
    assert exit_code(outcome) == (0 if word == "fixed" else 1)
    assert outcome.undoable


def test_what_cannot_be_looked_at_is_not_verified(ana, world, house):
    world.make("a")
    plan = house.plan(ana, verify_for=0.1)
    world.flag("no-page")
    outcome = ana.apply(plan, hands=house.hands(ana), loaded=house.loaded)
    assert (outcome.word, exit_code(outcome)) == ("not-verified", 1)
    assert "503" in outcome.says


def test_fixed_needs_the_acts_to_have_had_their_effect(ana, world, house):
    world.make("a")
    mitigation = Mitigation(action=worlds.ID, causes=("closed",))
    action = worlds.action(verify=lambda hands, plan, done: worlds.Verified(ok=False, says="a is shut again"))
    plan = make_plan(action, {}, house.hands(ana), mitigation=mitigation, report=house.report(ana), verify_for=0.1)
    outcome = ana.apply(plan, hands=house.hands(ana), loaded=house.loaded)
    assert outcome.word == "not-verified"
    assert outcome.says.startswith("a is shut again; ")


def test_a_runbook_that_is_not_at_hand_cannot_say_fixed(ana, world, house):
    world.make("a")
    outcome = ana.apply(house.plan(ana, verify_for=0.1), hands=house.hands(ana))
    assert (outcome.word, outcome.says) == ("not-verified", "the runbook dry-house is not at hand; water runs")


def test_a_runbook_that_no_longer_binds_is_told_before_anything_is_done(ana, world, house):
    import msgspec

    world.make("a")
    plan = house.plan(ana)
    broken = (ProbeUse(probe="signal.threshold", with_={"signal": "closed", "finding": DRY}),)
    loaded = house.loaded._replace(runbook=msgspec.structs.replace(house.loaded.runbook, diagnosis=broken))
    with pytest.raises(ConfigError, match="give one of above, at_least and below"):
        ana.apply(plan, hands=house.hands(ana), loaded=loaded)
    assert world.acts == []
