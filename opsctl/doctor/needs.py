"""What the runbooks of a service cannot do without."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from opsctl.doctor.model import Check, Place
from opsctl.doctor.site import SIGNALS
from opsctl.errors import OpsctlError
from opsctl.runbooks.chosen import defines
from opsctl.runbooks.find import find
from opsctl.runbooks.load import load
from opsctl.services.model import Profile


def deciding(profiles: Sequence[Profile], dirs: Sequence[Path]) -> set[str]:
    """The systems whose findings decide the verdict of a runbook that one of the services defines."""
    found: set[str] = set()
    for name in find(dirs):
        if not any(defines(profile, name) for profile in profiles):
            continue
        try:
            runbook = load(name, dirs).runbook
        except OpsctlError:
            continue  # `runbook lint` says what is wrong with it
        found |= {id.partition(".")[0] for id in runbook.decides}
    return found - {"signal", "symptom", "local"}


def signals_lost(profiles: Iterable[Profile], places: Sequence[Place]) -> list[Place]:
    """One place for each service whose objectives cannot be judged: neither Prometheus nor its own page answers."""
    lost = []
    for profile in profiles:
        judged = [o for o in profile.objectives if o.kind == "alert" and o.signal in profile.signals]
        mine = [place for place in places if profile.service in place.services and place.kind in SIGNALS]
        if not judged or not mine or any(place.reached for place in mine):
            continue
        count = f"{len(judged)} objective{'' if len(judged) == 1 else 's'}"
        names = " nor ".join(place.name for place in mine)
        neither = f"neither {names} answers" if len(mine) > 1 else f"{names} does not answer"
        says = f"none of its {count} can be judged: {neither}"
        check = Check(id="service.signals", state="breach", says=says, need="objective")
        lost.append(Place(name=profile.service, kind="service", services=(profile.service,), checks=(check,)))
    return lost
