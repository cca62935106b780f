"""Which looks make up the check of a service: one per system of its profile, by the probes that diagnosis uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from opsctl.config.endpoint import Endpoint
from opsctl.config.environment import URLS
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.probes.look import Look
from opsctl.probes.registry import get
from opsctl.services.model import Profile
from opsctl.services.names import SHARED_ENDPOINTS
from opsctl.services.resolve import Placed, places, resolver

if TYPE_CHECKING:
    from opsctl.config.settings import Settings
    from opsctl.model import Seen

MONITORING = ("prometheus", "alertmanager")
PARTS = {"prometheus": ("alert-delivery", "targets"), "alertmanager": ("watchdog", "members")}  # of one endpoint
KINDS = ("http", "metrics", "postgres", "pgbouncer", "redis", "kubernetes", "kyrodb", "kyrodb-http", "rabbitmq",
         *MONITORING, *PARTS["prometheus"], *PARTS["alertmanager"], "objectives", "url")  # fmt: skip
_HEALTH = ("health", "readiness")
_NEVER = ("webhook", "smtp", "admin")  # asking them would use them, or says nothing of health
_ROLLOUT = frozenset({"kubernetes.unavailable", "kubernetes.degraded", "kubernetes.rollout-stuck",
                      "kubernetes.rollout-paused", "kubernetes.quota-exceeded"})  # fmt: skip
_PAGE = frozenset({"metrics.unreachable", "metrics.broken"})
_REACH = frozenset({"http.refused", "http.no-answer"})

Run = Callable[[Look], "Seen"]


class Step(NamedTuple):
    """One look. ``subject``: the service, "" for the monitoring. ``named``: endpoints put in the place of others.

    ``wanted``: the findings that count, empty = all; ``lane``: the server that it burdens.
    """

    subject: str
    name: str
    system: str
    profile: Profile
    lane: str
    run: Run
    wanted: frozenset[str] = frozenset()
    named: Mapping[str, Endpoint] = {}
    failure: CouldNotLook | None = None
    runbook: str = "healthcheck"


class Asked(NamedTuple):
    """``only``: kinds, endpoint names or their parts, () = all; ``watchdog``: the alert that always fires or ""."""

    deep: bool = False
    only: tuple[str, ...] = ()
    watchdog: str = "Watchdog"


def probing(id: str, **params: Any) -> Run:
    """A look by that probe."""

    def run(look: Look) -> Seen:
        probe = get(id)
        assert probe is not None, id
        return probe.run(look, probe.params(**params))

    return run


def steps_of(profile: Profile, settings: Settings, asked: Asked) -> tuple[list[Step], list[str]]:
    """The looks at one service, and what its profile names that is nowhere (one sentence each)."""
    placed = list(places(profile, settings))
    found: list[Step] = []
    absent: list[str] = []
    for place in placed:
        wanted = {place.kind, place.name, *PARTS.get(place.kind, ())} & {*asked.only}
        if place.kind in _NEVER or place.name in _NEVER or (asked.only and not wanted):
            continue
        if isinstance(place.failure, NotConfigured):
            if place.name in profile.endpoints and "says none" not in place.failure.says:
                absent.append(place.failure.says)
            continue
        steps = _steps(place, placed, profile, settings, asked)
        whole = not asked.only or bool(wanted & {place.kind, place.name})
        found += [step for step in steps if whole or step.name in wanted]
    if asked.deep and (not asked.only or "objectives" in asked.only):
        found += _objectives(profile)
    return found, absent


def _steps(
    place: Placed, placed: Sequence[Placed], profile: Profile, settings: Settings, asked: Asked
) -> Iterator[Step]:
    """The looks at one endpoint."""
    name, kind, end = place.name, place.kind, place.endpoint
    step = Step(profile.service, name, kind, profile, f"{kind}:{_key(end)}", probing("http.health", endpoint=name))
    if place.failure is not None or end is None:
        yield step._replace(failure=place.failure)
    elif kind == "http":
        yield from _http(step, placed, asked)
    elif kind == "kyrodb-http":
        yield step._replace(lane=f"http:{_key(end)}", run=probing("http.health", endpoint=name, path="/health"))
    elif kind == "metrics":
        yield step._replace(lane=f"http:{_key(end)}", run=probing("metrics.page"), wanted=_PAGE, named={"metrics": end})
    elif kind == "kyrodb":
        yield step._replace(run=probing("kyrodb.health", endpoint=name, samples=1))
    elif kind in ("postgres", "redis"):
        yield step._replace(run=probing(f"{kind}.reachable", endpoint=name))
    elif kind == "pgbouncer":
        yield step._replace(run=probing("pgbouncer.state", endpoint=name))
    elif kind == "rabbitmq":
        from opsctl.healthcheck.rabbitmq import alarms

        yield step._replace(lane=f"http:{_key(end)}", run=lambda look: alarms(look, name))
    elif kind == "kubernetes" and profile.kubernetes is not None and profile.kubernetes.workloads:
        yield step._replace(run=probing("kubernetes.rollout"), wanted=_ROLLOUT, named={"kubernetes": end})
    elif kind == "prometheus":
        yield from _prometheus(step, end)
    elif kind == "alertmanager":
        yield from _alertmanager(step, end, asked)


def _http(step: Step, placed: Sequence[Placed], asked: Asked) -> Iterator[Step]:
    """The health answer; without one whether anything answers at all. Others are canaries, asked by --deep."""
    there = {place.name for place in placed if place.endpoint is not None}
    if step.name in _HEALTH:
        yield step
    elif step.name == "alerts":
        from opsctl.healthcheck.canary import own_alerts

        yield step._replace(run=lambda look: own_alerts(look, step.name))
    elif step.name == "app":
        if not there & {*_HEALTH}:
            yield step._replace(run=probing("http.reach", endpoint="app"), wanted=_REACH)
    elif asked.deep or step.name in asked.only:
        from opsctl.healthcheck.canary import page

        yield step._replace(run=lambda look: page(look, step.name))


def _prometheus(step: Step, end: Endpoint) -> Iterator[Step]:
    """Its own state and delivery belong to the monitoring; this service's targets to the service."""
    here = {"prometheus": end}
    shared = step._replace(subject="", named=here)
    yield shared._replace(name="prometheus", run=probing("prometheus.ready"))
    yield shared._replace(name="alert-delivery", run=probing("prometheus.delivery"))
    labels = step.profile.prometheus_labels
    if labels or "metrics" in step.profile.endpoints:
        yield step._replace(name="targets", run=probing("prometheus.targets"), named=here)


def _alertmanager(step: Step, end: Endpoint, asked: Asked) -> Iterator[Step]:
    """Each member by itself: alerts are not shared between them, and any of them may be the one that is muted."""
    from msgspec import structs

    from opsctl.healthcheck.watchdog import cluster, watchdog

    others = [url for url in end.options.get("members", "").split(",") if url]
    alone = {key: value for key, value in end.options.items() if key != "members"}
    members = [structs.replace(end, url=url, options=alone) for url in dict.fromkeys((end.url, *others))]
    for member in members:
        here = step._replace(subject="", named={"alertmanager": member}, lane=f"alertmanager:{_key(member)}")
        yield here._replace(name="alertmanager", run=probing("alertmanager.delivery"))
        if asked.watchdog:
            yield here._replace(name="watchdog", run=lambda look: watchdog(look, asked.watchdog))
    first = step._replace(subject="", named={"alertmanager": members[0]}, lane=f"alertmanager:{_key(members[0])}")
    yield first._replace(name="members", run=lambda look: cluster(look, len(members)))


def _objectives(profile: Profile) -> Iterator[Step]:
    """The service's objectives, each runbook's once."""
    judged = dict.fromkeys(one.runbook for one in profile.objectives if one.kind == "alert")
    for runbook in judged:
        yield Step(
            profile.service,
            runbook,
            "objectives",
            profile,
            f"signal:{profile.service}",
            probing("signal.objectives"),
            frozenset({"signal.objective-broken"}),
            runbook=runbook,
        )


def _key(end: Endpoint | None) -> str:
    return end.url if end is not None else ""


def shared_steps(settings: Settings, asked: Asked) -> list[Step]:
    """The monitoring that the context or the environment names, for when no service is looked at."""
    nobody = Profile(service="")
    found: list[Step] = []
    for name in MONITORING:
        if asked.only and name not in asked.only:
            continue
        try:
            end = resolver(nobody, settings)(name) if name in SHARED_ENDPOINTS and name in URLS else None
        except NotConfigured:
            continue
        except CouldNotLook as failure:
            found.append(Step("", name, name, nobody, name, probing("prometheus.ready"), failure=failure))
            continue
        place = Placed(name, name, end, None)
        found += [step for step in _steps(place, (), nobody, settings, asked) if not step.subject]
    return found
