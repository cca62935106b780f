"""Silences as people read them: at most 80 columns where the content allows, times in UTC and on the reader's clock."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

from opsctl.durations import format_duration
from opsctl.redact import printable, redact

if TYPE_CHECKING:
    from opsctl.clients.alertmanager import Alert
    from opsctl.report.style import Style
    from opsctl.silences.book import Known
    from opsctl.silences.matcher import Matcher
    from opsctl.silences.preview import Preview
    from opsctl.silences.window import Zone

_SHOWN = 6  # names of alerts in one line


def told(text: str) -> str:
    """Text that came from a server or a person, on one line."""
    return " ".join(redact(printable(text)).split())


def moment(at: datetime, zone: Zone, now: datetime) -> str:
    """``05:07 UTC (06:07 Europe/Berlin)``; with the day when it is not today's."""
    said = f"{_short(at, UTC, now)} UTC"
    return said if zone.name == "UTC" else f"{said} ({_short(at, zone.info, now)} {zone.name})"


def span(start: datetime, end: datetime, zone: Zone, now: datetime) -> str:
    """``03:07 to 05:07 UTC (04:07 to 06:07 Europe/Berlin)``; days where they are not today's."""
    said = f"{_short(start, UTC, now)} to {_short(end, UTC, now, start)} UTC"
    if zone.name == "UTC":
        return said
    local = f"{_short(start, zone.info, now)} to {_short(end, zone.info, now, start)}"
    return f"{said} ({local} {zone.name})"


def _short(at: datetime, info: tzinfo, now: datetime, beside: datetime | None = None) -> str:
    local = at.astimezone(info)
    same = (beside or now).astimezone(info).date()
    return f"{local:%H:%M}" if local.date() == same else f"{local:%Y-%m-%d %H:%M}"


def rough(seconds: float) -> str:
    """``1h12m``, ``3d4h``, ``45s``: no more than two units."""
    whole = max(0, round(seconds))
    for size, finer in ((86400, 3600), (3600, 60)):
        if whole >= size:
            return format_duration(whole // finer * finer)
    return format_duration(whole // 60 * 60 if whole >= 600 else whole)


def matchers(found: Iterable[Matcher]) -> str:
    """``service="orchestrator" severity!="critical"``."""
    return " ".join(told(matcher.text()) for matcher in found)


def length(start: datetime, end: datetime) -> str:
    """How long, without the fraction of a minute that the server's clamping of the start costs."""
    seconds = (end - start).total_seconds()
    return format_duration(round(seconds / 60) * 60 if seconds >= 600 else round(seconds))


def names(alerts: Iterable[str]) -> str:
    """``HighLatency (2), ServiceDown``, the most frequent first."""
    counts: dict[str, int] = {}
    for name in alerts:
        counts[name] = counts.get(name, 0) + 1
    ranked = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    shown = [told(name or "(no name)") + (f" ({count})" if count > 1 else "") for name, count in ranked[:_SHOWN]]
    return ", ".join(shown) + (f" and {len(ranked) - _SHOWN} more" if len(ranked) > _SHOWN else "")


def row(label: str, text: str, style: Style, indent: int = 2, column: int = 10) -> str:
    """A labelled line, continued below its text where it is too long."""
    head = f"{' ' * indent}{label:<{column - indent}} "
    return textwrap.fill(
        text,
        width=style.width,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )


def count(number: int, noun: str) -> str:
    """``1 alert``, ``3 alerts``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def muted_now(hits: Sequence[Alert], total: int | None) -> str:
    """``3 of 17 firing alerts: HighLatency (2), ServiceDown``."""
    if not hits:
        return "nothing that fires now" + (f" ({count(total, 'alert')} fire)" if total else "")
    of = f" of {total}" if total is not None else ""
    which = names(alert.labels.get("alertname", "") for alert in hits)
    return f"{len(hits)}{of} firing alert{'' if (total or len(hits)) == 1 else 's'}: {which}"


def preview(
    seen: Preview, wanted: Sequence[Matcher], start: datetime, end: datetime, zone: Zone, now: datetime, by: str
) -> list[str]:
    """The lines of a preview (experience.md, Silence)."""
    lines = [
        f"would mute now      {len(seen.hits)} of {count(seen.firing, 'firing alert')}  ({seen.critical} critical)"
    ]
    if seen.hits:
        lines.append(f"{'':20}{names(hit.alertname for hit in seen.hits)}")
    if seen.rules is not None:
        could = f"{count(len(seen.rules), 'rule')} of {seen.all_rules}"
        if seen.fired is not None:
            fired = sum(1 for name in seen.rules if name in seen.fired)
            could += f"; {fired} of them fired in the last 7 days"
        lines.append(f"could mute          {could}")
    lines += [f"not known           {told(says)}" for says in seen.unknown]
    audible = [told(name or "(no name)") for name, _ in seen.audible[:3]]
    lines.append(f"stays audible       {', '.join([*audible, _rest(wanted)])}")
    lines.append(f"from {span(start, end, zone, now)}, {format_duration((end - start).total_seconds())}, by {told(by)}")
    return lines


def _rest(wanted: Sequence[Matcher]) -> str:
    if len(wanted) == 1 and wanted[0].is_equal:
        operator = "=~" if wanted[0].is_regex else "="
        return f"everything without {told(wanted[0].name)}{operator}{told(wanted[0].value)}"
    return "everything else"


def heading(known: Known, zone: Zone, now: datetime) -> str:
    """``ends in 1h12m, 05:07 UTC (06:07 Europe/Berlin)``."""
    one = known.silence
    if known.state == "pending":
        return (
            f"begins in {rough((one.starts_at - now).total_seconds())}, {span(one.starts_at, one.ends_at, zone, now)}"
        )
    if known.state == "active":
        return f"ends in {rough((one.ends_at - now).total_seconds())}, {moment(one.ends_at, zone, now)}"
    return f"ended {rough((now - one.ends_at).total_seconds())} ago, {moment(one.ends_at, zone, now)}"


def following(commands: Sequence[str]) -> list[str]:
    """What can be run next."""
    return [("Next  " if number == 0 else "      ") + command for number, command in enumerate(commands)]
