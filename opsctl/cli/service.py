"""``opsctl service list|show|lint|check|new``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.cli.app import NearestGroup
from opsctl.cli.options import Format, Output, root_of
from opsctl.cli.result import Result

if TYPE_CHECKING:
    from opsctl.report.style import Style

app = typer.Typer(cls=NearestGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)

Name = Annotated[str, typer.Argument(metavar="SERVICE", help="Its name, as in `opsctl service list`.")]


@app.callback()
def service() -> None:
    """List, show, check and start service profiles."""


@app.command("list")
def list_(ctx: typer.Context, output: Output = Format.text) -> Result:
    """All services: title, runbooks they define, endpoints. A file that cannot be read is listed with its mistake."""
    from opsctl.completion.cache import refresh
    from opsctl.config.places import shown
    from opsctl.errors import ConfigError
    from opsctl.services.find import list_profiles

    rows: list[dict[str, object]] = []
    lines: list[str] = []
    files = list_profiles(root_of(ctx).dirs())
    refresh("service", files)
    width = max(map(len, files), default=0)
    for name, path in files.items():
        try:
            about = _about(path)
        except ConfigError as error:
            rows.append({"service": name, "file": str(path), "error": error.sentence()})
            lines.append(f"{name:<{width}}  cannot be read: {error.sentence()}")
            continue
        rows.append({"service": name, **about, "file": str(path)})
        lines.append(f"{name:<{width}}  {about['title']}")
        counted = f"{_count(len(about['runbooks']), 'runbook')}, {_count(len(about['endpoints']), 'endpoint')}"
        lines.append(f"{'':<{width}}  {counted}, {shown(path)}")
    return Result(
        {"services": rows}, "\n".join(lines) or "No service is defined; `opsctl service new NAME` starts one.", output
    )


def _about(path: Path) -> dict[str, Any]:
    """Title, runbooks and endpoints of a profile. Raises ConfigError."""
    from opsctl.config.index import entry

    known = entry("services", path)
    if known is not None:
        return {key: known[key] for key in ("title", "runbooks", "endpoints")}
    from opsctl.services.load import load_file
    from opsctl.services.words import runbooks_of

    profile = load_file(path)
    return {"title": profile.title, "runbooks": list(runbooks_of(profile)), "endpoints": list(profile.endpoints)}


@app.command()
def show(ctx: typer.Context, name: Name, output: Output = Format.text) -> Result:
    """One service: every binding, and where each endpoint is and which setting says so."""
    from opsctl.config.places import shown
    from opsctl.config.settings import load_settings
    from opsctl.redact import redact
    from opsctl.services.find import list_profiles
    from opsctl.services.load import apply_override, load_profile
    from opsctl.services.page import page
    from opsctl.services.resolve import places
    from opsctl.services.words import runbooks_of

    root = root_of(ctx)
    dirs = root.dirs()
    profile = load_profile(name, dirs)
    settings = load_settings(root.config, root.context)
    profile = apply_override(profile, settings.override(name))
    placed = list(places(profile, settings))
    file = shown(list_profiles(dirs)[name])
    endpoints = {
        one.name: {"kind": one.kind, "url": redact(one.endpoint.url), "setting": one.endpoint.setting}
        if one.endpoint is not None
        else {"kind": one.kind, "not_configured": redact(str(one.failure))}
        for one in placed
    }
    data = {
        "service": name,
        "file": file,
        "context": settings.context,
        "runbooks": runbooks_of(profile),
        "endpoints": endpoints,
        "profile": profile,
    }

    def text(style: Style) -> str:
        return page(
            profile,
            placed,
            file=file,
            context=settings.context,
            width=style.width,
            heading=lambda title: style.paint(title, "bold"),
        )

    return Result(data, text, output)


@app.command()
def lint(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[SERVICE]...", help="Default: all.")] = None,
    output: Output = Format.text,
) -> Result:
    """Check profiles: unknown names, contradicting bands, PromQL that does not parse; list what they assume."""
    from opsctl.runbooks.find import find
    from opsctl.services.find import list_profiles
    from opsctl.services.lint import lint_all

    dirs = root_of(ctx).dirs()
    problems = lint_all(dirs, names or (), find(dirs))
    counts = {level: sum(1 for p in problems if p.level == level) for level in ("error", "warning", "assumed")}
    checked = len(names or list_profiles(dirs))
    lines = [f"{p.level:<7} {p.place}: {p.says}" for p in problems]
    lines.append(
        f"{_count(checked, 'service')} checked: {_count(counts['error'], 'error')}, "
        f"{_count(counts['warning'], 'warning')}, {_count(counts['assumed'], 'assumed binding')}"
    )
    data = {"checked": checked, **counts, "problems": problems}
    return Result(data, "\n".join(lines), output, exit=78 if counts["error"] else 0)


@app.command()
def check(
    ctx: typer.Context,
    name: Name,
    timeout: Annotated[str, typer.Option("--timeout", metavar="DURATION", help="Total time.")] = "20s",
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Also show each signal that is fine.")] = False,
    output: Output = Format.text,
) -> Result:
    """Hold a profile against what is really measured: which objectives can be judged now, which names are wrong.

    Exit: 0 all as declared, 1 something is not, 2 an objective cannot be judged, 3 it could not be told.
    """
    from opsctl.config.places import built_in, shown
    from opsctl.config.settings import load_settings
    from opsctl.durations import parse_duration
    from opsctl.errors import UsageError
    from opsctl.services.find import list_profiles
    from opsctl.services.live import check as look
    from opsctl.services.live_page import page
    from opsctl.services.load import apply_override, load_profile
    from opsctl.services.resolve import resolver

    root = root_of(ctx)
    dirs = root.dirs()
    settings = load_settings(root.config, root.context)
    profile = apply_override(load_profile(name, dirs), settings.override(name))
    seconds = parse_duration(timeout)
    if seconds <= 0:
        raise UsageError("--timeout must be longer than 0s")
    file = list_profiles(dirs)[name]
    found = look(
        profile,
        resolver(profile, settings),
        file=shown(file),
        built_in=file.is_relative_to(built_in()),
        context=settings.context,
        timeout=seconds,
    )

    def text(style: Style) -> str:
        return page(found, width=style.width, heading=lambda title: style.paint(title, "bold"), verbose=verbose)

    return Result(found, text, output, exit=found.exit)


@app.command()
def new(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="SERVICE", help="a-z, 0-9 and -.")],
    metrics: Annotated[
        str, typer.Option("--metrics", metavar="URL", help="Where the service shows its metrics.")
    ] = "http://localhost:8000/metrics",
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="What people call it.")] = "",
    output: Output = Format.text,
) -> Result:
    """Start a profile in ./runbooks/services (or below --runbooks): two signals, one objective. Overwrites nothing."""
    import shlex

    from opsctl.config.places import built_in, shown
    from opsctl.services.find import list_profiles
    from opsctl.services.start import profile_start, write_start

    folder = root_of(ctx).runbooks
    text = profile_start(name, metrics, title)
    hidden = list_profiles([built_in()]).get(name)
    path = write_start(Path(folder or "runbooks").expanduser(), name, text)
    notes = () if hidden is None or hidden == path else (f"it is used instead of the built-in service {name}",)
    start = f"opsctl --runbooks {shlex.quote(folder)}" if folder else "opsctl"
    following = [f"{start} service lint {name}", f"{start} diagnose high-latency -s {name}"]
    lines = [f"Wrote {shown(path)}", "Next  " + following[0], *(f"      {line}" for line in following[1:])]
    return Result({"service": name, "file": str(path), "next": following}, "\n".join(lines), output, notes=notes)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
