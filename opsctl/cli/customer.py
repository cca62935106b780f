"""``opsctl customer show|upgrade|suspend|reactivate|rotate-key|revoke-key|contain-key``: customers of a service."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from opsctl.cli import acting_options as given
from opsctl.cli.app import NearestGroup
from opsctl.cli.options import Format, Output, Service, root_of
from opsctl.cli.result import Result

app = typer.Typer(cls=NearestGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)

Customer = Annotated[str, typer.Argument(metavar="CUSTOMER", help="Id of the customer.")]


@app.callback()
def customer() -> None:
    """A service's customers and their keys: look, upgrade, suspend, rotate, contain."""


@app.command()
def show(ctx: typer.Context, customer: Customer, service: Service = None, output: Output = Format.text) -> Result:
    """One customer's record, its keys (ids only), and who uses each by the log of 24 h. Changes nothing."""
    from opsctl.cli.acting import opened
    from opsctl.cli.customer_look import look, render

    with opened(root_of(ctx), service, given.Consent()) as work:
        data = look(work.hands(), customer)
    return Result(data, render(data), output)


@app.command()
def upgrade(
    ctx: typer.Context,
    customer: Customer,
    tier: Annotated[str, typer.Option("--tier", metavar="NAME", help="The subscription that it gets.")],
    service: Service = None,
    reason: given.Reason = "",
    ticket: given.Ticket = "",
    again: given.Again = False,
    save_plan: given.SavePlan = None,
    plan: given.PlanFile = None,
    yes: given.Yes = False,
    plan_hash: given.PlanHash = None,
    dry_run: given.DryRun = False,
    verify_for: given.Deadline = None,
    output: Output = Format.text,
) -> Result:
    """Change a customer's subscription. Shows the plan; changes nothing before a yes."""
    from opsctl.cli.acting import act

    consent = given.Consent(
        reason=reason,
        ticket=ticket,
        again=again,
        save_plan=save_plan,
        plan=plan,
        yes=yes,
        plan_hash=plan_hash,
        dry_run=dry_run,
        verify_for=verify_for,
        output=output.value,
    )
    parameters: dict[str, Any] = {"customer": customer, "tier": tier}
    return act(root_of(ctx), service, "customer.upgrade", parameters, consent)


@app.command()
def suspend(
    ctx: typer.Context,
    customer: Customer,
    service: Service = None,
    reason: given.Reason = "",
    ticket: given.Ticket = "",
    again: given.Again = False,
    save_plan: given.SavePlan = None,
    plan: given.PlanFile = None,
    yes: given.Yes = False,
    plan_hash: given.PlanHash = None,
    dry_run: given.DryRun = False,
    verify_for: given.Deadline = None,
    output: Output = Format.text,
) -> Result:
    """Shut a customer out, with all its keys. Shows the plan; changes nothing before a yes."""
    from opsctl.cli.acting import act

    consent = given.Consent(
        reason=reason,
        ticket=ticket,
        again=again,
        save_plan=save_plan,
        plan=plan,
        yes=yes,
        plan_hash=plan_hash,
        dry_run=dry_run,
        verify_for=verify_for,
        output=output.value,
    )
    parameters: dict[str, Any] = {"customer": customer}
    return act(root_of(ctx), service, "customer.suspend", parameters, consent)


@app.command()
def reactivate(
    ctx: typer.Context,
    customer: Customer,
    service: Service = None,
    reason: given.Reason = "",
    ticket: given.Ticket = "",
    again: given.Again = False,
    save_plan: given.SavePlan = None,
    plan: given.PlanFile = None,
    yes: given.Yes = False,
    plan_hash: given.PlanHash = None,
    dry_run: given.DryRun = False,
    verify_for: given.Deadline = None,
    output: Output = Format.text,
) -> Result:
    """Let a suspended customer in again. Shows the plan; changes nothing before a yes."""
    from opsctl.cli.acting import act

    consent = given.Consent(
        reason=reason,
        ticket=ticket,
        again=again,
        save_plan=save_plan,
        plan=plan,
        yes=yes,
        plan_hash=plan_hash,
        dry_run=dry_run,
        verify_for=verify_for,
        output=output.value,
    )
    parameters: dict[str, Any] = {"customer": customer}
    return act(root_of(ctx), service, "customer.reactivate", parameters, consent)


from opsctl.cli import customer_keys  # noqa: E402, F401 - adds its commands
