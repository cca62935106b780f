"""Read service profiles, and put what the context says otherwise over them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from opsctl.config import index
from opsctl.config.yamlfile import load_yaml, read_struct
from opsctl.errors import ConfigError
from opsctl.nearest import unknown_name
from opsctl.services.find import list_profiles
from opsctl.services.model import Adapter, LogFile, Profile
from opsctl.signals.model import Band, Objective, Signal

if TYPE_CHECKING:
    from opsctl.config.settings import ServiceOverride

WHAT = "service profile"


def load_profile(name: str, dirs: Sequence[Path]) -> Profile:
    """The profile of that name. Raises UsageError (64) with the nearest name, ConfigError (78) for a bad file."""
    files = list_profiles(dirs)
    if name not in files:
        raise unknown_name("service", name, files)
    return load_file(files[name])


def load_file(path: Path) -> Profile:
    """Read one profile; what would mislead a diagnosis (a signal that does not exist, PromQL that does not parse) is
    refused here, not found out during an incident. Raises ConfigError with file and line.
    """
    profile = read_struct(path, Profile, what=WHAT)
    if index.checked("services", path):
        return profile
    from opsctl.services.checks import faults

    wrong = next((fault for fault in faults(profile) if fault.level == "error"), None)
    if profile.service != path.stem:
        raise ConfigError(
            f"this file holds the service {profile.service!r}",
            place=_place(path, ("service",)),
            remedy=f"Name the file {profile.service}.yaml, or the service {path.stem}.",
        )
    if wrong is not None:
        raise ConfigError(
            wrong.says, place=_place(path, wrong.path), remedy=f"See `opsctl service lint {profile.service}`."
        )
    return profile


def apply_override(profile: Profile, override: ServiceOverride) -> Profile:
    """The profile with what the context says otherwise.

    ``window`` replaces every signal's window, ``for`` every duration that a band declares (one that breaks at once
    stays so); the rest is merged over the profile's.
    """
    changes: dict[str, object] = {}
    if override.scrape_interval:
        changes["scrape_interval"] = override.scrape_interval
    if override.direct_pause:
        changes["direct_pause"] = override.direct_pause
    if override.labels:
        changes["prometheus_labels"] = {**profile.prometheus_labels, **override.labels}
    if override.severities:
        changes["severities"] = {**profile.severities, **override.severities}
    if override.logs:
        changes["logs"] = {
            **profile.logs,
            **{name: _log_at(profile, name, path) for name, path in override.logs.items()},
        }
    if override.baselines:
        changes["baselines"] = {**profile.baselines, **override.baselines}
    if override.capacity:
        changes["capacity"] = {**profile.capacity, **override.capacity}
    if override.adapters:
        here = {name: Adapter(**msgspec.structs.asdict(one)) for name, one in override.adapters.items()}
        changes["adapters"] = {**profile.adapters, **here}
    if override.window:
        changes["window"] = override.window
        changes["signals"] = {name: _without_window(signal) for name, signal in profile.signals.items()}
    if override.for_:
        changes["objectives"] = tuple(_with_for(objective, override.for_) for objective in profile.objectives)
    return msgspec.structs.replace(profile, **changes) if changes else profile


def _log_at(profile: Profile, name: str, path: str) -> LogFile:
    known = profile.logs.get(name)
    return LogFile(path=path) if known is None else msgspec.structs.replace(known, path=path)


def _without_window(signal: Signal) -> Signal:
    return msgspec.structs.replace(signal, window="") if signal.window else signal


def _with_for(objective: Objective, for_: str) -> Objective:
    from opsctl.durations import parse_duration

    def longer(band: Band) -> Band:
        return msgspec.structs.replace(band, for_=for_) if parse_duration(band.for_) > 0 else band

    return msgspec.structs.replace(objective, bands=tuple(longer(band) for band in objective.bands))


def _place(path: Path, where: tuple[str | int, ...]) -> str:
    from opsctl.config.places import shown

    document, _ = load_yaml(path, WHAT)
    return f"{shown(path)}:{document.line(where)}"
