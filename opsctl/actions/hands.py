"""What an action may use: the readers as probes have them, the clients that act, and the way to be stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opsctl.clients.readers import Readers
    from opsctl.clients.writers import Writers
    from opsctl.config.settings import Settings
    from opsctl.services.model import Profile
    from opsctl.signals.reader import SignalReader


class Stopped(Exception):
    """The stop file is there (``says`` names it): raised between two mutations, never in the middle of one."""

    def __init__(self, says: str) -> None:
        super().__init__(says)
        self.says = says


def _never() -> None:
    """Nothing stops it."""


def _silent(text: str) -> None:
    """Progress that nobody looks at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """Passed to every function of an action. ``now``: unix time at which the plan is made or applied."""

    profile: Profile
    settings: Settings
    readers: Readers
    writers: Writers
    signals: SignalReader
    now: float
    actor: str = ""
    reason: str = ""  # --reason and --ticket, for comments that servers keep
    run: str = ""  # id of the ledger's run while it is applied; "" while planning
    check_stop: Callable[[], None] = _never  # long acts call it before each mutation; raises Stopped
    tell: Callable[[str], None] = _silent  # progress, one line

    @property
    def moment(self) -> datetime:
        """``now`` as an aware UTC datetime."""
        return datetime.fromtimestamp(self.now, UTC)
