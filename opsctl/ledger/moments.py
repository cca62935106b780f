"""Times as the ledger keeps them: text in UTC with microseconds, so that both databases keep and sort them alike."""

from __future__ import annotations

from datetime import UTC, datetime


def text_of(at: datetime) -> str:
    """``2026-11-21T03:07:12.000000Z``: sorts as the times do."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def moment_of(text: str) -> datetime:
    """The aware UTC time of such a text. Raises ValueError."""
    return datetime.fromisoformat(text)
