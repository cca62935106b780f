"""``opsctl db ping|activity|locks|pool|size``: what one asks a database first. All of it only looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from opsctl.cli.app import NearestGroup
from opsctl.cli.options import Format, Output, Service, root_of
from opsctl.cli.result import Result

app = typer.Typer(cls=NearestGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)

Endpoint = Annotated[str, typer.Option("--endpoint", metavar="NAME", help="Which Postgres of the service.")]
Timeout = Annotated[str, typer.Option("--timeout", metavar="DURATION", help="Total time.")]


@app.callback()
def db() -> None:
    """A service's Postgres and PgBouncer: who holds what, who waits for whom. Changes nothing."""


@app.command()
def ping(
    ctx: typer.Context, service: Service = None, endpoint: Endpoint = "postgres", timeout: Timeout = "5s",
    output: Output = Format.text,
) -> Result:  # fmt: skip
    """Connect and ask who we are there: time, version, role, TLS, standby or not. Exit 69 without an answer."""
    from opsctl.cli import db_look, db_text

    return _shown(ctx, service, endpoint, timeout, output, db_look.ping, db_text.ping)


@app.command()
def activity(
    ctx: typer.Context,
    service: Service = None,
    all_: Annotated[bool, typer.Option("--all", help="Idle sessions, too.")] = False,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most so many.")] = 25,
    endpoint: Endpoint = "postgres",
    timeout: Timeout = "10s",
    output: Output = Format.text,
) -> Result:
    """What sessions do now, those with the longest statement or open transaction first."""
    from opsctl.cli import db_look, db_text

    def look(asked: Any) -> dict[str, Any]:
        return db_look.activity(asked, idle=all_, limit=limit)

    return _shown(ctx, service, endpoint, timeout, output, look, db_text.activity)


@app.command()
def locks(
    ctx: typer.Context, service: Service = None, endpoint: Endpoint = "postgres", timeout: Timeout = "10s",
    output: Output = Format.text,
) -> Result:  # fmt: skip
    """Who waits for whose lock, as a tree: whoever stands at the root holds all the others up."""
    from opsctl.cli import db_look, db_text

    return _shown(ctx, service, endpoint, timeout, output, db_look.locks, db_text.locks)


@app.command()
def pool(
    ctx: typer.Context, service: Service = None, endpoint: Endpoint = "postgres", timeout: Timeout = "10s",
    output: Output = Format.text,
) -> Result:  # fmt: skip
    """Slots, limits of databases and roles, who holds the connections, and PgBouncer's pools where there is one."""
    from opsctl.cli import db_look, db_text

    return _shown(ctx, service, endpoint, timeout, output, db_look.pool, db_text.pool)


@app.command()
def size(
    ctx: typer.Context,
    service: Service = None,
    tables: Annotated[int, typer.Option("--tables", metavar="N", min=0, max=200, help="So many tables.")] = 10,
    endpoint: Endpoint = "postgres",
    timeout: Timeout = "10s",
    output: Output = Format.text,
) -> Result:
    """How large the databases are, as far as the time goes, and the largest tables by their statistics."""
    from opsctl.cli import db_look, db_text

    def look(asked: Any) -> dict[str, Any]:
        return db_look.size(asked, tables=tables)

    return _shown(ctx, service, endpoint, timeout, output, look, db_text.size)


def _shown(
    ctx: typer.Context,
    service: str | None,
    endpoint: str,
    timeout: str,
    output: Format,
    look: Callable[[Any], dict[str, Any]],
    text: Callable[[dict[str, Any]], str],
) -> Result:
    """Look, and say which schema it is."""
    from opsctl.cli.db_look import asking
    from opsctl.cli.looking import prepare
    from opsctl.cli.request import Request
    from opsctl.durations import parse_duration
    from opsctl.errors import UsageError

    seconds = parse_duration(timeout)
    if seconds <= 0:
        raise UsageError("--timeout must be longer than 0s")
    prepared = prepare(Request(root=root_of(ctx), service=service))
    with asking(prepared.profile, prepared.settings, endpoint, seconds) as asked:
        data = {"schema": "opsctl.db/1", "service": prepared.profile.service, **look(asked)}
        notes = asked.notes
    return Result(data, text(data), output, notes=notes)
