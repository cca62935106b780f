"""How a service's signals are read, by its profile's own intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opsctl.clients.readers import Readers
    from opsctl.services.model import Profile
    from opsctl.signals.reader import SignalReader


def signals_of(readers: Readers, profile: Profile, *, direct: bool = False) -> SignalReader:
    """A reader of the service's signals: by Prometheus, or with ``direct`` by scraping the service's own page."""
    from opsctl.durations import parse_duration
    from opsctl.signals.reader import SignalReader

    return SignalReader(
        readers,
        labels=profile.prometheus_labels,
        scrape_interval=parse_duration(profile.scrape_interval),
        window=parse_duration(profile.window),
        pause=parse_duration(profile.direct_pause),
        prefer="direct" if direct else "auto",
    )
