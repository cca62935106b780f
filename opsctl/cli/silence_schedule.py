"""``opsctl silence schedule plan|apply|next``: maintenance windows as code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.cli import silence_options as given
from opsctl.cli.app import NearestGroup
from opsctl.cli.options import Format, Output
from opsctl.cli.result import Result
from opsctl.errors import UsageError

if TYPE_CHECKING:
    from opsctl.cli.silence_where import Where
    from opsctl.silences.schedule_apply import Applied
    from opsctl.silences.schedule_file import Schedule, Schedules
    from opsctl.silences.schedule_plan import Step
    from opsctl.silences.schedule_times import Occurrence
    from opsctl.silences.window import Zone

app = typer.Typer(cls=NearestGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)

File = Annotated[
    str | None,
    typer.Argument(
        metavar="[FILE]", help="The schedules; default: $OPSCTL_SILENCE_SCHEDULES, then silence-schedules.yaml."
    ),
]
Ahead = Annotated[str, typer.Option("--ahead", metavar="DURATION", help="How far ahead silences are made.")]


@app.callback()
def schedule() -> None:
    """Maintenance windows that recur, from a YAML file. `apply` is for cron: it never makes a silence twice."""


@app.command("next")
def next_(
    file: File = None,
    count: Annotated[int, typer.Option("-n", metavar="N", min=1, max=1000, help="How many windows.")] = 5,
    id: Annotated[str | None, typer.Option("--id", metavar="ID", help="Only this schedule's.")] = None,
    output: Output = Format.text,
) -> Result:
    """The next windows, in local time and UTC. Asks no server."""
    from opsctl.silences.schedule_times import following

    chosen = _chosen(_load(file), id)
    now = datetime.now(UTC)
    every = [(one, at) for one in chosen for at in following(one.times, now, count)]
    found = sorted(every, key=lambda pair: (pair[1].start, pair[0].id))[:count]
    width = max((len(one.id) for one, _ in found), default=0)
    lines = [f"{one.id:<{width}}  {_row(at.start, at.end, one.zone)}{_because(at.says)}" for one, at in found]
    rows = [_window(one, at) for one, at in found]
    return Result({"schema": 1, "windows": rows}, "\n".join(lines) or "No window in the next ten years.", output)


@app.command()
def plan(
    ctx: typer.Context,
    file: File = None,
    ahead: Ahead = "48h",
    url: given.Url = None,
    policy: given.PolicyFile = None,
    timeout: given.Timeout = "10s",
    output: Output = Format.text,
) -> Result:
    """What `apply` would do. Changes nothing. Exit: 0 nothing to do, 1 something to do."""
    from opsctl.cli.silence_where import opened

    schedules, reach = _load(file), _ahead(ahead)
    with opened(ctx, url, timeout=timeout, policy=policy) as where:
        steps = _steps(where, schedules, reach)
        due = sum(1 for step in steps if step.due)
        lines = [_line(step.what, step, where.zone, step.says, _short(step)) for step in steps]
        lines.append(f"{due} to do, {len(steps) - due} as they are" if steps else f"No window within {ahead}.")
        return Result({"schema": 1, "steps": [_told(s, s.what, _id(s), s.says) for s in steps]}, "\n".join(lines),
                      output, exit=1 if due else 0)  # fmt: skip


@app.command()
def apply(
    ctx: typer.Context,
    file: File = None,
    ahead: Ahead = "48h",
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing when nothing changed.")] = False,
    url: given.Url = None,
    policy: given.PolicyFile = None,
    timeout: given.Timeout = "10s",
    output: Output = Format.text,
) -> Result:
    """Create the windows that are missing, and end pending ones that are no longer wanted. Others' are left alone.

    Exit: 0 done, 1 not on every member, 2 a step failed, 3 not known, 77 a guard refused one.
    """
    from opsctl.cli.silence_where import opened
    from opsctl.silences.schedule_apply import apply as applied
    from opsctl.silences.schedule_apply import exit_code

    schedules, reach = _load(file), _ahead(ahead)
    with opened(ctx, url, timeout=timeout, policy=policy) as where:
        done = applied(where.members, _steps(where, schedules, reach), where.timeout)
        lines = [_outcome(one, where.zone) for one in done if one.outcome in ("created", "expired")]
        wrong = tuple(_outcome(one, where.zone) for one in done if one.outcome in ("failed", "unknown", "refused"))
        if not quiet:
            lines += [_outcome(one, where.zone) for one in done if one.step.what in ("left", "ended")]
            if not lines and not wrong:
                lines = [f"Nothing to do: {len(done)} windows within {ahead} are as they should be."]
        rows = [_told(one.step, one.outcome, one.id, one.says) for one in done]
        return Result({"schema": 1, "steps": rows}, "\n".join(lines), output, exit=exit_code(done), notes=wrong)


def _load(file: str | None) -> Schedules:
    from opsctl.silences.schedule_file import find_schedules, load_schedules

    return load_schedules(find_schedules(file))


def _chosen(schedules: Schedules, id: str | None) -> tuple[Schedule, ...]:
    from opsctl.nearest import unknown_name

    if id is None:
        return schedules.all
    found = tuple(one for one in schedules.all if one.id == id)
    if not found:
        raise unknown_name("schedule", id, [one.id for one in schedules.all])
    return found


def _ahead(text: str) -> timedelta:
    from opsctl.durations import parse_duration

    seconds = parse_duration(text)
    if not 60 <= seconds <= 366 * 86_400:
        raise UsageError(f"--ahead {text} is not between a minute and a year")
    return timedelta(seconds=seconds)


def _steps(where: Where, schedules: Schedules, ahead: timedelta) -> list[Step]:
    from opsctl.silences.book import read
    from opsctl.silences.schedule_plan import Guards
    from opsctl.silences.schedule_plan import plan as planned

    book = read(where.members, where.timeout)
    now = where.now + timedelta(seconds=book.skew)
    guards = Guards(where.members, where.policy, now, where.timeout)
    return planned(schedules, book, now, ahead, guards.against)


def _row(start: datetime, end: datetime, zone: Zone) -> str:
    """``Sun 2026-11-22 02:30 to 04:30 Europe/Berlin (01:30 to 03:30 UTC), 2h``."""
    from opsctl.durations import format_duration

    said = f"{_span(start, end, zone.info)} {zone.name}"
    if zone.name != "UTC":
        other = start.astimezone(zone.info).date() != start.date()
        said += f" ({_span(start, end, UTC) if other else _span(start, end, UTC)[15:]} UTC)"
    return f"{said}, {format_duration(round((end - start).total_seconds()))}"


def _span(start: datetime, end: datetime, info: tzinfo) -> str:
    first, last = start.astimezone(info), end.astimezone(info)
    days = (last.date() - first.date()).days
    return f"{first:%a %Y-%m-%d %H:%M} to {last:%H:%M}" + (f" +{days}d" if days else "")


def _because(says: str) -> str:
    from opsctl.cli.silence_text import told

    return f"; {told(says)}" if says else ""


def _line(word: str, step: Step, zone: Zone, says: str, id: str) -> str:
    shown = step.schedule.zone if step.schedule is not None else zone
    ids = f" [{id}]" if id else ""
    return f"{word:<8} {step.id}  {_row(step.start, step.end, shown)}{ids}{_because(says)}"


def _outcome(one: Applied, zone: Zone) -> str:
    says = one.says
    if one.not_seen_on:
        says = f"{says}; " if says else ""
        says += f"not on {', '.join(one.not_seen_on)} yet"
    word = one.step.what if one.outcome == "unchanged" else one.outcome
    return _line(word, one.step, zone, says, one.id[:8])


def _id(step: Step) -> str:
    return step.known.id if step.known else ""


def _short(step: Step) -> str:
    return f"{step.known.short} {step.known.state}" if step.known else ""


def _told(step: Step, what: str, id: str, says: str) -> dict[str, Any]:
    return {"what": what, "schedule": step.id, "start": step.start, "end": step.end, "silence": id, "says": says}


def _window(one: Schedule, at: Occurrence) -> dict[str, Any]:
    local = at.start.astimezone(one.zone.info)
    return {
        "schedule": one.id,
        "zone": one.zone.name,
        "local": local,
        "start": at.start,
        "end": at.end,
        "seconds": (at.end - at.start).total_seconds(),
        "says": at.says,
    }
