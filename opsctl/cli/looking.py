"""From a request on the command line to a report: settings, profile, clients, engine, saved file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from opsctl.cli.options import Root
from opsctl.cli.result import Result
from opsctl.errors import UsageError
from opsctl.model import Report
from opsctl.report.style import Style

if TYPE_CHECKING:
    from opsctl.config.settings import Settings
    from opsctl.runbooks.load import Loaded
    from opsctl.services.model import Profile
    from opsctl.signals.reader import SignalReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asked for. Durations and times are still text."""

    root: Root
    service: str | None
    at: str | None
    since: str
    timeout: str
    direct: bool
    save: bool
    output: str
    flags: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, object] = field(default_factory=dict)


def look(loaded: Loaded, request: Request) -> Result:
    """Run the diagnosis that was asked for and give its result; exit code by the verdict."""
    import os

    from opsctl.clients.readers import Readers
    from opsctl.config.settings import load_settings
    from opsctl.durations import parse_duration, parse_time
    from opsctl.runbooks.engine import Setting, diagnose
    from opsctl.runbooks.find import find
    from opsctl.runbooks.load import parameters_of
    from opsctl.runbooks.verdict import EXIT
    from opsctl.services.load import apply_override, load_profile
    from opsctl.services.resolve import resolver

    dirs = request.root.dirs()
    settings = load_settings(request.root.config, request.root.context, request.flags, os.environ)
    name = request.service or _only_service(settings, dirs)
    profile = apply_override(load_profile(name, dirs), settings.override(name))
    parameters = parameters_of(loaded.runbook, request.parameters)
    now = time.time()
    at = None if request.at is None else parse_time(request.at, now)
    if at is not None and at > now:
        raise UsageError(f"--at {request.at} lies in the future", remedy="Give a past time, e.g. --at '20m ago'.")
    since, total = parse_duration(request.since), parse_duration(request.timeout)
    if total <= 0 or since <= 0:
        raise UsageError("--timeout and --since must be longer than 0s")
    readers = Readers(resolver(profile, settings))
    signals = _signals(readers, profile, direct=request.direct)
    setting = Setting(
        profile=profile,
        readers=readers,
        signals=signals,
        context=settings.context,
        now=now if at is None else at,
        at=at,
        since=since,
        total=total,
        each=min(total, max(5.0, parse_duration(profile.direct_pause) + 5.0)),
        notes=settings.notes(name),
        runbooks=tuple(find(dirs)),
    )
    report = diagnose(loaded, setting, parameters, progress=_progress())
    saved, notes = _save(report) if request.save else (None, ())
    readers.close()
    _remember(dirs)
    return Result(
        data=report,
        text=_text(report, saved),
        output=request.output,
        exit=EXIT[report.verdict],
        notes=notes,
    )


def _signals(readers: Readers, profile: Profile, *, direct: bool) -> SignalReader:  # type: ignore[name-defined]  # noqa: F821
    from opsctl.durations import parse_duration
    from opsctl.signals.reader import SignalReader

    return SignalReader(
        readers,
        labels=profile.prometheus_labels,
        scrape_interval=parse_duration(profile.scrape_interval),
        window=parse_duration(profile.window),
        pause=parse_duration(profile.direct_pause),
        prefer="direct" if direct else "auto",
    )


def _remember(dirs: list[Path]) -> None:
    """Keep the names for completion."""
    from opsctl.completion.cache import refresh
    from opsctl.runbooks.find import find
    from opsctl.services.find import list_profiles

    refresh("runbook", find(dirs))
    refresh("service", list_profiles(dirs))


def _only_service(settings: Settings, dirs: list[Path]) -> str:
    """The service when none was named: the context's only one."""
    from opsctl.services.find import list_profiles

    named = settings.services()
    if len(named) == 1:
        return named[0]
    known = ", ".join(named or sorted(list_profiles(dirs)))
    raise UsageError("which service?", remedy=f"Name it with -s: {known}.")


def _text(report: Report, saved: Path | None) -> Callable[[Style], str]:
    def render(style: Style) -> str:
        from opsctl.report.as_text import render as as_text

        return as_text(report, style) + (f"Saved {_short(saved)}\n" if saved is not None else "")

    return render


def _short(path: Path) -> str:
    home = str(Path.home())
    text = str(path)
    return "~" + text[len(home) :] if text.startswith(home + "/") else text


def _save(report: Report) -> tuple[Path | None, tuple[str, ...]]:
    """Keep the report; failing to keep it never costs the answer."""
    from opsctl.config.places import state_dir
    from opsctl.report.store import save

    try:
        return save(report, state_dir() / "reports"), ()
    except OSError as error:
        return None, (f"the report could not be kept: {error.strerror or error} ({error.filename})",)


def _progress() -> Callable[[int, int], None] | None:
    """Progress on stderr for looks longer than a second, on a terminal only."""
    if not sys.stderr.isatty():
        return None
    from opsctl.cli.output import Progress

    return Progress("looking")
