"""``opsctl alerts digest``: what is not resolved, as text or Markdown for a mail (THR-04). Changes nothing."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from opsctl.cli import silence_options as given
from opsctl.cli.options import Service
from opsctl.cli.result import Result
from opsctl.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opsctl.alerts.model import Sighting
    from opsctl.cli.alerts_list import Gathered
    from opsctl.cli.alerts_where import Where
    from opsctl.report.style import Style
    from opsctl.services.model import Category

PARTIAL = 3


class DigestFormat(StrEnum):
    """Formats of a digest."""

    text = "text"
    markdown = "markdown"
    json = "json"


Chosen = Annotated[
    str | None,
    typer.Option(
        "--category", metavar="NAME", help="Only alerts whose label category or severity is this, e.g. business."
    ),
]


def digest(
    ctx: typer.Context,
    words: given.Matchers = None,
    category: Chosen = None,
    service: Service = None,
    zone: given.ZoneName = None,
    url: given.Url = None,
    timeout: given.Timeout = "25s",
    output: Annotated[DigestFormat, typer.Option("-o", "--output", help="text, markdown or json.")] = DigestFormat.text,
) -> Result:
    """Everything that fires, silenced or not, the oldest first; what waits longer than its category allows is marked.

    Exit: 0, 3 when a member did not answer, 69 when none did.
    """
    from opsctl.alerts.model import FIRING
    from opsctl.cli import alerts_data
    from opsctl.cli.alerts_list import gather
    from opsctl.cli.alerts_where import notes_of, opened, parsed

    matchers = parsed(words)
    with opened(ctx, url=url, service=service, timeout=timeout, zone=zone) as where:
        seen = gather(where, matchers, frozenset(FIRING))
        mine = [
            alert
            for alert in seen.alerts
            if category is None or category in (alert.labels.get("category"), alert.severity)
        ]
        mine.sort(key=lambda alert: (alert.since or where.now, alert.name))
        data = {
            "schema": alerts_data.SCHEMA,
            "category": category,
            "complete": not seen.failed,
            "did_not_answer": alerts_data.of_failed(seen.failed),
            "alerts": [
                {**alerts_data.of_alert(where, alert, seen.silences), "overdue": overdue(where, alert)}
                for alert in mine
            ],
        }
        title = f"{len(mine)} unresolved {category + ' ' if category else ''}{'alert' if len(mine) == 1 else 'alerts'}"

        def render(style: Style) -> str:
            if output == DigestFormat.markdown:
                return "\n".join(_markdown(where, title, mine, seen))
            return "\n".join(_text(where, title, mine, seen, style))

        code = Unavailable.code if seen.cut_off else PARTIAL if seen.failed else 0
        return Result(data, render, output.value, exit=code, notes=(*notes_of(seen.failed), *seen.notes))


def overdue(where: Where, alert: Sighting) -> bool | None:
    """Whether it fires for longer than its category gives for a response; None where no time is given."""
    from opsctl.durations import parse_duration

    category = _category(where, alert)
    if category is None or not category.respond_within or alert.since is None:
        return None
    return (where.now - alert.since).total_seconds() > parse_duration(category.respond_within)


def _category(where: Where, alert: Sighting) -> Category | None:
    profile = where.desk.profile(alert)
    if profile is None:
        return None
    return profile.categories.get(alert.labels.get("category", "")) or profile.categories.get(alert.severity)


def _facts(where: Where, alert: Sighting, seen: Gathered) -> list[str]:
    """What is told of an alert below its name."""
    from opsctl.cli.alerts_text import labels_of, measured, muted
    from opsctl.cli.silence_text import told

    facts = [told(alert.says) + measured(alert), labels_of(alert), *muted(where, alert, seen.silences)]
    category = _category(where, alert)
    if overdue(where, alert) and category is not None:
        facts.insert(0, f"overdue: a response is due within {category.respond_within}")
    return [fact for fact in facts if fact.strip()]


def _text(where: Where, title: str, alerts: Sequence[Sighting], seen: Gathered, style: Style) -> list[str]:
    from opsctl.cli.alerts_text import age, severity
    from opsctl.cli.silence_text import row, told

    lines = [f"{title}{_moment(where)}{' (not complete)' if seen.failed else ''}"]
    for alert in alerts:
        lines += ["", f"{told(alert.name)}{severity(where, alert)}{age(where, alert)}"]
        lines += [row("", fact, style, indent=2, column=2) for fact in _facts(where, alert, seen)]
        lines += [f"   {command}" for command in (where.desk.command(alert),) if command]
    return lines


def _markdown(where: Where, title: str, alerts: Sequence[Sighting], seen: Gathered) -> list[str]:
    from opsctl.cli.alerts_text import age, severity
    from opsctl.cli.silence_text import told
    from opsctl.report.markdown_text import plain

    lines = [f"# {plain(title)}", "", f"State{_moment(where)}{', not complete' if seen.failed else ''}."]
    for alert in alerts:
        heading = f"{told(alert.name)}{severity(where, alert)}"
        lines += ["", f"## {plain(heading)}", "", f"- fires{plain(age(where, alert).removeprefix(','))}"]
        lines += [f"- {plain(fact)}" for fact in _facts(where, alert, seen)]
        lines += [f"- `{command}`" for command in (where.desk.command(alert),) if command]
    return lines


def _moment(where: Where) -> str:
    return f" at {where.now:%Y-%m-%d %H:%M} UTC"
