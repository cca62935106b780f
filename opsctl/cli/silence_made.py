"""What came of ``opsctl silence create`` and ``ack``, as people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsctl.cli import silence_text as text
from opsctl.durations import format_duration

if TYPE_CHECKING:
    from opsctl.cli.silence_where import Where
    from opsctl.report.style import Style
    from opsctl.silences.create import Made, Wanted
    from opsctl.silences.firing import Firing

_LOOKS = {"created": "green", "found": "bold", "unknown": "yellow"}


def as_text(
    where: Where,
    wanted: Wanted,
    made: Made,
    firing: Firing | None,
    short_by: float,
    style: Style,
    word: str = "created",
) -> list[str]:
    """Outcome and id first; what it mutes, from when to when; what is not as it should be; what to run next."""
    from opsctl.silences.create import comment_of

    def row(label: str, said: str) -> str:
        return text.row(label, said, style)

    if made.outcome == "unknown":
        head = style.paint("NOT KNOWN", "bold", "yellow")
        return [
            f"{head}  whether the silence was made: {text.told(made.says)}",
            row("mutes", text.matchers(wanted.matchers)),
            *text.following([where.command("list --mine")]),
        ]
    word = word if made.outcome == "created" else "there already"
    lines = [f"{style.paint(word, 'bold', _LOOKS[made.outcome])}  {made.id}  {made.state}"]
    lines.append(row("mutes", text.matchers(wanted.matchers)))
    if firing is not None:
        lines.append(
            row("now", text.muted_now(firing.hits(wanted.matchers), len(firing.alerts) if firing.complete else None))
        )
    length = text.length(made.start, made.end)
    lines.append(row("from", f"{text.span(made.start, made.end, where.zone, where.now)}, {length}"))
    lines.append(row("by", f"{text.told(wanted.author)}: {text.told(comment_of(wanted))}"))
    lines += [row("note", said) for said in _notes(made, firing, short_by)]
    commands = [where.command(f"expire {made.id}")]
    if short_by > 60:
        until = wanted.window.end.isoformat(timespec="seconds").replace("+00:00", "Z")
        commands.insert(0, where.command(f"extend {made.id} --until {until}"))
    return [*lines, *text.following(commands)]


def _notes(made: Made, firing: Firing | None, short_by: float) -> list[str]:
    found: list[str] = []
    if short_by > 60:
        found.append(f"it ends {text.rough(short_by)} before what was asked for")
    if made.not_seen_on:
        found.append(f"not seen on {', '.join(made.not_seen_on)}: alerts may still be sent from there")
    if made.says:
        found.append(text.told(made.says))
    if made.skew:
        way = "ahead of" if made.skew > 0 else "behind"
        found.append(f"the server's clock is {format_duration(abs(made.skew))} {way} this one; times are the server's")
    if firing is not None and not firing.complete:
        found.append("how many alerts fire in all could not be read in time")
    if firing is not None:
        found += [f"{one.address} did not tell what fires: {text.told(one.error.says)}" for one in firing.failed]
    return found
