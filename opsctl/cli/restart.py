"""``opsctl restart SERVICE``: one of its units, by its adapter, with plan, guards and record as every action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.cli import acting_options as given
from opsctl.cli.options import Format, Output, Root, root_of
from opsctl.cli.result import Result

if TYPE_CHECKING:
    from opsctl.services.model import Profile

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def restart(
    ctx: typer.Context,
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="See `opsctl service list`.")],
    unit: Annotated[
        str, typer.Option("--unit", "-u", metavar="NAME", help="An adapter of the service's profile, or its unit.")
    ] = "app",
    wait: Annotated[
        str | None, typer.Option("--wait", metavar="DURATION", help="How long it may take until it serves again.")
    ] = None,
    stopped: Annotated[bool, typer.Option("--stopped", help="Start processes that are stopped, too.")] = False,
    reason: given.Reason = "",
    ticket: given.Ticket = "",
    max_targets: given.MaxTargets = None,
    again: given.Again = False,
    save_plan: given.SavePlan = None,
    plan: given.PlanFile = None,
    yes: given.Yes = False,
    plan_hash: given.PlanHash = None,
    dry_run: given.DryRun = False,
    verify_for: given.Deadline = None,
    output: Output = Format.text,
) -> Result:
    """Restart a service, or one of its units, by its adapter. Shows the plan; changes nothing before a yes.

    Never by the name of a process. What runs on Kubernetes and KyroDB are restarted with their own guards.
    """
    from opsctl.cli.acting import act

    consent = given.Consent(
        reason=reason,
        ticket=ticket,
        max_targets=max_targets,
        again=again,
        save_plan=save_plan,
        plan=plan,
        yes=yes,
        plan_hash=plan_hash,
        dry_run=dry_run,
        verify_for=verify_for,
        output=output.value,
    )
    action, parameters = meant(root_of(ctx), service, unit, wait, stopped)
    return act(root_of(ctx), service, action, parameters, consent)


def meant(root: Root, service: str, unit: str, wait: str | None, stopped: bool) -> tuple[str, dict[str, Any]]:
    """The action for that unit, and its parameters. Raises UsageError, naming the nearest adapter, ConfigError."""
    from opsctl.actions.service_units import database_of
    from opsctl.cli.looking import prepare
    from opsctl.cli.request import Request

    profile = prepare(Request(root=root, service=service)).profile
    name = adapter_named(profile, unit)
    adapter = profile.adapters[name]
    if adapter.kind == "kubernetes":
        return "kubernetes.restart", {"workload": adapter.unit}
    more: dict[str, Any] = {} if wait is None else {"wait": wait}
    if instance := database_of(profile, name):
        return "kyrodb.restart", {"instance": instance, **more}
    return "service.restart", {"adapter": name, **more, **({"stopped": True} if stopped else {})}


def adapter_named(profile: Profile, unit: str) -> str:
    """The adapter of that name, or the only one of that unit. Raises UsageError."""
    from opsctl.errors import UsageError
    from opsctl.nearest import unknown_name

    if unit in profile.adapters:
        return unit
    named = [name for name, adapter in profile.adapters.items() if adapter.unit == unit]
    if len(named) == 1:
        return named[0]
    if not profile.adapters:
        says = f"nothing says how {profile.service} is restarted"
        remedy = f"Set services.{profile.service}.adapters of the context in opsctl.yaml."
        raise UsageError(says, remedy=remedy)
    if unit == "app" and len(profile.adapters) > 1:
        units = ", ".join(profile.adapters)
        raise UsageError(f"{profile.service} has several units", remedy=f"Name one with --unit: {units}.")
    raise unknown_name("unit", unit, [*profile.adapters])
