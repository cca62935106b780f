"""``opsctl cache stats|invalidate``: the Redis of a service as its cache."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from opsctl.cli import acting_options as given
from opsctl.cli.app import NearestGroup
from opsctl.cli.options import Format, Output, Service, root_of
from opsctl.cli.result import Result

app = typer.Typer(cls=NearestGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)


@app.callback()
def cache() -> None:
    """A service's Redis cache: how well it works, and removing a prefix of it."""


@app.command()
def stats(
    ctx: typer.Context,
    service: Service = None,
    over: Annotated[
        str, typer.Option("--over", metavar="DURATION", help="Hits, evictions and expiries are those of so long.")
    ] = "2s",
    keys: Annotated[int, typer.Option("--keys", metavar="N", min=100, max=100_000, help="Sample so many keys.")] = 5000,
    output: Output = Format.text,
) -> Result:
    """Hit ratio, memory, evictions, and by prefix how many keys there are and how long they live. Changes nothing.

    Ratios and rates are those of the time between two looks: the totals since the start hide what happens now.
    """
    from opsctl.durations import parse_duration
    from opsctl.errors import UsageError

    seconds = parse_duration(over)
    if not 0.2 <= seconds <= 300:
        raise UsageError(f"--over {over} is not between 200ms and 5m")
    from opsctl.cli.cache_look import look
    from opsctl.cli.cache_text import render
    from opsctl.cli.looking import prepare
    from opsctl.cli.request import Request

    prepared = prepare(Request(root=root_of(ctx), service=service))
    data = look(prepared.profile, prepared.settings, seconds, keys)
    return Result(data, render(data), output)


@app.command()
def invalidate(
    ctx: typer.Context,
    prefix: Annotated[
        str, typer.Argument(metavar="PREFIX", help="As the keys have it; one of the profile's `cache`. No wildcards.")
    ],
    service: Service = None,
    max_keys: Annotated[
        int | None,
        typer.Option("--max-keys", metavar="N", min=1, help="Remove up to so many keys, whatever the limits say."),
    ] = None,
    allow_no_expiry: Annotated[
        bool, typer.Option("--allow-no-expiry", help="Although most keys never expire, and may be data and no cache.")
    ] = False,
    backup: Annotated[
        str | None,
        typer.Option("--backup", metavar="FILE", help="Keep up to 1,000 keys there first, so that it can be undone."),
    ] = None,
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
    """Remove the entries of one prefix: counted and sampled first, page by page, counted again. Never a whole database.

    Shows the plan; changes nothing before a yes.
    """
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
    parameters: dict[str, Any] = {"prefix": prefix}
    if max_keys is not None:
        parameters["max_keys"] = max_keys
    if allow_no_expiry:
        parameters["allow_no_expiry"] = True
    if backup is not None:
        parameters["backup"] = backup
    return act(root_of(ctx), service, "redis.invalidate-prefix", parameters, consent)
