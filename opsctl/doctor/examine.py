"""The examination: every system at once, each in its own thread, all under one deadline. Reads only."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from opsctl import __version__
from opsctl.doctor import ledger, needs
from opsctl.doctor.model import Checks, Examination, Place, verdict
from opsctl.doctor.site import Site, sites
from opsctl.errors import CouldNotLook
from opsctl.redact import printable, redact
from opsctl.services.model import Profile

if TYPE_CHECKING:
    from opsctl.config.settings import Settings

AT_ONCE = 12  # systems looked at at the same time
EACH = 10.0  # seconds for one system, or half of the whole time if that is longer

# Kind of endpoint -> the module whose ``examine(site, checks, until)`` looks at it.
KINDS = {
    "prometheus": "opsctl.doctor.prometheus",
    "alertmanager": "opsctl.doctor.alertmanager",
    "postgres": "opsctl.doctor.postgres",
    "pgbouncer": "opsctl.doctor.pgbouncer",
    "redis": "opsctl.doctor.redis",
    "kubernetes": "opsctl.doctor.kubernetes",
    "kyrodb": "opsctl.doctor.kyrodb",
    "http": "opsctl.doctor.web",
    "metrics": "opsctl.doctor.web",
    "kyrodb-http": "opsctl.doctor.web",
    "rabbitmq": "opsctl.doctor.web",
    "webhook": "opsctl.doctor.web",
    "smtp": "opsctl.doctor.web",
    "ledger": "opsctl.doctor.ledger",
}

Examiner = Callable[[Site, Checks, float], None]


class Asked(NamedTuple):
    """What to examine. ``total``: seconds for everything; ``only``: kinds or endpoint names, () = all."""

    profiles: Sequence[Profile]
    dirs: Sequence[Path]
    total: float
    only: tuple[str, ...] = ()


def examine(asked: Asked, settings: Settings, local: Sequence[Place] = ()) -> Examination:
    """Look at every system. ``local``: what was found on this host. Never raises for what a server does."""
    began = time.monotonic()
    deciding = needs.deciding(asked.profiles, asked.dirs)
    found, absent = sites(asked.profiles, settings, only=asked.only, deciding=deciding)
    kept = ledger.site(settings) if not asked.only or "ledger" in asked.only else None
    found += [kept] if kept is not None else []
    seen = run(found, began + asked.total, max(EACH, asked.total / 2))
    places = (*local, *seen, *needs.signals_lost(asked.profiles, seen))
    code, says = verdict(places)
    return Examination(
        opsctl=__version__,
        context=settings.context,
        services=tuple(profile.service for profile in asked.profiles),
        exit=code,
        says=says,
        seconds=round(time.monotonic() - began, 3),
        places=places,
        absent=tuple(redact(printable(text)) for text in absent),
    )


def run(found: Sequence[Site], deadline: float, each: float = EACH) -> list[Place]:
    """Examine all sites; what has not answered at ``deadline`` (time.monotonic()) is unknown, and holds up nobody.

    ``each``: seconds for one site.
    """
    gate = threading.Semaphore(AT_ONCE)
    running: list[tuple[Site, Checks, threading.Event, list[float]]] = []
    for site in found:
        checks = Checks(site.kind, needed=site.needed)
        done, took = threading.Event(), [0.0]
        running.append((site, checks, done, took))

        def work(
            site: Site = site, checks: Checks = checks, done: threading.Event = done, took: list[float] = took
        ) -> None:
            try:
                with gate:
                    begun = time.monotonic()
                    _one(site, checks, min(deadline, begun + each))
                    took[0] = time.monotonic() - begun
            finally:
                done.set()

        threading.Thread(target=work, name=f"opsctl-doctor-{site.name}", daemon=True).start()
    places = []
    for site, checks, done, took in running:
        if not done.wait(max(0.0, deadline + 0.3 - time.monotonic())):
            checks.unknown("unfinished", "the time was over before it had answered everything", "timeout")
        places.append(
            Place(
                name=site.name,
                kind=site.kind,
                address=redact(printable(checks.address)),
                setting=site.setting,
                services=site.services,
                version=printable(checks.version),
                seconds=round(took[0], 3),
                checks=checks.made(),
            )
        )
    return places


def _one(site: Site, checks: Checks, until: float) -> None:
    """Examine one site; every failure becomes a check."""
    if site.failure is not None:
        checks.lost(site.failure)
        return
    module = KINDS.get(site.kind)
    if module is None:
        checks.unknown("reachable", f"opsctl has no way to look at a {site.kind}", "unsupported")
        return
    try:
        examiner: Examiner = importlib.import_module(module).examine
        examiner(site, checks, until)
    except CouldNotLook as failure:
        from opsctl.doctor.remedies import reach

        checks.lost(failure, reach(failure, site))
    except Exception as error:  # noqa: BLE001 - our own mistake on one system must not cost the others' answers
        says = f"this is a bug in opsctl: {type(error).__name__} while {site.kind} was examined"
        checks.unknown("unfinished", f"{says} ({error})", "bug")
