"""``opsctl alerts list``: everything that fires or is about to, from all members, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from opsctl.cli import silence_options as given
from opsctl.cli.options import Format, Output, Service
from opsctl.cli.result import Result
from opsctl.errors import CouldNotLook, Unavailable, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opsctl.alerts.model import Sighting
    from opsctl.alerts.read import Unanswered
    from opsctl.cli.alerts_where import Where
    from opsctl.clients.alertmanager import Silence
    from opsctl.report.style import Style
    from opsctl.silences.matcher import Matcher

PARTIAL = 3  # exit code when not everything that could hold alerts answered
_SHOWN = 50  # alerts or groups in the text, unless --limit says otherwise

States = Annotated[
    str,
    typer.Option(
        "--state",
        metavar="STATE,...",
        help="active, silenced, inhibited, muted (by a time interval), pending; firing: all but pending; default: all.",
    ),
]
GroupBy = Annotated[
    str | None, typer.Option("--group-by", metavar="LABEL,...", help="One entry for all alerts that agree in these.")
]
PrometheusUrl = Annotated[
    str | None, typer.Option("--prometheus-url", metavar="URL", help="Where pending alerts and the past are read.")
]
Limit = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=0, help="Show so many; 0: all. Default: 50, all in JSON.")
]


class Gathered(NamedTuple):
    """``failed``: who gave no answer. ``cut_off``: no Alertmanager did; ``counted``: what its metrics count then."""

    alerts: list[Sighting]
    silences: Mapping[str, Silence]
    failed: tuple[Unanswered, ...]
    cut_off: bool
    counted: Mapping[str, int]
    notes: tuple[str, ...] = ()


def list_(
    ctx: typer.Context,
    words: given.Matchers = None,
    states: States = "firing,pending",
    group_by: GroupBy = None,
    service: Service = None,
    limit: Limit = None,
    zone: given.ZoneName = None,
    url: given.Url = None,
    prometheus_url: PrometheusUrl = None,
    timeout: given.Timeout = "25s",
    output: Output = Format.text,
) -> Result:
    """Everything that fires or is about to: since when, how bad, silenced by whom until when, and what to run.

    Exit: 0, 3 when a member did not answer (the rest is shown), 69 when no Alertmanager did.
    """
    from opsctl.alerts.model import grouped, ordered
    from opsctl.cli import alerts_data
    from opsctl.cli.alerts_where import notes_of, opened, parsed

    wanted, labels, matchers = states_of(states), _labels(group_by), parsed(words)
    with opened(ctx, url=url, prometheus=prometheus_url, service=service, timeout=timeout, zone=zone) as where:
        seen = gather(where, matchers, wanted)
        alerts = ordered(seen.alerts)
        groups = grouped(alerts, labels)
        most = limit if limit is not None else 0 if output == "json" else _SHOWN
        total = len(groups) if labels else len(alerts)
        shown = total if most == 0 else min(most, total)
        data: dict[str, Any] = {
            "schema": alerts_data.SCHEMA,
            "total": len(alerts),
            "shown": shown,
            "complete": not seen.failed,
            "did_not_answer": alerts_data.of_failed(seen.failed),
            "counted": dict(seen.counted),
        }
        if output != "json":
            pass
        elif labels:
            data["groups"] = [
                {
                    "labels": dict(zip(labels, group.key, strict=True)),
                    "alerts": [alerts_data.of_alert(where, alert, seen.silences) for alert in group.alerts],
                }
                for group in groups[:shown]
            ]
        else:
            data["alerts"] = [alerts_data.of_alert(where, alert, seen.silences) for alert in alerts[:shown]]

        def render(style: Style) -> str:
            from opsctl.cli import alerts_text as text

            lines = [_headline(alerts, states, seen)]
            for group in groups[:shown] if labels else ():
                lines += text.group_lines(where, group, labels, style)
            for alert in () if labels else alerts[:shown]:
                lines += text.block(where, alert, seen.silences, style)
            if shown < total:
                rest = f"{total - shown:,} more {'groups' if labels else 'alerts'} are not shown"
                lines.append(f"{rest}: give matchers, --group-by alertname,service, or --limit 0.")
            return "\n".join(lines)

        code = Unavailable.code if seen.cut_off else PARTIAL if seen.failed else 0
        return Result(data, render, output, exit=code, notes=(*notes_of(seen.failed), *seen.notes))


def states_of(text: str) -> frozenset[str]:
    """``firing,pending`` as the states that it means. Raises UsageError for one there is not."""
    from opsctl.alerts.model import FIRING, STATES
    from opsctl.nearest import unknown_name

    found: set[str] = set()
    for one in (part.strip() for part in text.split(",") if part.strip()):
        if one not in (*STATES, "firing"):
            raise unknown_name("state", one, (*STATES, "firing"))
        found |= set(FIRING) if one == "firing" else {one}
    if not found:
        raise UsageError("--state names no state", remedy=f"Give some of {', '.join(STATES)}, firing.")
    return frozenset(found)


def gather(where: Where, matchers: Sequence[Matcher], states: frozenset[str]) -> Gathered:
    """Ask every member, Prometheus and the service's own engine, all at once. Raises Unavailable, Refused, ConfigError.

    When no Alertmanager answers (an alert storm: 40 s, alert-tooling.md), what Prometheus holds is shown instead.
    """
    from concurrent.futures import ThreadPoolExecutor

    from opsctl.alerts import own, read
    from opsctl.alerts.model import FIRING
    from opsctl.cli.alerts_where import unavailable
    from opsctl.silences.matcher import matches_all

    firing, all_matchers = states & set(FIRING), (*where.matchers, *matchers)
    if not (where.readers or where.own or (where.prometheus and "pending" in states)):
        where.need_alertmanager()
    failed: list[Unanswered] = []
    members = where.readers if firing and not where.alone else ()
    with ThreadPoolExecutor(max_workers=3) as pool:
        telling = pool.submit(read.firing, members, all_matchers, firing, where.timeout) if members else None
        pending = (
            pool.submit(read.in_prometheus, where.prometheus, "pending", all_matchers, where.timeout)
            if where.prometheus is not None and "pending" in states and not where.alone
            else None
        )
        engine = (
            pool.submit(own.active, where.own, where.profile.service, where.timeout)
            if where.own is not None and where.profile is not None and "active" in states
            else None
        )
        alerts, unheard = telling.result() if telling is not None else ([], [])
        failed += unheard
        for asked, client in ((pending, where.prometheus), (engine, where.own)):
            if asked is None or client is None:
                continue
            try:
                alerts += [alert for alert in asked.result() if matches_all(matchers, alert.labels)]
            except CouldNotLook as error:
                failed.append(read.Unanswered(client.address, error))
    cut_off = bool(members) and len(unheard) == len(members)
    notes: tuple[str, ...] = ()
    counted: Mapping[str, int] = {}
    if cut_off:
        instead = _instead(where, all_matchers) if "active" in states else None
        if instead is not None:
            alerts += instead
            notes = ("shown instead: what Prometheus lets fire; whether any of it is silenced is not known",)
        elif not all_matchers:
            counted = read.counted(where.readers)
        if instead is None and not alerts and not counted:
            raise unavailable([one.error for one in failed])
    elif failed and not alerts and not members:
        raise unavailable([one.error for one in failed])
    if where.prometheus is None and "pending" in states and not where.alone:
        notes = (*notes, "pending alerts are not known: nothing says where Prometheus is")
    known: Mapping[str, Silence] = {}
    if any(alert.silenced_by for alert in alerts):
        known, unknown = read.silences(where.readers, min(where.timeout, 5.0))
        failed += [one for one in unknown if one.address not in {other.address for other in failed}]
    return Gathered(alerts, known, tuple(failed), cut_off, counted, notes)


def _instead(where: Where, matchers: Sequence[Matcher]) -> list[Sighting] | None:
    from opsctl.alerts.read import in_prometheus

    if where.prometheus is None:
        return None
    try:
        return in_prometheus(where.prometheus, "firing", matchers, 4.0)
    except CouldNotLook:
        return None


def _labels(group_by: str | None) -> tuple[str, ...]:
    if group_by is None:
        return ()
    found = tuple(part.strip() for part in group_by.split(",") if part.strip())
    if not found:
        raise UsageError("--group-by names no label", remedy="Write it as --group-by alertname,service.")
    return found


def _headline(alerts: Sequence[Sighting], states: str, seen: Gathered) -> str:
    from opsctl.cli.alerts_text import headline

    if seen.counted:
        told = ", ".join(f"{number:,} {state}" for state, number in seen.counted.items())
        also = f"; known: {headline(alerts)}" if alerts else ""
        remedy = "Give matchers, or a longer --timeout."
        return f"Not listed in time. Alertmanager's own count: {told}{also} (not complete). {remedy}"
    if not alerts:
        said = (
            "Nothing fires or is pending"
            if states == "firing,pending"
            else f"No alert is {' or '.join(states.split(','))}"
        )
        return f"{said}." if not seen.failed else f"{said}, as far as it is known."
    return headline(alerts) + (" (not complete)" if seen.failed else "")
