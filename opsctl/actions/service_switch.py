"""service.stop and service.start: each undoes the other. For what can wait while something is short (AMAS-46)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from opsctl.actions import service_ready as ready
from opsctl.actions.model import Check, Did, Effect, Excluded, Limit, Pace, Params, Plan, Proposal, Step, Target
from opsctl.actions.model import Verified as Saw
from opsctl.actions.registry import Action, register
from opsctl.actions.service_units import KEEP, Unit, adapter_of, shell_for, unit_at
from opsctl.clients.command import shown
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands

Way = Literal["stop", "start"]
_START = 60.0
_AFTER = 10.0  # seconds until the supervisor must say so
DONE = {"stop": ("stopped", "failed"), "start": ("running",)}
SAYS = {"stop": "stopped", "start": "started"}


class StopParams(Params, frozen=True, kw_only=True):
    """``adapter``: of the profile; there is no default, for what is stopped does not serve."""

    adapter: str
    serving: bool = False


class StartParams(Params, frozen=True, kw_only=True):
    """``adapter``: of the profile."""

    adapter: str


class Seen(NamedTuple):
    """What was observed. ``calls``: per unit."""

    service: str
    adapter: str
    unit: str
    units: tuple[Unit, ...]
    calls: tuple[tuple[str, ...], ...]


def _observe(way: Way) -> Callable[[Hands, Any], Seen]:
    def observe(hands: Hands, params: StopParams | StartParams) -> Seen:
        """The adapter's units. Raises CouldNotLook."""
        adapter = adapter_of(hands.profile, params.adapter)
        shell, kind = shell_for(hands, params.adapter)
        units = kind.units(shell)
        calls = tuple(kind.argv(shell, way, unit.key) for unit in units)
        return Seen(hands.profile.service, params.adapter, adapter.unit or params.adapter, units, calls)

    return observe


def _propose(way: Way) -> Callable[[Seen, Any], Proposal]:
    other = "start" if way == "stop" else "stop"

    def propose(seen: Seen, params: StopParams | StartParams) -> Proposal:
        """A step per unit that is not so already."""
        steps: list[Step] = []
        excluded: list[Excluded] = []
        for unit, call in zip(seen.units, seen.calls, strict=True):
            if unit.word in DONE[way]:
                excluded.append(Excluded(id=unit.id, says=unit.says, why=f"it is {SAYS[way]} already", refused=True))
            elif unit.word == "changing":
                excluded.append(Excluded(id=unit.id, says=unit.says, why="it is just starting or stopping"))
            else:
                before = {"adapter": seen.adapter, "key": unit.key}
                target = Target(id=unit.id, pin=unit.pin, says=unit.says)
                steps.append(Step(target=target, why="named by the command", calls=(shown(call),), before=before))
        checks: tuple[Check, ...] = ()
        if isinstance(params, StopParams):
            serves = seen.adapter == "app"
            says = f"{seen.unit} " + ("is what serves the users" if serves else "is not the unit that serves users")
            checks = (Check(id="serving", says=says, ok=not serves or params.serving, lift="--serving"),)
        return Proposal(
            subject=f"{seen.service} {seen.unit}",
            scope=f"service {seen.service}/{seen.unit}",
            steps=tuple(steps),
            of=len(seen.units),
            unit="processes",
            impact="its work is not done while it is stopped" if way == "stop" else "it takes up its work again",
            undo=f"service.{other}: what was {SAYS[way]} is {SAYS[other]}",
            excluded=tuple(excluded),
            checks=checks,
            confirm=seen.unit,
        )

    return propose


def _act(hands: Hands, step: Step, way: Way, *, pinned: bool) -> Did:
    name, key = str(step.before["adapter"]), str(step.before["key"])
    shell, kind = shell_for(hands, name)
    unit = unit_at(hands, name, key)
    if unit is None:
        return Did(state="skipped", says="its supervisor does not know it any more")
    if unit.word in DONE[way]:
        return Did(state="unchanged", says=f"it is {SAYS[way]} already")
    if pinned and unit.pin != dict(step.target.pin):
        return Did(state="skipped", says=f"it is another run than the plan's: {unit.says}")
    ran = shell.act(kind.argv(shell, way, key), timeout=_START + (unit.grace or KEEP))
    told = ready.wait_for(lambda: _is(hands, name, key, way), _AFTER if ran.code == 0 else 0.0)
    call = shown(ran.argv)
    said = f"{call} did not end" if ran.code is None else f"{call} ended with {ran.code}"
    if told.ok:
        return Did(state="acted", says=told.says, inverse=dict(step.before), seconds=ran.seconds)
    if told.ok is None or ran.code is None:
        says = f"{said}; {told.says}"
        return Did(state="unknown" if ran.code != 0 else "acted", says=says, inverse=dict(step.before))
    words = f": {ran.words}" if ran.words else ""
    return Did(state="failed", says=f"{said}{words}; {told.says}", seconds=ran.seconds)


def _is(hands: Hands, name: str, key: str, way: Way) -> ready.Ready:
    try:
        unit = unit_at(hands, name, key)
    except CouldNotLook as failed:
        return ready.Ready(None, failed.says)
    if unit is None:
        return ready.Ready(way == "stop", "its supervisor does not know it any more")
    if unit.word == "unknown":
        return ready.Ready(None, unit.says)
    return ready.Ready(unit.word in DONE[way], f"{unit.id}: {unit.says}")


def _settled(way: Way) -> Callable[[Hands, Step], Effect]:
    def settled(hands: Hands, step: Step) -> Effect:
        """By what the supervisor says now."""
        told = _is(hands, str(step.before["adapter"]), str(step.before["key"]), way)
        return "unknown" if told.ok is None else "acted" if told.ok else "not-acted"

    return settled


def _verify(way: Way) -> Callable[[Hands, Plan, tuple[int, ...]], Saw]:
    def verify(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Saw:
        """Each is as it was asked to be."""
        steps = [step for step in plan.proposal.steps if step.number in done]
        told = [_is(hands, str(step.before["adapter"]), str(step.before["key"]), way) for step in steps]
        worst = next((one for one in told if not one.ok), told[-1] if told else ready.Ready(None, "nothing was done"))
        return Saw(ok=worst.ok, says=worst.says)

    return verify


def _action(way: Way) -> Action:
    other: Way = "start" if way == "stop" else "stop"
    help = {"adapter": "The adapter of the service profile that is meant."}
    if way == "stop":
        help["serving"] = "Stop it although it is what serves the users."

    def apply(hands: Hands, step: Step) -> Did:
        return _act(hands, step, way, pinned=True)

    def undo(hands: Hands, step: Step, inverse: Mapping[str, Any]) -> Did:
        return _act(hands, step, other, pinned=False)

    return register(
        Action(
            id=f"service.{way}",
            title=f"{way.capitalize()} a unit by its adapter",
            params=StopParams if way == "stop" else StartParams,
            observe=_observe(way),
            propose=_propose(way),
            apply=apply,
            settled=_settled(way),
            undo=undo,
            verify=_verify(way),
            help=help,
            weight=3 if way == "stop" else 2,
            asks=f"systemctl {way} UNIT, pm2 {way} ID, docker {way} ID, or the adapter's argv",
            privilege="what the supervisor asks for: polkit or root, the user of pm2, the docker group",
            limit=Limit(targets=4, share=1.0),
            pace=Pace(batch=1, pause=1.0),
        )
    )


STOP = _action("stop")
START = _action("start")
