"""``opsctl budget status|raise-limit``: what a service has spent, what it may spend, and what the cost is made of."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from opsctl.cli import acting_options as given
from opsctl.cli.app import NearestGroup
from opsctl.cli.options import Format, Output, Service, root_of
from opsctl.cli.result import Result

app = typer.Typer(cls=NearestGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)


@app.callback()
def budget() -> None:
    """What language models cost a service: the budget, the breaker, the factors; a larger limit."""


@app.command()
def status(ctx: typer.Context, service: Service = None, output: Output = Format.text) -> Result:
    """Spent, limit, when it is reached; requests, calls, tokens and price against their usual. Changes nothing.

    Exit: 0 within the budget, 1 over a bound, 2 over a bound that pages, 3 not known.
    """
    from opsctl.cli.acting import opened
    from opsctl.cli.budget_look import EXIT, look, render

    with opened(root_of(ctx), service, given.Consent()) as work:
        data = look(work.hands())
    return Result(data, render(data), output, EXIT[data["verdict"]])


@app.command("raise-limit")
def raise_limit(
    ctx: typer.Context,
    to: Annotated[float, typer.Option("--to", metavar="USD", help="Dollars a day, at most twice the limit of now.")],
    approver: Annotated[
        str, typer.Option("--approver", metavar="NAME", help="Who has approved it; not the one who does it.")
    ] = "",
    until: Annotated[
        str, typer.Option("--until", metavar="TIME", help="ISO time with zone; else the next 00:00 UTC.")
    ] = "",
    cause: Annotated[
        str, typer.Option("--cause", metavar="CAUSE", help="What was found, where it cannot be measured: growth.")
    ] = "",
    route: Annotated[
        str, typer.Option("--route", metavar="PATH", help="Where the limit is changed, if the profile names none.")
    ] = "",
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
    """Raise the day's limit for growth that somebody has approved. Shows the plan; changes nothing before a yes."""
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
    given_ = {"approver": approver, "until": until, "cause": cause, "route": route}
    parameters: dict[str, Any] = {"to": to, **{name: text for name, text in given_.items() if text}}
    return act(root_of(ctx), service, "budget.raise-limit", parameters, consent)
