"""Evidence of a key's use, copied before anything is changed: log lines, records, a timeline, all with their hashes.

A folder of its own (0700) with files of its own (0600). ``SHA256SUMS`` is what ``sha256sum -c`` reads; its own digest
goes into the ledger, which makes a later edit of any file visible.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import msgspec

from opsctl.clients.logfile import LogWindow
from opsctl.clients.logline import LogLine
from opsctl.durations import parse_duration
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.probes.key_uses import Uses, own_addresses

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.probes.key_uses import KeyUse

LOG = "app"
SUMS = "SHA256SUMS"
_MOST = 256 * 2**20  # bytes of the log that are gone through
_MINUTE = 60


class Use(NamedTuple):
    """How a key was used in the last 24 hours: addresses, busiest first, each as a sentence; or why that is unknown."""

    sources: tuple[str, ...]
    says: str
    requests: int | None = None


def uses_of(hands: Hands, key: str, hours: float = 24.0) -> Use:
    """Requests per hour by address, from the service's own log; never raises."""
    uses = Uses(hands.now, hours * 3600, own_addresses(hands.profile.settings), hands.profile.settings)
    try:
        for line in _window(hands, hours * 3600):
            uses.add(line)
    except CouldNotLook as failed:
        return Use((), f"who uses it is not known: {failed.says}")
    found = uses.keys.get(key)
    if found is None:
        return Use((), f"the log shows no use of {key} in {hours:g} h", 0)
    ordered = sorted(found.sources.values(), key=lambda one: -one.count)
    told = tuple(
        f"{one.address}: {one.count} requests, {one.count / max((hands.now - one.first) / 3600, 1 / 60):,.0f} an hour,"
        f" the first at {_iso(one.first)}"
        for one in ordered[:6]
    )
    return Use(told, f"{found.total} requests from {len(ordered)} addresses in {hours:g} h", found.total)


def customers_of(hands: Hands, address: str, days: float = 7.0) -> tuple[int | None, str]:
    """How many customers an address was let in for, and the same as a sentence; None: not known. Never raises."""
    uses = Uses(hands.now, days * 86400, frozenset(), hands.profile.settings)
    try:
        for line in _window(hands, days * 86400):
            uses.add(line)
    except CouldNotLook as failed:
        return None, f"who uses {address} is not known: {failed.says}"
    found = {
        key.customer or key.id
        for key in uses.keys.values()
        if (use := key.sources.get(address)) is not None and use.accepted
    }
    count = f"{len(found)} customers" if len(found) != 1 else "1 customer"
    names = f": {', '.join(sorted(found)[:5])}" if found else ""
    return len(found), f"{count} came from {address} in {days:g} d{names}"


def export(hands: Hands, folder: Path, *, customer: str, key: str, since: str, record: Mapping[str, Any]) -> str:
    """Write everything and return the digest of the list of digests. Raises OSError, CouldNotLook.

    ``record``: what the service says of customer and keys now. An earlier, unfinished export there is done anew.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    seconds = parse_duration(since)
    uses = Uses(hands.now, seconds, frozenset(), hands.profile.settings)
    window = _window(hands, seconds)
    sums = {"lines.jsonl": _write(folder / "lines.jsonl", _matching(window, uses, customer, key))}
    sums["record.json"] = _write(folder / "record.json", [msgspec.json.format(msgspec.json.encode(record)) + b"\n"])
    sums["timeline.txt"] = _write(folder / "timeline.txt", (line.encode() + b"\n" for line in _timeline(uses, key)))
    manifest = {
        "schema": "opsctl.evidence/1",
        "customer": customer,
        "key_id": key,
        "collected_at": _iso(hands.now),
        "collected_by": hands.actor,
        "run": hands.run,
        "log": window.path,
        "window": [_iso(hands.now - seconds), _iso(hands.now)],
        "complete": window.complete,
        "notes": window.notes,
        "files": sums,
    }
    sums["manifest.json"] = _write(
        folder / "manifest.json", [msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"]
    )
    listed = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    digest = _write(folder / SUMS, [listed.encode()])
    _sync(folder)
    return digest


def intact(folder: Path) -> bool:
    """Whether an export was finished and every file is as it was."""
    try:
        listed = (folder / SUMS).read_text(encoding="utf-8").splitlines()
        pairs = [line.split("  ", 1) for line in listed]
        return len(pairs) >= 4 and all(_digest(folder / name) == digest for digest, name in pairs)
    except (OSError, ValueError):
        return False


def _window(hands: Hands, seconds: float) -> LogWindow:
    spec = hands.profile.logs.get(LOG)
    if spec is None or spec.path.startswith("kubernetes:"):
        raise NotConfigured(f"{hands.profile.service} has no log {LOG} on this host")
    setting = f"profile {hands.profile.service}, logs.{LOG}"
    since = hands.now - seconds
    return LogWindow(spec.path, since=since, until=hands.now, format=spec.format, max_bytes=_MOST, setting=setting)


def _matching(window: Iterable[LogLine], uses: Uses, customer: str, key: str) -> Iterator[bytes]:
    for line in window:
        uses.add(line)
        if key in line.text or customer in line.text:
            yield line.text.rstrip("\n").encode() + b"\n"


def _timeline(uses: Uses, key: str) -> list[str]:
    """What happened when, in UTC: when each address came and went, what administration did about this customer."""
    moments: list[tuple[float, str]] = []
    found: KeyUse | None = uses.keys.get(key)
    for source in found.sources.values() if found is not None else ():
        others = f" after {source.before} requests from elsewhere" if source.before else ""
        moments.append(
            (source.first, f"{key} first used from {source.address}{others}; {source.count} requests in all")
        )
    for address, seen in uses.addresses.items():
        if seen.let_in and seen.refused:
            moments.append((seen.let_in, f"{address} let in after {seen.refused} refusals"))
    admin = uses.keys.get("administration")
    for source in admin.sources.values() if admin is not None else ():
        changed = f", {source.changes} changes, the last: {', '.join(source.changed)}" if source.changes else ""
        moments.append((source.first, f"administration first done from {source.address}{changed}"))
    return [f"{_iso(at)}  {says}" for at, says in sorted(moments)] or ["the log tells nothing of this key"]


def _write(path: Path, pieces: Iterable[bytes]) -> str:
    """A new file in place of an old one; its digest."""
    import hashlib

    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    digest = hashlib.sha256()
    file: IO[bytes]
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        for piece in pieces:
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return digest.hexdigest()


def _digest(path: Path) -> str:
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _iso(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"
