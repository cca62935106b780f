"""What the last run of the same check found: so that ``--on-change`` speaks only when a state has changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from opsctl.durations import format_duration
from opsctl.healthcheck import files
from opsctl.healthcheck.model import Health
from opsctl.model import VerdictWord


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one check and since when it has it (unix seconds)."""

    state: VerdictWord
    since: float


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """By ``subject/check``."""

    at: float
    checks: dict[str, Known]


class Change(NamedTuple):
    """One state that is not what it was. ``before`` None: this check is new. ``lasted``: seconds of the one before."""

    name: str
    before: VerdictWord | None
    now: VerdictWord | None
    lasted: float
    says: str


class Compared(NamedTuple):
    """``trouble``: why there is no memory, or why it could not be kept; "" when all is well."""

    changes: tuple[Change, ...]
    trouble: str = ""


def compare(found: Health, key: str) -> Compared:
    """What changed since the last run, which is remembered now. A memory that cannot be read counts as none."""
    try:
        path = files.folder() / f"{key}.json"
    except OSError as error:
        return Compared(tuple(_changes(found, None)), f"nothing can be remembered: {error.strerror or error}")
    before, trouble = _read(path)
    changes = tuple(_changes(found, before))
    try:
        files.replace(path, msgspec.json.encode(_next(found, before)), 0o600)
    except OSError as error:
        trouble = f"this run could not be remembered: {error.strerror or error}"
    return Compared(changes, trouble)


def lines(compared: Compared) -> list[str]:
    """One line a change: ``amas redis: ok -> critical after 3h``, with what is wrong now."""
    told = []
    for change in compared.changes:
        if change.before is None:
            head = f"{change.name}: {change.now}"
        else:
            lasted = format_duration(float(round(change.lasted))) if change.lasted >= 1 else "a moment"
            head = f"{change.name}: {change.before} -> {change.now or 'no longer looked at'} after {lasted}"
        told.append(f"{head}: {change.says}" if change.says and change.now not in ("ok", None) else head)
    return told


def _read(path: Path) -> tuple[Memory | None, str]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Memory), ""
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return None, f"the last run is not known: {error.strerror or error}"
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None, "the memory of the last run was not readable, and begins anew"


def _states(found: Health) -> Iterator[tuple[str, VerdictWord, str]]:
    for subject in found.subjects:
        if not subject.checks:
            yield subject.name, subject.state, subject.says
        for check in subject.checks:
            name = subject.name if subject.kind == "url" else f"{subject.name} {check.name}"
            yield name, check.state, check.says


def _changes(found: Health, before: Memory | None) -> Iterator[Change]:
    now = found.started_at.timestamp()
    known = before.checks if before is not None else {}
    seen = set()
    for name, state, says in _states(found):
        seen.add(name)
        last = known.get(name)
        if last is None:
            if state != "ok":
                yield Change(name, None, state, 0.0, says)
        elif last.state != state:
            yield Change(name, last.state, state, now - last.since, says)
    for name, last in known.items():
        if name not in seen and last.state != "ok":  # taken out of the check while it was bad: say so once
            yield Change(name, last.state, None, now - last.since, "")


def _next(found: Health, before: Memory | None) -> Memory:
    now = found.started_at.timestamp()
    known = before.checks if before is not None else {}
    checks = {}
    for name, state, _ in _states(found):
        last = known.get(name)
        checks[name] = last if last is not None and last.state == state else Known(state=state, since=now)
    return Memory(at=datetime.now(UTC).timestamp(), checks=checks)
