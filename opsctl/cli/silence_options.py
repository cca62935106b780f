"""Options and arguments of the ``opsctl silence`` commands."""

from __future__ import annotations

from typing import Annotated

import typer

Matchers = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MATCHER...",
        help="As amtool writes them: a bare first word is an alert's name, then label=value, label!=value, "
        "label=~regex, label!~regex.",
    ),
]
Names = Annotated[
    list[str],
    typer.Argument(metavar="ID|MATCHER...", help="Ids (four characters are enough), or matchers that they have."),
]
For = Annotated[str | None, typer.Option("--for", metavar="DURATION", help="How long, e.g. 2h or 1h30m.")]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="TIME", help="Until when: 23:00, `tomorrow 06:00`, 2026-11-21T23:00:00Z."),
]
Start = Annotated[str | None, typer.Option("--start", metavar="TIME", help="From when; default: now.")]
ZoneName = Annotated[
    str | None, typer.Option("--zone", metavar="ZONE", help="Whose clock, e.g. Europe/Berlin; default: the system's.")
]
Comment = Annotated[str, typer.Option("-c", "--comment", metavar="TEXT", help="Why. Required.")]
Ticket = Annotated[str, typer.Option("--ticket", metavar="TICKET", help="The ticket it belongs to.")]
Author = Annotated[
    str | None, typer.Option("-a", "--author", metavar="NAME", help="Who; default: the system's user@host.")
]
ServiceName = Annotated[
    str | None, typer.Option("-s", "--service", metavar="NAME", help="The labels of this service's alerts.")
]
Allow = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar='NAME="reason"', help="Mute this protected alert, too. May be repeated."),
]
AllowCount = Annotated[
    int | None,
    typer.Option("--allow-count", metavar="N", min=0, help="Mute up to so many firing alerts, whatever their share."),
]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]
Url = Annotated[
    str | None,
    typer.Option("--alertmanager-url", metavar="URL", help="Alertmanager; the members of a cluster with commas."),
]
PrometheusUrl = Annotated[
    str | None, typer.Option("--prometheus-url", metavar="URL", help="Where rules and the last 7 days are read.")
]
PolicyFile = Annotated[str | None, typer.Option("--policy", metavar="FILE", help="The silence policy to use.")]
Timeout = Annotated[str, typer.Option("--timeout", metavar="DURATION", help="For each request.")]
Filters = Annotated[
    list[str] | None,
    typer.Option("-m", "--matcher", metavar="MATCHER", help="Only those that have it. May be repeated."),
]
Mine = Annotated[bool, typer.Option("--mine", help="Only those that you made (user@host).")]
EndingWithin = Annotated[
    str | None, typer.Option("--ending-within", metavar="DURATION", help="Only those that end so soon.")
]
States = Annotated[
    str, typer.Option("--state", metavar="STATE,...", help="active, pending, expired; default: active,pending.")
]
