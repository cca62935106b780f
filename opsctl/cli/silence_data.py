"""Silences as ``-o json`` tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opsctl.redact import printable, redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from opsctl.silences.book import Known
    from opsctl.silences.change import Changed
    from opsctl.silences.create import Made
    from opsctl.silences.matcher import Matcher
    from opsctl.silences.members import Failed
    from opsctl.silences.preview import Preview

SCHEMA = "opsctl.silence/1"


def time(at: datetime) -> str:
    """RFC 3339 in UTC."""
    from datetime import UTC

    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def of_known(known: Known, now: datetime, mutes: int | None) -> dict[str, Any]:
    """One silence. ``mutes``: how many firing alerts it selects, None: not known. ``remaining``: seconds to its end."""
    one = known.silence
    return {
        "id": one.id,
        "state": known.state,
        "matchers": list(one.matchers),
        "starts_at": time(one.starts_at),
        "ends_at": time(one.ends_at),
        "remaining": round((one.ends_at - now).total_seconds()),
        "author": redact(printable(one.created_by)),
        "comment": redact(printable(one.comment)),
        "annotations": {printable(k): redact(printable(v)) for k, v in one.annotations.items()},
        "mutes": mutes,
        "not_seen_on": known.lacking,
    }


def of_made(made: Made, wanted: Sequence[Matcher], author: str, comment: str) -> dict[str, Any]:
    """What came of a creation. ``skew``: seconds by which the server's clock is ahead."""
    return {
        "outcome": made.outcome,
        "id": made.id,
        "state": made.state,
        "matchers": list(wanted),
        "starts_at": time(made.start),
        "ends_at": time(made.end),
        "author": author,
        "comment": comment,
        "not_seen_on": made.not_seen_on,
        "skew": made.skew,
        "says": made.says,
    }


def of_change(change: Changed) -> dict[str, Any]:
    """What came of a change. ``id``: the one in force; another than ``of`` only when the outcome is forked."""
    return {
        "of": change.known.id,
        "id": change.id,
        "outcome": change.outcome,
        "ends_at": time(change.end),
        "not_seen_on": change.not_seen_on,
        "says": change.says,
    }


def of_preview(seen: Preview) -> dict[str, Any]:
    """What a silence would reach."""
    return {
        "firing": seen.firing,
        "hits": [
            {"fingerprint": hit.fingerprint, "alertname": hit.alertname, "labels": hit.labels, "muted": hit.already}
            for hit in seen.hits
        ],
        "critical": seen.critical,
        "audible": dict(seen.audible),
        "rules": seen.rules,
        "all_rules": seen.all_rules,
        "fired": seen.fired,
        "unknown": seen.unknown,
    }


def of_failed(failed: Iterable[Failed]) -> list[dict[str, str]]:
    """Members that gave no answer."""
    return [{"address": one.address, "says": one.error.says} for one in failed]
