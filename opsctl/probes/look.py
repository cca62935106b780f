"""What a probe may use: the service's profile, the read clients, the clock, the deadline. Nothing that writes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opsctl.clients.readers import Readers
    from opsctl.services.model import Profile
    from opsctl.signals.reader import SignalReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Passed to every probe. ``now``: unix time the diagnosis looks at (``--at`` or the start)."""

    runbook: str
    profile: Profile
    readers: Readers
    signals: SignalReader
    now: float
    at: float | None  # set when looking at the past
    since: float  # seconds of history to look through for changes and onsets
    deadline: float  # time.monotonic() when this probe must have answered
    parameters: Mapping[str, object] = field(default_factory=dict)

    def remaining(self) -> float:
        """Seconds left for this probe, never negative."""
        return max(0.0, self.deadline - time.monotonic())

    @property
    def moment(self) -> datetime:
        """``now`` as an aware UTC datetime."""
        return datetime.fromtimestamp(self.now, UTC)
