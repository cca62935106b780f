"""Options of every command that acts: consent, limits, plan files, what goes into the ledger."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import typer

Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; goes into the ledger.")]
Ticket = Annotated[str, typer.Option("--ticket", metavar="TICKET", help="The ticket it belongs to.")]
MaxTargets = Annotated[
    int | None,
    typer.Option("--max-targets", metavar="N", min=1, help="Act on up to so many targets, whatever the limits say."),
]
Again = Annotated[bool, typer.Option("--again", help="Act although the same was done to a target a short while ago.")]
SavePlan = Annotated[
    str | None, typer.Option("--save-plan", metavar="FILE", help="Write the plan there; nothing is changed.")
]
PlanFile = Annotated[
    str | None, typer.Option("--plan", metavar="FILE", help="Apply this saved plan, as it is or not at all.")
]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask. Needs --plan-hash or --plan.")]
PlanHash = Annotated[
    str | None, typer.Option("--plan-hash", metavar="HASH", help="The plan that is meant, as it was shown.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan and do not ask; nothing is changed.")]
Deadline = Annotated[
    str | None,
    typer.Option("--verify-for", metavar="DURATION", help="How long to look whether it helped, before giving up."),
]


class Consent(NamedTuple):
    """What was given of these options; ``output`` is the format."""

    reason: str = ""
    ticket: str = ""
    max_targets: int | None = None
    again: bool = False
    save_plan: str | None = None
    plan: str | None = None
    yes: bool = False
    plan_hash: str | None = None
    dry_run: bool = False
    verify_for: str | None = None
    output: str = "text"
