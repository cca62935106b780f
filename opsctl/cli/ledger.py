"""``opsctl ledger``: what was planned, done and undone, by whom, and whether that record is whole."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.cli.app import NearestGroup
from opsctl.cli.ledger_resume import resume, undo
from opsctl.cli.ledger_where import SCHEMA, begin_of, opened, who
from opsctl.cli.options import Format, Output
from opsctl.cli.result import Result

if TYPE_CHECKING:
    from opsctl.ledger.model import Lease
    from opsctl.report.style import Style

app = typer.Typer(cls=NearestGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)

BROKEN = 2
_LINES = 500  # of an export, written at once

Which = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, its first characters, or `last`.")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="DURATION", help="Only the last, e.g. 2h or 7d; or a time.")
]


@app.callback()
def ledger() -> None:
    """The record of every plan, step, outcome and undo; the locks; and whether the record is whole."""


@app.command("list")
def list_(
    ctx: typer.Context,
    service: Annotated[str, typer.Option("-s", "--service", metavar="NAME", help="Only of it.")] = "",
    action: Annotated[str, typer.Option("--action", metavar="ACTION", help="Only this action.")] = "",
    actor: Annotated[str, typer.Option("--actor", metavar="NAME", help="Only what they did.")] = "",
    since: Since = None,
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="NUMBER", help="At most so many.")] = 20,
    output: Output = Format.text,
) -> Result:
    """Runs, newest first: when, what came of it, service, action, where; then the id, who, and the outcome."""
    begin = begin_of(since)
    with opened(ctx) as found:
        runs = found.runs(service=service, action=action, actor=actor, since=begin, limit=limit + 1)
        held = {lease.scope for lease in found.leases()}
        where = found.where
    more = len(runs) > limit
    runs = runs[:limit]
    data = {
        "schema": SCHEMA,
        "ledger": where,
        "runs": runs,
        "crashed": [run.id for run in runs if run.state == "running" and run.scope not in held],
        "more": more,
    }
    wanted = any((service, action, actor, since))

    def text(style: Style) -> str:
        from opsctl.cli.ledger_text import run_lines

        if not runs:
            return f"No run in {where} fits." if wanted else f"Nothing has been done yet, says {where}."
        return "\n".join([*run_lines(runs, held, style), *(["There are more; --limit shows them."] if more else [])])

    return Result(data, text, output)


@app.command()
def show(ctx: typer.Context, run: Which, output: Output = Format.text) -> Result:
    """A run's story in the order of time: who, why, each step and what came of it, what is not known."""
    from opsctl.ledger.standing import standing

    with opened(ctx) as found:
        one = found.run(run)
        entries = found.entries(one.id)
        stands = standing(one, entries, found.leases())
    data = {
        "schema": SCHEMA,
        "run": one,
        "crashed": stands.crashed,
        "open": stands.open,
        "open_undos": stands.open_undos,
        "lease": stands.lease,
        "entries": entries,
    }

    def text(style: Style) -> str:
        from opsctl.cli.ledger_story import story, undoable

        next_ = ["", f"Next  opsctl ledger undo {one.id}"] if undoable(entries) and one.state == "done" else []
        return "\n".join([*story(one, entries, stands, style), *next_])

    return Result(data, text, output)


@app.command()
def export(ctx: typer.Context, since: Since = None, output: Output = Format.json) -> Result:
    """The whole record, oldest first, one line of JSON per entry.

    A line without its `hash`, keys sorted and without blanks, is what that hash (sha256) was made of.
    """
    import msgspec

    from opsctl.cli import output as out
    from opsctl.cli.ledger_text import stamp, told
    from opsctl.ledger.model import Entry

    begin = begin_of(since)
    kept: list[str] = []
    with opened(ctx) as found:
        for line in found.export(begin):
            if output is Format.json:
                kept.append(line.decode())
            else:
                entry = msgspec.json.decode(line, type=Entry)
                step = f" step {entry.step}" if entry.step else ""
                says = told(str(entry.body.get("says", entry.body.get("text", ""))))
                kept.append(
                    f"{entry.number}  {stamp(entry.at)}  {entry.run}  {entry.kind}{step}  {says}".rstrip() + "\n"
                )
            if len(kept) == _LINES:
                out.write("".join(kept))
                kept.clear()
    return Result(None, "".join(kept))


@app.command()
def verify(
    ctx: typer.Context,
    head: Annotated[
        str, typer.Option("--head", metavar="HASH", help="The hash that an earlier verify ended with, kept elsewhere.")
    ] = "",
    output: Output = Format.text,
) -> Result:
    """Whether anybody edited, removed, moved or added an entry behind opsctl's back.

    Exit: 0 the record is whole, 2 it is not.
    """
    with opened(ctx) as found:
        checked = found.verify(head)
        where = found.where
    data = {
        "schema": SCHEMA,
        "ledger": where,
        "whole": not checked.broken,
        "entries": checked.entries,
        "runs": checked.runs,
        "broken": checked.broken,
        "head": checked.head,
    }
    count = f"{checked.entries:,} entries of {checked.runs:,} runs"

    def text(style: Style) -> str:
        from opsctl.cli.ledger_text import told

        if checked.broken:
            word = style.paint("BROKEN", "bold", "red")
            return "\n".join([f"{word}  {where}: {count}", *(f"  {told(says)}" for says in checked.broken)])
        lines = [f"{style.paint('WHOLE', 'bold', 'green')}  {where}: {count}"]
        if checked.head:
            noted = "" if head else "  An end that is cut off later shows only against this hash: keep it elsewhere."
            lines += [f"  head {checked.head}", *([noted] if noted else [])]
        return "\n".join(lines)

    return Result(data, text, output, exit=BROKEN if checked.broken else 0)


@app.command()
def note(
    ctx: typer.Context,
    run: Which,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is to be remembered about it.")],
    output: Output = Format.text,
) -> Result:
    """Add a note to a run: it stands in its story, and cannot be taken back."""
    from opsctl.cli.silence_where import clean
    from opsctl.errors import UsageError

    said = clean(text, "the note")
    if not said:
        raise UsageError("the note is empty")
    asker = who()
    with opened(ctx, reading=False) as found:
        one = found.run(run)
        entry = found.append(one.id, "note", {"text": said, "actor": asker.actor, "host": asker.host})
    data = {"schema": SCHEMA, "run": one.id, "entry": entry}
    return Result(data, f"Noted with run {one.id}.", output)


@app.command()
def leases(ctx: typer.Context, output: Output = Format.text) -> Result:
    """The locks that somebody holds now: on what, who, since when, by which command."""
    with opened(ctx) as found:
        held = found.leases()
        where = found.where

    def text(_: Style) -> str:
        from opsctl.cli.ledger_text import lease_lines

        return "\n".join(lease_lines(held)) if held else f"Nobody holds a lock, says {where}."

    return Result({"schema": SCHEMA, "ledger": where, "leases": held}, text, output)


@app.command()
def unlock(
    ctx: typer.Context,
    id: Annotated[str, typer.Argument(metavar="LEASE", help="Its id, as in `opsctl ledger leases`.")],
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
    output: Output = Format.text,
) -> Result:
    """Take a lock away from its holder, who then does nothing more. The record says who did it.

    One that has run out, or whose process is gone from this machine, is taken over without this.
    """
    from opsctl.errors import UsageError

    asker = who()
    with opened(ctx, reading=False) as found:
        lease = next((one for one in found.leases() if id and one.id.startswith(id)), None)
        if lease is None:
            raise UsageError(f"there is no lease {id[:40]} in force", remedy="See opsctl ledger leases.")
        if not yes and not _confirmed(lease, output):
            return Result({"schema": SCHEMA, "unlocked": None}, "Nothing was changed.", output)
        taken = found.force_unlock(lease.id, actor=asker.actor, host=asker.host)
    data: dict[str, Any] = {"schema": SCHEMA, "unlocked": taken}
    return Result(data, f"{taken.scope} is free: the lock of {taken.actor} on {taken.host} was taken away.", output)


def _confirmed(lease: Lease, output: str) -> bool:
    """Show the lease and have the holder's name typed. Raises UsageError where nobody can be asked."""
    from opsctl.cli import output as out
    from opsctl.cli.ledger_text import lease_lines
    from opsctl.errors import UsageError

    if output == "json" or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("taking a lock away is asked about, and nobody can be asked here", remedy="Add --yes.")
    for line in lease_lines([lease]):
        out.note(line)
    question = f"They may be in the middle of a change. Type {lease.actor} to take it away"
    answer: str = typer.prompt(question, default="", show_default=False, err=True)
    return answer.strip() == lease.actor


app.command()(resume)
app.command()(undo)
