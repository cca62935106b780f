"""One system examined by itself, as the command would."""

from __future__ import annotations

import time
from typing import Any

from opsctl.config.endpoint import Endpoint, HttpAccess
from opsctl.doctor import examine
from opsctl.doctor.model import Check, Place
from opsctl.doctor.site import Site, Use
from opsctl.services.model import EndpointSpec, Profile


def site(kind: str, url: str, *, needed: bool = False, profile: Profile | None = None, **how: Any) -> Site:
    """A site as resolved for service ``shop``; ``how``: fields of HttpAccess, and ``options``."""
    options = how.pop("options", {})
    endpoint = Endpoint(name=kind, url=url, setting=f"env {kind.upper()}", http=HttpAccess(**how), options=options)
    owner = profile or Profile(service="shop")
    return Site(kind, kind, endpoint, None, [Use(owner, kind, EndpointSpec(kind=kind))], needed)


def look(one: Site, seconds: float = 10.0) -> Place:
    """Examine one site."""
    (place,) = examine.run([one], time.monotonic() + seconds)
    return place


def check(place: Place, id: str) -> Check:
    """The check of that id (without the system)."""
    found = [check for check in place.checks if check.id.partition(".")[2] == id]
    assert found, [c.id for c in place.checks]
    return next((c for c in found if c.state != "ok"), found[0])


def states(place: Place) -> dict[str, str]:
    """Check id without the system -> state."""
    return {check.id.partition(".")[2]: check.state for check in place.checks}
