"""The command tree: a lazy root group. A command's module is imported when it runs, never for ``--help``."""

from __future__ import annotations

import importlib
import os
from typing import Annotated, Any, NamedTuple

os.environ.setdefault("TYPER_USE_RICH", "0")  # before typer's import: rich costs as much as typer itself

import typer
from typer.core import TyperCommand, TyperGroup

from opsctl.cli.options import Root
from opsctl.nearest import unknown_name


class Entry(NamedTuple):
    """A command of the root: module, attribute holding its Typer app, one line of help (compared in a test)."""

    module: str
    help: str
    exits: tuple[int, ...] = ()  # the only exit codes it may leave, () = any; another one becomes 3 (run.py)
    record: str = ""  # for what acts: the command that tells what was done, should opsctl itself fail


LEDGER = "opsctl ledger list"
COMMANDS: dict[str, Entry] = {
    "diagnose": Entry("opsctl.cli.diagnose", "Look for the cause of an incident. Changes nothing."),
    "remediate": Entry(
        "opsctl.cli.remediate",
        "Plan and apply a guarded fix: shown target by target, recorded, verified, undone where it can be.",
        record=LEDGER,
    ),
    "restart": Entry("opsctl.cli.restart", "Restart a service, or one of its units, by its adapter.", record=LEDGER),
    "healthcheck": Entry(
        "opsctl.cli.healthcheck", "Check services, what they depend on, and the monitoring. For cron.", (0, 1, 2, 3)
    ),
    "changes": Entry(
        "opsctl.cli.changes", "What changed: rollouts, restarts, configuration loads, rules, silences. Changes nothing."
    ),
    "runbook": Entry("opsctl.cli.runbook", "List, show, check, test, run and start runbooks.", record=LEDGER),
    "service": Entry("opsctl.cli.service", "List, show, check and start service profiles."),
    "probe": Entry("opsctl.cli.probe", "List and show probes: what each asks, finds, costs and needs."),
    "action": Entry("opsctl.cli.action", "List and show actions: what each sends, needs, may touch and undoes."),
    "db": Entry(
        "opsctl.cli.db", "A service's Postgres and PgBouncer: who holds what, who waits for whom. Changes nothing."
    ),
    "context": Entry("opsctl.cli.context", "Choose where opsctl looks, and ask where each value came from."),
    "report": Entry("opsctl.cli.report", "List, show and compare the reports that were saved."),
    "silence": Entry(
        "opsctl.cli.silence",
        "Mute alerts for a while: guarded, once, and shown before and after.",
        record="opsctl silence list",
    ),
    "alerts": Entry("opsctl.cli.alerts", "List and explain alerts, and look at their past. Changes nothing."),
    "ledger": Entry(
        "opsctl.cli.ledger",
        "The record of every plan, step, outcome and undo; the locks; and whether the record is whole.",
        record=LEDGER,
    ),
    "cache": Entry(
        "opsctl.cli.cache", "A service's Redis cache: how well it works, and removing a prefix of it.", record=LEDGER
    ),
    "logs": Entry("opsctl.cli.logs", "Errors by kind, lines that match, and the end of a service's log."),
    "k8s": Entry(
        "opsctl.cli.k8s", "Look at a service on Kubernetes: workloads, events, use of CPU and memory. Changes nothing."
    ),
    "customer": Entry(
        "opsctl.cli.customer",
        "A service's customers and their keys: look, upgrade, suspend, rotate, contain.",
        record=LEDGER,
    ),
    "budget": Entry(
        "opsctl.cli.budget",
        "What language models cost a service: the budget, the breaker, the factors; a larger limit.",
        record=LEDGER,
    ),
    "doctor": Entry(
        "opsctl.cli.doctor", "Check what opsctl can reach and may see. Each problem comes with its remedy."
    ),
    "lab": Entry("opsctl.cli.lab", "A small simulated stack with faults to practise on."),
}


def load(name: str) -> TyperCommand | TyperGroup:
    """The command of that name, imported now."""
    module = importlib.import_module(COMMANDS[name].module)
    make = getattr(module, "command", None)
    command: Any = make() if make is not None else typer.main.get_command(module.app)
    command.name = name
    return command  # type: ignore[no-any-return]


class NearestGroup(TyperGroup):
    """A group whose unknown command names suggest the nearest one (exit 64)."""

    kind = "command"

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Look the name up, or say which one is nearest."""
        names = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in names and not ctx.resilient_parsing:
            raise unknown_name(self.kind, args[0], names)
        return super().resolve_command(ctx, args)


class LazyGroup(NearestGroup):
    """The root: stubs for help, the real command when it is invoked. ``chosen``: its name, once that is known."""

    chosen = ""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A stub with name and help."""
        entry = COMMANDS.get(cmd_name)
        return None if entry is None else TyperCommand(name=cmd_name, help=entry.help)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that is really meant."""
        name, _, rest = super().resolve_command(ctx, args)
        self.chosen = name
        return name, load(name), rest


app = typer.Typer(
    cls=LazyGroup,
    name="opsctl",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(value: bool) -> None:
    if value:
        from opsctl import __version__
        from opsctl.cli.output import write

        write(f"opsctl {__version__}")
        raise typer.Exit(0)


@app.callback(
    epilog="Exit codes: 0 ok, 1 warning, 2 critical, 3 unknown; 64 usage, 77 refused, 78 configuration. Looking never "
    "changes anything; what acts shows its plan first."
)
def root(
    ctx: typer.Context,
    config: Annotated[str | None, typer.Option("--config", metavar="FILE", help="The opsctl.yaml to use.")] = None,
    context: Annotated[str | None, typer.Option("--context", metavar="NAME", help="The context to use.")] = None,
    runbooks: Annotated[
        str | None, typer.Option("--runbooks", metavar="DIR", help="A folder of runbooks, searched first.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Runbooks you can run: look, name the cause with its evidence, plan a guarded fix, apply and verify it."""
    ctx.obj = Root(config=config, context=context, runbooks=runbooks)


def tree() -> TyperGroup:
    """The root command with lazy children."""
    command = typer.main.get_command(app)
    command.name = "opsctl"
    assert isinstance(command, TyperGroup)
    return command
