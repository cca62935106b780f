"""Storms made for tests: groups of alerts with their labels and onsets, and a small labelled set of incidents.

The labelled set is self-made: two dozen incidents as the services and their machines could have them, each with the
group that an engineer would call the root. It holds what makes ranking hard: roots whose rule waits longer than those
of its symptoms, symptoms that count a hundred times more, noise that began before, chronic and flapping alerts, labels
that say nothing. The weights are those of domain-checks.md R5 and were not fitted to it; whoever wrote it knew them, so
it shows that nothing is broken and by how much chance is beaten, not how often a stranger's storm is read aright.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from opsctl.clients.alertmanager import AlertmanagerStatus, AlertStatus, Configuration, Version
from opsctl.clients.prometheus_answers import Rule, RuleGroup, Series
from opsctl.probes.alertmanager_storm_alert import StormAlert
from opsctl.probes.alertmanager_storm_judge import Storm, conclude
from opsctl.probes.alertmanager_storm_read import Facts
from opsctl.services.model import Dependency, Profile

NOW = 1_795_248_000.0
OLD = 4 * 3600.0  # seconds ago at which what is chronic began


class Some(NamedTuple):
    """``count`` alerts of one name that began ``ago`` seconds before now; ``spread``: a label that differs in each."""

    name: str
    count: int = 1
    ago: float = 60.0
    spread: str = "instance"
    wait: float = 0.0  # of the rule: its condition was true so much earlier
    flaps: float = 0.0
    before: bool = False  # it fired in the week before as well
    severity: str = "warning"
    muted: bool = False
    labels: dict[str, str] = {}

    def alerts(self) -> list[StormAlert]:
        return [
            StormAlert(
                labels={
                    "alertname": self.name,
                    "severity": self.severity,
                    **(
                        {self.spread: f"{self.spread}-{n}"} if self.count > 1 and self.spread not in self.labels else {}
                    ),
                    **self.labels,
                },
                starts_at=datetime.fromtimestamp(NOW - self.ago + (n % 7) * 0.5, UTC),
                fingerprint=f"{self.name}-{n:06d}",
                status=AlertStatus(state="active", silenced_by=("x",) if self.muted else ()),
            )
            for n in range(self.count)
        ]


def some(name: str, count: int = 1, ago: float = 60.0, **more: Any) -> Some:
    """A ``Some``; what is not one of its fields is a label."""
    own = {key: more.pop(key) for key in list(more) if key in Some._fields}
    return Some(name, count, ago, **own, labels={key: str(value) for key, value in more.items()})


def facts(given: list[Some], *, inhibit: str = "", targets: Any = (), **told: Any) -> Facts:
    """What the servers would have told of these alerts."""
    rules = tuple(Rule(name=one.name, type="alerting", duration=one.wait) for one in given)
    answers: dict[str, Any] = {
        "rules": (RuleGroup(name="all", interval=15.0, rules=rules),),
        "flaps": tuple(Series(labels={"alertname": one.name}, time=NOW, value=one.flaps) for one in given),
        "before": tuple(Series(labels={"alertname": one.name}, time=NOW, value=1.0) for one in given if one.before),
        "status": AlertmanagerStatus(config=Configuration(original=inhibit or "route: {}"), version=Version()),
        "targets": targets,
    }
    alerts = tuple(alert for one in given for alert in one.alerts())
    return Facts(NOW, 1800.0, 300.0, alerts, "alertmanager test", "test", "/api/v2/alerts", answers | told, {})


SHOP = Profile(
    service="shop",
    dependencies={"postgres": Dependency(kind="postgres"), "redis": Dependency(kind="redis")},
)


def judged(given: list[Some], profile: Profile = SHOP, **more: Any) -> Storm:
    return conclude(facts(given, **more), profile, 50.0)


def symptoms(*names: str, count: int = 12, ago: float = 40.0, **labels: Any) -> list[Some]:
    return [some(name, count, ago - place, spread="pod", **labels) for place, name in enumerate(names)]


class Incident(NamedTuple):
    """``root``: the name of the group that it began with."""

    says: str
    root: str
    groups: list[Some]
    inhibit: str = ""


_CHRONIC = some("CertificateExpiresSoon", 3, OLD, before=True)
_NOISE = some("BackupLate", 1, 400, before=True, service="archive")
_WORKERS = """
inhibit_rules:
  - source_match: {alertname: MultipleWorkersDown}
    target_match: {alertname: WorkerUnhealthy}
  - source_matchers: ['alertname="WorkerUnhealthy"']
    target_matchers: ['alertname=~"LowCacheHitRate|DeadLetterQueueGrowing"']
  - source_matchers: ['alertname="CircuitBreakerOpen"']
    target_matchers: ['alertname="HighErrorRate"']
    equal: [service]
"""

INCIDENTS = [
    Incident("node down, pods of many services on it", "NodeDown",
             [some("NodeDown", 1, 70, node="n7", severity="critical"),
              *symptoms("PodNotReady", "HighErrorRate", "HighLatency", node="n7")]),
    Incident("the node's rule waits 5 min, its symptoms none", "NodeNotReady",
             [some("NodeNotReady", 1, 10, wait=300, node="n7", severity="critical"),
              *symptoms("PodNotReady", "HighErrorRate", "TargetDown", node="n7", ago=200), _CHRONIC]),
    Incident("Postgres down, by the profile's dependency", "PostgresDown",
             [some("PostgresDown", 1, 60, wait=60, severity="critical", instance="db-1"),
              *symptoms("HighErrorRate", "HighLatency", "QueueGrowing", service="shop", count=20, ago=110), _NOISE]),
    Incident("Redis down, cache alerts and latency follow", "RedisDown",
             [some("RedisDown", 1, 50, severity="critical", component="redis"),
              *symptoms("LowCacheHitRate", "HighLatency", service="shop", count=30, ago=48), _CHRONIC]),
    Incident("workers down, by inhibition rules", "MultipleWorkersDown",
             [some("MultipleWorkersDown", 1, 45, severity="critical"), some("WorkerUnhealthy", 20, 60, spread="worker"),
              some("LowCacheHitRate", 20, 40), some("DeadLetterQueueGrowing", 20, 30)], _WORKERS),
    Incident("breaker open, errors of its service follow", "CircuitBreakerOpen",
             [some("CircuitBreakerOpen", 2, 50, service="insa", spread="breaker", severity="critical"),
              *symptoms("HighErrorRate", "HighTimeoutRate", service="insa", count=30, ago=45)], _WORKERS),
    Incident("disk full on the database's host", "DiskFull",
             [some("DiskFull", 1, 100, instance="db-1", database="orders", severity="critical"),
              some("DatabaseReadOnly", 1, 90, instance="db-1", database="orders", severity="critical"),
              *symptoms("HighErrorRate", "CheckoutFailing", "OrdersLate", database="orders", ago=80)]),
    Incident("a network switch, racks behind it", "SwitchDown",
             [some("SwitchDown", 1, 60, switch="s3", severity="critical"), some("HostUnreachable", 24, 58, switch="s3"),
              some("TargetDown", 40, 55, switch="s3"), some("HighErrorRate", 10, 40, spread="service"), _NOISE]),
    Incident("DNS fails; nothing carries its label", "DNSResolutionFailing",
             [some("DNSResolutionFailing", 2, 70, severity="critical"), some("HighErrorRate", 20, 60, spread="service"),
              some("HighTimeoutRate", 20, 55, spread="service"), some("LLMCallFailing", 12, 50), _CHRONIC]),
    Incident("KyroDB down, Vritti's searches fail", "KyroDBUnreachable",
             [some("KyroDBUnreachable", 2, 60, severity="critical", dependency="kyrodb"),
              *symptoms("SearchFailing", "HighLatencyP99", "HighErrorRate", dependency="kyrodb", ago=55)]),
    Incident("a flapping link that is not it, a database that is", "PostgresConnectionsFull",
             [some("LinkFlapping", 1, 80, flaps=9, before=True), some("PostgresConnectionsFull", database="main"),
              *symptoms("PoolTimeout", "HighErrorRate", "HighLatency", database="main", ago=65)]),
    Incident("chronic disk warning, a broker is the root", "RabbitmqDown",
             [some("DiskSpaceLow", 2, OLD, before=True), some("RabbitmqDown", broker="mq-1", severity="critical"),
              *symptoms("QueueGrowing", "WorkerIdle", "DeadLetterQueueGrowing", broker="mq-1", ago=50)]),
    Incident("a zone is lost: nodes, stores and services at once", "ZoneDown",
             [some("ZoneDown", 1, 60, zone="b", severity="critical"), some("NodeDown", 12, zone="b", spread="node"),
              some("RedisDown", 2, zone="b"), *symptoms("HighErrorRate", "TargetDown", zone="b", count=20, ago=58)]),
    Incident("etcd slow; the control plane's alerts came first by a second", "EtcdSlow",
             [some("EtcdSlow", 3, 60, wait=120, cluster_name="k1", severity="critical"),
              *symptoms("ApiLatencyHigh", "RolloutStuck", "LeaseExpired", cluster_name="k1", ago=175)]),
    Incident("provider of models fails, no infrastructure at all", "LLMProviderDown",
             [some("LLMProviderDown", 1, 70, provider="openrouter", severity="critical"),
              *symptoms("ReflectionFailing", "RetryStorm", "HighTimeoutRate", provider="openrouter", ago=65)]),
    Incident("storage is slow, the database over it alerts louder", "StorageLatencyHigh",
             [some("StorageLatencyHigh", 1, 95, wait=30, volume="v1"), some("DatabaseSlow", 4, 90, volume="v1",
              severity="critical"), *symptoms("HighLatency", "PoolWaiting", "HighErrorRate", volume="v1", ago=80)]),
    Incident("one service crashes, those that call it follow", "OrchestratorCrashLooping",
             [some("OrchestratorCrashLooping", 3, 60, upstream="orchestrator", severity="critical"),
              *symptoms("CeleryErrors", "PersonaTimeouts", "QueueGrowing", upstream="orchestrator", ago=50)]),
    Incident("everything within one evaluation", "NodeDown",
             [some("NodeDown", 1, 50, node="n1", severity="critical"),
              *symptoms("KubeletDown", "PodNotReady", "HighErrorRate", node="n1", ago=52)]),
    Incident("two faults at once: the larger one is meant", "PostgresDown",
             [some("PostgresDown", 1, 60, database="main", severity="critical"),
              some("CertificateExpired", 1, 65, severity="critical", service="mail"),
              *symptoms("HighErrorRate", "HighLatency", "CheckoutFailing", database="main", ago=55)]),
    Incident("a proxy is overloaded: a symptom by its name, nothing marks it", "ProxyQueueFull",
             [some("ProxyQueueFull", 2, 60, upstream="edge"), some("DiskSpaceLow", 2, 61, service="archive"),
              *symptoms("HighErrorRate", "HighLatency", "LoginFailing", upstream="edge", ago=50)]),
    Incident("an innocent node on the same rack alerts first", "PostgresDown",
             [some("NodeDiskSlow", 1, 150, rack="r2", node="n9"), some("PostgresDown", rack="r2", instance="db-1",
              severity="critical"), *symptoms("HighErrorRate", "HighLatency", service="shop", ago=55)]),
    Incident("a feature flag: nothing but its own alert names it", "FlagRolloutFailed",
             [some("FlagRolloutFailed", 1, 60, flag="new-cart"), *symptoms("CartErrors", "CheckoutFailing", ago=55)]),
    Incident("a token expired; login fails everywhere, a cache warning is older", "TokenIssuerFailing",
             [some("RedisMemoryHigh", 1, 300, component="redis", before=True), some("TokenIssuerFailing", 1, 70,
              severity="critical"), *symptoms("LoginFailing", "HighErrorRate", service="shop", ago=60)]),
    Incident("the queue's consumer hangs, its rule is the slowest of all", "ConsumerStuck",
             [some("ConsumerStuck", 1, 5, wait=60, service="worker"), some("BrokerMemoryHigh", 1, 40, broker="mq-1"),
              *symptoms("QueueGrowing", "OldestMessageOld", broker="mq-1", ago=50)]),
]  # fmt: skip
