"""``opsctl alerts explain``: why an alert is told to whom and when, or why it is not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.cli import silence_options as given
from opsctl.cli.options import Format, Output
from opsctl.cli.result import Result
from opsctl.errors import BadData, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opsctl.alerts.explain import Explained, Telling
    from opsctl.alerts.model import Sighting
    from opsctl.alerts.routing import Route, Routing
    from opsctl.cli.alerts_where import Where
    from opsctl.clients.alertmanager import Silence
    from opsctl.report.style import Style
    from opsctl.silences.matcher import Matcher

PARTIAL = 3
_FINGERPRINT = re.compile(r"[0-9a-f]{4,16}")
_SHOWN = 5

Which = Annotated[
    list[str],
    typer.Argument(
        metavar="FINGERPRINT|MATCHER...",
        help="An alert's fingerprint (four characters are enough) or matchers. Matchers that no alert has are "
        "routed as an alert of these labels would be.",
    ),
]


def explain(
    ctx: typer.Context,
    words: Which,
    zone: given.ZoneName = None,
    url: given.Url = None,
    timeout: given.Timeout = "25s",
    output: Output = Format.text,
) -> Result:
    """Its way through the routes, receivers and timers; who silenced or inhibits it; when it is told next; what to run.

    Exit: 0, 3 when a member did not answer, 69 when none did.
    """
    from opsctl.alerts import read
    from opsctl.alerts.explain import explain as work_out
    from opsctl.alerts.model import ordered
    from opsctl.cli import alerts_data
    from opsctl.cli.alerts_where import notes_of, opened, unavailable

    with opened(ctx, url=url, timeout=timeout, zone=zone) as where:
        readers = where.need_alertmanager()
        everything, failed = read.firing(readers, timeout=where.timeout)
        if len(failed) == len(readers):
            raise unavailable([one.error for one in failed])
        routing = _routing(where)
        found, real = _chosen(words, everything)
        known: Mapping[str, Silence] = {}
        if any(alert.silenced_by for alert in found):
            known, _ = read.silences(readers, min(where.timeout, 5.0))
        explained = [work_out(alert, everything, routing, where.now) for alert in ordered(found)[:_SHOWN]]
        data: dict[str, Any] = {
            "schema": alerts_data.SCHEMA,
            "total": len(found),
            "alerts": [_data(where, one, known, real) for one in explained],
            "complete": not failed,
            "did_not_answer": alerts_data.of_failed(failed),
        }

        def render(style: Style) -> str:
            pages = ["\n".join(_page(where, one, known, real, style)) for one in explained]
            if len(found) > _SHOWN:
                pages.append(f"{len(found) - _SHOWN:,} more alerts match and are not shown: give more matchers.")
            return "\n\n".join(pages)

        return Result(data, render, output, exit=PARTIAL if failed else 0, notes=notes_of(failed))


def _routing(where: Where) -> Routing:
    """The running configuration's, of the first member that tells it. Raises CouldNotLook, BadData."""
    from opsctl.alerts import read
    from opsctl.alerts.routing import BadRouting, read_routing
    from opsctl.cli.alerts_where import unavailable

    given_, failed = read.ask(where.readers, lambda one: one.status(min(where.timeout, 5.0)))
    if not given_:
        raise unavailable([one.error for one in failed])
    try:
        return read_routing(given_[0].config.original)
    except BadRouting as error:
        raise BadData(f"Alertmanager's running configuration cannot be understood: {error}") from None


def _chosen(words: Sequence[str], everything: Sequence[Sighting]) -> tuple[list[Sighting], bool]:
    """The alerts that are meant, and whether they are there. Raises UsageError."""
    from opsctl.alerts.model import Sighting, name_of
    from opsctl.cli.alerts_where import parsed
    from opsctl.silences.matcher import matches_all

    if len(words) == 1 and _FINGERPRINT.fullmatch(words[0]):
        found = [alert for alert in everything if alert.fingerprint.startswith(words[0])]
        if len(found) > 1 and not any(alert.fingerprint == words[0] for alert in found):
            raise UsageError(f"{len(found)} alerts have fingerprints that begin with {words[0]}", remedy="Give more.")
        if found:
            return found[:1], True
    matchers = parsed(words)
    if not matchers:
        raise UsageError("nothing says which alert is meant", remedy="Give a fingerprint or matchers.")
    found = [alert for alert in everything if matches_all(matchers, alert.labels)]
    if found:
        return found, True
    labels = _labels(matchers)
    if labels is None:
        raise UsageError(
            "no alert that fires matches", remedy="Give label=value alone to see where such an alert would be routed."
        )
    return [Sighting("", "", name_of(labels), "active", labels, severity=labels.get("severity", ""))], False


def _labels(matchers: Sequence[Matcher]) -> dict[str, str] | None:
    """The labels that equality matchers give; None when there are others among them."""
    if any(one.is_regex or not one.is_equal for one in matchers):
        return None
    return {one.name: one.value for one in matchers if one.value}


def _page(where: Where, one: Explained, known: Mapping[str, Silence], real: bool, style: Style) -> list[str]:
    from opsctl.cli import alerts_text as text
    from opsctl.cli.silence_text import row, told

    alert = one.alert
    if real:
        lines = text.block(where, alert, {}, style)[:1]
        lines.append(row("alert", told(alert.fingerprint), style))
    else:
        lines = [f"no such alert fires; an alert of these labels: {told(alert.name)}{text.severity(where, alert)}"]
    lines.append(row("labels", " ".join(f"{told(k)}={told(v)}" for k, v in sorted(alert.labels.items())), style))
    if alert.says:
        lines.append(row("says", told(alert.says), style))
    for telling in one.tellings:
        lines += _telling(where, one, telling, real, style)
    if real:
        lines += [row("why", said, style) for said in _why(where, one, known)]
    command = where.desk.command(alert)
    lines.append(f"Next  {command}" if command else "Next  no runbook answers this alert")
    return lines


def _telling(where: Where, one: Explained, telling: Telling, real: bool, style: Style) -> list[str]:
    from opsctl.cli.silence_text import count, moment, row, told
    from opsctl.durations import format_duration

    route = telling.path[-1]
    group = " ".join(f"{told(k)}={told(v)}" for k, v in telling.group) or "one group for all alerts of the route"
    together = f" ({count(telling.together, 'alert')})" if real else ""
    timers = (
        f"{format_duration(route.group_wait)} after a group's first alert, new ones each "
        f"{format_duration(route.group_interval)}, all again after {format_duration(route.repeat_interval)}"
    )
    lines = [
        row("route", " > ".join(_step(step) for step in telling.path), style),
        row("told to", told(route.receiver), style),
        row("group", group + together, style),
        row("timers", timers, style),
    ]
    if route.mute:
        lines.append(row("not told", f"during {', '.join(map(told, route.mute))}", style))
    if route.active:
        lines.append(row("told only", f"during {', '.join(map(told, route.active))}", style))
    if real and one.alert.state == "active" and telling.next is not None:
        said = f"about {moment(telling.next, where.zone, where.now)}, an estimate from when the alerts began"
        if route.mute or route.active:
            said += "; its time intervals may put it off"
        lines.append(row("next", said, style))
    elif real and one.alert.state != "active":
        lines.append(row("next", f"not while it is {one.alert.state}", style))
    return lines


def _step(route: Route) -> str:
    from opsctl.cli.silence_text import matchers

    said = matchers(route.matchers) or "all"
    return f"{said} (goes on)" if route.goes_on else said


def _why(where: Where, one: Explained, known: Mapping[str, Silence]) -> list[str]:
    """Why it is not told, or that nothing mutes it."""
    from opsctl.cli.alerts_text import muted
    from opsctl.cli.silence_text import told

    alert = one.alert
    if alert.state == "active":
        return ["nothing mutes it"]
    lines = [line for line in muted(where, alert, known) if not line.startswith("inhibited by")]
    for source in one.inhibitors:
        name = "an alert" if source.alert is None else told(source.alert.name)
        rule = "" if source.rule is None else f": {told(source.rule.name)}, {told(source.rule.text())}"
        lines.append(f"inhibited by {name} ({told(source.fingerprint)}){rule}")
    return lines


def _data(where: Where, one: Explained, known: Mapping[str, Silence], real: bool) -> dict[str, Any]:
    from opsctl.cli import alerts_data
    from opsctl.cli.silence_data import time
    from opsctl.redact import printable

    data = alerts_data.of_alert(where, one.alert, known)
    data["fires"] = real
    data["inhibited_by"] = [
        {
            "fingerprint": source.fingerprint,
            "name": None if source.alert is None else printable(source.alert.name),
            "rule": None if source.rule is None else printable(f"{source.rule.name}: {source.rule.text()}"),
        }
        for source in one.inhibitors
    ]
    data["routes"] = [
        {
            "path": [[printable(m.text()) for m in step.matchers] for step in telling.path],
            "receiver": printable(telling.path[-1].receiver),
            "group": {printable(k): printable(v) for k, v in telling.group},
            "alerts_in_group": telling.together if real else None,
            "group_wait": telling.path[-1].group_wait,
            "group_interval": telling.path[-1].group_interval,
            "repeat_interval": telling.path[-1].repeat_interval,
            "mute_time_intervals": telling.path[-1].mute,
            "active_time_intervals": telling.path[-1].active,
            "next_estimate": None if telling.next is None or not real else time(telling.next),
        }
        for telling in one.tellings
    ]
    return data
