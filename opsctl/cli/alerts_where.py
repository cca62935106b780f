"""What every ``opsctl alerts`` command needs first: which Alertmanagers, Prometheus, service and clock. Read only."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import typer

from opsctl.cli.options import Root, root_of
from opsctl.errors import ConfigError, CouldNotLook, Refused, Unavailable, UsageError

if TYPE_CHECKING:
    from opsctl.alerts.answering import Desk
    from opsctl.alerts.read import Unanswered
    from opsctl.clients.alertmanager import AlertmanagerReader
    from opsctl.clients.http import HttpReader
    from opsctl.clients.prometheus import PrometheusReader
    from opsctl.config.endpoint import Endpoint
    from opsctl.config.settings import Settings
    from opsctl.services.model import Profile
    from opsctl.silences.matcher import Matcher
    from opsctl.silences.window import Zone

_NOWHERE = "Give --alertmanager-url, set ALERTMANAGER_URL, or set alertmanager in a context of opsctl.yaml."


class Where(NamedTuple):
    """``own``, ``own_history``: the service's own alert engine. ``matchers``: the chosen service's labels.

    ``alone``: the chosen service's alerts are only in its own engine. ``timeout``: seconds for each server.
    ``before``: flags that a next command must repeat.
    """

    readers: tuple[AlertmanagerReader, ...]
    prometheus: PrometheusReader | None
    own: HttpReader | None
    own_history: HttpReader | None
    profile: Profile | None
    matchers: tuple[Matcher, ...]
    alone: bool
    desk: Desk
    zone: Zone
    timeout: float
    now: datetime
    before: str

    def need_alertmanager(self) -> tuple[AlertmanagerReader, ...]:
        """The members. Raises ConfigError where nothing says where they are."""
        if not self.readers:
            raise ConfigError("nothing says where Alertmanager is", remedy=_NOWHERE)
        return self.readers

    def need_prometheus(self) -> PrometheusReader:
        """Prometheus. Raises ConfigError where nothing says where it is."""
        if self.prometheus is None:
            raise ConfigError(
                "nothing says where Prometheus is, and the past of alerts is read there",
                remedy="Give --prometheus-url, set PROMETHEUS_URL, or set prometheus in a context of opsctl.yaml.",
            )
        return self.prometheus


@contextmanager
def opened(
    ctx: typer.Context,
    *,
    url: str | None = None,
    prometheus: str | None = None,
    service: str | None = None,
    timeout: str = "10s",
    zone: str | None = None,
) -> Iterator[Where]:
    """Readers of everything there is, closed at the end. Raises UsageError, ConfigError, Unavailable, Refused."""
    from opsctl.alerts.answering import Desk
    from opsctl.clients.alertmanager import AlertmanagerReader
    from opsctl.clients.http import HttpReader
    from opsctl.clients.prometheus import PrometheusReader
    from opsctl.config.settings import load_settings
    from opsctl.durations import parse_duration
    from opsctl.silences.window import find_zone

    seconds = parse_duration(timeout)
    if seconds <= 0:
        raise UsageError("--timeout must be longer than 0s")
    clock = find_zone(zone, dict(os.environ))
    root = root_of(ctx)
    given = {name: value for name, value in (("alertmanager", url), ("prometheus", prometheus)) if value}
    settings = load_settings(root.config, root.context, given)
    profile = _profile(service, settings, root)
    own = _own(settings, profile, "alerts")
    history = _own(settings, profile, "alert-history")
    members = _members(_endpoint(settings, profile, "alertmanager"))
    where = _endpoint(settings, profile, "prometheus")
    before = _before(root)
    labels = _matchers(profile, alone=own is not None) if service and profile is not None else ()
    found = Where(
        tuple(AlertmanagerReader(member) for member in members),
        None if where is None else PrometheusReader(where),
        None if own is None else HttpReader(own),
        None if history is None else HttpReader(history),
        profile,
        labels,
        bool(service) and own is not None and not labels,
        Desk(root.dirs(), profile, before),
        clock,
        seconds,
        datetime.now(UTC),
        before,
    )
    try:
        yield found
    except CouldNotLook as error:
        raise unavailable([error]) from None
    finally:
        for client in (*found.readers, found.prometheus, found.own, found.own_history):
            if client is not None:
                client.close()


def unavailable(errors: Sequence[CouldNotLook]) -> Unavailable | Refused:
    """Nobody answered: one sentence with each reason. Refused (77) when all want other credentials."""
    says = "; ".join(dict.fromkeys(error.says.rstrip(".") for error in errors))
    setting = next((error.setting for error in errors if error.setting), "")
    if all(error.reason in ("unauthorized", "forbidden") for error in errors):
        return Refused(says, place=setting)
    return Unavailable(f"nobody answered: {says}" if len(errors) > 1 else says, place=setting)


def notes_of(failed: Sequence[Unanswered]) -> tuple[str, ...]:
    """One line for each that gave no answer."""
    return tuple(f"{one.address} did not answer: {one.error.says}" for one in failed)


def parsed(words: Sequence[str] | None) -> tuple[Matcher, ...]:
    """Matchers of the command line. Raises UsageError."""
    from opsctl.silences.matcher import parse_all

    return parse_all(list(words or []))


def _profile(service: str | None, settings: Settings, root: Root) -> Profile | None:
    """The service that was named, else the context's only one."""
    from opsctl.services.load import apply_override, load_profile

    names = [service] if service else settings.services()
    if len(names) != 1 or not names[0]:
        return None
    return apply_override(load_profile(names[0], root.dirs()), settings.override(names[0]))


def _endpoint(settings: Settings, profile: Profile | None, name: str) -> Endpoint | None:
    from opsctl.errors import NotConfigured
    from opsctl.services.resolve import resolver

    try:
        return settings.endpoint(name) if profile is None else resolver(profile, settings)(name)
    except NotConfigured:
        return None
    except CouldNotLook as error:
        raise ConfigError(error.says, place=error.setting) from None


def _own(settings: Settings, profile: Profile | None, name: str) -> Endpoint | None:
    """The service's own alert engine: an endpoint of kind http that the profile declares."""
    spec = None if profile is None else profile.endpoints.get(name)
    return None if spec is None or spec.kind != "http" else _endpoint(settings, profile, name)


def _members(endpoint: Endpoint | None) -> list[Endpoint]:
    """One endpoint for each member of the cluster."""
    import msgspec

    if endpoint is None:
        return []
    others = [url for url in endpoint.options.get("members", "").split(",") if url]
    alone = {name: value for name, value in endpoint.options.items() if name != "members"}
    return [msgspec.structs.replace(endpoint, url=url, options=alone) for url in dict.fromkeys((endpoint.url, *others))]


def _matchers(profile: Profile, *, alone: bool) -> tuple[Matcher, ...]:
    """The labels of the service's alerts. Raises UsageError where nothing gives any and it has no engine of its own."""
    from opsctl.silences.matcher import Matcher

    labels = profile.alert_labels or profile.prometheus_labels
    if not labels and not alone:
        raise UsageError(
            f"nothing says which labels the alerts of {profile.service} have",
            remedy=f"Set alert_labels in its profile, or give matchers instead of -s {profile.service}.",
        )
    return tuple(Matcher(name=name, value=value) for name, value in labels.items())


def _before(root: Root) -> str:
    told = (("config", root.config), ("context", root.context), ("runbooks", root.runbooks))
    return "".join(f"--{name} {shlex.quote(value)} " for name, value in told if value)
