"""The effective configuration of one run: flag > environment > file > profile. Each value knows where it came from."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from opsctl.config.addresses import http_remedy, http_urls, members, origin, with_password
from opsctl.config.contexts import Choice, Config, choose, load_config, spec_of
from opsctl.config.endpoint import Endpoint
from opsctl.config.environment import URLS, Chosen, from_environment, kubernetes_default
from opsctl.config.faults import Path as Keys
from opsctl.config.http_access import PlacedHttp, access, placed_http
from opsctl.config.model import Address, ContextSpec, ServiceSpec, UnitAdapter
from opsctl.config.references import reference, resolve
from opsctl.config.source import SourceFile
from opsctl.errors import ConfigError, UsageError
from opsctl.model import Severity

# What the flag of an endpoint is called; the rest are --NAME-url.
FLAGS = {"kubernetes": "--kubeconfig"}
HTTP = ("prometheus", "alertmanager")

Default = tuple[str, str, str, dict[str, str]]


class ServiceOverride(msgspec.Struct, frozen=True, kw_only=True):
    """What the context says differently about a service; "" and empty = as in its profile. Durations as written."""

    window: str = ""
    for_: str = ""
    scrape_interval: str = ""
    direct_pause: str = ""
    labels: dict[str, str] = {}
    severities: dict[str, Severity] = {}
    logs: dict[str, str] = {}
    baselines: dict[str, tuple[float, float]] = {}
    capacity: dict[str, float] = {}
    adapters: dict[str, UnitAdapter] = {}


class Placed(NamedTuple):
    """An address in a file, with the file and its key path there."""

    address: Address
    source: SourceFile
    keys: Keys


class Found(NamedTuple):
    """What flag or environment say about an endpoint (``outside``), and what the file says, the service's own first.

    ``named``: the first of the file's that says where the endpoint is.
    """

    outside: Chosen | None
    named: Placed | None
    placed: list[Placed]

    def fits(self, part: Placed) -> bool:
        """Whether a part's credentials go along: they belong to the address that they are written with.

        A part without an address of its own is meant for whichever is chosen.
        """
        if not _names(part.address) or (self.outside is None and part is self.named):
            return True
        url = self.outside.url if self.outside is not None else self.named.address.url if self.named else ""
        return bool(url and part.address.url) and origin(part.address.url) == origin(url)


class Settings:
    """Made by ``load_settings``. ``context``: the name of the context in use, "" for none."""

    def __init__(self, config: Config, choice: Choice, flags: Mapping[str, str], environ: Mapping[str, str]) -> None:
        self.config = config
        self.choice = choice
        self.context = choice.name
        self.flags = dict(flags)
        self.environ = environ
        self.spec: ContextSpec = spec_of(config, choice)
        self._http: dict[Keys, PlacedHttp | None] = {}
        self._lock = threading.Lock()
        self._check()

    @property
    def path(self) -> Path | None:
        """The configuration file in use."""
        return self.config.source.path if self.config.source is not None else None

    def stop_file(self) -> Path | None:
        """The team's stop file, relative to the configuration file's folder; None where none is named."""
        source, named = self.config.source, self.config.file.stop_file
        return Path(source.beside(named)) if source is not None and named else None

    def services(self) -> list[str]:
        """The services that the context names."""
        return sorted(self.spec.services)

    def override(self, service: str) -> ServiceOverride:
        """What the context says differently about that service."""
        spec = self.spec.services.get(service, ServiceSpec())
        return ServiceOverride(
            window=spec.window,
            for_=spec.for_,
            scrape_interval=spec.scrape_interval,
            direct_pause=spec.direct_pause,
            labels=spec.labels,
            severities=spec.severities,
            logs=spec.logs,
            baselines=spec.baselines,
            capacity=spec.capacity,
            adapters=spec.adapters,
        )

    def endpoint(self, name: str, *, service: str | None = None, default: Default | None = None) -> Endpoint | None:
        """The endpoint of that name, ready for a client, or None when nothing says where it is.

        ``default``: the profile's (url, its own environment variable, place, options). Order: flag, environment, the
        context's services.SERVICE.endpoints.NAME, the context's NAME, profile. Secrets are read now.
        Raises CouldNotLook("unauthorized") when a secret cannot be had, ConfigError for a broken http_config_file.
        """
        url, own, place, options = default or ("", "", "", {})
        found = self.found(name, service, own)
        chosen = found.outside
        if chosen is None and found.named is not None:
            chosen = self._address(found.named)
        if chosen is None and url:
            chosen = Chosen(url, place)
        if chosen is None and name == "kubernetes":
            chosen = kubernetes_default(self.environ)
        if chosen is None:
            return None
        merged = dict(options)
        for part in reversed(found.placed):
            merged.update(self._options(part, secrets=found.fits(part)))
        http, left_out = self._http_of(found)
        address = self._with_password(chosen.url, found)
        if name == "alertmanager" and "," in address:
            address, *others = members(address)
            merged["members"] = ",".join(others)
        return Endpoint(
            name=name,
            url=address,
            setting=f"{chosen.setting}, without the http_config of {left_out}" if left_out else chosen.setting,
            http=access(http, self.environ),
            options=merged,
        )

    def notes(self, service: str | None = None) -> tuple[str, ...]:
        """What every report must say: where TLS is not verified, which http_config is left out.

        With ``service``, only what concerns that service.
        """
        said: list[str] = []
        for name, owner in self.named(service):
            found = self.found(name, owner)
            http, left_out = self._http_of(found)
            if http is not None and http.config.tls_config.insecure_skip_verify:
                where = http.source.place((*http.keys, "tls_config", "insecure_skip_verify"))
                said.append(f"TLS verification is off for {name} ({where})")
            if found.outside is None and found.named is not None and "ssl_cert_reqs=none" in found.named.address.url:
                said.append(f"TLS verification is off for {name} ({found.named.source.place(found.named.keys)})")
            if left_out and found.outside is not None:
                said.append(
                    f"{name}: {found.outside.setting} is another address, so the http_config of {left_out} is left out"
                )
        return tuple(dict.fromkeys(said))

    def found(self, name: str, service: str | None, own: str = "") -> Found:
        """Everything that is said about an endpoint; ``own``: the profile's environment variable."""
        placed = self.placed(name, service)
        outside = self.flag(name) or from_environment(name, self.environ, own)
        return Found(outside, next((p for p in placed if _names(p.address)), None), placed)

    def named(self, service: str | None = None) -> list[tuple[str, str | None]]:
        """Every endpoint that the context names: (name, service or None for all services)."""
        found: list[tuple[str, str | None]] = [
            (n, None) for n in (*URLS,) if n != "kubernetes" and getattr(self.spec, n) is not None
        ]
        for owner, spec in self.spec.services.items():
            if service in (None, owner):
                found += [(n, owner) for n in spec.endpoints]
        return found

    def placed(self, name: str, service: str | None) -> list[Placed]:
        """The file's addresses of an endpoint, the service's own first."""
        source = self.config.source
        if source is None:
            return []
        base: Keys = ("contexts", self.context)
        found: list[Placed] = []
        spec = self.spec.services.get(service) if service is not None else None
        if spec is not None and service is not None and name in spec.endpoints:
            found.append(_placed(spec.endpoints[name], source, (*base, "services", service, "endpoints", name)))
        if name == "kubernetes" and self.spec.kubernetes is not None:
            k = self.spec.kubernetes
            address = Address(kubeconfig=k.kubeconfig, context=k.context, namespace=k.namespace)
            found.append(Placed(address, source, (*base, name)))
        elif name in URLS and name != "kubernetes" and getattr(self.spec, name) is not None:
            found.append(_placed(getattr(self.spec, name), source, (*base, name)))
        return found

    def flag(self, name: str) -> Chosen | None:
        """The address that the command line gives. Raises UsageError for one that cannot be meant."""
        given = self.flags.get(name)
        if not given:
            return None
        setting = FLAGS.get(name, f"--{name}-url")
        if name in HTTP:
            try:
                http_urls(name, setting, given)
            except ValueError as error:
                raise UsageError(str(error), remedy=http_remedy(given)) from None
        return Chosen(given, setting)

    def _address(self, placed: Placed) -> Chosen:
        address, source, keys = placed
        if address.kubeconfig:
            return Chosen(source.beside(address.kubeconfig), source.place((*keys, "kubeconfig")))
        found = reference(address, "url", source, keys)
        if found is None:
            return Chosen("", source.place(keys))
        setting = found.setting if not found.how else f"{found.setting} ({found.says()})"
        return Chosen(resolve(found, self.environ), setting)

    def _http_of(self, found: Found) -> tuple[PlacedHttp | None, str]:
        """The http_config that goes along, and the place of one that belongs to another address."""
        for part in found.placed:
            http = self.placed_http_of(part)
            if http is not None:
                return (http, "") if found.fits(part) else (None, http.source.place(http.keys))
        return None, ""

    def placed_http_of(self, placed: Placed) -> PlacedHttp | None:
        """The http_config of an address, read once. Raises ConfigError."""
        with self._lock:
            if placed.keys not in self._http:
                self._http[placed.keys] = placed_http(placed.address, placed.source, placed.keys)
            return self._http[placed.keys]

    def _options(self, placed: Placed, *, secrets: bool) -> dict[str, str]:
        address = placed.address
        options = dict(address.options)
        if address.tls is not None:
            options["tls"] = "true" if address.tls else "false"
        for key in ("context", "namespace"):
            if value := getattr(address, key):
                options[key] = value
        key_found = reference(address, "api_key", placed.source, placed.keys)
        if key_found is not None and secrets:
            options["api_key"] = resolve(key_found, self.environ)
        return options

    def _with_password(self, url: str, found: Found) -> str:
        for part in filter(found.fits, found.placed):
            password = reference(part.address, "password", part.source, part.keys)
            if password is not None:
                return with_password(url, resolve(password, self.environ))
        return url

    def _check(self) -> None:
        """Everything about the chosen context that can be wrong is told now, not in the middle of a diagnosis."""
        for name, owner in self.named():
            for placed in self.placed(name, owner):
                self.placed_http_of(placed)
                if name in HTTP and placed.address.url:
                    try:
                        http_urls(name, f"{name}.url", placed.address.url)
                    except ValueError as error:
                        place = placed.source.place((*placed.keys, "url"))
                        raise ConfigError(str(error), place=place, remedy=http_remedy(placed.address.url)) from None
        for name in HTTP:
            self.flag(name)
            variable = from_environment(name, self.environ)
            if variable is not None:
                try:
                    http_urls(name, "this", variable.url)
                except ValueError as error:
                    raise ConfigError(str(error), place=variable.setting, remedy=http_remedy(variable.url)) from None


def load_settings(
    config: str | None,
    context: str | None,
    flags: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Read the configuration. ``config`` and ``context`` are the flags' values; ``flags``: endpoint name -> address.

    Raises ConfigError (78) for any mistake in a file or variable, UsageError (64) for an unknown context or bad flag.
    """
    environ = os.environ if environ is None else environ
    loaded = load_config(config, environ)
    return Settings(loaded, choose(loaded, context, environ), flags or {}, environ)


def _names(address: Address) -> bool:
    return bool(address.url or address.url_env or address.url_file or address.url_command or address.kubeconfig)


def _placed(value: str | Address, source: SourceFile, keys: Keys) -> Placed:
    if isinstance(value, Address):
        return Placed(value, source, keys)
    return Placed(Address(url=value), source, keys)
