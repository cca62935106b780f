"""What is asked about a storm of alerts, side by side: the alerts, their onsets and past, the monitor itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from opsctl.clients.alertmanager import AlertStatus
from opsctl.clients.readers import Readers
from opsctl.durations import format_duration, parse_duration
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.probes.alertmanager_storm_alert import StormAlert, unique
from opsctl.services.model import Profile
from opsctl.signals.once import side_by_side

_QUESTION = 4.0  # seconds for one question but the list of alerts, which may take all there is
_FIRING = 'ALERTS{alertstate="firing"}'
NEW = f"count({_FIRING} unless {_FIRING} offset 1m)"
ENGINE = "engine"  # the state of alerts that are not Alertmanager's
HISTORY = 24.0  # hours of samples from which on there is a usual


class Facts(NamedTuple):
    """What was told. ``told``: question -> answer; ``failed``: question -> why there is none.

    ``alerts``: each fingerprint once; ``where``: which server told them; ``window``: seconds of the profile's window.
    """

    now: float
    since: float
    window: float
    alerts: tuple[StormAlert, ...]
    where: str
    setting: str
    query: str
    told: Mapping[str, Any]
    failed: Mapping[str, CouldNotLook]

    def numbers(self, question: str) -> dict[str, float] | None:
        """An answer per alert's name (or job); None where it could not be asked."""
        series = self.told.get(question)
        return None if series is None else {_key(one.labels): one.value for one in series}

    def number(self, question: str) -> float | None:
        """The one number of an answer: 0 for an empty one, None where it could not be asked."""
        series = self.told.get(question)
        return None if series is None else sum(one.value for one in series)


def gather(
    readers: Readers,
    profile: Profile,
    *,
    now: float,
    since: float,
    remaining: Callable[[], float],
    runbook: str = "alert-storm",
    at: float | None = None,
) -> Facts:
    """Ask everybody at once. ``since``: seconds of history; ``at``: a past moment, of which only Prometheus can tell.

    Raises CouldNotLook when nobody tells which alerts fire, NotConfigured when nothing says who could.
    """
    window = max(15.0, parse_duration(profile.window))
    questions = {**_of_alertmanager(readers, at), **_of_prometheus(readers, at, now, since, window)}
    if (engine := _engine(profile, runbook)) and at is None:
        questions["engine"] = lambda limit: _of_engine(readers, engine, limit)

    def ask(name: str) -> tuple[str, Any, CouldNotLook | None]:
        limit = max(0.05, remaining() - 0.5)
        try:
            return name, questions[name](limit if name in ("alerts", "engine") else min(_QUESTION, limit)), None
        except CouldNotLook as failed:
            return name, None, failed

    answers = side_by_side([lambda n=name: ask(n) for name in questions])  # type: ignore[misc]
    told = {name: answer for name, answer, failed in answers if failed is None}
    failed = {name: why for name, _, why in answers if why is not None}
    alerts, where = _alerts(told, failed)
    alerts += told.get("engine", []) if where != "engine" else []
    query = {"alerts": "/api/v2/alerts", "firing": "ALERTS_FOR_STATE", "engine": f"GET {engine}"}[where]
    reader: Any
    if where == "alerts":
        reader = readers.alertmanager()
        says = f"alertmanager {reader.address}"
    else:
        reader = readers.http(engine) if where == "engine" else readers.prometheus()
        says = f"alertmanager none, but {'alert engine' if where == 'engine' else 'prometheus'} {reader.address}"
    return Facts(now, since, window, tuple(unique(alerts)), says, reader.setting, query, told, failed)


def _alerts(told: Mapping[str, Any], failed: Mapping[str, CouldNotLook]) -> tuple[list[StormAlert], str]:
    """From Alertmanager, else from Prometheus, else from the service's own engine. Raises the first's failure."""
    for name in ("alerts", "firing", "engine"):
        if name in told:
            given = told[name]
            return ([_of_series(one, told) for one in given] if name == "firing" else list(given)), name
    real = [one for one in failed.values() if not isinstance(one, NotConfigured)]
    raise (real or [failed["alerts"]])[0]


def _of_series(one: Any, told: Mapping[str, Any]) -> StormAlert:
    """A series of ALERTS_FOR_STATE: its value is the onset; what it waited for comes on top."""
    labels = {name: value for name, value in one.labels.items() if name != "__name__"}
    wait = waits_of(told.get("rules", ())).get(labels.get("alertname", ""), 0.0)
    return StormAlert(labels=labels, starts_at=datetime.fromtimestamp(one.value + wait, UTC))


def waits_of(groups: Any) -> dict[str, float]:
    """Alert's name -> the shortest ``for`` of its rules, in seconds."""
    found: dict[str, float] = {}
    for group in groups:
        for rule in group.rules:
            if rule.type == "alerting":
                found[rule.name] = min(found.get(rule.name, rule.duration), rule.duration)
    return found


def _of_alertmanager(readers: Readers, at: float | None) -> dict[str, Callable[[float], Any]]:
    def past(limit: float) -> Any:
        raise CouldNotLook("no-history", "Alertmanager keeps no history of alerts")

    if at is not None:
        return {"alerts": past, "status": past}
    return {
        "alerts": lambda limit: readers.alertmanager().alerts_as(tuple[StormAlert, ...], timeout=limit),
        "status": lambda limit: readers.alertmanager().status(limit),
        "members": lambda limit: _members(readers),
    }


def _members(readers: Readers) -> int:
    """How many members of the cluster the configuration names."""
    given = readers.endpoint("alertmanager")
    return len(dict.fromkeys((given.url, *(url for url in given.options.get("members", "").split(",") if url))))


def _of_prometheus(
    readers: Readers, at: float | None, now: float, since: float, window: float
) -> dict[str, Callable[[float], Any]]:
    long, short = format_duration(since), format_duration(window)
    queries = {
        "new": NEW,
        "refired": f"sum(changes(ALERTS_FOR_STATE[{short}]))",
        "usual": f"quantile_over_time(0.99, ({NEW} or vector(0))[7d:5m] offset 1h)",
        "history": "count_over_time((count(up) > 0)[7d:1h])",
        "onsets": f"min by (alertname) (ALERTS_FOR_STATE > {now - since - 900:.0f})",
        "before": f"count by (alertname) (present_over_time({_FIRING}[7d] offset {long}))",
        "flaps": f"max by (alertname) (changes(ALERTS_FOR_STATE[{long}]))",
        "flapping": f"count by (alertname) ((changes(ALERTS_FOR_STATE[{long}]) >= 3) "
        f"and (changes(ALERTS_FOR_STATE[{short}]) >= 1))",
        "firing": f"ALERTS_FOR_STATE and ignoring (alertstate) {_FIRING}",
        "started": "max by (job) (process_start_time_seconds)",
    }

    def question(expr: str) -> Callable[[float], Any]:
        return lambda limit: readers.prometheus().query(expr, at=at, timeout=limit).series

    found: dict[str, Callable[[float], Any]] = {name: question(expr) for name, expr in queries.items()}
    found["rules"] = lambda limit: readers.prometheus().rules(limit)
    if at is None:
        found["targets"] = lambda limit: readers.prometheus().targets(limit)
        found["runtime"] = lambda limit: readers.prometheus().runtimeinfo(limit)
    return found


def _key(labels: Mapping[str, str]) -> str:
    return labels.get("alertname") or labels.get("job", "")


def _engine(profile: Profile, runbook: str) -> str:
    """The endpoint of the service's own alert engine, "" without one: where the profile looks for this symptom."""
    names = [symptom.endpoint for symptom in profile.symptoms if symptom.runbook == runbook]
    return next((name for name in names if name in profile.endpoints and profile.endpoints[name].kind == "http"), "")


class _Entry(msgspec.Struct, frozen=True):
    """An alert as AMAS' engine gives it (AMAS-08)."""

    id: str = ""
    metric: str = ""
    severity: str = ""
    status: str = ""
    occurredAt: datetime | None = None  # noqa: N815 - the engine's own name


def _of_engine(readers: Readers, endpoint: str, limit: float) -> list[StormAlert]:
    """The alerts of an engine that answers with a list of its own. Raises CouldNotLook."""
    reader = readers.http(endpoint)
    entries = reader.decode(reader.get("", timeout=limit), tuple[_Entry, ...])
    return [
        StormAlert(
            labels={"alertname": one.metric, "severity": one.severity},
            starts_at=None if one.occurredAt is None else one.occurredAt.astimezone(UTC),
            fingerprint=one.id,
            status=AlertStatus(state=ENGINE),
        )
        for one in entries
        if one.status != "resolved"
    ]
