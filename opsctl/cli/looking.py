"""From a request on the command line to a report: settings, profile, clients, engine, saved file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from opsctl.cli.request import SINCE, TIMEOUT, Request, check
from opsctl.cli.result import Result
from opsctl.errors import UsageError
from opsctl.model import Report
from opsctl.report.style import Style

if TYPE_CHECKING:
    from opsctl.config.settings import Settings
    from opsctl.runbooks.load import Loaded
    from opsctl.services.model import Profile


class Prepared(NamedTuple):
    """What stays the same from one look to the next. ``since`` and ``total`` in seconds, ``at`` in unix seconds."""

    dirs: list[Path]
    settings: Settings
    profile: Profile
    at: float | None
    since: float
    total: float
    runbooks: tuple[str, ...]


def look(loaded: Loaded, request: Request) -> Result:
    """Do what was asked for and give its result; exit code by the verdict. Raises UsageError, ConfigError."""
    check(request)
    if request.replay is not None:
        from opsctl.cli.replaying import replay

        return replay(loaded, request)
    prepared = prepare(request)
    if request.watch:
        from opsctl.cli.watching import watch

        return watch(loaded, prepared, request)
    if request.follow:
        from opsctl.cli.following import follow

        return follow(loaded, prepared, request)
    report = look_once(loaded, prepared, request, progress=progress_line())
    remember(prepared.dirs)
    return result_of(report, request)


def prepare(request: Request) -> Prepared:
    """Settings, profile and times of a request. Raises UsageError, ConfigError."""
    import os

    from opsctl.config.settings import load_settings
    from opsctl.durations import parse_duration, parse_time
    from opsctl.runbooks.find import find
    from opsctl.services.load import apply_override, load_profile

    dirs = request.root.dirs()
    settings = load_settings(request.root.config, request.root.context, request.flags, os.environ)
    name = request.service or only_service(settings, dirs)
    profile = apply_override(load_profile(name, dirs), settings.override(name))
    now = time.time()
    at = None if request.at is None else parse_time(request.at, now)
    if at is not None and at > now:
        raise UsageError(f"--at {request.at} lies in the future", remedy="Give a past time, e.g. --at '20m ago'.")
    since, total = parse_duration(request.since or SINCE), parse_duration(request.timeout or TIMEOUT)
    if total <= 0 or since <= 0:
        raise UsageError("--timeout and --since must be longer than 0s")
    return Prepared(dirs, settings, profile, at, since, total, tuple(find(dirs)))


def look_once(
    loaded: Loaded,
    prepared: Prepared,
    request: Request,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """One diagnosis, with clients of its own. Raises UsageError for a bad parameter."""
    from opsctl.clients.readers import Readers
    from opsctl.durations import parse_duration
    from opsctl.runbooks.engine import Setting, diagnose
    from opsctl.runbooks.load import parameters_of
    from opsctl.runbooks.overrides import override_of
    from opsctl.services.measured import signals_of
    from opsctl.services.resolve import resolver

    profile, settings = prepared.profile, prepared.settings
    parameters = parameters_of(loaded.runbook, request.parameters)
    readers = Readers(resolver(profile, settings))
    setting = Setting(
        profile=profile,
        readers=readers,
        signals=signals_of(readers, profile, direct=request.direct),
        context=settings.context,
        now=time.time() if prepared.at is None else prepared.at,
        at=prepared.at,
        since=prepared.since,
        total=prepared.total,
        each=min(prepared.total, max(5.0, parse_duration(profile.direct_pause) + 5.0)),
        notes=settings.notes(profile.service),
        runbooks=prepared.runbooks,
        override=override_of(settings.override(profile.service)),
    )
    try:
        return diagnose(loaded, setting, parameters, progress=progress)
    finally:
        readers.close()


def only_service(settings: Settings, dirs: list[Path]) -> str:
    """The service when none was named: the context's only one. Raises UsageError."""
    from opsctl.services.find import list_profiles

    named = settings.services()
    if len(named) == 1:
        return named[0]
    known = ", ".join(named or sorted(list_profiles(dirs)))
    raise UsageError("which service?", remedy=f"Name it with -s: {known}.")


def remember(dirs: list[Path]) -> None:
    """Keep the names for completion."""
    from opsctl.completion.cache import refresh
    from opsctl.runbooks.find import find
    from opsctl.services.find import list_profiles

    refresh("runbook", find(dirs))
    refresh("service", list_profiles(dirs))


def result_of(report: Report, request: Request, notes: tuple[str, ...] = ()) -> Result:
    """The report as a result in the format that was asked for, kept where it is to be kept."""
    from opsctl.runbooks.verdict import EXIT

    saved, failed = keep(report) if request.kept else (None, ())
    return Result(
        data=report,
        text=text_of(report, request.output, saved),
        output=request.output,
        exit=EXIT[report.verdict],
        notes=(*notes, *failed),
        file=request.output_file or "",
        stem=saved.stem if saved is not None else "",
    )


def text_of(report: Report, output: str, saved: Path | None = None) -> Callable[[Style], str]:
    """The report as text, Markdown or HTML; below the text where it was kept."""

    def render(style: Style) -> str:
        if output == "html":
            from opsctl.report.as_html import render as as_html

            return as_html(report)
        if output == "markdown":
            from opsctl.report.as_markdown import render as as_markdown

            return as_markdown(report)
        from opsctl.config.places import shown
        from opsctl.report.as_text import render as as_text

        return as_text(report, style) + (f"Saved {shown(saved)}\n" if saved is not None else "")

    return render


def keep(report: Report) -> tuple[Path | None, tuple[str, ...]]:
    """Save the report; failing to keep it never costs the answer, only a note."""
    from opsctl.report.store import folder_of_reports, save

    try:
        return save(report, folder_of_reports()), ()
    except OSError as error:
        return None, (f"the report could not be kept: {error.strerror or error} ({error.filename})",)


def progress_line() -> Callable[[int, int], None] | None:
    """Progress on stderr for looks longer than a second, on a terminal only."""
    if not sys.stderr.isatty():
        return None
    from opsctl.cli.output import Progress

    return Progress("looking")
