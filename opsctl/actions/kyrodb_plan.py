"""Which instance of KyroDB is restarted, and what must hold for it: pure, by what was observed (domain-checks R3)."""

from __future__ import annotations

from typing import NamedTuple

from opsctl.actions.kyrodb_canary import Canary
from opsctl.actions.model import Check, Excluded, Params, Proposal, Step, Target
from opsctl.actions.service_units import Unit
from opsctl.clients.command import shown
from opsctl.durations import format_duration, parse_duration
from opsctl.probes.kyrodb_rungs import Climb

GRACE = 30.0  # seconds that it needs to end by itself: its own shutdown timeout
FREE = 0.10  # share of the disk that must be free: a log that cannot be written ends the next run, too
APART = 10.0  # seconds between two calls without an answer before it counts as hung
CALL = 3.0  # seconds that a Health call may take


class RestartParams(Params, frozen=True, kw_only=True):
    """``instance``: an endpoint of kind kyrodb, "" for those that are dead or hung."""

    instance: str = ""
    wait: str = "120s"

    def __post_init__(self) -> None:
        parse_duration(self.wait)


class Instance(NamedTuple):
    """One instance: two looks (the second only where the first timed out), its unit, its disk."""

    first: Climb
    second: Climb | None
    adapter: str
    unit: Unit | None
    call: tuple[str, ...]
    hindrance: str = ""  # why its adapter cannot be used
    free: float | None = None  # share of its disk
    disk: str = ""


class Seen(NamedTuple):
    """What was observed."""

    service: str
    instances: tuple[Instance, ...]
    canary: Canary


def why(one: Instance) -> tuple[str, str]:
    """(why it is restarted, "") or ("", why not)."""
    at = one.second or one.first
    if at.starting:
        return "", "it loads its snapshot or replays its log: a restart would begin that anew"
    if at.wal_broken:
        return "", f"its write-ahead log is {at.wal}: copy its data folder first, then follow its vendor's recovery"
    if at.dead:
        if one.unit is not None and one.unit.word == "changing":
            return "", f"its supervisor is just starting or stopping it: {one.unit.says}"
        return "its process is not there: nothing listens at its port", ""
    if at.hung and one.second is not None:
        return f"it hangs: two calls without an answer within {CALL:g} s, {APART:g} s apart", ""
    if at.health is not None:
        return "", f"it answers: {at.health.status}, up {format_duration(at.health.uptime_seconds)}"
    if at.rung == "grpc" and at.failed is not None:
        return "", f"it is up: {at.failed.says}"
    return "", f"it cannot be reached from here, which a restart does not change: {at.failed.says if at.failed else ''}"


def propose(seen: Seen, params: RestartParams) -> Proposal:
    """A step per instance that is dead or hung; the engine's cap lets one through at a time."""
    steps: list[Step] = []
    excluded: list[Excluded] = []
    checks: list[Check] = []
    notes: list[str] = []
    for one in seen.instances:
        name = one.first.endpoint
        if params.instance and name != params.instance:
            excluded.append(Excluded(id=name, says=one.first.address, why="not named", lift=f"--instance {name}"))
            continue
        because, against = why(one)
        if against:
            excluded.append(Excluded(id=name, says=one.first.address, why=against, refused=True))
            continue
        if not steps:  # those of the next one are looked at when its turn has come
            checks += _checks(one)
            notes += [f"{name}: {one.disk}"] if one.free is None else []
        steps.append(_step(one, params, because))
    return Proposal(
        subject=f"{seen.service} KyroDB",
        scope=f"service {seen.service}/kyrodb",
        steps=tuple(steps),
        of=len(seen.instances),
        unit="instances",
        impact="it serves nobody now; after the start it replays its log first, and its cache is cold",
        lost="a restart cannot be undone",
        excluded=tuple(excluded),
        checks=tuple(checks),
        confirm=steps[0].target.id if steps else "",
        notes=(*notes, seen.canary.says),
    )


def _checks(one: Instance) -> list[Check]:
    name = one.first.endpoint
    found = [Check(id="adapter", says=one.hindrance or f"{name}: {shown(one.call)}", ok=not one.hindrance)]
    if one.free is not None:
        found.append(Check(id="disk", says=f"{name}: {one.disk}, at least {FREE:.0%} wanted", ok=one.free > FREE))
    if one.unit is not None and one.unit.grace is not None and one.first.hung:
        says = f"its supervisor kills it after {format_duration(one.unit.grace)}; it may need {GRACE:g} s to end"
        found.append(Check(id="grace", says=f"{name}: {says}", ok=one.unit.grace >= GRACE))
    return found


def _step(one: Instance, params: RestartParams, because: str) -> Step:
    unit, name = one.unit, one.first.endpoint
    says = f"{one.first.address}; " + (f"{unit.id}: {unit.says}" if unit is not None else "its unit is not known")
    shows = (f"disk: {one.disk}",) if one.free is not None else ()
    return Step(
        target=Target(id=name, pin=dict(unit.pin) if unit is not None else {}, says=says),
        why=because,
        calls=(shown(one.call),) if one.call else (),
        before={"adapter": one.adapter, "key": unit.key if unit else "", "instance": name, "wait": params.wait},
        shows=shows,
    )
