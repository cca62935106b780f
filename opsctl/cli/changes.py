"""``opsctl changes``: what changed on a service's systems, without a diagnosis."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from opsctl.cli.options import Format, Output, Service, root_of
from opsctl.cli.result import Result

if TYPE_CHECKING:
    from opsctl.report.style import Style

app = typer.Typer(rich_markup_mode=None, add_completion=False)

SINCE = typer.Option("--since", metavar="DURATION", help="How far back to look, from now or from --around.")
AROUND = typer.Option(
    "--around", metavar="TIME", help="Put what lies nearest to this time first: RFC 3339, unix seconds, or `20m ago`."
)
TIMEOUT = typer.Option("--timeout", metavar="DURATION", help="Total time; what is not seen by then is unknown.")

UNSEEN = 3  # exit code when something could not be looked at, as for a diagnosis that cannot tell


@app.command()
def changes(
    ctx: typer.Context,
    service: Service = None,
    since: Annotated[str, SINCE] = "1h",
    around: Annotated[str | None, AROUND] = None,
    timeout: Annotated[str, TIMEOUT] = "30s",
    output: Output = Format.text,
) -> Result:
    """What changed: rollouts, restarts, configuration loads, rules, silences. Changes nothing.

    Exit code 0 when all sources could be looked at, 3 when one could not.
    """
    from opsctl.cli.looking import only_service
    from opsctl.clients.readers import Readers
    from opsctl.config.settings import load_settings
    from opsctl.durations import parse_duration, parse_time
    from opsctl.errors import UsageError
    from opsctl.runbooks.changed import what_changed
    from opsctl.runbooks.engine import Setting
    from opsctl.services.load import apply_override, load_profile
    from opsctl.services.measured import signals_of
    from opsctl.services.resolve import resolver

    root = root_of(ctx)
    dirs = root.dirs()
    now = time.time()
    moment = None if around is None else parse_time(around, now)
    if moment is not None and moment > now:
        raise UsageError(f"--around {around} lies in the future", remedy="Give a past time, e.g. --around '20m ago'.")
    span, total = parse_duration(since), parse_duration(timeout)
    if total <= 0 or span <= 0:
        raise UsageError("--timeout and --since must be longer than 0s")
    settings = load_settings(root.config, root.context, {}, os.environ)
    name = service or only_service(settings, dirs)
    profile = apply_override(load_profile(name, dirs), settings.override(name))
    readers = Readers(resolver(profile, settings))
    setting = Setting(
        profile=profile,
        readers=readers,
        signals=signals_of(readers, profile, direct=False),
        context=settings.context,
        now=now,
        since=span,
        total=total,
        each=min(total, 10.0),
        notes=settings.notes(name),
    )
    changed = what_changed(setting, around=moment)
    readers.close()

    def text(style: Style) -> str:
        from opsctl.report.changed import render

        return render(changed, style)

    return Result(data=changed, text=text, output=output.value, exit=UNSEEN if changed.unknown else 0)
