"""How many replicas it shall be: never fewer than now unless told, never beyond what an autoscaler may. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from opsctl.actions.kubernetes_scaler import Scaler
from opsctl.actions.kubernetes_workload import Standing
from opsctl.actions.model import Params

if TYPE_CHECKING:
    from opsctl.services.model import Profile

STEP = 1.5  # times as many, where nobody says how many


class ScaleOut(Params, frozen=True, kw_only=True):
    """See ``help`` of the action."""

    workload: str = ""
    to: int | None = None
    factor: float | None = None
    max_factor: float = 2.0
    allow_down: bool = False
    skip_check: tuple[str, ...] = ()
    during_drain: bool = False


class Goal(NamedTuple):
    """``to``: the number to set, None for nothing to do. ``total``: replicas then, ``extra`` of them new."""

    to: int | None
    total: int
    extra: int
    why: str
    lift: str = ""


def profile_number(profile: Profile, asked: str, standing: Standing) -> int:
    """The replicas that the profile wants of the workload in such a case (``celery_worker_replicas``), 0 for none."""
    for name in (asked, standing.found.name, "service"):
        value = profile.settings.get(f"{name.replace('-', '_')}_replicas", "")
        if value.isdigit():
            return int(value)
    return 0


def goal_of(now: int, scaler: Scaler | None, params: ScaleOut, usual: int) -> Goal:
    """From the present number to the one that shall be."""
    if now == 0:
        return Goal(None, 0, 0, "it is scaled to zero: somebody wants it so, and an autoscaler is off then")
    wanted, why = _wanted(now, params, usual)
    if wanted < 1:
        return Goal(None, now, 0, f"{wanted} replicas would be an outage: opsctl does not scale to zero")
    if wanted < now and not params.allow_down:
        says = f"it has {now} replicas already, and {wanted} were asked for: it is not scaled down unless told"
        return Goal(None, now, 0, says, "--allow-down")
    if scaler is not None:
        return _minimum(now, scaler, wanted, why)
    if wanted == now:
        return Goal(None, now, 0, f"it has {now} replicas already", "--to N")
    return Goal(wanted, wanted, wanted - now, why)


def _wanted(now: int, params: ScaleOut, usual: int) -> tuple[int, str]:
    if params.to is not None:
        return params.to, f"{now} replicas, {params.to} were asked for"
    if params.factor is not None:
        wanted = math.ceil(now * params.factor - 1e-9)
        return wanted, f"{now} replicas, {params.factor:g} times as many were asked for"
    if usual > now:
        return usual, f"{now} replicas, the profile wants {usual}"
    return math.ceil(now * STEP), f"{now} replicas, {STEP:g} times as many"


def _minimum(now: int, scaler: Scaler, wanted: int, why: str) -> Goal:
    """The autoscaler's minimum: it would overwrite a number set by hand within seconds."""
    goal = min(wanted, scaler.maximum)
    if goal < wanted:
        why += f", and autoscaler {scaler.name} allows {scaler.maximum}"
    if wanted > now and goal <= now:
        says = f"autoscaler {scaler.name} has {now} of at most {scaler.maximum} replicas: raise its maxReplicas first"
        return Goal(None, now, 0, says)
    if goal == scaler.minimum:
        return Goal(None, now, 0, f"minReplicas of autoscaler {scaler.name} is {goal} already", "--to N")
    return Goal(goal, max(goal, now) if goal > scaler.minimum else goal, max(0, goal - now), why)
