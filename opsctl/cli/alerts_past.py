"""``opsctl alerts history|volume|noise``: what alerts did before. Changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.cli import silence_options as given
from opsctl.cli.alerts_list import PrometheusUrl
from opsctl.cli.options import Format, Output, Service
from opsctl.cli.result import Result
from opsctl.errors import UsageError

if TYPE_CHECKING:
    from opsctl.alerts.past import Firing, Noise, Past
    from opsctl.cli.alerts_where import Where
    from opsctl.clients.alertmanager import Silence
    from opsctl.report.style import Style
    from opsctl.silences.matcher import Matcher

PARTIAL = 3
_SHOWN = 50
_LONGEST = 90  # days

Since = Annotated[str, typer.Option("--since", metavar="DURATION", help="How far back to look.")]
Limit = Annotated[int, typer.Option("--limit", metavar="N", min=0, help="Show so many in the text; 0: all.")]
OneDay = Annotated[
    str | None, typer.Option("--day", metavar="DAY", help="today, yesterday or 2026-11-21; default: the last 7 days.")
]


def history(
    ctx: typer.Context,
    words: given.Matchers = None,
    since: Since = "24h",
    service: Service = None,
    limit: Limit = _SHOWN,
    zone: given.ZoneName = None,
    prometheus_url: PrometheusUrl = None,
    timeout: given.Timeout = "25s",
    output: Output = Format.text,
) -> Result:
    """Which alerts fired, when and for how long, the newest first; from Prometheus, or a service's own alert engine."""
    from opsctl.cli import alerts_data
    from opsctl.cli.alerts_where import opened, parsed

    seconds, matchers = _span(since), parsed(words)
    with opened(ctx, prometheus=prometheus_url, service=service, timeout=timeout, zone=zone) as where:
        if where.alone:
            from opsctl.cli.alerts_own import own_history

            return own_history(where, matchers, seconds, limit, output)
        past = _read(where, matchers, where.now.timestamp() - seconds, where.now.timestamp())
        newest = past.firings[::-1]
        data = {
            "schema": alerts_data.SCHEMA,
            "step": past.step,
            "firings": [_firing(one) for one in newest],
        }

        def render(style: Style) -> str:
            return "\n".join(_history(where, past, newest, since, limit, style))

        return Result(data, render, output)


def volume(
    ctx: typer.Context,
    words: given.Matchers = None,
    day: OneDay = None,
    service: Service = None,
    zone: given.ZoneName = None,
    prometheus_url: PrometheusUrl = None,
    timeout: given.Timeout = "25s",
    output: Output = Format.text,
) -> Result:
    """How many alerts began on each day, and what kind of day that is: healthy 0-2, degraded 5-15, incident 20-50."""
    from opsctl.alerts.past import days
    from opsctl.cli import alerts_data
    from opsctl.cli.alerts_where import opened, parsed
    from opsctl.cli.silence_text import count
    from opsctl.durations import format_duration

    matchers = parsed(words)
    with opened(ctx, prometheus=prometheus_url, service=service, timeout=timeout, zone=zone) as where:
        starts = _days(day, where)
        past = _read(where, matchers, starts[0], min(starts[-1], where.now.timestamp()))
        found = days(past, starts)
        data = {
            "schema": alerts_data.SCHEMA,
            "step": past.step,
            "days": [
                {
                    "day": _date(one.start, where),
                    "alerts": one.alerts,
                    "kind": one.kind,
                    "expected_notifications": one.expected,
                    "over": one.start + 86400 <= where.now.timestamp(),
                }
                for one in found
            ],
        }

        def render(style: Style) -> str:
            lines = []
            for one in found:
                so_far = " so far" if end > where.now.timestamp() and one is found[-1] else ""
                told = f", {one.expected} notifications are expected" if one.expected else ""
                lines.append(f"{_date(one.start, where)}  {count(one.alerts, 'alert'):>10}{so_far}  {one.kind}{told}")
            looked = format_duration(round(past.step))
            lines.append(f"Days of {where.zone.name}; looked every {looked}: shorter firings may be missed.")
            return "\n".join(lines)

        end = starts[-1]
        return Result(data, render, output)


def noise(
    ctx: typer.Context,
    words: given.Matchers = None,
    since: Since = "7d",
    service: Service = None,
    limit: Limit = 20,
    zone: given.ZoneName = None,
    url: given.Url = None,
    prometheus_url: PrometheusUrl = None,
    timeout: given.Timeout = "25s",
    output: Output = Format.text,
) -> Result:
    """Alerts that come and go, the noisiest first; and those that nobody seems to act on: always short, never silenced.

    Exit: 0, or 3 when the silences are not known.
    """
    from opsctl.alerts import past as before
    from opsctl.alerts import read
    from opsctl.cli import alerts_data
    from opsctl.cli.alerts_where import notes_of, opened, parsed
    from opsctl.cli.silence_text import told

    seconds, matchers = _span(since), parsed(words)
    with opened(ctx, url=url, prometheus=prometheus_url, service=service, timeout=timeout, zone=zone) as where:
        past = _read(where, matchers, where.now.timestamp() - seconds, where.now.timestamp())
        known: dict[str, Silence] | None = None
        notes: tuple[str, ...] = ("silences are not known: nothing says where Alertmanager is",)
        if where.readers:
            known, failed = read.silences(where.readers, where.timeout)
            notes = notes_of(failed)
            known = None if len(failed) == len(where.readers) else known
        found = before.noise(past, None if known is None else known.values())
        data = {
            "schema": alerts_data.SCHEMA,
            "step": past.step,
            "alerts": [
                {
                    "name": told(one.name),
                    "labels": _shown(one.labels),
                    "times": one.times,
                    "seconds": one.total,
                    "longest": one.longest,
                    "silenced": one.silenced,
                    "never_acted_on": one.idle if one.silenced is not None else None,
                }
                for one in found
            ],
        }

        def render(style: Style) -> str:
            return "\n".join(_noise(found, past, since, limit, known is not None, style))

        return Result(data, render, output, exit=PARTIAL if notes else 0, notes=notes)


def _read(where: Where, matchers: tuple[Matcher, ...], start: float, end: float) -> Past:
    from opsctl.alerts.past import read

    return read(where.need_prometheus(), (*where.matchers, *matchers), start, end, where.timeout)


def _span(since: str) -> float:
    """Seconds. Raises UsageError."""
    from opsctl.durations import parse_duration

    seconds = parse_duration(since)
    if not 60 <= seconds <= _LONGEST * 86400:
        raise UsageError(f"--since {since} is not between 1m and {_LONGEST}d")
    return seconds


def _days(day: str | None, where: Where) -> list[float]:
    """The beginnings of the days that are meant, on the reader's clock, and the end of the last one."""
    today = where.now.astimezone(where.zone.info).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if day is None:
        first, number = today - timedelta(days=6), 7
    else:
        words = {"today": today, "yesterday": today - timedelta(days=1)}
        try:
            first = words[day] if day in words else datetime.strptime(day, "%Y-%m-%d")
        except ValueError:
            raise UsageError(f"--day {day!r} is not a day", remedy="Write today, yesterday or 2026-11-21.") from None
        number = 1
    starts = [(first + timedelta(days=n)).replace(tzinfo=where.zone.info).timestamp() for n in range(number + 1)]
    if starts[0] > where.now.timestamp():
        raise UsageError(f"--day {day} lies in the future")
    return starts


def _date(at: float, where: Where) -> str:
    return f"{datetime.fromtimestamp(at, where.zone.info):%Y-%m-%d}"


def _labels(labels: dict[str, str]) -> str:
    from opsctl.cli.silence_text import told

    return " ".join(f"{told(k)}={told(v)}" for k, v in sorted(labels.items()) if k not in ("alertname", "severity"))


def _shown(labels: dict[str, str]) -> dict[str, str]:
    from opsctl.cli.silence_text import told

    return {told(name): told(value) for name, value in labels.items()}


def _firing(one: Firing) -> dict[str, Any]:
    from opsctl.cli.silence_data import time
    from opsctl.cli.silence_text import told

    return {
        "name": told(one.name),
        "labels": _shown(one.labels),
        "from": time(datetime.fromtimestamp(one.start, UTC)),
        "to": time(datetime.fromtimestamp(one.end, UTC)) if one.over else None,
        "began_before": not one.begun,
        "seconds": one.seconds,
    }


def _history(where: Where, past: Past, newest: tuple[Firing, ...], since: str, limit: int, style: Style) -> list[str]:
    from opsctl.cli.silence_text import count, moment, rough, row, told
    from opsctl.durations import format_duration

    looked = format_duration(round(past.step))
    if not newest:
        return [f"Nothing fired in the last {since} (looked every {looked})."]
    names = {one.name for one in newest}
    lines = [f"{count(len(newest), 'firing')} of {count(len(names), 'alert')} in {since}, looked every {looked}"]
    for one in newest[: limit or None]:
        began = datetime.fromtimestamp(one.start, UTC)
        when = moment(began, where.zone, where.now) if one.begun else f"before {moment(began, where.zone, where.now)}"
        how = f"for {rough(max(one.seconds, past.step))}" if one.over else "still fires"
        lines.append(f"{style.paint(told(one.name), 'bold')}, {when}, {how}")
        labels = _labels(one.labels)
        if labels:
            lines.append(row("", labels, style, indent=2, column=2))
    if limit and len(newest) > limit:
        lines.append(f"{len(newest) - limit:,} older ones are not shown: give matchers, or --limit 0.")
    return lines


def _noise(found: list[Noise], past: Past, since: str, limit: int, known: bool, style: Style) -> list[str]:
    from opsctl.cli.silence_text import count, rough, row, told
    from opsctl.durations import format_duration

    looked = format_duration(round(past.step))
    if not found:
        return [f"Nothing fired in the last {since} (looked every {looked})."]
    total = sum(one.times for one in found)
    lines = [f"{count(total, 'firing')} of {count(len(found), 'label set')} in {since}, looked every {looked}"]
    for one in found[: limit or None]:
        hint = "; always short, never silenced" if one.idle else ""
        times = "once" if one.times == 1 else f"{one.times} times"
        longest = rough(max(one.longest, past.step))
        lines.append(f"{style.paint(told(one.name), 'bold')}, {times}, longest {longest}{hint}")
        labels = _labels(one.labels)
        if labels:
            lines.append(row("", labels, style, indent=2, column=2))
    if limit and len(found) > limit:
        lines.append(f"{len(found) - limit:,} quieter ones are not shown: give matchers, or --limit 0.")
    if known:
        lines.append(
            "Whether somebody acted is not recorded; silences are kept for 5 days, so older ones do not count."
        )
    return lines
