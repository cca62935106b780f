"""Where a service's systems are: the profile's endpoints under what flags, environment and context say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from opsctl.config.endpoint import Endpoint
from opsctl.config.environment import URLS
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.services.model import EndpointSpec, Profile
from opsctl.services.names import SHARED_ENDPOINTS

if TYPE_CHECKING:
    from opsctl.config.settings import Settings

BASE = "app"  # endpoints below its address move with it
NOWHERE = "none"  # as an address in a context: this system is not there, whatever the profile says


class Placed(NamedTuple):
    """One endpoint as a diagnosis would use it; ``failure`` says why it could not."""

    name: str
    kind: str
    endpoint: Endpoint | None
    failure: CouldNotLook | None


def resolver(profile: Profile, settings: Settings) -> Callable[[str], Endpoint]:
    """A function from an endpoint's name to where it is.

    It raises NotConfigured, naming the setting that would help, where the profile declares no such endpoint or nothing
    gives an address; another CouldNotLook where a secret cannot be had. An endpoint whose address begins with that of
    ``app`` follows ``app`` when only that is configured elsewhere.
    """

    def resolve(name: str) -> Endpoint:
        spec = profile.endpoints.get(name)
        own = (name, profile.service) in settings.named(profile.service)
        if spec is None and not own and name not in SHARED_ENDPOINTS and settings.flag(name) is None:
            says = f"service {profile.service} defines no {name}"
            raise NotConfigured(says, setting=_setting(name, profile, settings))
        default = None if spec is None else (spec.url, spec.env, f"profile {profile.service}", spec.options)
        found = settings.endpoint(name, service=profile.service, default=default)
        if found is None:
            says = f"nothing says where {name} of service {profile.service} is"
            raise NotConfigured(
                f"{says}: {_remedy(name, spec, profile, settings)}", setting=_setting(name, profile, settings)
            )
        if found.url == NOWHERE:
            raise NotConfigured(f"there is no {name} here ({found.setting} says none)", setting=found.setting)
        if spec is not None and name != BASE and found.setting == f"profile {profile.service}":
            return _beside_app(found, spec, profile, resolve)
        return found

    return resolve


def places(profile: Profile, settings: Settings) -> Iterator[Placed]:
    """Every endpoint of the service, those that only the context names and the shared ones included."""
    resolve = resolver(profile, settings)
    named = {name: None for name, owner in settings.named(profile.service) if owner == profile.service}
    for name in {**dict.fromkeys(profile.endpoints), **named, **dict.fromkeys(SHARED_ENDPOINTS)}:
        spec = profile.endpoints.get(name)
        kind = spec.kind if spec is not None else name.removesuffix("-act")  # whom remediation acts as
        try:
            yield Placed(name, kind, resolve(name), None)
        except CouldNotLook as failure:
            yield Placed(name, kind, None, failure)


def _beside_app(found: Endpoint, spec: EndpointSpec, profile: Profile, resolve: Callable[[str], Endpoint]) -> Endpoint:
    app = profile.endpoints.get(BASE)
    if app is None or not app.url or not spec.url.startswith(app.url.rstrip("/") + "/"):
        return found
    base = resolve(BASE)
    if base.setting == found.setting:
        return found
    path = spec.url.removeprefix(app.url.rstrip("/"))
    return msgspec.structs.replace(
        found, url=base.url.rstrip("/") + path, setting=f"{base.setting} (app) + {path}", http=base.http
    )


def _setting(name: str, profile: Profile, settings: Settings) -> str:
    context = f"contexts.{settings.context}." if settings.context else ""
    return f"{context}services.{profile.service}.endpoints.{name}"


def _remedy(name: str, spec: EndpointSpec | None, profile: Profile, settings: Settings) -> str:
    variables = [v for v in (spec.env if spec is not None else "", URLS.get(name, "")) if v]
    context = f" of context {settings.context}" if settings.context else " of a context"
    written = f"services.{profile.service}.endpoints.{name}{context} in opsctl.yaml"
    return "set " + " or ".join([*dict.fromkeys(variables), written])
