"""Read runbooks and bind their probes' parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from opsctl.config.yamlfile import read_struct
from opsctl.errors import ConfigError, UsageError
from opsctl.nearest import unknown_name
from opsctl.runbooks.find import find
from opsctl.runbooks.model import Parameter, ProbeUse, Runbook

if TYPE_CHECKING:
    from opsctl.probes.registry import Params


class Loaded(NamedTuple):
    """A runbook, where it was found, and its file's content."""

    runbook: Runbook
    path: Path
    content: bytes

    @property
    def digest(self) -> str:
        """sha256 of the content, 12 hex digits."""
        import hashlib

        return hashlib.sha256(self.content).hexdigest()[:12]


def load(name: str, dirs: Sequence[Path]) -> Loaded:
    """The runbook of that name. Raises UsageError (64) with the nearest name, ConfigError (78) for a bad file."""
    files = find(dirs)
    if name not in files:
        raise unknown_name("runbook", name, files)
    return load_file(files[name])


def load_file(path: Path) -> Loaded:
    """Read one runbook file; its name must be the file's. Raises ConfigError."""
    runbook = read_struct(path, Runbook, what="runbook")
    if runbook.runbook != path.stem:
        raise ConfigError(
            f"this file holds the runbook {runbook.runbook!r}",
            place=str(path),
            remedy=f"Name the file {runbook.runbook}.yaml, or the runbook {path.stem}.",
        )
    return Loaded(runbook, path, path.read_bytes())


def parameters_of(runbook: Runbook, given: Mapping[str, object]) -> dict[str, object]:
    """The runbook's parameters with the user's values over the defaults. Raises UsageError for a bad value."""
    from opsctl.durations import parse_duration, parse_quantity

    values: dict[str, object] = {}
    for parameter in runbook.parameters:
        value = given.get(parameter.name)
        if value is None:
            value = parameter.default
        if value is not None and parameter.type in ("duration", "number", "integer", "ratio"):
            try:
                if parameter.type == "duration":
                    parse_duration(str(value))
                elif parameter.type == "integer":
                    value = int(str(value))
                else:
                    parse_quantity(value if isinstance(value, float | int) else str(value))
            except (ValueError, ConfigError, UsageError) as error:
                raise UsageError(
                    f"--{_flag(parameter)} {value!r} is not a {parameter.type}", remedy=parameter.help
                ) from error
        values[parameter.name] = value
    return values


def _flag(parameter: Parameter) -> str:
    return parameter.name.replace("_", "-")


def bind(use: ProbeUse, parameters: Mapping[str, object], place: str) -> Params:
    """The typed parameters of one probe use, ``{param: NAME}`` replaced. Raises ConfigError naming the file."""
    from opsctl.probes import registry

    probe = registry.get(use.probe)
    if probe is None:
        raise ConfigError(f"unknown probe {use.probe!r}", place=place)
    values: dict[str, object] = {}
    for key, value in use.with_.items():
        if isinstance(value, dict) and set(value) == {"param"}:
            name = str(value["param"])
            if name not in parameters:
                raise ConfigError(f"probe {use.probe}: {key} names the unknown parameter {name!r}", place=place)
            chosen = parameters[name]
            if chosen is not None:
                values[key] = chosen
        else:
            values[key] = value
    try:
        return msgspec.convert(values, probe.params)
    except msgspec.ValidationError as error:
        raise ConfigError(f"probe {use.probe}: {error}", place=place) from error


def needs_of(needs: str | tuple[str, ...]) -> tuple[str, ...]:
    """``needs`` as a tuple."""
    if isinstance(needs, str):
        return (needs,) if needs else ()
    return needs
