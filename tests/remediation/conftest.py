"""A world to act on, the action that acts, and a ledger of each kind."""

import os

import pytest

from opsctl.actions.registry import _actions
from opsctl.config.settings import load_settings
from opsctl.ledger.opened import open_ledger
from opsctl.remediation.applying import apply
from opsctl.remediation.planner import make_plan
from opsctl.remediation.workspace import Who
from tests.remediation import world as worlds

ANA = Who("ana@bastion", "bastion", "opsctl remediate dry-house open-valve -s home", "no water", "INC-7")


class Operator:
    """One person at one keyboard: their ledger, their hands, what they were told."""

    def __init__(self, world, environ, who=ANA):
        self.world = world
        self.environ = environ
        self.who = who
        self.events = []
        self.ledger = open_ledger(load_settings(None, None, environ=environ), environ)

    def hands(self, **how):
        return worlds.hands_of(self.world, self.environ, **how)

    def plan(self, how=None, *, hands=None, **more):
        action = more.pop("action", None) or worlds.action()
        return make_plan(action, how or {}, hands or self.hands(), **more)

    def apply(self, plan, *, hands=None, on_event=None, **how):
        def seen(event):
            self.events.append(event)
            if on_event is not None:
                on_event(event)

        return apply(plan, hands or self.hands(), self.ledger, who=self.who, on_event=seen, **how)

    def told(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def record(self, run):
        """(kind, step) of a run's entries, and what results said."""
        return [(e.kind, e.step) for e in self.ledger.entries(run)]

    def results(self, run):
        return {e.step: e.body["state"] for e in self.ledger.entries(run) if e.kind == "result"}


@pytest.fixture(autouse=True)
def _registered():
    worlds.action()
    yield
    _actions.pop(worlds.ID, None)  # other tests list the actions there are


@pytest.fixture
def world(tmp_path):
    return worlds.World(tmp_path / "valves")


@pytest.fixture
def environ(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    return {"PATH": os.environ["PATH"], "HOME": str(home), "OPSCTL_CONFIG": os.devnull}


@pytest.fixture
def ana(world, environ):
    operator = Operator(world, environ)
    yield operator
    operator.ledger.close()
