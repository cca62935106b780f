"""What changed in Alertmanager: starts, configuration loads, silences; which of them mute this service's alerts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from opsctl.errors import CouldNotLook
from opsctl.model import Change, Evidence, Seen, Unknown, Value
from opsctl.probes.look import Look
from opsctl.probes.own_page import gauge
from opsctl.probes.prometheus_service import NAMING, names_of
from opsctl.probes.registry import NoParams, probe

if TYPE_CHECKING:
    from opsctl.clients.alertmanager import Alert, AlertmanagerReader, Matcher, Silence

_QUESTION = 5.0
_TOGETHER = timedelta(seconds=2)  # at its start it loads its configuration too, which is one change
_LOADED = "alertmanager_config_last_reload_success_timestamp_seconds"
_SHOWN = 10


@probe(
    "alertmanager.changes",
    params=NoParams,
    asks="/api/v2/status, /api/v2/silences, /api/v2/alerts, /metrics",
    privilege="none, or what a proxy before Alertmanager asks for",
    cost="four requests; the list of alerts is slow in a storm",
    minimum="Alertmanager 0.16 (API v2)",
    changes=True,
)
def changes(look: Look, params: NoParams) -> Seen:
    """Finds nothing. A silence counts while it holds, if it mutes an alert of this service or names the service."""
    reader = look.readers.alertmanager()
    unknown: Unknown | None = None
    found = _of_process(reader, look)
    silences = reader.silences(timeout=_limit(look))
    muted: dict[str, int] = {}
    if any(silence.status.state == "active" for silence in silences):
        try:
            muted = _muted(look, reader.alerts(timeout=_limit(look)))
        except CouldNotLook as failed:
            unknown = Unknown(reason=failed.reason, says=failed.says, address=failed.address, setting=failed.setting)
    told = sorted(silences, key=lambda s: s.starts_at, reverse=True)
    for silence in told:
        found.extend(_of_silence(silence, look, reader, muted.get(silence.id, 0)))
    active = [silence for silence in told if silence.status.state == "active"]
    evidence = Evidence(
        subject="alertmanager changes",
        source=f"alertmanager {reader.address}",
        setting=reader.setting,
        query="/api/v2/silences",
        sampled_at=datetime.now(UTC),
        values=(
            Value(name="silences", value=len(active), unit="count", note="active now"),
            *(_value(silence, muted.get(silence.id, 0), look) for silence in active[:_SHOWN]),
        ),
        unknown=unknown,
    )
    return Seen(evidence=(evidence,), changes=tuple(found))


def concerns_service(look: Look, silence: Silence) -> bool:
    """Whether a matcher on a label that names services names this one."""
    names = names_of(look)
    naming = [matcher for matcher in silence.matchers if matcher.name in NAMING]
    return any(_matches(matcher, name) for matcher in naming for name in names)


def _of_process(reader: AlertmanagerReader, look: Look) -> list[Change]:
    started = reader.status(timeout=_limit(look)).started
    found = []
    if started is not None and started <= look.moment:
        found.append(_change(reader, started, "started"))
    try:
        at = gauge(reader.metrics(timeout=_limit(look)), _LOADED)
    except CouldNotLook:
        at = None  # behind a proxy its own metrics are often not there: the API alone does not tell loads
    if at:
        loaded = datetime.fromtimestamp(at, UTC)
        if loaded <= look.moment and not (started is not None and loaded - started < _TOGETHER):
            found.append(_change(reader, loaded, "configuration loaded"))
    return found


def _of_silence(silence: Silence, look: Look, reader: AlertmanagerReader, mutes: int) -> list[Change]:
    """Its beginning, and its end if that is past; one of another service counts only while it is new."""
    now, ours = look.moment, mutes > 0 or concerns_service(look, silence)
    by = silence.created_by or "nobody named"
    said = f", “{_short(silence.comment)}”" if silence.comment.strip() else ""
    what = f"{_matchers(silence)}, by {by}{said}"
    count = f"; it mutes {mutes} alert{'s' if mutes != 1 else ''} of {look.profile.service} now" if mutes else ""
    found = []
    if silence.starts_at <= now:
        if silence.status.state == "expired" or silence.ends_at <= now:
            says = f"silence of {what}, until {_clock(silence.ends_at, now)}"
            found.append(_change(reader, silence.starts_at, says))
            if silence.ends_at > silence.starts_at and silence.ends_at <= now:
                found.append(_change(reader, silence.ends_at, f"silence ended: {what}"))
        else:
            says = f"silence of {what}, until {_clock(silence.ends_at, now)}{count}"
            until = silence.ends_at if ours else None
            found.append(_change(reader, silence.starts_at, says, until))
    return found


def _muted(look: Look, alerts: Sequence[Alert]) -> dict[str, int]:
    """Silence id -> alerts of this service that it mutes now."""
    names, count = names_of(look), dict[str, int]()
    for alert in alerts:
        if any(alert.labels.get(label) in names for label in NAMING):
            for id in alert.status.silenced_by:
                count[id] = count.get(id, 0) + 1
    return count


def _value(silence: Silence, mutes: int, look: Look) -> Value:
    until = f"until {silence.ends_at:%Y-%m-%d %H:%M:%S} UTC by {silence.created_by}"
    return Value(
        name="silence",
        value=_matchers(silence),
        labels={"id": silence.id},
        note=f"{until}; mutes {mutes} alerts of {look.profile.service}; {_short(silence.comment)}",
    )


def _matchers(silence: Silence) -> str:
    return _short(", ".join(map(str, silence.matchers)), 120)


def _matches(matcher: Matcher, name: str) -> bool:
    if not matcher.is_equal:
        return False  # "all but this" names nobody
    if not matcher.is_regex:
        return matcher.value == name
    try:
        return re.fullmatch(matcher.value, name) is not None
    except re.error:
        return False


def _short(text: str, room: int = 80) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= room else plain[: room - 1] + "…"


def _clock(moment: datetime, now: datetime) -> str:
    """The hour, with the day where it is another one."""
    return f"{moment:%H:%M} UTC" if abs(moment - now) < timedelta(hours=20) else f"{moment:%Y-%m-%d %H:%M} UTC"


def _change(reader: AlertmanagerReader, at: datetime, says: str, until: datetime | None = None) -> Change:
    source = f"alertmanager {reader.address}"
    return Change(at=at, system="alertmanager", subject=reader.address, says=says, source=source, until=until)


def _limit(look: Look) -> float:
    return min(_QUESTION, look.remaining())
