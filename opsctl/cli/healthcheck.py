"""``opsctl healthcheck``: is everything there. Made for cron and monitoring: it ends with 0, 1, 2 or 3, never else."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.cli.app import NearestGroup
from opsctl.cli.options import root_of
from opsctl.cli.result import Result

if TYPE_CHECKING:
    from opsctl.healthcheck.model import Health
    from opsctl.healthcheck.run import Outcome
    from opsctl.report.style import Style


class Shape(StrEnum):
    """Formats of a healthcheck."""

    text = "text"
    json = "json"
    plugin = "plugin"


class PluginGroup(NearestGroup):
    """A mistake on the command line is told on stdout, too, where a monitoring server reads the answer."""

    for_plugin = False

    def make_context(self, info_name: Any, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Parse; what cannot be parsed is unknown."""
        self.for_plugin = "plugin" in args or "--output=plugin" in args
        try:
            return super().make_context(info_name, args, parent=parent, **extra)
        except typer.TyperException as error:
            self._say(getattr(error, "format_message", error.__str__)())
            raise

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """A word that is neither an option nor ``install``."""
        from opsctl.errors import UsageError

        try:
            return super().resolve_command(ctx, args)
        except UsageError as error:
            self._say(error.sentence())
            raise

    def _say(self, says: str) -> None:
        if self.for_plugin:
            from opsctl.cli.output import write
            from opsctl.healthcheck.plugin import unknown

            write(unknown(says.rstrip(".")))


app = typer.Typer(
    cls=PluginGroup, invoke_without_command=True, no_args_is_help=False, rich_markup_mode=None, add_completion=False
)


@app.callback(epilog="Exit: 0 ok, 1 warning, 2 critical, 3 unknown or not understood; never anything else.")
def healthcheck(
    ctx: typer.Context,
    service: Annotated[
        list[str] | None, typer.Option("-s", "--service", metavar="NAME", help="A service; may be repeated.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every service that has a profile.")] = False,
    only: Annotated[
        str | None, typer.Option("--only", metavar="SYSTEM,...", help="Only these: postgres,redis,prometheus,...")
    ] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also judge every objective once, and read the service's other pages.")
    ] = False,
    url: Annotated[
        list[str] | None, typer.Option("--url", metavar="URL", help="A plain HTTP address; may be repeated.")
    ] = None,
    targets: Annotated[
        str, typer.Option("--targets", metavar="FILE", help="HTTP addresses, one a line; - is standard input.")
    ] = "",
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="DURATION", help="Total time; what has not answered by then is late.")
    ] = "20s",
    watchdog: Annotated[
        str, typer.Option("--watchdog", metavar="ALERT", help="The alert that always fires; none: there is none.")
    ] = "Watchdog",
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing when all is ok.")] = False,
    on_change: Annotated[
        bool, typer.Option("--on-change", help="Speak only when a state is not what it was at the last run.")
    ] = False,
    lock: Annotated[
        bool, typer.Option("--lock", help="Do not run beside another run of the same check: say so, exit 3.")
    ] = False,
    lock_skip: Annotated[bool, typer.Option("--lock-skip", help="The same, but say nothing and exit 0.")] = False,
    jitter: Annotated[
        str, typer.Option("--jitter", metavar="DURATION", help="Wait at random up to so long before it begins.")
    ] = "0s",
    textfile: Annotated[
        str, typer.Option("--textfile", metavar="FILE.prom", help="Write metrics for node_exporter's collector.")
    ] = "",
    ping_url: Annotated[
        str,
        typer.Option(
            "--ping-url",
            metavar="URL",
            envvar="OPSCTL_PING_URL",
            help="Tell start and end, as healthchecks.io takes it.",
        ),
    ] = "",
    ping_fail_on_warning: Annotated[
        bool, typer.Option("--ping-fail-on-warning", help="A warning is a failure to --ping-url, too.")
    ] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Also show each check that is ok.")] = False,
    output: Annotated[
        Shape, typer.Option("-o", "--output", help="text, json, or plugin: the monitoring-plugins line.")
    ] = Shape.text,
) -> Result | None:
    """Check services, what they depend on, and the monitoring. For cron. Changes nothing."""
    if ctx.invoked_subcommand is not None:
        return None
    from opsctl.durations import parse_duration
    from opsctl.errors import OpsctlError
    from opsctl.healthcheck.run import Outcome, Request, run, unknown
    from opsctl.healthcheck.steps import Asked

    root = root_of(ctx)
    try:
        asked = Asked(
            deep, tuple(w.strip() for w in (only or "").split(",") if w.strip()), "" if watchdog == "none" else watchdog
        )
        request = Request(
            config=root.config,
            context=root.context,
            dirs=root.dirs(),
            services=tuple(service or ()),
            everything=all_,
            asked=asked,
            urls=tuple(url or ()),
            targets=targets,
            timeout=parse_duration(timeout),
            jitter=parse_duration(jitter),
            lock=lock,
            lock_skip=lock_skip,
            on_change=on_change,
            textfile=textfile,
            ping_url=ping_url,
            ping_fail_on_warning=ping_fail_on_warning,
        )
        outcome = run(request)
    except OpsctlError as error:
        outcome = Outcome(unknown(error.sentence()), silent=False)
    silent = (quiet or on_change or lock_skip) and outcome.silent
    return _result(outcome, output.value, silent=silent, verbose=verbose)


def _result(outcome: Outcome, shape: str, *, silent: bool, verbose: bool) -> Result:
    found = outcome.found
    if silent:
        return Result(None, "", exit=found.exit, notes=outcome.alarms)
    notes = (*outcome.alarms, *(f"opsctl: {note}" for note in outcome.notes))
    if not found.subjects and shape == "text":  # nothing was looked at: an error, told where errors are told
        return Result(found, "", exit=found.exit, notes=(*notes, f"opsctl: {found.says}"))
    return Result(found, lambda style: _text(found, shape, style, verbose), shape, exit=found.exit, notes=notes)


def _text(found: Health, shape: str, style: Style, verbose: bool) -> str:
    if shape == "plugin":
        from opsctl.healthcheck import plugin

        return plugin.line(found, verbose=verbose) if found.subjects else plugin.unknown(found.says)
    from opsctl.healthcheck.as_text import render

    return render(found, style, verbose=verbose)


class Way(StrEnum):
    """What runs it."""

    cron = "cron"
    systemd = "systemd"
    kubernetes = "kubernetes"


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def install(
    ctx: typer.Context,
    cron: Annotated[bool, typer.Option("--cron", help="A line for crontab.")] = False,
    systemd: Annotated[bool, typer.Option("--systemd", help="A service and its timer.")] = False,
    kubernetes: Annotated[bool, typer.Option("--kubernetes", help="A CronJob.")] = False,
    every: Annotated[str, typer.Option("--every", metavar="DURATION", help="How often it runs (AMAS-04: 4h).")] = "4h",
    image: Annotated[
        str, typer.Option("--image", metavar="IMAGE", help="With --kubernetes: an image that has opsctl.")
    ] = "",
    namespace: Annotated[
        str, typer.Option("--namespace", metavar="NAME", help="With --kubernetes: where the CronJob is to be.")
    ] = "default",
) -> Result:
    """Print what runs the check by itself, the options of the check behind its own. Installs nothing.

    Example: opsctl healthcheck install --cron --every 1h -s amas --ping-url https://hc.example/UUID
    """
    from opsctl.cli.installing import printed

    ways = [way for way, chosen in zip(Way, (cron, systemd, kubernetes), strict=True) if chosen]
    return printed(ctx, [way.value for way in ways], every=every, image=image, namespace=namespace)
