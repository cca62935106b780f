"""The steps that containing, rotating and revoking a key are made of; each is applied and settled by its ``kind``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from opsctl.actions import customer_evidence as evidence
from opsctl.actions import customer_key as key_
from opsctl.actions import customer_proof as proof
from opsctl.actions import registry
from opsctl.actions.customer_api import opened
from opsctl.actions.customer_status import STATUS, field_settled, restore, set_field
from opsctl.actions.model import Did, Effect, Step
from opsctl.durations import format_duration
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands


def apply(hands: Hands, step: Step) -> Did:
    """One step. Nothing secret is in it: keys are read from their files now."""
    b = step.before
    kind = b["kind"]
    if kind == "evidence":
        return _evidence(hands, step)
    if kind == "suspend":
        return set_field(hands, b["customer"], STATUS, "suspended", b["status"])
    if kind == "reactivate":
        return set_field(hands, b["customer"], STATUS, "active", "suspended")
    if kind == "revoke":
        return key_.revoke(hands, b["customer"], b["key"])
    if kind == "make":
        return key_.make(hands, b["customer"], b["key"], Path(b["file"]))
    if kind == "wait":
        proof.wait(hands, b["seconds"], "the key cache empties")
        return Did(
            state="acted", says=f"waited {format_duration(b['seconds'])}: what was remembered before is forgotten"
        )
    if kind == "restart":
        action, inner = _inner(step)
        return action.apply(hands, inner)
    if kind == "prove":
        return proof.refused(hands, b["file"], b["addresses"], b["seconds"])
    if kind == "deliver":
        return proof.accepted(hands, b["file"], b["addresses"])
    raise ValueError(f"no such step: {kind}")


def settled(hands: Hands, step: Step) -> Effect:
    """What only looks or waits is done again: that changes nothing."""
    b = step.before
    kind = b["kind"]
    if kind == "evidence":
        return "acted" if evidence.intact(Path(b["folder"])) else "not-acted"
    if kind in ("suspend", "reactivate"):
        wanted = "suspended" if kind == "suspend" else "active"
        return field_settled(hands, b["customer"], STATUS, wanted)
    if kind == "revoke":
        return key_.revoke_settled(hands, b["customer"], b["key"])
    if kind == "make":
        return key_.make_settled(hands, b["customer"], b["key"], Path(b["file"]))
    if kind == "restart":
        action, inner = _inner(step)
        return action.settled(hands, inner)
    return "not-acted"


def undo(hands: Hands, step: Step, inverse: Mapping[str, Any]) -> Did:
    """A suspension is lifted, a new key revoked. A revocation stays."""
    b = step.before
    if b["kind"] in ("suspend", "reactivate"):
        return restore(hands, b["customer"], "suspended" if b["kind"] == "suspend" else "active", inverse)
    if b["kind"] == "make":
        return key_.unmake(hands, inverse)
    return Did(state="failed", says="this cannot be taken back")


def _evidence(hands: Hands, step: Step) -> Did:
    b = step.before
    try:
        with opened(hands) as api:
            keys = api.keys(b["customer"]) or ()
            record = {
                "customer": api.customer(b["customer"]),
                "keys": [msgspec.to_builtins(key) for key in keys],
            }
        folder = Path(b["folder"])
        digest = evidence.export(hands, folder, customer=b["customer"], key=b["key"], since=b["since"], record=record)
    except OSError as error:
        return Did(state="failed", says=f"{b['folder']} cannot be written: {error.strerror}; nothing was changed")
    except CouldNotLook as failed:
        return Did(state="failed", says=f"there is no evidence to keep: {failed.says}; nothing was changed")
    says = f"{folder} holds log lines, records and a timeline; SHA-256 of its list {digest[:16]}…"
    return Did(state="acted", says=says, after={"folder": str(folder), "sha256": digest})


def _inner(step: Step) -> tuple[registry.Action, Step]:
    """The restart that this step stands for: service.restart's own step."""
    action = registry.get("service.restart")
    if action is None:
        raise CouldNotLook("unsupported", "this opsctl has no action service.restart")
    return action, msgspec.convert(step.before["step"], Step)
