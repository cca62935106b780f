"""Guard signals: read before the first act and between batches; the first breach pauses, the second one stops."""

import dataclasses
import itertools

import msgspec
import pytest

from opsctl.model import Unknown
from opsctl.remediation.digest import sealed
from opsctl.remediation.ending import exit_code
from opsctl.remediation.events import GuardBroken, Paused, Warned
from opsctl.remediation.guards import Bounds, broken
from opsctl.services.model import Profile
from opsctl.signals.model import Band, Objective, Reading, Row, Signal
from tests.remediation import world as worlds


class Signals:
    """A signal that gives one value after the other, the last one for ever; None: it cannot be read."""

    def __init__(self, *values):
        self.values = list(values)
        self.asked = itertools.count()

    def fresh(self):
        return self

    def read(self, name, signal, **how):
        number = next(self.asked)
        value = self.values[min(number, len(self.values) - 1)]
        if value is None:
            return Reading(signal=name, unit="ratio", unknown=Unknown(reason="timeout", says="no answer in 5 s"))
        return Reading(signal=name, unit="ratio", rows=(Row(value=value),))


def guarded(ana, world, *values, bands=(Band(above=0.05),)):
    """A run of four steps in batches of one, watched by ``errors``."""
    world.make("a", "b", "c", "d")
    objective = Objective(id="errors", runbook="dry-house", signal="errors", bands=bands)
    profile = Profile(
        service="home",
        signals={"errors": Signal(gauge="errors", unit="ratio")},
        objectives=(objective,) if bands else (),
    )
    hands = dataclasses.replace(ana.hands(profile=profile), signals=Signals(*values))
    action = worlds.action(pace=worlds.Pace(batch=1, pause=0.01))
    plan = ana.plan(action=action, hands=hands)
    return ana.apply(sealed(msgspec.structs.replace(plan, guards=("errors",), hash="")), hands=hands)


@pytest.mark.parametrize(
    ("values", "done", "actions"),
    [
        ([0.01, 0.02], 4, []),  # within its objective
        ([0.01, 0.2, 0.2], 1, ["pause", "stop"]),  # it left it, and does not come back
        ([0.01, 0.2, 0.02], 4, ["pause"]),  # it came back
        ([0.01, 0.2, 0.02, 0.2], 2, ["pause", "stop"]),  # once more is the second time
        ([0.20, 0.21], 4, []),  # outside before, and not a tenth farther out
        ([0.20, 0.30, 0.30], 1, ["pause", "stop"]),
        ([0.01, None, None], 1, ["pause", "stop"]),  # cannot be read any more
        ([None, 0.9], 4, []),  # could not be read before: not watched, and said
    ],
)
def test_a_guard_signal_pauses_then_stops(ana, world, values, done, actions):
    outcome = guarded(ana, world, *values)
    assert outcome.done == done == len(world.acts)
    assert [event.action for event in ana.told(GuardBroken)] == actions
    recorded = [e.body["action"] for e in ana.ledger.entries(outcome.run) if e.kind == "guard"]
    assert recorded == actions
    if "stop" in actions:
        assert (outcome.word, exit_code(outcome), outcome.undoable) == ("stopped", 77, True)
        assert "a guard signal is broken" in outcome.says
        assert any("looked at again" in event.why for event in ana.told(Paused))
    else:
        assert outcome.word == "verified"


def test_a_guard_that_cannot_be_watched_is_said_and_recorded(ana, world):
    outcome = guarded(ana, world, 0.5, bands=())
    says = "errors is not watched: it has no objective and no healthy range"
    assert [event.text for event in ana.told(Warned)] == [says]
    assert [e.body for e in ana.ledger.entries(outcome.run) if e.kind == "note"] == [{"text": says}]


def at(*values):
    return Reading(signal="errors", unit="ratio", rows=tuple(Row(value=value) for value in values))


def objective(**band):
    return Bounds((Objective(id="o", runbook="r", signal="errors", bands=(Band(**band),)),))


@pytest.mark.parametrize(
    ("bounds", "before", "now", "says"),
    [
        (objective(above=0.05), at(0.01), at(0.04), ""),
        (objective(above=0.05), at(0.01), at(0.06), "errors 1 % -> 6 %, objective 5 %"),
        (objective(above="5%"), at(0.01, 0.02), at(0.01, 0.2), "errors 2 % -> 20 %, objective 5 %"),  # the worst row
        (objective(above=0.05, for_="10m"), at(0.01), at(0.06), "errors 1 % -> 6 %, objective 5 %"),  # at once
        (objective(above=0.05), at(0.10), at(0.104), ""),
        (objective(above=0.05), at(0.10), at(0.106), "errors 10 % -> 10.6 %, objective 5 %"),
        (objective(above=0.05), at(0.10), at(0.02), ""),
        (objective(below=0.5), at(0.9), at(0.4), "errors 90 % -> 40 %, objective 50 %"),
        (objective(below=0.5), at(0.4), at(0.45), ""),
        (objective(below=0.5), at(0.4), at(0.1), "errors 40 % -> 10 %, objective 50 %"),
        (Bounds(healthy=(0.1, 0.5)), at(0.2), at(0.45), ""),
        (Bounds(healthy=(0.1, 0.5)), at(0.2), at(0.6), "errors 20 % -> 60 %, healthy up to 50 %"),
        (Bounds(healthy=(0.1, 0.5)), at(0.2), at(0.05), "errors 20 % -> 5 %, healthy from 10 %"),
        (Bounds(healthy=(0.1, 0.5)), at(0.9), at(0.91), ""),
        (objective(above=0.05), at(0.01), at(), "errors cannot be read any more: it has no value"),
    ],
)
def test_broken(bounds, before, now, says):
    assert broken(bounds, before, now, {}) == says
