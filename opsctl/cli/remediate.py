"""``opsctl remediate RUNBOOK [ACTION]``: a group per runbook, a command per action, its parameters as options."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from opsctl.cli import acting_options as given
from opsctl.cli.app import NearestGroup
from opsctl.cli.diagnose import RunbookGroup
from opsctl.cli.options import Format, Output, Root, Service, root_of
from opsctl.cli.result import Result

if TYPE_CHECKING:
    from opsctl.actions.registry import Action
    from opsctl.runbooks.load import Loaded
    from opsctl.runbooks.model import Mitigation

Parameter = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="A parameter of the runbook's diagnosis. May be repeated."),
]
Report = Annotated[
    str | None,
    typer.Option("--report", metavar="NAME", help="Go by this saved report (or `last`) instead of looking again."),
]
Anyway = Annotated[bool, typer.Option("--anyway", help="Plan it although the diagnosis does not call for it.")]


class RemediateGroup(RunbookGroup):
    """Lists the runbooks; builds a runbook's group only when it is asked for."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The group of the runbook that is meant."""
        name, _, rest = NearestGroup.resolve_command(self, ctx, args)
        return name, runbook_group(name, root_of(ctx)), rest


app = typer.Typer(cls=RemediateGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)


@app.callback()
def remediate() -> None:
    """Plan and apply a guarded fix: shown target by target, recorded, verified, undone where it can be."""


class ActionGroup(NearestGroup):
    """The actions of one runbook; an action's command is built when it is asked for."""

    kind = "action"
    loaded: Loaded
    root: Root

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the runbook's actions, in its order."""
        return list(actions_of(self.loaded))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A stub for the list; the whole command when it runs."""
        mitigation = actions_of(self.loaded).get(cmd_name)
        return None if mitigation is None else TyperCommand(name=cmd_name, help=_short(mitigation))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Build the command of the action that is meant."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, action_command(self.loaded, actions_of(self.loaded)[str(name)], self.root), rest


def actions_of(loaded: Loaded) -> Mapping[str, Mitigation]:
    """Command name -> entry of the runbook's mitigation."""
    from opsctl.report.page import mitigation_name

    return {mitigation_name(each): each for each in loaded.runbook.mitigation}


def _short(mitigation: Mitigation) -> str:
    return " ".join(mitigation.says.split()) or mitigation.action


def runbook_group(name: str, root: Root) -> TyperGroup:
    """The commands of one runbook; without an action it says which would help. Raises UsageError, ConfigError."""
    from opsctl.runbooks.load import load

    loaded = load(name, root.dirs())

    def propose(
        ctx: typer.Context,
        service: Service = None,
        param: Parameter = None,
        report: Report = None,
        output: Output = Format.text,
    ) -> Result | None:
        """Run the diagnosis and say which actions would help, the smallest first. Changes nothing."""
        ctx.obj = (ctx.obj, service)
        if ctx.invoked_subcommand is not None:
            return None
        from opsctl.cli.remediating import propose_actions

        return propose_actions(root, loaded, service, param or [], report, output.value)

    single = typer.Typer(cls=ActionGroup, rich_markup_mode=None, add_completion=False)
    propose.__doc__ = f"{loaded.runbook.title}\n\n{propose.__doc__}"
    single.callback(invoke_without_command=True)(propose)
    group = typer.main.get_group(single)
    assert isinstance(group, ActionGroup)
    group.name, group.loaded, group.root = name, loaded, root
    return group


def action_command(loaded: Loaded, mitigation: Mitigation, root: Root) -> Any:
    """The command of one action: its parameters, and what every command that acts takes. Raises ConfigError."""
    from opsctl.cli.action_flags import add_flags, values_of
    from opsctl.report.page import mitigation_name

    action = _action(mitigation, str(loaded.path))

    def call(**told: Any) -> Result:
        from opsctl.cli.remediating import Asked, act_on

        ctx = told["ctx"]
        before = ctx.obj[1] if isinstance(ctx.obj, tuple) else None
        asked = Asked(
            root=root,
            loaded=loaded,
            mitigation=mitigation,
            service=told["service"] or before,
            parameters=values_of(action, told),
            runbook_parameters=tuple(told["param"] or ()),
            report=told["report"],
            anyway=told["anyway"],
            consent=consent_of(told),
        )
        return act_on(asked)

    parameters: list[inspect.Parameter] = []

    def add(key: str, annotation: Any, default: Any) -> None:
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(key, kind, default=default, annotation=annotation))

    add("ctx", typer.Context, inspect.Parameter.empty)
    add("service", Service, None)
    add_flags(action, add)
    add("param", Parameter, None)
    add("report", Report, None)
    add("anyway", Anyway, False)
    add_consent(add)
    call.__signature__ = inspect.Signature(parameters, return_annotation=Result)  # type: ignore[attr-defined]
    call.__annotations__ = {p.name: p.annotation for p in parameters}
    call.__doc__ = f"{_short(mitigation)}\n\n{action.title}. Shows the plan; changes nothing before a yes."
    single = typer.Typer(rich_markup_mode=None, add_completion=False)
    name = mitigation_name(mitigation)
    single.command(name)(call)
    command = typer.main.get_command(single)
    command.name = name
    return command


def _action(mitigation: Mitigation, place: str) -> Action:
    from opsctl.actions.registry import all_actions, get
    from opsctl.errors import ConfigError
    from opsctl.nearest import nearest

    found = get(mitigation.action)
    if found is None:
        close = nearest(mitigation.action, list(all_actions()))
        remedy = f"Did you mean {close}?" if close else "See `opsctl action list`."
        raise ConfigError(f"there is no action {mitigation.action!r}", place=place, remedy=remedy)
    return found


def add_consent(add: Any) -> None:
    """The options of ``acting_options``, for a command that is built at run time."""
    add("reason", given.Reason, "")
    add("ticket", given.Ticket, "")
    add("max_targets", given.MaxTargets, None)
    add("again", given.Again, False)
    add("save_plan", given.SavePlan, None)
    add("plan", given.PlanFile, None)
    add("yes", given.Yes, False)
    add("plan_hash", given.PlanHash, None)
    add("dry_run", given.DryRun, False)
    add("verify_for", given.Deadline, None)
    add("output", Output, Format.text)


def consent_of(told: Mapping[str, Any]) -> given.Consent:
    """What was given of them."""
    names = [name for name in given.Consent._fields if name != "output"]
    return given.Consent(**{name: told[name] for name in names}, output=told["output"].value)
