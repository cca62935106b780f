"""service.restart: one unit's processes, one at a time, by the profile's adapter (requirements B-16, B-39, B-44)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from opsctl.actions import service_ready as ready
from opsctl.actions.envfile import variables
from opsctl.actions.model import Check, Did, Effect, Excluded, Limit, Pace, Params, Plan, Proposal, Step, Target
from opsctl.actions.model import Verified as Saw
from opsctl.actions.registry import Action, register
from opsctl.actions.service_units import KEEP, Unit, adapter_of, database_of, shell_for, unit_at
from opsctl.clients.command import shown
from opsctl.durations import format_duration, parse_duration
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.services.model import Adapter

_START = 60.0  # seconds that starting may take, besides stopping


class RestartParams(Params, frozen=True, kw_only=True):
    """``adapter``: of the profile. ``wait``: a duration, until it must serve again."""

    adapter: str = "app"
    wait: str = "60s"
    stopped: bool = False

    def __post_init__(self) -> None:
        parse_duration(self.wait)


class Seen(NamedTuple):
    """What was observed: pure data for ``propose``. ``env_file``: path whose variables the restart brings, or ""."""

    service: str
    adapter: str
    unit: str
    units: tuple[Unit, ...]
    calls: tuple[tuple[str, ...], ...]  # per unit
    serving: str
    env_file: str = ""
    variables: int = 0
    notes: tuple[str, ...] = ()


def env_path(adapter: Adapter) -> str:
    """Path of the adapter's env file; "" where it has none. Raises CouldNotLook for one without a folder."""
    from pathlib import Path

    if not adapter.env_file:
        return ""
    path = Path(adapter.folder, adapter.env_file) if adapter.folder else Path(adapter.env_file)
    if not path.is_absolute():
        says = f"the env file {adapter.env_file} is relative: set folder of the adapter in the context"
        raise CouldNotLook("not-configured", says, setting="adapters")
    return str(path)


def observe(hands: Hands, params: RestartParams) -> Seen:
    """The adapter's units, and whether they serve now. Raises CouldNotLook."""
    adapter = adapter_of(hands.profile, params.adapter)
    if instance := database_of(hands.profile, params.adapter):
        says = f"{params.adapter} is KyroDB, which is restarted by kyrodb.restart: opsctl restart"
        raise CouldNotLook("unsupported", f"{says} {hands.profile.service} --unit {params.adapter}", address=instance)
    shell, kind = shell_for(hands, params.adapter)
    units = kind.units(shell)
    calls = tuple(kind.argv(shell, "restart", unit.key) for unit in units)
    notes: list[str] = []
    path, count = "", 0
    if kind.refreshes and adapter.env_file:
        try:
            path = env_path(adapter)
            count = len(variables(path))
        except CouldNotLook as failed:
            path = ""
            notes.append(f"its environment stays as it is: {failed.says}")
    if any(not unit.pin for unit in units):
        notes.append("it has no status command, so that nothing tells whether it was restarted meanwhile")
    told = ready.look(hands, ready.endpoint_of(hands.profile, params.adapter))
    name = adapter.unit or params.adapter
    return Seen(hands.profile.service, params.adapter, name, units, calls, told.says, path, count, tuple(notes))


def propose(seen: Seen, params: RestartParams) -> Proposal:
    """A step per process that runs or failed; what is stopped stays so unless ``stopped`` is given."""
    steps: list[Step] = []
    excluded: list[Excluded] = []
    for unit, call in zip(seen.units, seen.calls, strict=True):
        if unit.word == "changing":
            excluded.append(Excluded(id=unit.id, says=unit.says, why="it is just starting or stopping"))
        elif unit.word == "stopped" and not params.stopped and len(seen.units) > 1:
            why = "it is stopped, perhaps on purpose"
            excluded.append(Excluded(id=unit.id, says=unit.says, why=why, lift="--stopped"))
        else:
            steps.append(_step(seen, params, unit, call))
    return Proposal(
        subject=f"{seen.service} {seen.unit}",
        scope=f"service {seen.service}/{seen.unit}",
        steps=tuple(steps),
        of=len(seen.units),
        unit="processes",
        impact="what the process is working on ends, and what it holds only in memory is lost"
        + ("; the others serve meanwhile" if len(steps) > 1 else "; nobody is served until it is ready"),
        lost="a restart cannot be undone",
        excluded=tuple(excluded),
        checks=(Check(id="adapter", says=f"{len(seen.units)} of {seen.unit}; now {seen.serving}", ok=True),),
        confirm=seen.unit,
        notes=seen.notes,
    )


def _step(seen: Seen, params: RestartParams, unit: Unit, call: tuple[str, ...]) -> Step:
    why = {"failed": "it failed", "stopped": "it is stopped"}.get(unit.word, "named by the command")
    shows = (f"with the {seen.variables} variables of {seen.env_file}",) if seen.env_file else ()
    return Step(
        target=Target(id=unit.id, pin=unit.pin, says=unit.says),
        why=why,
        calls=(shown(call),),
        before={"adapter": seen.adapter, "key": unit.key, "wait": params.wait, "grace": unit.grace},
        shows=shows,
    )


def apply(hands: Hands, step: Step) -> Did:
    """Restart one process and wait until it serves. Raises CouldNotLook only before the call."""
    name, key = str(step.before["adapter"]), str(step.before["key"])
    shell, kind = shell_for(hands, name)
    unit = unit_at(hands, name, key)
    if unit is None:
        return Did(state="skipped", says="its supervisor does not know it any more")
    if unit.pin != dict(step.target.pin):
        return Did(state="skipped", says=f"it is another run than the plan's: {unit.says}")
    others = [other for other in kind.units(shell) if other.key != key and other.word in ("failed", "changing")]
    if others and step.number > 1:
        return Did(state="skipped", says=f"{others[0].id} does not serve yet: {others[0].says}")
    more: Mapping[str, str] = {}
    adapter = shell.adapter
    if kind.refreshes and step.shows:
        more = variables(env_path(adapter))
    wait = parse_duration(str(step.before["wait"]))
    ran = shell.act(kind.argv(shell, "restart", key), timeout=_START + (unit.grace or KEEP), more=more)
    if ran.code is None:
        says = f"{shown(ran.argv)} did not end within {format_duration(ran.seconds)} and was told to"
        return Did(state="unknown", says=says, seconds=ran.seconds)
    if ran.code != 0:
        return _failed(hands, name, unit, ran.code, shown(ran.argv), ran.words, ran.seconds)
    hands.tell(f"{unit.id}: restarted, waiting until it serves")
    tells = bool(unit.pin) or bool(ready.endpoint_of(hands.profile, name))
    told = ready.wait_for(lambda: ready.serves(hands, name, key, unit), wait if tells else 0.0)
    after: dict[str, Any] = {"ready": told.ok, "says": told.says}
    if told.ok is False:
        says = f"restarted, and it does not serve after {format_duration(wait)}: {told.says}"
        return Did(state="acted", says=says, after=after, seconds=ran.seconds)
    return Did(state="acted", says=f"restarted; {told.says}", after=after, seconds=ran.seconds)


def _failed(hands: Hands, name: str, before: Unit, code: int, call: str, words: str, seconds: float) -> Did:
    """The call ended with an error: what the unit is now tells whether it did anything."""
    says = f"{call} ended with {code}" + (f": {words}" if words else "")
    try:
        now = unit_at(hands, name, before.key)
    except CouldNotLook as failed:
        return Did(state="unknown", says=f"{says}; {failed.says}", seconds=seconds)
    if not before.pin:  # nothing tells one run from another
        return Did(state="unknown", says=says, seconds=seconds)
    if now is not None and now.pin == before.pin:
        return Did(state="failed", says=f"{says}; it runs on as before", seconds=seconds)
    left = "it is gone" if now is None else now.says
    return Did(state="failed", says=f"{says}; now it {left}", after={"says": left}, seconds=seconds)


def settled(hands: Hands, step: Step) -> Effect:
    """Another run than the plan's, and running: it acted. The same one: it did not."""
    if not step.target.pin:
        return "unknown"
    try:
        unit = unit_at(hands, str(step.before["adapter"]), str(step.before["key"]))
    except CouldNotLook:
        return "unknown"
    if unit is None:
        return "unknown"
    if unit.pin == dict(step.target.pin):
        return "not-acted"
    return "acted" if unit.word == "running" else "unknown"


def verify(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Saw:
    """Every restarted process runs as another run than before, and its endpoint answers."""
    told: list[ready.Ready] = []
    for step in plan.proposal.steps:
        if step.number in done:
            before = Unit(step.target.id, "", "unknown", "", dict(step.target.pin))
            told.append(ready.serves(hands, str(step.before["adapter"]), str(step.before["key"]), before))
    bad = next((one for one in told if one.ok is False), None)
    unseen = next((one for one in told if one.ok is None), None)
    worst = bad or unseen or (told[-1] if told else ready.Ready(None, "nothing was restarted"))
    return Saw(ok=worst.ok, says=worst.says)


RESTART = register(
    Action(
        id="service.restart",
        title="Restart a unit by its adapter, one process at a time",
        params=RestartParams,
        observe=observe,
        propose=propose,
        apply=apply,
        settled=settled,
        undo=None,
        verify=verify,
        help={
            "adapter": "The adapter of the service profile that is meant.",
            "wait": "How long it may take until it serves again.",
            "stopped": "Start processes that are stopped, too.",
        },
        weight=6,
        asks="systemctl restart UNIT, pm2 restart ID --update-env, docker restart -t 30 ID, or the adapter's argv",
        privilege="what the supervisor asks for: polkit or root, the user of pm2, the docker group",
        limit=Limit(targets=4, share=1.0),
        pace=Pace(batch=1, pause=5.0),
    )
)
