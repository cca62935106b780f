"""A tiny world to act on: one file per valve, and a line in ``acts`` for everything that was ever done to it.

``testing.open-valve`` opens them. What is in ``acts`` is the truth that the ledger is held against.
``FAULT=POINT:VALVE`` in the environment makes the process kill itself there, or the server fail.
"""

import json
import os
import signal
import time
from pathlib import Path

from opsctl.actions.hands import Hands, Stopped
from opsctl.actions.model import Check, Did, Excluded, Limit, Pace, Params, Proposal, Step, Target, Verified
from opsctl.actions.registry import Action, _actions, register
from opsctl.clients.readers import Readers
from opsctl.clients.writers import Writers
from opsctl.config.endpoint import Endpoint
from opsctl.config.settings import load_settings
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.services.measured import signals_of
from opsctl.services.model import Profile

ID = "testing.open-valve"


class Valves(Params, frozen=True, kw_only=True):
    """``but``: left alone; ``even``: the ones that are reserved."""

    but: tuple[str, ...] = ()
    pressure: int = 3
    even_reserved: bool = False


class World:
    """A folder of valves."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def make(self, *names, **more):
        for name in names:
            self.write(name, {"made": os.urandom(4).hex(), "level": 0, **more})
        return self

    def replace(self, name):
        """The valve is taken out, and another one of that name is put in."""
        self.make(name)

    def path(self, name):
        return self.folder / f"{name}.json"

    def read(self, name):
        try:
            return json.loads(self.path(name).read_text())
        except FileNotFoundError:
            return None

    def write(self, name, valve):
        part = self.folder / f".{name}.part"
        part.write_text(json.dumps(valve))
        part.replace(self.path(name))

    def names(self):
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def levels(self):
        return {name: self.read(name)["level"] for name in self.names()}

    def acted(self, text):
        with (self.folder / "acts").open("a") as file:
            file.write(text + "\n")

    @property
    def acts(self):
        """Everything that was done, in order: ``open a`` or ``close a``."""
        path = self.folder / "acts"
        return path.read_text().splitlines() if path.exists() else []

    def flag(self, name, text=""):
        """Something about the world: ``gone``, ``denied-a``, ``shut`` ..."""
        (self.folder / name).write_text(text)

    def flagged(self, name):
        return (self.folder / name).exists()


def point(name, valve):
    """A place where the process may be killed."""
    if os.environ.get("FAULT") == f"{name}:{valve}":
        os.kill(os.getpid(), signal.SIGKILL)


def world_of(hands: Hands) -> World:
    return World(Path(hands.profile.settings["valves"]))


def observe(hands, params):
    world = world_of(hands)
    if world.flagged("gone"):
        raise CouldNotLook("refused", "nothing listens at valves:1", address="valves:1")
    valves = {name: world.read(name) for name in world.names()}
    return {"valves": valves, "params": params, "folder": str(world.folder), "shut": world.flagged("shut")}


def propose(seen, params):
    steps, excluded = [], []
    for name, valve in seen["valves"].items():
        if name in params.but:
            excluded.append(Excluded(id=name, says="a valve", why="left alone, as asked"))
        elif valve["level"]:
            excluded.append(Excluded(id=name, says="a valve", why=f"open already ({valve['level']})"))
        elif valve.get("reserved") and not params.even_reserved:
            excluded.append(Excluded(id=name, says="a valve", why="reserved", lift="--even-reserved"))
        else:
            steps.append(
                Step(
                    target=Target(id=name, pin={"made": valve["made"]}, says="a valve"),
                    why="it is closed",
                    calls=(f"open {name} to {params.pressure}",),
                    before={"level": params.pressure, "inverse": {"level": valve["level"]}},
                )
            )
    return Proposal(
        subject="valves at home",
        scope=f"valves {seen['folder']}",
        steps=tuple(steps),
        of=len(seen["valves"]),
        unit="valves",
        impact="water runs",
        undo="closed again",
        excluded=tuple(excluded),
        checks=(
            Check(id="main", says="the main is open" if not seen["shut"] else "the main is shut", ok=not seen["shut"]),
        ),
    )


def apply(hands, step):
    world, name = world_of(hands), step.target.id
    point("before-act", name)
    if world.flagged("slow"):
        world.flag(f"slow-{name}")
        for _ in range(100):  # an act that takes long and looks whether it may go on
            if world.flagged("go-on"):
                break
            if not world.flagged("deaf"):
                hands.check_stop()
            time.sleep(0.05)
    if world.flagged("gone") or world.flagged(f"gone-{name}"):
        return Did(state="failed", says="connection refused")
    if world.flagged(f"denied-{name}"):
        return Did(state="failed", says="permission denied")
    valve = world.read(name)
    if valve is None or valve["made"] != step.target.pin["made"]:
        return Did(state="skipped", says="it is another valve now")
    world.acted(f"open {name}")
    world.write(name, {**valve, "level": step.before["level"]})
    point("after-act", name)
    if world.flagged(f"silent-{name}"):
        return Did(state="unknown", says="no answer came")
    if world.flagged(f"bug-{name}"):
        raise RuntimeError("lost the answer")
    return Did(state="acted", says="open", inverse={"level": valve["level"]})


def settled(hands, step):
    world = world_of(hands)
    if world.flagged("dark"):
        return "unknown"
    if world.flagged("gone"):
        raise CouldNotLook("refused", "nothing listens at valves:1", address="valves:1")
    valve = world.read(step.target.id)
    if valve is None or valve["made"] != step.target.pin["made"]:
        return "unknown"
    return "acted" if valve["level"] == step.before["level"] else "not-acted"


def undo(hands, step, inverse):
    world, name = world_of(hands), step.target.id
    point("before-undo", name)
    if world.flagged(f"denied-{name}"):
        return Did(state="failed", says="permission denied")
    valve = world.read(name)
    if valve is None or valve["made"] != step.target.pin["made"]:
        return Did(state="failed", says="it is another valve now")
    world.acted(f"close {name}")
    world.write(name, {**valve, "level": inverse["level"]})
    point("after-undo", name)
    return Did(state="acted", says="closed again")


def verify(hands, plan, done):
    world = world_of(hands)
    names = {s.number: s.target.id for s in plan.proposal.steps}
    dry = [names[n] for n in done if (world.read(names[n]) or {}).get("level", 0) == 0]
    return Verified(ok=not dry, says=f"no water from {', '.join(dry)}" if dry else "water runs")


def action(**changes):
    """The action, registered; with another pace or limit where a test wants it."""
    _actions.pop(ID, None)
    given = {
        "id": ID, "title": "Open valves", "params": Valves, "observe": observe, "propose": propose, "apply": apply,
        "settled": settled, "undo": undo, "verify": verify, "weight": 2, "asks": "open VALVE", "privilege": "a hand",
        "help": {"but": "Valves to leave alone.", "pressure": "How far.", "even_reserved": "Reserved ones too."},
        "limit": Limit(targets=5, share=1.0), "pace": Pace(batch=2, pause=0.0), "cooldown": 600.0, "expires": 300.0,
    }  # fmt: skip
    return register(Action(**{**given, **changes}))


def hands_of(world: World, environ, *, profile=None, now=None, endpoints=None, config=None) -> Hands:
    """Hands for that world; ``endpoints``: name -> URL."""

    def resolve(name):
        if endpoints and name in endpoints:
            return Endpoint(name=name, url=endpoints[name], setting=f"test {name}")
        raise NotConfigured(f"no endpoint {name}")

    profile = profile or Profile(service="home", direct_pause="50ms")
    import msgspec

    profile = msgspec.structs.replace(profile, settings={**profile.settings, "valves": str(world.folder)})
    readers = Readers(resolve)
    return Hands(
        profile=profile,
        settings=load_settings(config, None, environ=environ),
        readers=readers,
        writers=Writers(resolve),
        signals=signals_of(readers, profile, direct=True),
        now=time.time() if now is None else now,
        actor="ana@bastion",
    )


__all__ = ["ID", "Stopped", "Valves", "World", "action", "hands_of", "point"]
