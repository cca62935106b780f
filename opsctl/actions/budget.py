"""budget.raise-limit: a larger limit for real growth, approved by somebody, until a date (VRI-23, B-47).

Whether it took effect is read from ``limit_threshold_usd``: some builds take the request and change nothing
(domain-checks.md 2.8). Where a build offers no such request, the limit is a line of its env file and a restart.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from opsctl.actions.customer_api import Api, opened
from opsctl.actions.model import Check, Did, Effect, Excluded, Limit, Pace, Params, Plan, Proposal, Step, Target
from opsctl.actions.model import Verified as Saw
from opsctl.actions.registry import Action, register
from opsctl.durations import format_quantity
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.model import Finding

MOST = 2.0  # times the limit of now
_NEAR = 0.005  # USD: the same limit
SETTING = "REFLECTION_MAX_COST_PER_DAY_USD"


class RaiseParams(Params, frozen=True, kw_only=True):
    """``to``: USD a day. ``until``: an ISO time, "" = the next 00:00 UTC. ``cause``: what somebody has found it to be,
    where it cannot be measured. ``route``: path of the PATCH, where the profile names none."""

    to: float
    approver: str = ""
    until: str = ""
    cause: str = ""
    route: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.to < 1e6:
            raise ValueError("to: dollars a day, more than nothing")
        if self.until and datetime.fromisoformat(self.until).tzinfo is None:
            raise ValueError("until: an ISO time with its zone, 2026-11-22T00:00:00Z")
        if self.route and not self.route.startswith("/"):
            raise ValueError("route: a path from the root, /admin/budget")


class Seen(NamedTuple):
    """What was observed. ``growth``: True = volume from all alike made the cost; None: not measured; ``says`` why."""

    where: str
    cost: float
    limit: float
    blocked: bool
    route: str
    now: datetime
    actor: str
    growth: bool | None
    says: str


def page(api: Api, hands: Hands) -> dict[str, Any]:
    """GET of the budget page, with its three numbers there. Raises CouldNotLook."""
    told = api.get(hands.profile.settings.get("path.budget") or "/admin/budget")
    if not all(isinstance(told.get(name), int | float) for name in ("daily_cost_usd", "limit_threshold_usd")):
        says = "the budget page has no daily_cost_usd and limit_threshold_usd"
        raise CouldNotLook("bad-answer", says, address=api.where)
    return told


def observe(hands: Hands, params: RaiseParams) -> Seen:
    """The budget page, and what the cost is made of. Raises CouldNotLook."""
    with opened(hands) as api:
        told = page(api, hands)
        where = api.where
    growth, says = _growth(hands)
    return Seen(
        where=where,
        cost=float(told["daily_cost_usd"]),
        limit=float(told["limit_threshold_usd"]),
        blocked=told.get("premium_tier_blocked") is True,
        route=params.route or hands.profile.settings.get("path.budget_limit", ""),
        now=hands.moment,
        actor=hands.actor,
        growth=growth,
        says=says,
    )


def _growth(hands: Hands) -> tuple[bool | None, str]:
    """Whether the cost has grown with the requests of all customers alike, and with nothing else."""
    from opsctl.probes.look import Look
    from opsctl.probes.signal_factors import COST, factors
    from opsctl.probes.signal_groups import LoneParams, lone

    look = Look(
        runbook="budget-exceeded",
        profile=hands.profile,
        readers=hands.readers,
        signals=hands.signals,
        now=hands.now,
        at=None,
        since=1800.0,
        deadline=time.monotonic() + 20.0,
    )
    found: list[Finding] = []
    try:
        found += factors(look, COST).findings
        if "cost_by_customer" in hands.profile.signals:
            found += lone(look, LoneParams(signal="cost_by_customer", finding="local.one-customer", above=3)).findings
    except CouldNotLook as failed:
        return None, failed.says
    by_id = {finding.id: finding for finding in found}
    volume = by_id.pop("signal.factor-volume", None)
    other = next((finding for finding in by_id.values() if finding.state == "breach"), None)
    if other is not None:
        return False, other.says
    if volume is None or volume.state == "unknown":
        return None, "how much the requests have grown is not known" if volume is None else volume.says
    return volume.state == "breach", volume.says


def ends(now: datetime, until: str) -> datetime:
    """When the larger limit ends: as given, else at the next 00:00 UTC."""
    if until:
        return datetime.fromisoformat(until).astimezone(UTC)
    return (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def propose(seen: Seen, params: RaiseParams) -> Proposal:
    """One number, with everything that must be known before it is made larger."""
    until = ends(seen.now, params.until)
    limit, to = _usd(seen.limit), _usd(params.to)
    body = f'{{"limit_threshold_usd": {params.to:g}, "until": "{until:%Y-%m-%dT%H:%M:%SZ}"}}'
    call = f"curl -X PATCH http://{seen.where}{seen.route} -H \"$ADMIN_KEY_HEADER\" -d '{body}'"
    target = Target(
        id=f"budget {seen.where}",
        pin={"limit_threshold_usd": seen.limit},
        says=f"limit {limit} a day, {_usd(seen.cost)} spent",
    )
    before = {"route": seen.route, "limit": seen.limit, "to": params.to, "cost": seen.cost,
              "until": f"{until:%Y-%m-%dT%H:%M:%SZ}", "approver": params.approver}  # fmt: skip
    step = Step(target=target, why=f"growth, approved by {params.approver or 'nobody'}", calls=(call,), before=before)
    same = abs(seen.limit - params.to) < _NEAR
    why = f"the limit is {limit} already" if same else "this build offers no way to change it while it runs"
    left = Excluded(id=target.id, says=target.says, why=why, lift="" if same else "--route PATH")
    stated = params.cause == "growth"
    growth = True if stated else seen.growth
    checks = (
        Check(id="cause", says=f"{seen.says}{'; growth, by --cause' if stated else ''}", ok=growth,
              lift="" if growth else "--cause growth"),
        Check(id="approver", says=_approved(params.approver, seen.actor),
              ok=bool(params.approver.strip()) and params.approver.strip() != seen.actor,
              lift="" if params.approver else "--approver NAME"),
        Check(id="size", says=f"{to} is {params.to / seen.limit:.2f} times {limit}; at most {MOST:g} times",
              ok=seen.limit < params.to <= seen.limit * MOST or same),
        Check(id="until", says=f"until {until:%Y-%m-%d %H:%M} UTC", ok=until > seen.now),
    )  # fmt: skip
    durable = f"opsctl remediate budget-exceeded set-limit --set {SETTING}={params.to:g}, then a restart"
    return Proposal(
        subject=f"budget of {seen.where}",
        scope=f"budget {seen.where}",
        steps=() if same or not seen.route else (step,),
        of=1,
        unit="limits",
        impact=f"up to {_usd(params.to - seen.limit)} more may be spent a day"
        + ("; the premium tier opens again" if seen.blocked and seen.cost < params.to else ""),
        undo=f"{limit} again: opsctl ledger undo RUN",
        excluded=(left,) if same or not seen.route else (),
        checks=checks,
        notes=(
            f"for good: {durable} (which begins the counter of the day at nothing, so that the limit counts twice)",
            f"put it back by {until:%Y-%m-%d %H:%M} UTC (opsctl ledger undo RUN): the service may not do it by itself",
        ),
    )


def _approved(approver: str, actor: str) -> str:
    if not approver.strip():
        return "nobody has approved it"
    return f"approved by {approver}" + (", who is the one that does it" if approver.strip() == actor else "")


def apply(hands: Hands, step: Step) -> Did:
    """PATCH, then read the limit back: a build that takes it and changes nothing has not raised anything."""
    return _set(hands, step.before, float(step.before["limit"]), float(step.before["to"]))


def _set(hands: Hands, before: Mapping[str, Any], was: float, to: float) -> Did:
    with opened(hands) as api:
        told = page(api, hands)
        now = float(told["limit_threshold_usd"])
        if abs(now - to) < _NEAR:
            return Did(state="unchanged", says=f"the limit is {_usd(to)} already")
        if abs(now - was) >= _NEAR:
            return Did(state="skipped", says=f"the limit is {_usd(now)} now, not {_usd(was)}: somebody has changed it")
        body = {"limit_threshold_usd": to, "until": before["until"], "approved_by": before["approver"]}
        sent = api.send("PATCH", str(before["route"]), body)
        if not sent.ok and not sent.maybe:
            return Did(state="failed", says=sent.says)
        try:
            after = page(api, hands)
        except CouldNotLook as failed:
            return Did(
                state="unknown", says=f"{sent.says or 'it was sent'}; the limit could not be read: {failed.says}"
            )
    limit, cost = float(after["limit_threshold_usd"]), float(after["daily_cost_usd"])
    told_ = {"limit_threshold_usd": limit, "daily_cost_usd": cost}
    if abs(limit - to) < _NEAR:
        says = f"the limit is {_usd(limit)} a day, {_usd(cost)} are spent (before: {_usd(float(before['cost']))})"
        return Did(state="acted", says=says, inverse={"limit": was}, after=told_)
    says = sent.says or f"the service took it, and its limit is still {_usd(limit)}: this build does not use it"
    return Did(state="failed", says=says, after=told_)


def settled(hands: Hands, step: Step) -> Effect:
    """By reading the limit."""
    try:
        with opened(hands) as api:
            limit = float(page(api, hands)["limit_threshold_usd"])
    except CouldNotLook:
        return "unknown"
    return "acted" if abs(limit - float(step.before["to"])) < _NEAR else "not-acted"


def undo(hands: Hands, step: Step, inverse: Mapping[str, Any]) -> Did:
    """The limit of before, unless somebody has changed it since."""
    return _set(hands, step.before, float(step.before["to"]), float(inverse["limit"]))


def verify(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Saw:
    """The limit is the new one, and what was spent is still counted."""
    (step,) = plan.proposal.steps
    try:
        with opened(hands) as api:
            told = page(api, hands)
    except CouldNotLook as failed:
        return Saw(ok=None, says=failed.says)
    limit, cost = float(told["limit_threshold_usd"]), float(told["daily_cost_usd"])
    lost = cost < float(step.before["cost"]) / 2
    says = f"limit {_usd(limit)}, spent {_usd(cost)}" + (", which began at nothing again" if lost else "")
    return Saw(ok=abs(limit - float(step.before["to"])) < _NEAR and not lost, says=says)


def _usd(value: float) -> str:
    return format_quantity(value, "usd")


RAISE = register(
    Action(
        id="budget.raise-limit",
        title="Raise the day's limit for growth that somebody has approved",
        params=RaiseParams,
        observe=observe,
        propose=propose,
        apply=apply,
        settled=settled,
        undo=undo,
        verify=verify,
        help={
            "to": "The new limit in dollars a day, at most twice the limit of now.",
            "approver": "Who has approved it; not the one who does it.",
            "until": "When it ends, as an ISO time with zone; else at the next 00:00 UTC.",
            "cause": "What was found to be the cause, where it cannot be measured: growth.",
            "route": "Path of the request that changes the limit, where the profile names none.",
        },
        weight=3,
        asks="GET /admin/budget; PATCH of limit_threshold_usd at the route that the profile or --route names",
        privilege="the service's admin key",
        limit=Limit(targets=1, share=1.0),
        pace=Pace(batch=1, pause=0.0),
    )
)
