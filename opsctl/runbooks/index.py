"""What lists and help say of the runbooks, without reading them all: the built-in set has a generated index."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from opsctl.config.index import entry, part, stamp
from opsctl.errors import ConfigError
from opsctl.runbooks.find import find

if TYPE_CHECKING:
    from opsctl.runbooks.lint import Problem
    from opsctl.services.lint import Problem as ServiceProblem


class Option(NamedTuple):
    """A parameter of a runbook, as its command shows it; see ``opsctl.runbooks.model.Parameter``."""

    name: str
    help: str
    type: str
    default: str | float | int | None


class Summary(NamedTuple):
    """A runbook as its command's help shows it."""

    title: str
    meaning: str
    parameters: tuple[Option, ...]


def titles(dirs: Sequence[Path]) -> dict[str, str]:
    """Name -> title of every runbook found; one that cannot be read is listed with that fact."""
    return {name: _title(path) for name, path in find(dirs).items()}


def summary(name: str, dirs: Sequence[Path]) -> Summary:
    """The runbook of that name. Raises UsageError (64) with the nearest name, ConfigError (78) for a bad file."""
    path = find(dirs).get(name)
    known = None if path is None else entry("runbooks", path)
    if known is not None:
        return Summary(known["title"], known["meaning"], tuple(Option(**option) for option in known["parameters"]))
    from opsctl.runbooks.load import load

    book = load(name, dirs).runbook
    options = tuple(Option(p.name, p.help, p.type, p.default) for p in book.parameters)
    return Summary(book.title, book.meaning, options)


def asks(probe: str) -> str:
    """What a probe asks its server, in words; "" for one that does not exist."""
    known = part("probes").get(probe)
    if known is not None:
        return str(known["asks"])
    from opsctl.probes.registry import get

    found = get(probe)
    return "" if found is None else found.asks


def probes() -> dict[str, Mapping[str, Any]]:
    """Probe id -> what it ``asks`` and what it ``finds`` (ids); where there is an index, no probe is loaded."""
    known = part("probes")
    if known:
        return dict(known)
    from opsctl.probes.registry import all_probes

    return {id: {"asks": probe.asks, "finds": list(probe.emits)} for id, probe in all_probes().items()}


def _title(path: Path) -> str:
    known = entry("runbooks", path)
    if known is not None:
        return str(known["title"])
    from opsctl.config.yamlfile import read_struct
    from opsctl.runbooks.model import Runbook

    try:
        return read_struct(path, Runbook, what="runbook").title
    except ConfigError as error:
        return f"(cannot be read: {error.says})"


def build(folder: Path, actions: Mapping[str, Any] | None = None) -> str:
    """The index of a folder of runbooks and services, as JSON text (written by ``make docs``, compared in a test).

    ``actions``: action id -> what lists say of it; given by the caller, because nothing that looks knows an action.

    Raises ConfigError for a file with a mistake: whatever has an entry was checked.
    """
    from opsctl.probes.registry import all_probes

    index: dict[str, Mapping[str, Any]] = {
        "runbooks": dict(_runbooks(folder)),
        "services": dict(_services(folder)),
        "probes": {id: {"asks": probe.asks, "finds": list(probe.emits)} for id, probe in all_probes().items()},
        "actions": actions or {},
    }
    return json.dumps(index, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _runbooks(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    from opsctl.runbooks.lint import lint
    from opsctl.runbooks.load import load_file

    files = find([folder])
    for name, path in files.items():
        loaded = load_file(path)
        _refuse(lint(loaded, files))
        book = loaded.runbook
        options = [Option(p.name, p.help, p.type, p.default)._asdict() for p in book.parameters]
        told = {"title": book.title, "meaning": book.meaning, "parameters": options}
        yield name, {"stamp": stamp(path), **told, "alerts": [[ref.alertname, ref.service] for ref in book.alerts]}


def _refuse(problems: Iterable[Problem | ServiceProblem]) -> None:
    for problem in problems:
        raise ConfigError(problem.says, place=problem.place)


def _services(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    from opsctl.services.find import list_profiles
    from opsctl.services.lint import lint_file
    from opsctl.services.load import load_file
    from opsctl.services.words import runbooks_of

    for name, path in list_profiles([folder]).items():
        profile = load_file(path)
        _refuse(problem for problem in lint_file(path) if problem.level == "error")
        about = {"title": profile.title, "runbooks": list(runbooks_of(profile)), "endpoints": list(profile.endpoints)}
        yield name, {"stamp": stamp(path), **about}
