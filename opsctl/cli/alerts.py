"""``opsctl alerts``: what fires, why it is told to whom, what it did before. Changes nothing."""

from __future__ import annotations

import typer

from opsctl.cli import alerts_digest, alerts_explain, alerts_list, alerts_log, alerts_past
from opsctl.cli.app import NearestGroup

app = typer.Typer(cls=NearestGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)


@app.callback()
def alerts() -> None:
    """List and explain alerts, and look at their past. Changes nothing."""


app.command("list")(alerts_list.list_)
app.command()(alerts_explain.explain)
app.command()(alerts_past.history)
app.command()(alerts_log.log)
app.command()(alerts_past.volume)
app.command()(alerts_past.noise)
app.command()(alerts_digest.digest)
