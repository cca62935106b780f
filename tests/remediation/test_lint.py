"""A runbook's mitigation is held against the actions, its own probes and causes, and the services."""

from pathlib import Path

import pytest

from opsctl.remediation.lint import lint_mitigation
from opsctl.runbooks.find import find
from opsctl.runbooks.load import load_file
from opsctl.runbooks.model import LimitSpec, Mitigation, VerifySpec
from opsctl.services.find import list_profiles
from opsctl.services.load import load_profile
from opsctl.services.model import Profile
from opsctl.signals.model import Band, Objective, Signal
from tests.remediation import world as worlds
from tests.remediation.test_planner import book

HOME = Profile(
    service="home",
    signals={"errors": Signal(gauge="errors"), "idle": Signal(gauge="idle")},
    objectives=(Objective(id="errors", runbook="dry-house", signal="errors", bands=(Band(above=1),)),),
)


def one(**changes):
    return Mitigation(**{"action": worlds.ID, "causes": ("closed",), **changes})


@pytest.mark.parametrize(
    ("mitigation", "says"),
    [
        (one(action="testing.open-valv"), "there is no action 'testing.open-valv'; did you mean 'testing.open-valve'?"),
        (one(with_={"presure": 1}), "has no parameter 'presure'; did you mean 'pressure'?"),
        (one(with_={"pressure": "high"}), "pressure: Expected `int`, got `str`"),
        (one(with_={"pressure": {"param": "bars"}}), "names the unknown parameter 'bars'; did you mean 'bar'?"),
        (one(with_={"even_reserved": True}), "even_reserved lifts a guard"),
        (one(limit=LimitSpec(targets=6)), "6 targets loosen the action's own limit of 5"),
        (one(limit=LimitSpec(targets=0)), "0 targets admit nothing"),
        (one(limit=LimitSpec(share="200%")), "a share of 200% is none"),
        (one(limit=LimitSpec(share="many")), "is not a quantity"),
        (one(causes=("close",)), "there is no cause 'close' here; did you mean 'closed'?"),
        (one(when=("signal.nothing",)), "when: no probe here emits 'signal.nothing'"),
        (one(verify=VerifySpec(findings=("local.wet",))), "verify: no probe here emits 'local.wet'"),
        (one(verify=VerifySpec(deadline="soon")), '"soon" is not a duration'),
        (one(verify=VerifySpec(deadline="0s")), "the deadline must be longer than 0s"),
        (one(services=("hose",)), "there is no service 'hose'"),
        (one(guards=("error",)), "no service it is for defines the signal 'error'; did you mean 'errors'?"),
        (one(guards=("idle",)), "idle has no objective and no healthy range"),
    ],
)
def test_what_is_wrong(mitigation, says):
    found = lint_mitigation(book(mitigation).runbook, [HOME])
    assert len(found) == 1
    assert says in found[0]
    assert found[0].startswith("mitigation open-val")


def test_what_is_right():
    right = one(
        with_={"pressure": {"param": "bar"}, "but": ["x"]},
        limit=LimitSpec(targets=2, share="50%"),
        guards=("errors",),
    )
    assert lint_mitigation(book(right).runbook, [HOME]) == []


def test_two_of_one_name():
    assert lint_mitigation(book(one(), one()).runbook, [HOME]) == [
        "mitigation open-valve is there twice; give one of them another name"
    ]


def test_our_own_runbooks():
    dirs = [Path(__file__).parents[2] / "runbooks"]
    profiles = [load_profile(name, dirs) for name in list_profiles(dirs)]
    found = {name: lint_mitigation(load_file(path).runbook, profiles) for name, path in find(dirs).items()}
    assert {name: says for name, says in found.items() if says} == {}
