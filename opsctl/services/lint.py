"""Check service profiles before an incident does; list what they assume. Every problem has file and line."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from opsctl.config import index
from opsctl.config.faults import dotted
from opsctl.config.places import shown
from opsctl.config.yamlfile import check, load_document
from opsctl.errors import ConfigError
from opsctl.model import Struct
from opsctl.nearest import unknown_name
from opsctl.services.advice import advice, assumptions
from opsctl.services.checks import Fault
from opsctl.services.find import list_profiles
from opsctl.services.load import WHAT
from opsctl.services.model import Profile


class Problem(Struct, frozen=True, kw_only=True):
    """One thing to say about a profile. ``level``: error (exit 78), warning, or assumed (a note)."""

    level: str
    service: str
    place: str  # file:line
    says: str


def lint_all(dirs: Sequence[Path], wanted: Sequence[str] = (), runbooks: Collection[str] = ()) -> list[Problem]:
    """Problems of the named profiles (default: all found). ``runbooks``: names of runbooks that exist.

    Raises UsageError for an unknown service.
    """
    files = list_profiles(dirs)
    for name in wanted:
        if name not in files:
            raise unknown_name("service", name, files)
    return [problem for name in wanted or files for problem in lint_file(files[name], runbooks)]


def lint_file(path: Path, runbooks: Collection[str] = ()) -> list[Problem]:
    """Problems of one file, in the order of its lines; never raises for what is wrong inside it."""
    import msgspec

    service, file = path.stem, shown(path)
    try:
        document = load_document(path, WHAT)
    except ConfigError as error:
        return [Problem(level="error", service=service, place=error.place or file, says=error.says)]
    if document.data is None:
        return [Problem(level="error", service=service, place=file, says="the file is empty")]
    try:
        profile = msgspec.convert(document.data, Profile)
    except msgspec.ValidationError as error:
        typed = check(document, Profile)
        found = [Fault("error", f.path, ": ".join(filter(None, (dotted(f.path), f.says)))) for f in typed]
        found = found or [Fault("error", (), str(error))]
    else:
        found = [] if index.checked("services", path) else list(_errors(profile, service))
        if not any(fault.level == "error" for fault in found):
            found += advice(profile, runbooks)
        found += assumptions(profile)
    problems = [
        (
            document.line(f.path),
            Problem(level=f.level, service=service, place=f"{file}:{document.line(f.path)}", says=f.says),
        )
        for f in found
    ]
    return [problem for _, problem in sorted(problems, key=lambda pair: pair[0])]


def _errors(profile: Profile, stem: str) -> Iterator[Fault]:
    from opsctl.services.checks import faults
    from opsctl.signals.promql import check_signal

    if profile.service != stem:
        yield Fault(
            "error",
            ("service",),
            f"this file holds the service {profile.service}; name it {stem}, or the file {profile.service}.yaml",
        )
    wrong = list(faults(profile))
    yield from wrong
    faulty = {fault.path[1] for fault in wrong if len(fault.path) > 1 and fault.path[0] == "signals"}
    for name, signal in profile.signals.items():
        if signal.promql is None and name not in faulty:
            for says in check_signal(signal):
                yield Fault("error", ("signals", name), f"signal {name}: the compiled PromQL does not parse: {says}")
