"""``opsctl diagnose RUNBOOK``: one command per runbook, its parameters as real options."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from opsctl.cli.app import NearestGroup
from opsctl.cli.options import ReportFormat, ReportOutput, Root, Service, root_of
from opsctl.cli.result import Result

AT = typer.Option("--at", metavar="TIME", help="Look at a past time: RFC 3339, unix seconds, or `20m ago`.")
SINCE = typer.Option("--since", metavar="DURATION", help="How far back to look for onset and changes. [default: 30m]")
TIMEOUT = typer.Option(
    "--timeout", metavar="DURATION", help="Total time; what is not seen by then is unknown. [default: 30s]"
)
DIRECT = typer.Option("--direct", help="Measure by direct scrape, even with a Prometheus.")
SAVE = typer.Option(
    "--save/--no-save", help="Keep the report in the state folder. [default: save; a replay is not saved]"
)
WATCH = typer.Option(
    "--watch", help="Look again and again until Ctrl-C; with -o json one report a line. The last report is saved."
)
EVERY = typer.Option("--every", metavar="DURATION", help="With --watch: from one look to the next. [default: 10s]")
FOLLOW = typer.Option(
    "--follow", help="Go on into the runbook that the first confirmed cause names; with -o json a list of reports."
)
REPLAY = typer.Option(
    "--replay", metavar="REPORT", help="Judge a saved report's evidence (name, file or `last`) anew; asks no system."
)
FILE = typer.Option("--output-file", metavar="FILE", help="Write the result there instead of to stdout.")
URLS = {
    "prometheus_url": ("--prometheus-url", "Prometheus, instead of the environment's and the file's."),
    "alertmanager_url": ("--alertmanager-url", "Alertmanager, likewise."),
    "postgres_url": ("--postgres-url", "Postgres, likewise; keep the password in PGPASSFILE."),
    "redis_url": ("--redis-url", "Redis, likewise."),
    "kubeconfig": ("--kubeconfig", "The kubeconfig file, likewise."),
}
FLAG_ENDPOINT = {
    "prometheus_url": "prometheus",
    "alertmanager_url": "alertmanager",
    "postgres_url": "postgres",
    "redis_url": "redis",
    "kubeconfig": "kubernetes",
}


class RunbookGroup(NearestGroup):
    """Lists the runbooks with their titles from the index; builds a runbook's command only when it is asked for."""

    kind = "runbook"

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all runbooks found."""
        return list(self._titles(ctx))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A stub for the list; the whole command when it runs."""
        titles = self._titles(ctx)
        return TyperCommand(name=cmd_name, help=titles[cmd_name]) if cmd_name in titles else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Build the command of the runbook that is meant."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, runbook_command(name, _root(ctx)), rest

    def _titles(self, ctx: Any) -> Mapping[str, str]:
        from opsctl.runbooks.index import titles

        return titles(_root(ctx).dirs())


def _root(ctx: Any) -> Root:
    return root_of(ctx)


app = typer.Typer(cls=RunbookGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)


@app.callback()
def diagnose() -> None:
    """Look for the cause of an incident. Changes nothing."""


def runbook_command(name: str, root: Root) -> Any:
    """The Typer command of one runbook: common options and the runbook's own parameters."""
    from opsctl.runbooks.index import summary

    about = summary(name, root.dirs())
    own = {p.name: p for p in about.parameters}

    def call(**given: Any) -> Result:
        from opsctl.cli.looking import look
        from opsctl.cli.request import Request
        from opsctl.runbooks.load import load

        request = Request(
            root=root,
            service=given["service"],
            at=given["at"],
            since=given["since"],
            timeout=given["timeout"],
            direct=given["direct"],
            save=given["save"],
            output=given["output"].value,
            output_file=given["output_file"],
            watch=given["watch"],
            every=given["every"],
            follow=given["follow"],
            replay=given["replay"],
            flags={FLAG_ENDPOINT[key]: given[key] for key in URLS if given[key]},
            flag_names=tuple(flag for key, (flag, _) in URLS.items() if given[key]),
            parameters={key: given[f"param_{key}"] for key in own},
        )
        return look(load(name, root.dirs()), request)

    parameters: list[inspect.Parameter] = []

    def add(key: str, annotation: Any, default: Any) -> None:
        parameters.append(
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        )

    add("service", Service, None)
    for key, parameter in own.items():
        flag = "--" + key.replace("_", "-")
        shown = f" [default: {parameter.default}]" if parameter.default is not None else ""
        option = typer.Option(flag, metavar=parameter.type.upper(), help=parameter.help + shown)
        add(f"param_{key}", Annotated[str | None, option], None)
    add("at", Annotated[str | None, AT], None)
    add("since", Annotated[str | None, SINCE], None)
    add("timeout", Annotated[str | None, TIMEOUT], None)
    add("direct", Annotated[bool, DIRECT], False)
    add("watch", Annotated[bool, WATCH], False)
    add("every", Annotated[str | None, EVERY], None)
    add("follow", Annotated[bool, FOLLOW], False)
    add("replay", Annotated[str | None, REPLAY], None)
    add("save", Annotated[bool | None, SAVE], None)
    for key, (flag, text) in URLS.items():
        add(key, Annotated[str | None, typer.Option(flag, metavar="URL", help=text)], None)
    add("output", ReportOutput, ReportFormat.text)
    add("output_file", Annotated[str | None, FILE], None)
    call.__signature__ = inspect.Signature(parameters, return_annotation=Result)  # type: ignore[attr-defined]
    call.__annotations__ = {p.name: p.annotation for p in parameters}
    call.__doc__ = f"{about.title}\n\n{about.meaning}"
    single = typer.Typer(rich_markup_mode=None, add_completion=False)
    single.command(name)(call)
    command = typer.main.get_command(single)
    command.name = name
    return command
