"""customer.contain-key: one stolen key, from the evidence to its owner's new one (VRI-45..VRI-49, B-57).

Evidence, suspension where wanted, revocation, new key, key cache, proof that the old one is refused, reactivation,
delivery. Each step can be gone on from. While a key is abused it is revoked before a new one is made; one that is only
suspected keeps working until its owner has deployed the new one (domain-checks.md R6).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from opsctl.actions import customer_keyfile as keyfile
from opsctl.actions import customer_steps as steps
from opsctl.actions.customer_api import opened
from opsctl.actions.customer_key import name_for
from opsctl.actions.customer_plan import ContainParams, Seen, checks_of, observe, planned
from opsctl.actions.customer_status import PRIVILEGE
from opsctl.actions.model import Excluded, Limit, Pace, Plan, Proposal
from opsctl.actions.model import Verified as Saw
from opsctl.actions.registry import Action, register
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands


def propose(seen: Seen, params: ContainParams) -> Proposal:
    """All the steps in their order, on exactly one key."""
    steps_ = planned(seen, params)
    others = [
        key for key in seen.keys or () if key.active and key.id != params.key and key.name != name_for(params.key)
    ]
    impact = f"programs that use {params.key} are refused until their owner has put the new key in"
    if params.suspend:
        impact = f"nobody with any key of {params.customer} is served until it is active again; then: {impact}"
    if params.suspected:
        impact = "nobody notices: both keys work until the old one is revoked"
    notes = [f"the {len(others)} other keys of {params.customer} stay as they are"] if others else []
    if params.suspected:
        revoke = f"opsctl customer revoke-key {params.customer} --key {params.key}"
        notes.append(f"within 24 h, once nobody uses the old one any more: {revoke}")
    if seen.restarts:
        notes.append("a restart begins the day's cost at nothing: the budget's counter lives in the process (B-47)")
    if seen.record.get("status") == "suspended" and not params.suspend:
        notes.append(f"{params.customer} is suspended already, and stays so")
    undoable = "the new key can be taken back with opsctl ledger undo RUN" if params.suspected else ""
    return Proposal(
        subject=f"{params.key} of customer {params.customer} at {seen.where}",
        scope=f"customer {params.customer}@{seen.where}",
        steps=steps_,
        of=len(steps_),
        unit="steps",
        impact=impact,
        undo=undoable,
        lost="" if undoable else "a revocation is final; the suspension can be lifted, and another key made",
        excluded=tuple(Excluded(id=key.id, says=key.name, why="not the key that is meant") for key in others),
        checks=checks_of(seen, params),
        confirm=params.customer,
        notes=tuple(notes),
    )


def verify(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Saw:
    """The key is revoked, its customer active, the new one made."""
    params = msgspec.convert(plan.parameters, ContainParams)
    try:
        with opened(hands) as api:
            keys, status = api.keys(params.customer), str(api.customer(params.customer).get("status", ""))
    except CouldNotLook as failed:
        return Saw(ok=None, says=failed.says)
    alive = any(key.id == params.key and key.active for key in keys or ())
    file = next((step.before["file"] for step in plan.proposal.steps if step.before.get("kind") == "make"), "")
    made = keyfile.state_of(Path(file)) == "full"
    fine = made and (params.suspected or not alive) and (status == "active" or not params.suspend)
    word = "still works" if alive else "is revoked"
    says = f"{params.key} {word}, the new key is {'in its file' if made else 'missing'}, {params.customer} is {status}"
    return Saw(ok=fine if keys is not None or params.suspected else None, says=says)


CONTAIN = register(
    Action(
        id="customer.contain-key",
        title="Take a stolen key away and give its owner a new one, with the evidence kept",
        params=ContainParams,
        observe=observe,
        propose=propose,
        apply=steps.apply,
        settled=steps.settled,
        undo=steps.undo,
        verify=verify,
        help={
            "customer": "Id of the customer whose key it is.",
            "key": "Id of the key (not its text).",
            "key_file": "New file, or folder for one, for the new key's text; it gets mode 0600.",
            "old_key_file": "File with the old key's text, to prove that it is refused (or /dev/stdin).",
            "suspected": "It is not abused yet: make a second key, and leave the old one working.",
            "suspend": "Shut the whole customer out until the old key is refused.",
            "restart": "Adapter to restart, which empties the key cache; else its time is waited for.",
            "evidence": "Folder for the evidence; a new one is made in it.",
            "since": "How far back log lines are kept as evidence.",
            "address": "Where to ask with the keys, as a URL; name every replica.",
            "cache_ttl": "How long the service remembers validated keys, where the profile is wrong.",
            "without_evidence": "Go on although no evidence can be kept.",
            "without_proof": "Go on without asking with the old key.",
            "unlisted": "Go on although the service does not list its keys.",
        },
        weight=6,
        asks="PATCH /api/v1/customers/{id}, POST and DELETE …/api-keys with the admin key; a POST with each key",
        privilege=PRIVILEGE,
        limit=Limit(targets=12, share=1.0),
        pace=Pace(batch=1, pause=0.0),
        expires=300.0,
    )
)
