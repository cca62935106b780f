"""Which systems to examine: the endpoints of the chosen services, each real server once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from opsctl.config.endpoint import Endpoint
from opsctl.config.environment import URLS
from opsctl.doctor.acts import SUFFIX, SYSTEMS, is_acting
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.services.model import EndpointSpec, Profile
from opsctl.services.names import SHARED_ENDPOINTS
from opsctl.services.resolve import NOWHERE, places

if TYPE_CHECKING:
    from opsctl.config.settings import Settings

UNASKED = frozenset({"smtp", "webhook"})  # no probe asks them: they are looked at when named
SIGNALS = ("prometheus", "metrics")  # either of them measures signals


class Use(NamedTuple):
    """One service's use of a system. ``name``: what the service calls the endpoint."""

    profile: Profile
    name: str
    spec: EndpointSpec | None


@dataclass(slots=True)
class Site:
    """One system and the services that use it. ``needed``: an objective or symptom cannot be judged without it.

    ``beside``: of one that acts (``postgres-act``), where the look goes. ``acts``: the services that act by this very
    endpoint, for want of one of their own.
    """

    kind: str
    name: str
    endpoint: Endpoint | None
    failure: CouldNotLook | None = None
    uses: list[Use] = field(default_factory=list)
    needed: bool = False
    beside: Endpoint | None = None
    acts: list[str] = field(default_factory=list)

    @property
    def acting(self) -> bool:
        """Whether it is there to act."""
        return is_acting(self.name)

    @property
    def services(self) -> tuple[str, ...]:
        """The services' names."""
        return tuple(dict.fromkeys(use.profile.service for use in self.uses if use.profile.service))

    @property
    def setting(self) -> str:
        """Who chose the address."""
        if self.endpoint is not None:
            return self.endpoint.setting
        return self.failure.setting if self.failure is not None else ""


def sites(
    profiles: Sequence[Profile], settings: Settings, *, only: Iterable[str] = (), deciding: Iterable[str] = ()
) -> tuple[list[Site], list[str]]:
    """The systems to examine, and what is nowhere configured though a profile names it (one sentence each).

    ``only``: kinds or endpoint names. ``deciding``: systems whose findings decide a runbook (see ``needs``).
    """
    wanted, deciders = frozenset(only), frozenset(deciding)
    found: dict[object, Site] = {}
    absent: list[str] = []
    for profile in profiles:
        every = {placed.name: placed for placed in places(profile, settings)}
        for placed in every.values():
            if wanted and not wanted & {placed.kind, placed.name}:
                continue
            use = Use(profile, placed.name, profile.endpoints.get(placed.name))
            acting = is_acting(placed.name)
            needed = not acting and (placed.kind in deciders or placed.name in _symptoms(profile))
            if placed.kind in UNASKED and not needed and not wanted:
                continue
            if isinstance(placed.failure, NotConfigured):
                absent += _absent(use, placed.kind, placed.failure)
                continue
            one = Site(placed.kind, placed.name, placed.endpoint, placed.failure)
            if acting:
                read = every.get(placed.name.removesuffix(SUFFIX))
                one.beside = read.endpoint if read is not None else None
            site = found.setdefault(_key(one), one)
            site.uses.append(use)
            site.needed = site.needed or needed
            own = every.get(placed.name + SUFFIX)
            if placed.name in SYSTEMS and (own is None or isinstance(own.failure, NotConfigured)):
                site.acts.append(profile.service)
    if not profiles:
        found.update((name, shared) for name in URLS if (shared := _shared(name, settings, wanted)) is not None)
    return list(found.values()), list(dict.fromkeys(absent))


def _key(site: Site) -> object:
    end = site.endpoint
    if end is None or (not end.url and site.kind != "kubernetes"):
        return site.kind, site.name, site.setting
    options = tuple(sorted((k, v) for k, v in end.options.items() if k != "namespace"))
    beside = site.beside.url if site.beside is not None else ""
    return site.kind, end.url, end.http, options, site.acting, beside


def _shared(name: str, settings: Settings, wanted: frozenset[str]) -> Site | None:
    """A system that the context or the environment gives to all services."""
    if wanted and name not in wanted:
        return None
    try:
        endpoint = settings.endpoint(name)
    except CouldNotLook as failure:
        return Site(name, name, None, failure)
    return None if endpoint is None or endpoint.url == NOWHERE else Site(name, name, endpoint)


def _symptoms(profile: Profile) -> set[str]:
    """The endpoints at which a symptom of a runbook is seen."""
    return {symptom.endpoint for symptom in profile.symptoms if symptom.endpoint and symptom.bands}


def _absent(use: Use, kind: str, failure: NotConfigured) -> list[str]:
    """A system that is said not to be there, or that the service does not have, is nothing to speak of."""
    if "says none" in failure.says or (use.spec is None and use.name not in SHARED_ENDPOINTS):
        return []
    return [f"{use.profile.service}: {failure.says}"]
