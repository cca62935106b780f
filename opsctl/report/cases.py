"""Cases: saved reports with what a runbook must make of them. A case is a YAML file with its report beside it.

They lie in ``cases/RUNBOOK/`` of the folder that holds the runbook; those of the built-in runbooks under the project's
tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from opsctl.config.places import built_in, home_dir, shown
from opsctl.config.yamlfile import read_struct
from opsctl.errors import BadData, OpsctlError, UsageError
from opsctl.model import Report, Struct, VerdictWord
from opsctl.nearest import unknown_name
from opsctl.report.read import Kept, decode, read_file
from opsctl.report.store import write_new
from opsctl.runbooks.load import Loaded, load
from opsctl.signals.model import Spec


class Case(Spec, frozen=True, kw_only=True):
    """What is expected of a runbook for a saved report. ``first``: the cause that is confirmed and stands first."""

    report: str  # file name, beside the case
    title: str = ""
    runbook: str = ""  # "" = the report's
    verdict: VerdictWord | Literal[""] = ""
    first: str = ""
    causes: tuple[str, ...] = ()  # the confirmed ones begin with these, in this order
    never: tuple[str, ...] = ()  # these are not confirmed
    parameters: dict[str, str | float | int] = {}


class Outcome(Struct, frozen=True, kw_only=True):
    """How a case went. ``why``: what differs from what is expected, or why it could not be tried."""

    runbook: str
    case: str
    file: str
    ok: bool
    verdict: VerdictWord | None = None
    confirmed: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Found(NamedTuple):
    """A case's file and the runbook it is for, by its folder's name."""

    path: Path
    runbook: str


def folders(dirs: Sequence[Path], chosen: str | None) -> list[Path]:
    """Where cases lie: the folder that was chosen, else ``cases`` beside the runbooks. Raises UsageError."""
    if chosen is not None:
        from opsctl.config.places import expanded

        folder = expanded(chosen)
        if not folder.is_dir():
            raise UsageError(f"--cases: there is no folder {shown(folder)}", remedy="Name an existing folder.")
        return [folder]
    return [folder for path in dirs if (folder := home_of(path)).is_dir()]


def home_of(runbooks: Path) -> Path:
    """The folder of cases that belongs to a folder of runbooks."""
    if runbooks.resolve() == built_in().resolve():
        return built_in().parent / "tests" / "cases"  # a checkout has it, a wheel does not
    return runbooks / "cases"


def find(places: Sequence[Path]) -> list[Found]:
    """All cases under the folders, by runbook and name."""
    found = [Found(path, path.parent.name) for folder in places for path in folder.glob("*/*.yaml")]
    return sorted(found, key=lambda one: (one.runbook, one.path.name))


def run(found: Found, dirs: Sequence[Path]) -> Outcome:
    """Replay a case's report with today's runbook and profile. Never raises: what goes wrong is the outcome."""
    try:
        case = read_struct(found.path, Case, what="case", cached=False)
        report = found.path.parent / case.report
        return judge(case, decode(read_file(report), report), found, dirs)
    except OpsctlError as error:
        return Outcome(
            runbook=found.runbook,
            case=found.path.stem,
            file=shown(found.path),
            ok=False,
            why=(error.sentence(),),
        )


def judge(case: Case, kept: Kept, found: Found, dirs: Sequence[Path]) -> Outcome:
    """What today's runbook makes of the report, against what is expected. Raises OpsctlError."""
    if not kept.whole:
        raise BadData("; ".join(kept.notes), remedy="A case needs the whole report.")
    loaded = load(case.runbook or kept.report.runbook, dirs)
    _known(loaded, case)
    report = replayed(loaded, kept.report, case.parameters, dirs)
    confirmed = tuple(c.cause for c in report.causes if c.status == "confirmed")
    return Outcome(
        runbook=found.runbook,
        case=found.path.stem,
        file=shown(found.path),
        ok=not (why := tuple(_differs(case, report, confirmed))),
        verdict=report.verdict,
        confirmed=confirmed,
        why=why,
        notes=kept.notes,
    )


def replayed(loaded: Loaded, report: Report, given: Mapping[str, object], dirs: Sequence[Path]) -> Report:
    """Today's runbook and today's profile on the report, with what the context of then changed in the profile."""
    from opsctl.runbooks.find import find as runbooks
    from opsctl.runbooks.overrides import profile_with
    from opsctl.runbooks.replay import parameters_for, replay
    from opsctl.services.load import load_profile

    profile = profile_with(load_profile(report.service, list(dirs)), report.override)
    return replay(loaded, profile, report, parameters_for(loaded.runbook, given, report), tuple(runbooks(dirs)))


def add(kept: Kept, case: Case, home: Path, name: str, dirs: Sequence[Path]) -> Outcome:
    """Make a saved report into a case: its file and the case's, both new. Raises OpsctlError, OSError.

    Paths below the user's home are written with ``~``: a case is for others, too.
    """
    if not kept.whole:
        raise BadData("; ".join(kept.notes), remedy="A case needs the whole report.")
    loaded = load(case.runbook or kept.report.runbook, dirs)
    _known(loaded, case)
    folder = home / loaded.runbook.runbook
    folder.mkdir(parents=True, exist_ok=True)
    from opsctl.report.as_json import encode

    written = write_new(encode(_homeless(kept.report)), folder, name, mode=0o644)
    case = msgspec.structs.replace(case, report=written.name)
    path = written.with_suffix(".yaml")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(_yaml(case))
    except OSError:
        written.unlink(missing_ok=True)
        raise
    return run(Found(path, loaded.runbook.runbook), dirs)


def _homeless(report: Report) -> Report:
    home = home_dir()
    if home is None or len(home.parts) < 2:
        return report
    text = msgspec.json.encode(report)
    here = msgspec.json.encode(f"{home}/")[1:-1]
    return msgspec.json.decode(text.replace(here, b"~/"), type=Report) if here in text else report


def _known(loaded: Loaded, case: Case) -> None:
    """Raises UsageError for a cause that the runbook does not know: a misspelt one would never be confirmed."""
    names = [c.cause for c in loaded.runbook.causes]
    for name in filter(None, (case.first, *case.causes, *case.never)):
        if name not in names:
            raise unknown_name(f"cause of {loaded.runbook.runbook}", name, names)


def _differs(case: Case, report: Report, confirmed: tuple[str, ...]) -> Iterator[str]:
    if case.verdict and report.verdict != case.verdict:
        yield f"the verdict is {report.verdict}, expected {case.verdict}"
    expected = case.causes or ((case.first,) if case.first else ())
    if case.first and case.causes and case.causes[0] != case.first:
        yield f"the case contradicts itself: first is {case.first}, causes begin with {case.causes[0]}"
    elif confirmed[: len(expected)] != expected:
        status = {c.cause: c.status for c in report.causes}
        missing = [f"{name} is {status.get(name, 'not looked for')}" for name in expected if name not in confirmed]
        told = f" ({', '.join(missing)})" if missing else ""
        yield f"confirmed {_listed(confirmed)}, expected {_listed(expected)} first{told}"
    for name in case.never:
        if name in confirmed:
            yield f"{name} is confirmed, and must not be"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "nothing"


def _yaml(case: Case) -> str:
    """The case as YAML; JSON strings are YAML, too."""
    lines = []
    for name, value in msgspec.to_builtins(case).items():
        lines.append(f"{name}: {msgspec.json.encode(value).decode()}" if not _plain(value) else f"{name}: {value}")
    return "\n".join(lines) + "\n"


def _plain(value: object) -> bool:
    return isinstance(value, str) and value.replace("-", "").replace(".", "").isalnum() and not value[0].isdigit()
