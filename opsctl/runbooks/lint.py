"""Check runbooks before an incident does: every id known, every parameter typed, every cause reachable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from opsctl.config import index
from opsctl.errors import ConfigError, UsageError
from opsctl.model import Struct
from opsctl.probes import registry
from opsctl.runbooks.find import find
from opsctl.runbooks.load import Loaded, bind, load_file, parameters_of
from opsctl.runbooks.model import CauseSpec, OkFinding, ProbeUse, Runbook


class Problem(Struct, frozen=True, kw_only=True):
    """One thing wrong with a runbook. ``level``: error fails the lint, warning does not."""

    level: str
    place: str
    says: str


def lint_all(dirs: Sequence[Path], names: Sequence[str] = ()) -> list[Problem]:
    """Problems of the named runbooks (default: all found). Raises UsageError for an unknown name."""
    files = find(dirs)
    for name in names:
        if name not in files:
            from opsctl.nearest import unknown_name

            raise unknown_name("runbook", name, files)
    problems: list[Problem] = []
    for name in names or files:
        try:
            loaded = load_file(files[name])
        except ConfigError as error:
            problems.append(Problem(level="error", place=error.place or str(files[name]), says=_text(error)))
            continue
        problems.extend(lint(loaded, files))
    return problems


def lint(loaded: Loaded, names: Iterable[str]) -> list[Problem]:
    """Problems of one runbook; ``names``: the runbooks that exist."""
    place = str(loaded.path)
    inside = [] if index.checked("runbooks", loaded.path) else _inside(loaded.runbook, place)
    return [*inside, *_outside(loaded.runbook, names, place)]


def _outside(runbook: Runbook, names: Iterable[str], place: str) -> Iterator[Problem]:
    """The runbooks that this one names must exist."""
    for cause in runbook.causes:
        for other in cause.try_:
            if other not in names:
                says = f"cause {cause.cause}: there is no runbook {other!r} to try{_near(other, names)}"
                yield Problem(level="error", place=place, says=says)
    for other in runbook.see_also:
        if other not in names:
            says = f"see_also: there is no runbook {other!r}{_near(other, names)}"
            yield Problem(level="error", place=place, says=says)


def _inside(runbook: Runbook, place: str) -> list[Problem]:
    """What is wrong with the runbook itself, whatever else there is."""
    found: list[Problem] = []

    def error(says: str) -> None:
        found.append(Problem(level="error", place=place, says=says))

    def warning(says: str) -> None:
        found.append(Problem(level="warning", place=place, says=says))

    try:
        defaults = parameters_of(runbook, {})
    except UsageError as bad:
        error(f"the default of a parameter is wrong: {bad.says}")
        defaults = {p.name: p.default for p in runbook.parameters}
    for name in _twice(p.name for p in runbook.parameters):
        error(f"parameter {name} is declared twice")
    for name in _twice(c.cause for c in runbook.causes):
        error(f"cause {name} is declared twice")
    emitted: dict[str, list[ProbeUse]] = {}
    for use in runbook.diagnosis:
        probe = registry.get(use.probe)
        if probe is None:
            error(f"unknown probe {use.probe!r}{_near(use.probe, registry.all_probes())}")
            continue
        try:
            params = bind(use, defaults, place)
        except ConfigError as bad:
            error(bad.says)
            continue
        local = getattr(params, "finding", "") if probe.local else ""
        if local and not local.startswith("local."):
            error(f"probe {use.probe}: finding {local!r} must begin with `local.`, which marks a runbook's own")
        for id in (*probe.emits, *((local,) if local else ())):
            emitted.setdefault(id, []).append(use)
        for says in _expressions(use):
            error(says)
    used = {
        value["param"]
        for given in (*(use.with_ for use in runbook.diagnosis), *(one.with_ for one in runbook.mitigation))
        for value in given.values()
        if isinstance(value, dict) and "param" in value
    }
    for parameter in runbook.parameters:
        if parameter.name not in used:
            warning(f"parameter {parameter.name} is used by no probe and no action")
    for cause in runbook.causes:
        for id in _ids(cause):
            if id not in emitted:
                error(f"cause {cause.cause}: no probe here emits {id!r}{_near(id, emitted)}")
    needed = {id for cause in runbook.causes for id in _ids(cause)}
    for id in emitted:
        if id.startswith("local.") and id not in needed:
            warning(f"finding {id} speaks for or against no cause")
    return found


def _ids(cause: CauseSpec) -> list[str]:
    return [*cause.confirms, *((r.ok if isinstance(r, OkFinding) else r) for r in cause.refutes)]


def _twice(names: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [n for n in names if n in seen or seen.add(n)]  # type: ignore[func-returns-value]


def _near(name: str, names: Iterable[str]) -> str:
    from opsctl.nearest import nearest

    close = nearest(name, names)
    return f"; did you mean {close!r}?" if close else ""


def _expressions(use: ProbeUse) -> list[str]:
    """PromQL in a probe's parameters is parsed now, not at 3 a.m."""
    text = use.with_.get("promql") or use.with_.get("expr")
    if not isinstance(text, str):
        return []
    from opsctl.signals.promql import check_promql

    problem = check_promql(text)
    return [f"probe {use.probe}: PromQL: {problem}"] if problem else []


def _text(error: ConfigError) -> str:
    return f"{error.says}. {error.remedy}".strip() if error.remedy else error.says
