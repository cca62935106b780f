"""kyrodb.restart: one instance, dead or hung, never one that replays its log (domain-checks.md R3)."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Any

from opsctl.actions import kyrodb_plan as bounds
from opsctl.actions import service_ready as ready
from opsctl.actions.kyrodb_canary import canary_of, prove
from opsctl.actions.kyrodb_plan import GRACE, Instance, RestartParams, Seen, propose
from opsctl.actions.model import Did, Effect, Limit, Pace, Plan, Step
from opsctl.actions.model import Verified as Saw
from opsctl.actions.registry import Action, register
from opsctl.actions.service_units import Unit, adapter_of, database_of, shell_for, unit_at
from opsctl.clients.command import shown
from opsctl.durations import format_duration, parse_duration
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.probes.kyrodb_rungs import Climb, climb
from opsctl.signals.once import side_by_side

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands

_START = 120.0


def observe(hands: Hands, params: RestartParams) -> Seen:
    """All instances, hung ones twice. Raises CouldNotLook, NotConfigured."""
    endpoints = hands.profile.endpoints
    names = [name for name, spec in endpoints.items() if spec.kind == "kyrodb"]
    if not names:
        raise NotConfigured(f"{hands.profile.service} declares no KyroDB", setting=f"profile {hands.profile.service}")
    if params.instance and params.instance not in names:
        raise NotConfigured(f"{params.instance} is no instance of KyroDB: there are {', '.join(names)}")
    first = side_by_side([lambda n=name: look_at(hands, n) for name in names])  # type: ignore[misc]
    second: dict[str, Climb] = {}
    if hung := [one.endpoint for one in first if one.hung]:
        hands.tell(f"{', '.join(hung)}: no answer; asking once more in {bounds.APART:g} s")
        time.sleep(bounds.APART)
        second = {one.endpoint: one for one in side_by_side([lambda n=n: look_at(hands, n) for n in hung])}  # type: ignore[misc]
    instances = tuple(_instance(hands, one, second.get(one.endpoint)) for one in first)
    return Seen(hands.profile.service, instances, canary_of(hands))


def look_at(hands: Hands, name: str) -> Climb:
    """One look over a new connection. Raises CouldNotLook where nothing says where it is."""
    http = f"{name}-http"
    hands.readers.kyrodb(name).close()  # a broken channel waits before it dials again
    return climb(hands.readers, name, http if http in hands.profile.endpoints else "", bounds.CALL)


def adapter_for(hands: Hands, endpoint: str) -> str:
    """The adapter that restarts this instance. Raises NotConfigured."""
    adapters = hands.profile.adapters
    found = next((name for name, one in adapters.items() if one.endpoint == endpoint), "")
    if found or endpoint in adapters:
        return found or endpoint
    if "kyrodb" in adapters and database_of(hands.profile, "kyrodb") == endpoint:
        return "kyrodb"
    setting = f"services.{hands.profile.service}.adapters.{endpoint}"
    raise NotConfigured(f"nothing says how {endpoint} is restarted: set {setting} of the context", setting=setting)


def _instance(hands: Hands, first: Climb, second: Climb | None) -> Instance:
    try:
        name = adapter_for(hands, first.endpoint)
    except NotConfigured as failed:
        return Instance(first, second, "", None, (), failed.says)
    free, disk = _disk(adapter_of(hands.profile, name).data)
    try:
        shell, kind = shell_for(hands, name)
        units = kind.units(shell)
        if len(units) != 1:
            return Instance(first, second, name, None, (), f"adapter {name} has {len(units)} processes, not one")
        call = kind.argv(shell, "restart", units[0].key)
    except CouldNotLook as failed:
        return Instance(first, second, name, None, (), failed.says, free, disk)
    return Instance(first, second, name, units[0], call, "", free, disk)


def _disk(folder: str) -> tuple[float | None, str]:
    if not folder:
        return None, "how full its disk is, is not known: set data of its adapter in the context"
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        return None, f"how full its disk is, is not known: {folder}: {error.strerror}"
    return usage.free / usage.total, f"{usage.free / usage.total:.0%} of the disk of {folder} is free"


def apply(hands: Hands, step: Step) -> Did:
    """Restart it, unless it answers or starts meanwhile, and wait for it. Raises CouldNotLook only before the call."""
    adapter, key = str(step.before["adapter"]), str(step.before["key"])
    name, wait = str(step.before["instance"]), parse_duration(str(step.before["wait"]))
    unit = unit_at(hands, adapter, key)
    if unit is None or unit.pin != dict(step.target.pin):
        says = "is gone" if unit is None else f"is another run than the plan's: {unit.says}"
        return Did(state="skipped", says=f"its unit {says}")
    now = look_at(hands, name)
    if now.starting:
        return Did(state="skipped", says="it loads its snapshot or replays its log meanwhile: leave it")
    if not (now.dead or now.hung):
        return Did(state="skipped", says=f"it is neither dead nor hung any more: {_says(now)}")
    shell, kind = shell_for(hands, adapter)
    ran = shell.act(kind.argv(shell, "restart", key), timeout=_START + max(GRACE, unit.grace or 0.0))
    call = shown(ran.argv)
    if ran.code is None:
        return Did(state="unknown", says=f"{call} did not end within {format_duration(ran.seconds)}")
    if ran.code != 0:
        words = f": {ran.words}" if ran.words else ""
        return Did(state=_after_failure(hands, adapter, unit), says=f"{call} ended with {ran.code}{words}")
    hands.tell(f"{name}: started, waiting until it is ready")
    told = ready.wait_for(lambda: _ready(hands, name), wait)
    after: dict[str, Any] = {"ready": told.ok, "says": told.says}
    if not told.ok:
        says = f"restarted; after {format_duration(wait)} it is not ready yet: {told.says}"
        return Did(state="acted", says=says, after=after, seconds=ran.seconds)
    return Did(state="acted", says=f"restarted; {told.says}", after=after, seconds=ran.seconds)


def _after_failure(hands: Hands, adapter: str, before: Unit) -> Any:
    try:
        now = unit_at(hands, adapter, before.key)
    except CouldNotLook:
        return "unknown"
    return "failed" if before.pin and now is not None and now.pin == before.pin else "unknown"


def _says(at: Climb) -> str:
    if at.health is not None:
        return f"{at.endpoint} answers {at.health.status}, up {format_duration(at.health.uptime_seconds)}"
    return at.failed.says if at.failed is not None else at.endpoint


def _ready(hands: Hands, name: str) -> ready.Ready:
    """HEALTHY, or less with a healthy log and not starting."""
    at = look_at(hands, name)
    if at.health is None or at.starting:
        return ready.Ready(False, f"{name} loads its snapshot or replays its log" if at.starting else _says(at))
    if at.health.status == "healthy" or (at.health.status == "degraded" and at.wal.startswith("healthy")):
        return ready.Ready(True, f"{_says(at)}, wal {at.wal or 'not told'}")
    return ready.Ready(False, f"{_says(at)}, wal {at.wal or 'not told'}")


def settled(hands: Hands, step: Step) -> Effect:
    """Another run than the plan's that answers: it acted. The same run: it did not."""
    if not step.target.pin:
        return "unknown"
    try:
        unit = unit_at(hands, str(step.before["adapter"]), str(step.before["key"]))
    except CouldNotLook:
        return "unknown"
    if unit is not None and unit.pin == dict(step.target.pin):
        return "not-acted"
    return "acted" if unit is not None and unit.word == "running" else "unknown"


def verify(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Saw:
    """Ready twice in a row, the service ready, and the canary where one is configured."""
    for step in (step for step in plan.proposal.steps if step.number in done):
        name = str(step.before["instance"])
        for look in (1, 2):
            told = _ready(hands, name)
            if not told.ok:
                return Saw(ok=told.ok, says=told.says)
            if look == 1:
                time.sleep(1.0)
    endpoint = ready.endpoint_of(hands.profile, "app")
    service = ready.look(hands, endpoint)
    if not service.ok:
        return Saw(ok=service.ok, says=f"KyroDB is ready, {service.says}")
    proved = prove(hands, canary_of(hands))
    return Saw(ok=proved.ok is not False, says=f"KyroDB is ready twice in a row; {service.says}; {proved.says}")


RESTART = register(
    Action(
        id="kyrodb.restart",
        title="Restart an instance of KyroDB that is dead or hung",
        params=RestartParams,
        observe=observe,
        propose=propose,
        apply=apply,
        settled=settled,
        undo=None,
        verify=verify,
        help={
            "instance": "The endpoint of the instance; without it those that are dead or hung.",
            "wait": "How long it may take until it is ready: it replays its log first.",
        },
        weight=6,
        asks="the restart of its adapter: systemctl restart UNIT, docker restart -t 30 ID, or argv",
        privilege="what its supervisor asks for",
        limit=Limit(targets=1, share=1.0),
        pace=Pace(batch=1, pause=0.0),
        expires=300.0,
    )
)
