"""The hash of a plan: over everything else in it, so that what was agreed to is what is applied."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from opsctl.actions.model import PLAN_SCHEMA, Plan

LEAST = 6  # characters of a hash that name a plan


def as_data(plan: Plan) -> dict[str, Any]:
    """The plan as plain JSON values, its schema always among them: what plan files and the ledger hold."""
    data = msgspec.json.decode(msgspec.json.encode(plan))
    return {"schema": plan.schema or PLAN_SCHEMA, **data}


def from_data(data: Mapping[str, Any]) -> Plan:
    """The plan of ``as_data``. Raises msgspec.ValidationError."""
    return msgspec.convert(data, Plan)


def hash_of(data: Mapping[str, Any]) -> str:
    """sha256 (hex) over the canonical JSON of all keys but ``hash``."""
    rest = {key: value for key, value in data.items() if key != "hash"}
    return hashlib.sha256(msgspec.json.encode(rest, order="deterministic")).hexdigest()


def sealed(plan: Plan) -> Plan:
    """The plan as it would be read back from a file, with its hash."""
    data = as_data(plan)
    return from_data({**data, "hash": hash_of(data)})


def names(plan: Plan, given: str) -> bool:
    """Whether ``given`` is the plan's hash or at least its first six characters."""
    wanted = given.strip().lower()
    return len(wanted) >= LEAST and plan.hash.startswith(wanted)
