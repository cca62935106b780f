"""customer.rotate-key, customer.revoke-key: the two halves of a rotation that nobody notices (domain-checks.md R6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from opsctl.actions import customer_contain as contain
from opsctl.actions import customer_plan as plans
from opsctl.actions import customer_steps as steps
from opsctl.actions.customer_api import checked_id, opened
from opsctl.actions.customer_evidence import uses_of
from opsctl.actions.customer_status import PRIVILEGE
from opsctl.actions.model import Check, Excluded, Limit, Pace, Params, Plan, Proposal
from opsctl.actions.model import Verified as Saw
from opsctl.actions.registry import Action, register
from opsctl.durations import parse_duration
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands

_LIMIT = Limit(targets=3, share=1.0)


class RotateParams(Params, frozen=True, kw_only=True):
    """``key``: the id of the key to be replaced. ``key_file``: where the new key's text goes."""

    customer: str
    key: str
    key_file: str
    address: tuple[str, ...] = ()
    unlisted: bool = False

    def __post_init__(self) -> None:
        checked_id(self.customer, "customer")
        checked_id(self.key, "key")

    @property
    def wide(self) -> plans.ContainParams:
        """As containing a key that is only suspected sees it."""
        return plans.ContainParams(
            customer=self.customer, key=self.key, key_file=self.key_file, address=self.address,
            unlisted=self.unlisted, suspected=True, without_evidence=True, without_proof=True,
        )  # fmt: skip


class RevokeParams(Params, frozen=True, kw_only=True):
    """``quiet``: the key must not have been used for this long. ``in_use``: revoke it all the same."""

    customer: str
    key: str
    quiet: str = "10m"
    old_key_file: str = ""
    address: tuple[str, ...] = ()
    cache_ttl: str = ""
    in_use: bool = False
    only_key: bool = False
    unlisted: bool = False

    def __post_init__(self) -> None:
        checked_id(self.customer, "customer")
        checked_id(self.key, "key")
        for text in (self.quiet, *((self.cache_ttl,) if self.cache_ttl else ())):
            parse_duration(text)


def observe_rotate(hands: Hands, params: RotateParams) -> plans.Seen:
    """As for containing. Raises CouldNotLook."""
    return plans.observe(hands, params.wide)


def propose_rotate(seen: plans.Seen, params: RotateParams) -> Proposal:
    """A second key, and that it is let in."""
    return contain.propose(seen, params.wide)


def verify_rotate(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Saw:
    """The new key is in its file."""
    wide = msgspec.convert(plan.parameters, RotateParams).wide
    return contain.verify(hands, msgspec.structs.replace(plan, parameters=msgspec.structs.asdict(wide)), done)


def observe_revoke(hands: Hands, params: RevokeParams) -> plans.Seen:
    """The keys, and whether this one is in use now. Raises CouldNotLook."""
    wide = plans.ContainParams(
        customer=params.customer, key=params.key, key_file="/nonexistent", old_key_file=params.old_key_file,
        address=params.address, cache_ttl=params.cache_ttl,
    )  # fmt: skip
    seen = plans.observe(hands, wide)
    return seen._replace(use=uses_of(hands, params.key, parse_duration(params.quiet) / 3600))


def propose_revoke(seen: plans.Seen, params: RevokeParams) -> Proposal:
    """The old key's end, once nobody uses it; with its text, the proof of it."""
    wide = plans.ContainParams(
        customer=params.customer, key=params.key, key_file="/nonexistent", old_key_file=params.old_key_file,
        without_evidence=True, without_proof=not params.old_key_file, unlisted=params.unlisted,
    )  # fmt: skip
    wanted = {"revoke", "prove"} if params.old_key_file else {"revoke"}
    planned = tuple(step for step in plans.planned(seen, wide) if step.before["kind"] in wanted)
    keys = seen.keys
    mine = next((key for key in keys or () if key.id == params.key), None)
    others = [key for key in keys or () if key.active and key.id != params.key]
    dead = mine is not None and not mine.active
    used = seen.use.requests
    checks = [one for one in plans.checks_of(seen, wide) if one.id not in ("key-file", "evidence")]
    quiet = None if used is None else used == 0
    checks += [
        Check(id="quiet", says=f"{seen.use.says} (wanted: none in {params.quiet})", ok=quiet or params.in_use or quiet,
              lift="" if quiet else "--in-use"),
        Check(id="other-key", says=f"{params.customer} has {len(others)} other active keys",
              ok=None if keys is None and not params.only_key else bool(others) or params.only_key,
              lift="" if others else "--only-key"),
    ]  # fmt: skip
    left = Excluded(id=params.key, says=mine.name if mine else "", why="it is revoked already")
    return Proposal(
        subject=f"{params.key} of customer {params.customer} at {seen.where}",
        scope=f"customer {params.customer}@{seen.where}",
        steps=() if dead else planned,
        of=max(1, len(planned)),
        unit="steps",
        impact="programs that still use it are refused",
        lost="a revocation is final; another key can be made",
        excluded=(left,) if dead else (),
        checks=tuple(checks),
        confirm=params.customer,
        notes=(f"remembered keys are let in for up to {seen.ttl:g} s more",),
    )


def verify_revoke(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Saw:
    """The list shows it as revoked."""
    params = msgspec.convert(plan.parameters, RevokeParams)
    try:
        with opened(hands) as api:
            keys = api.keys(params.customer)
    except CouldNotLook as failed:
        return Saw(ok=None, says=failed.says)
    if keys is None:
        return Saw(ok=None, says="the service does not list its keys")
    alive = any(key.id == params.key and key.active for key in keys)
    return Saw(ok=not alive, says=f"{params.key} {'still works' if alive else 'is revoked'}")


_KEY_HELP = {
    "customer": "Id of the customer whose key it is.",
    "key": "Id of the key (not its text).",
    "address": "Where to ask with the key, as a URL; name every replica.",
    "unlisted": "Go on although the service does not list its keys.",
}
ROTATE = register(
    Action(
        id="customer.rotate-key",
        title="Make a second key for a customer; the old one goes on working",
        params=RotateParams,
        observe=observe_rotate,
        propose=propose_rotate,
        apply=steps.apply,
        settled=steps.settled,
        undo=steps.undo,
        verify=verify_rotate,
        help={**_KEY_HELP, "key_file": "New file, or folder for one, for the new key's text; it gets mode 0600."},
        weight=1,
        asks="POST /api/v1/customers/{customer_id}/api-keys with the admin key; a POST with the new key",
        privilege=PRIVILEGE,
        limit=_LIMIT,
        pace=Pace(batch=1, pause=0.0),
    )
)
REVOKE = register(
    Action(
        id="customer.revoke-key",
        title="Revoke a key that nobody uses any more",
        params=RevokeParams,
        observe=observe_revoke,
        propose=propose_revoke,
        apply=steps.apply,
        settled=steps.settled,
        undo=None,
        verify=verify_revoke,
        help={
            **_KEY_HELP,
            "quiet": "How long the key must not have been used.",
            "old_key_file": "File with the key's text, to prove that it is refused (or /dev/stdin).",
            "cache_ttl": "How long the service remembers validated keys, where the profile is wrong.",
            "in_use": "Revoke it although it is in use.",
            "only_key": "Revoke it although the customer has no other.",
        },
        weight=5,
        asks="DELETE /api/v1/customers/{customer_id}/api-keys/{key_id} with the admin key",
        privilege=PRIVILEGE,
        limit=_LIMIT,
        pace=Pace(batch=1, pause=0.0),
    )
)
