"""customer.suspend, reactivate, upgrade: one field of one customer's record (VRI-38, VRI-39, VRI-47)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from opsctl.actions.customer_api import Api, checked_id, opened, path_of
from opsctl.actions.model import Check, Did, Effect, Excluded, Limit, Pace, Params, Plan, Proposal, Step, Target
from opsctl.actions.model import Verified as Saw
from opsctl.actions.registry import Action, register
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands

STATUS, TIER = "status", "subscription_tier"
ONE = Limit(targets=1, share=1.0)
ASKS = "PATCH /api/v1/customers/{customer_id}, Content-Type: application/json, the admin key as a header"
PRIVILEGE = "the service's admin key"


class CustomerParams(Params, frozen=True, kw_only=True):
    """``customer``: its id."""

    customer: str

    def __post_init__(self) -> None:
        checked_id(self.customer, "customer")


class TierParams(CustomerParams, frozen=True, kw_only=True):
    """``tier``: the subscription that it gets."""

    tier: str

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_id(self.tier, "tier")


class Seen(NamedTuple):
    """The customer as it is. ``keys``: how many of its keys are active, None where that is not listed."""

    id: str
    where: str
    path: str
    record: dict[str, Any]
    keys: int | None = None


def observe(hands: Hands, params: CustomerParams) -> Seen:
    """Two GETs. Raises CouldNotLook."""
    with opened(hands) as api:
        record = api.customer(params.customer)
        listed = api.keys(params.customer)
        path = path_of(hands, "customer", customer_id=params.customer)
        keys = None if listed is None else sum(key.active for key in listed)
        return Seen(params.customer, api.where, path, record, keys)


def set_field(hands: Hands, customer: str, field: str, wanted: str, before: str) -> Did:
    """PATCH one field and read it back. Somebody else's change meanwhile is left alone: skipped."""
    with opened(hands) as api:
        now = str(api.customer(customer).get(field, ""))
        if now == wanted:
            return Did(state="unchanged", says=f"{field} is {wanted} already")
        if now != before:
            return Did(state="skipped", says=f"{field} is {now} now, not {before}: somebody else has changed it")
        sent = api.send("PATCH", path_of(hands, "customer", customer_id=customer), {field: wanted})
        if not sent.ok and not sent.maybe:
            return Did(state="failed", says=sent.says)
        return _read_back(api, customer, field, wanted, before, sent.says)


def _read_back(api: Api, customer: str, field: str, wanted: str, before: str, said: str) -> Did:
    try:
        now = str(api.customer(customer).get(field, ""))
    except CouldNotLook as failed:
        says = f"{said or 'the server said that it did it'}; {field} could not be read back: {failed.says}"
        return Did(state="unknown", says=says)
    if now == wanted:
        return Did(
            state="acted", says=f"{field} is {wanted}", inverse={"field": field, "value": before}, after={field: now}
        )
    says = said or f"the server said that it did it, and {field} is still {now}"
    return Did(state="failed", says=says, after={field: now})


def field_settled(hands: Hands, customer: str, field: str, wanted: str) -> Effect:
    """By reading it back."""
    try:
        with opened(hands) as api:
            return "acted" if str(api.customer(customer).get(field, "")) == wanted else "not-acted"
    except CouldNotLook:
        return "unknown"


def restore(hands: Hands, customer: str, wanted: str, inverse: Mapping[str, Any]) -> Did:
    """Put a field back to what it was, unless somebody else has changed it since."""
    return set_field(hands, customer, str(inverse["field"]), str(inverse["value"]), wanted)


def _apply(hands: Hands, step: Step) -> Did:
    b = step.before
    return set_field(hands, b["customer"], b["field"], b["wanted"], b["now"])


def _settled(hands: Hands, step: Step) -> Effect:
    b = step.before
    return field_settled(hands, b["customer"], b["field"], b["wanted"])


def _undo(hands: Hands, step: Step, inverse: Mapping[str, Any]) -> Did:
    return restore(hands, step.before["customer"], step.before["wanted"], inverse)


def _verify(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Saw:
    (step,) = plan.proposal.steps
    b = step.before
    try:
        with opened(hands) as api:
            now = str(api.customer(b["customer"]).get(b["field"], ""))
    except CouldNotLook as failed:
        return Saw(ok=None, says=failed.says)
    return Saw(ok=now == b["wanted"], says=f"{b['field']} of {b['customer']} is {now}")


def _proposal(seen: Seen, field: str, wanted: str, impact: str, verb: str, checks: tuple[Check, ...] = ()) -> Proposal:
    now = str(seen.record.get(field, ""))
    target = Target(id=f"customer {seen.id}", pin={"customer": seen.id, field: now}, says=f"{field} {now or 'unknown'}")
    call = f"curl -X PATCH http://{seen.where}{seen.path} -H 'Content-Type: application/json'"
    call += f' -H "$ADMIN_KEY_HEADER" -d \'{{"{field}": "{wanted}"}}\''
    step = Step(
        target=target,
        why="named by the command",
        calls=(call,),
        before={"customer": seen.id, "field": field, "wanted": wanted, "now": now},
    )
    same = now == wanted
    left = Excluded(id=target.id, says=target.says, why=f"{field} is {wanted} already")
    gone = Check(id="known", says=f"{seen.id} is {now or 'without a ' + field}", ok=bool(now) and now != "deleted")
    return Proposal(
        subject=f"customer {seen.id} at {seen.where}",
        scope=f"customer {seen.id}@{seen.where}",
        steps=() if same else (step,),
        of=1,
        unit="customers",
        impact=impact,
        undo=f"{field} back to {now}: opsctl ledger undo RUN" if now else "",
        excluded=(left,) if same else (),
        checks=(gone, *checks),
        confirm=seen.id,
        notes=(f"{verb} takes effect when remembered keys are looked up again",) if field == STATUS else (),
    )


def propose_suspend(seen: Seen, params: CustomerParams) -> Proposal:
    """The whole customer, which is more than one key."""
    keys = "all its keys" if seen.keys is None else f"its {seen.keys} active keys"
    impact = f"every request of {seen.id} with {keys} is refused with 403, its owner's too, until it is active again"
    return _proposal(seen, STATUS, "suspended", impact, "a suspension")


def propose_reactivate(seen: Seen, params: CustomerParams) -> Proposal:
    """Back to service."""
    return _proposal(seen, STATUS, "active", f"{seen.id} is served again, by whoever holds one of its keys", "it")


def propose_upgrade(seen: Seen, params: TierParams) -> Proposal:
    """Another subscription: other limits, another price."""
    impact = f"{seen.id} gets the limits and the price of {params.tier}"
    return _proposal(seen, TIER, params.tier, impact, "it")


_CUSTOMER = {"customer": "Id of the customer."}
_SHARED: dict[str, Any] = {
    "observe": observe, "apply": _apply, "settled": _settled, "undo": _undo, "verify": _verify, "limit": ONE,
    "asks": ASKS, "privilege": PRIVILEGE, "pace": Pace(batch=1, pause=0.0),
}  # fmt: skip

SUSPEND = register(
    Action(
        id="customer.suspend",
        title="Shut a customer out, with all its keys",
        params=CustomerParams,
        propose=propose_suspend,
        help=_CUSTOMER,
        weight=7,
        **_SHARED,
    )
)
REACTIVATE = register(
    Action(
        id="customer.reactivate",
        title="Let a suspended customer in again",
        params=CustomerParams,
        propose=propose_reactivate,
        help=_CUSTOMER,
        weight=2,
        cooldown=0.0,
        **_SHARED,
    )
)
UPGRADE = register(
    Action(
        id="customer.upgrade",
        title="Change a customer's subscription",
        params=TierParams,
        propose=propose_upgrade,
        help={**_CUSTOMER, "tier": "Name of the subscription."},
        weight=2,
        **_SHARED,
    )
)
