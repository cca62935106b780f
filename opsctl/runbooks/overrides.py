"""What a context changes in a service's profile, as far as it bears on judging: kept in reports, used by replays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsctl.model import Override
from opsctl.services.model import Profile

if TYPE_CHECKING:
    from opsctl.config.settings import ServiceOverride


def override_of(given: ServiceOverride) -> Override:
    """The part of a context's overrides that a report keeps: no addresses, no paths."""
    return Override(
        window=given.window,
        for_=given.for_,
        scrape_interval=given.scrape_interval,
        severities=given.severities,
        baselines=given.baselines,
        capacity=given.capacity,
    )


def profile_with(profile: Profile, override: Override) -> Profile:
    """Today's profile as a report's context had changed it."""
    if override == Override():
        return profile
    from opsctl.config.settings import ServiceOverride
    from opsctl.services.load import apply_override

    return apply_override(
        profile,
        ServiceOverride(
            window=override.window,
            for_=override.for_,
            scrape_interval=override.scrape_interval,
            severities=override.severities,
            baselines=override.baselines,
            capacity=override.capacity,
        ),
    )
