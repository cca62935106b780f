"""Saved plans: written for their owner only, read back only as they were written, not yet over, and for this place."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from opsctl.actions.model import PLAN_SCHEMA, Plan
from opsctl.config.places import shown, state_dir
from opsctl.errors import BadData, CannotWrite, Refused, UsageError
from opsctl.remediation.digest import LEAST, as_data, from_data, hash_of

LARGEST = 16 * 1024 * 1024  # bytes; a plan of a thousand targets is about one
SKEW = 60.0  # seconds that two hosts' clocks may differ
_KEPT_FOR = timedelta(days=1)  # plans that were shown; they expire after minutes


def plan_schema() -> dict[str, Any]:
    """The published schema of a plan (runbooks/schema/plan.json)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "opsctl plan",
        "description": f"What would be done, target by target ({PLAN_SCHEMA}).",
        **msgspec.json.schema(Plan),
    }


def save(plan: Plan, path: Path, *, overwrite: bool = False) -> None:
    """Write the plan (mode 0600), whole or not at all. Raises CannotWrite, also where a file is there already."""
    body = msgspec.json.format(msgspec.json.encode(as_data(plan)), indent=2) + b"\n"
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            if overwrite:
                part.replace(path)
            else:
                os.link(part, path)
        finally:
            part.unlink(missing_ok=True)
    except FileExistsError:
        raise CannotWrite("there is a file of that name", place=shown(path), remedy="Name another one.") from None
    except OSError as error:
        raise CannotWrite(f"the plan cannot be written: {error.strerror or error}", place=shown(path)) from None


def read(path: Path, *, now: float | None = None, service: str = "", context: str | None = None) -> Plan:
    """The plan of that file. ``now``: unix seconds, default the clock; ``service``, ``context``: where it is applied.

    Raises UsageError without such a file, BadData (65) for one that is no plan, of a newer opsctl or edited, Refused
    (77) for one that is over, or was made for another service or context.
    """
    try:
        with path.open("rb") as file:
            body = file.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"there is no plan {shown(path)}") from None
    except OSError as error:
        raise BadData(f"the plan cannot be read: {error.strerror or error}", place=shown(path)) from None
    if len(body) > LARGEST:
        raise BadData("this is larger than any plan", place=shown(path))
    plan = _decoded(body, shown(path))
    check(plan, now=now, service=service, context=context, place=shown(path))
    return plan


def check(
    plan: Plan, *, now: float | None = None, service: str = "", context: str | None = None, place: str = ""
) -> None:
    """Raises Refused for a plan that is over, or made for another service or context than named."""
    moment = datetime.now(UTC) if now is None else datetime.fromtimestamp(now, UTC)
    if service and plan.service != service:
        raise Refused(f"the plan was made for {plan.service}, not for {service}", place=place)
    if context is not None and plan.context != context:
        raise Refused(f"the plan was made in {_context(plan.context)}, not in {_context(context)}", place=place)
    again = "Make it anew."
    if moment >= plan.expires:
        ago = _long((moment - plan.expires).total_seconds())
        says = f"the plan expired at {plan.expires:%H:%M:%S} UTC, {ago} ago"
        raise Refused(says, place=place, remedy=again)
    if (plan.created - moment).total_seconds() > SKEW:
        says = f"the plan was made at {plan.created:%H:%M:%S} UTC, and it is {moment:%H:%M:%S} UTC: a clock is wrong"
        raise Refused(says, place=place, remedy=again)


def keep(plan: Plan, environ: Mapping[str, str] | None = None) -> Path:
    """Keep a plan that was shown, so that its hash names it. Older ones go. Raises CannotWrite."""
    folder = _folder(environ)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _tidy(folder)
    except OSError as error:
        raise CannotWrite(f"plans cannot be kept: {error.strerror or error}", place=shown(folder)) from None
    path = folder / f"{plan.hash}.json"
    if not path.exists():
        save(plan, path)
    return path


def kept(given: str, *, now: float | None = None, environ: Mapping[str, str] | None = None) -> Plan:
    """The plan that was shown with this hash, or its first six characters or more. Raises as ``read`` does."""
    wanted = given.strip().lower()
    if len(wanted) < LEAST or not re.fullmatch("[0-9a-f]+", wanted):
        raise UsageError(
            f"{given[:80]!r} is no plan's hash", remedy=f"Give at least {LEAST} characters of the one shown."
        )
    found = [path for path in _folder(environ).glob("*.json") if path.stem.startswith(wanted)]
    if not found:
        raise Refused(f"no plan {wanted} was shown here", remedy="Show the plan again; its hash comes with it.")
    if len(found) > 1:
        raise UsageError(f"{wanted} begins the hashes of {len(found)} plans", remedy="Give more of it.")
    return read(found[0], now=now)


def _decoded(body: bytes, place: str) -> Plan:
    try:
        data: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadData(f"this is no plan: {error}", place=place) from None
    schema = data.get("schema") if isinstance(data, dict) else None
    if not isinstance(schema, str) or not schema.startswith("opsctl.plan/"):
        raise BadData("this is no plan of opsctl", place=place)
    if schema != PLAN_SCHEMA:
        says = f"this plan was written by another opsctl ({schema}; this one reads {PLAN_SCHEMA})"
        raise BadData(says, place=place, remedy="Make it anew, or apply it with the opsctl that made it.")
    if data.get("hash") != hash_of(data):
        says = "the plan was edited after it was made (its hash does not fit)"
        raise BadData(says, place=place, remedy="Make it anew; nothing was changed.")
    try:
        return from_data(data)
    except msgspec.ValidationError as error:
        raise BadData(f"this is no plan: {error}", place=place) from None


def _folder(environ: Mapping[str, str] | None) -> Path:
    return state_dir(environ) / "plans"


def _tidy(folder: Path) -> None:
    oldest = (datetime.now(UTC) - _KEPT_FOR).timestamp()
    for path in folder.glob("*.json"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)


def _context(name: str) -> str:
    return f"context {name}" if name else "no context"


def _long(seconds: float) -> str:
    from opsctl.durations import format_duration

    return format_duration(float(round(max(1.0, seconds))))
