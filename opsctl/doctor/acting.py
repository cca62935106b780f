"""What is told alike of every system that is acted on."""

from __future__ import annotations

from collections.abc import Sequence

from opsctl.doctor.acts import SUFFIX
from opsctl.doctor.model import Checks, Remedy
from opsctl.doctor.site import Site

TOLD = "acting"  # the check that says who acts where no endpoint of its own does


def another(site: Site, look: str, checks: Checks) -> None:
    """The endpoint leads to another server than the look: what is seen there would be done here."""
    says = f"this is another server than {look}: actions are planned there, and are refused here"
    how = f"Give {site.name} the address of {site.name.removesuffix(SUFFIX)} with {site.setting}"
    checks.breach("same-server", says, Remedy(how=how))


def by_the_look(site: Site, who: str, cannot: Sequence[str], checks: Checks, *, untold: str = "") -> None:
    """No endpoint that acts: which role does, and what it cannot do. ``untold``: what could not be told."""
    says = f"no {site.name}{SUFFIX} for {', '.join(site.acts)}, so acting is done as the {who} of the look"
    says += f", which may not {', nor '.join(cannot)}" if cannot else ""
    says += f"; {untold}" if untold else ""
    if not cannot and not untold:
        says += ", which may do it"
    checks.ok(TOLD, says)
