"""Systems that show only the present: their probes say so when a diagnosis looks at the past."""

from __future__ import annotations

from datetime import UTC, datetime

from opsctl.errors import CouldNotLook
from opsctl.probes.look import Look


def present_only(look: Look, address: str, setting: str) -> None:
    """Raise CouldNotLook "no-history" when the diagnosis looks at the past."""
    if look.at is not None:
        moment = datetime.fromtimestamp(look.at, UTC)
        says = f"{address} shows only the present, not {moment:%Y-%m-%d %H:%M} UTC"
        raise CouldNotLook("no-history", says, address=address, setting=setting)
