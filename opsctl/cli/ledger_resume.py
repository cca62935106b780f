"""``opsctl ledger resume|undo``: go on with a run that ended before its end, and take back what a run did."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from opsctl.cli import acting_options as given
from opsctl.cli.options import Format, Output, Root, root_of
from opsctl.cli.result import Result
from opsctl.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from opsctl.ledger.model import Ledger, Run
    from opsctl.remediation.undoing import UndoPlan
    from opsctl.remediation.workspace import Workspace

Which = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, its first characters, or `last`.")]
Sure = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]


def resume(
    ctx: typer.Context,
    run: Which,
    yes: Sure = False,
    reason: given.Reason = "",
    ticket: given.Ticket = "",
    output: Output = Format.text,
) -> Result:
    """Go on with a run that crashed or was stopped: look what came of the open act, then do what is left.

    An act that took effect is never repeated. Where the steps that are left no longer fit, they are not done.
    """
    from opsctl.cli.telling import answered

    consent = given.Consent(reason=reason, ticket=ticket)
    return answered(output.value, lambda: _resumed(root_of(ctx), run, yes, consent, output.value))


def _resumed(root: Root, run: str, yes: bool, consent: given.Consent, shape: str) -> Result:
    from opsctl.cli.telling import Teller, answered
    from opsctl.remediation import recorded
    from opsctl.remediation.resuming import finished
    from opsctl.remediation.resuming import resume as go_on

    with ready(root, run, consent) as (work, ledger, found):
        known = recorded.read(ledger, found.id)
        teller = Teller(known.plan, shape)
        if says := finished(known):
            return teller.result(exit=0, text=says)
        teller.line(f"Run {found.id}, {known.plan.action} on {known.plan.proposal.subject}, begun by {found.actor}:")
        for state in known.doubtful:
            teller.line(f" not known  {state.step.target.id}: it will be looked whether this took effect")
        for step in known.to_do:
            teller.line(f" left       {step.target.id}  {step.why}")
        if not _sure(f"Go on with run {found.id}?", yes):
            return teller.result(exit=0, text="Nothing was changed.")
        teller.resumes(found.id)

        def go() -> Result:
            loaded = teller.runbook(work)
            outcome = go_on(found.id, work.hands(), ledger, who=work.who, on_event=teller.event, loaded=loaded)
            return teller.ended(outcome)

        return answered(shape, go, teller)


def undo(
    ctx: typer.Context,
    run: Which,
    yes: Sure = False,
    dry_run: given.DryRun = False,
    reason: given.Reason = "",
    ticket: given.Ticket = "",
    output: Output = Format.text,
) -> Result:
    """Take back what a run did, the last act first. Says first what can be taken back, and what stays as it is."""
    from opsctl.cli.telling import answered

    consent = given.Consent(reason=reason, ticket=ticket, dry_run=dry_run)
    return answered(output.value, lambda: _taken_back(root_of(ctx), run, yes, consent, output.value))


def _taken_back(root: Root, run: str, yes: bool, consent: given.Consent, shape: str) -> Result:
    from opsctl.cli.telling import Teller, answered
    from opsctl.remediation.undoing import plan_undo
    from opsctl.remediation.undoing import undo as take_back

    with ready(root, run, consent) as (work, ledger, found):
        planned = plan_undo(ledger, found.id)
        teller = Teller(planned.plan, shape)
        teller.line("\n".join(_undo_lines(planned)))
        if planned.inverses and (consent.dry_run or not _sure(f"Undo {len(planned.inverses)} of run {found.id}?", yes)):
            return teller.result(exit=0, text="Nothing was changed.")
        teller.resumes(found.id)

        def go() -> Result:
            return teller.ended(take_back(found.id, work.hands(), ledger, who=work.who, on_event=teller.event))

        return answered(shape, go, teller)


@contextmanager
def ready(root: Root, run: str, consent: given.Consent) -> Iterator[tuple[Workspace, Ledger, Run]]:
    """The run, its ledger, and the workspace of the service and context that it was made for."""
    import os

    from opsctl.cli.acting import opened
    from opsctl.config.settings import load_settings
    from opsctl.ledger.opened import open_ledger

    settings = load_settings(root.config, root.context)
    ledger = open_ledger(settings, os.environ)
    try:
        found = ledger.run(run)
        there = root._replace(context=root.context or found.context or None)
        with opened(there, found.service, consent) as work:
            yield work, ledger, found
    finally:
        ledger.close()


def _undo_lines(planned: UndoPlan) -> list[str]:
    from opsctl.cli.plan_text import told

    lines = [f"UNDO  run {planned.run}, {planned.plan.action} on {told(planned.plan.proposal.subject)}"]
    lines += [f" undo   {told(one.step.target.id)}  {told(one.says)}" for one in planned.inverses]
    lines += [f" stays  {told(one.step.target.id)}  {told(one.why)}" for one in planned.stays]
    lines += [f" done   {told(step.target.id)}  taken back already" for step in planned.done]
    return lines


def _sure(question: str, yes: bool) -> bool:
    """Raises UsageError where nobody can be asked."""
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{question} Nobody can be asked here", remedy="Add --yes.")
    try:
        return typer.confirm(question, default=False, err=True)
    except typer.Abort:
        raise Interrupted("interrupted at the question; nothing was changed") from None
