"""Where a storm came from, as findings: the monitor first, then a rule, flapping, a release, what is shared.

Pure. Without a storm nothing has to be explained: each of them is ok then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from opsctl.errors import CouldNotLook
from opsctl.model import Finding
from opsctl.probes.alertmanager_storm_alert import DATASTORE, REPLICAS, StormAlert, words
from opsctl.probes.alertmanager_storm_judge import Storm, dominant, interval_of, of_labels, share_of
from opsctl.probes.alertmanager_storm_rank import Lift
from opsctl.probes.alertmanager_storm_read import Facts, waits_of

TARGETS = "alertmanager.storm-targets-lost"
RESTARTED = "alertmanager.storm-monitor-restarted"
SKEW = "alertmanager.storm-clock-skew"
DOUBLED = "alertmanager.storm-doubled"
RULE = "alertmanager.storm-rule-changed"
FLAPPING = "alertmanager.storm-flapping"
DEPLOY = "alertmanager.storm-after-deploy"
SHARED = "alertmanager.storm-shared"

EMITS = {
    TARGETS: "Prometheus lost most of its targets at once: the storm is about the monitor.",
    RESTARTED: "Prometheus started right before the storm: its alerts came anew.",
    SKEW: "Most alerts of the storm began in the future: a clock is wrong.",
    DOUBLED: "Alerts come several times: replicas that are not merged, or Alertmanagers that do not know each other.",
    RULE: "One alert makes the storm, and rules were loaded right before it.",
    FLAPPING: "Most alerts of the storm fire, end and fire anew.",
    DEPLOY: "The storm is about one release, or about a service that was started right before it.",
    SHARED: "One group of alerts, or one thing that they share, explains most of the storm.",
}

_RELEASE = words(
    """version app_version image image_tag tag release revision commit sha build rollout replicaset pod_template_hash
    deployment_revision"""
)
_THINGS = words(
    """node host hostname nodename database db zone availability_zone rack device network switch broker upstream
    dependency instance nodepool volume provider storage datacenter"""
)
_SERVICES = ("service", "job", "app", "application", "component")
_SOON = 600.0  # seconds before the storm in which a start or a load counts
_LATE = 60.0
_AGAIN = 30.0
_MOST, _HALF, _FUTURE = 0.8, 0.5, 30.0
_LIFT = 1.5
_BOUND = re.compile(r"(>=|<=|>|<)\s*(-?[0-9.]+(?:e[-+]?\d+)?)\s*$")


def explained(facts: Facts, storm: Storm, ask: Callable[[str], Sequence[float]]) -> tuple[Finding, ...]:
    """One finding per id. ``ask``: the values of an alert's expression now; may raise CouldNotLook."""
    if not storm.holds:
        return tuple(Finding(id=id, state="ok", says="there is no storm to explain") for id in EMITS)
    judges: dict[str, Callable[[], tuple[bool, str]]] = {
        TARGETS: lambda: _targets(facts),
        RESTARTED: lambda: _restarted(facts, storm),
        SKEW: lambda: _skew(facts, storm),
        DOUBLED: lambda: _doubled(facts, storm),
        RULE: lambda: _rule(facts, storm, ask),
        FLAPPING: lambda: _flapping(facts, storm),
        DEPLOY: lambda: _deploy(facts, storm),
        SHARED: lambda: _shared(storm),
    }
    found = []
    for id, judge in judges.items():
        try:
            holds, says = judge()
        except CouldNotLook as failed:
            found.append(Finding(id=id, state="unknown", says=failed.says, reason=failed.reason))
        else:
            found.append(Finding(id=id, state="breach" if holds else "ok", says=says))
    return tuple(found)


def _need(facts: Facts, question: str) -> None:
    """Raises CouldNotLook when that question has no answer."""
    if question in facts.failed:
        raise facts.failed[question]
    if question not in facts.told:
        raise CouldNotLook("no-history", "this is only known for now")


def _targets(facts: Facts) -> tuple[bool, str]:
    _need(facts, "targets")
    targets = facts.told["targets"]
    down = [target for target in targets if target.health == "down"]
    says = f"{len(down)} of {len(targets)} scrape targets of Prometheus are down"
    errors = [_kind(target.last_error) for target in down]
    if errors:
        usual = max(set(errors), key=lambda one: (errors.count(one), one))
        says += f"; {errors.count(usual)} of them say: {usual}"
    most = len(down) >= 3 and len(down) >= _HALF * len(targets)
    return bool(down) and (most or len(down) == len(targets)), says


def _kind(error: str) -> str:
    """A scrape error without the target's own address."""
    return re.sub(r'"?https?://\S+"?:?', "…", error)[:160] or "nothing"


def _restarted(facts: Facts, storm: Storm) -> tuple[bool, str]:
    _need(facts, "runtime")
    start = facts.told["runtime"].start_time.timestamp()
    ahead = storm.began - start
    rules = {rule.name for group in facts.told.get("rules", ()) for rule in group.rules}
    known = sum(1 for alert in storm.fresh if alert.name in rules) / len(storm.fresh) if storm.fresh else 0.0
    says = f"Prometheus started {_clock(start)}, the storm began {_clock(storm.began)}"
    if known < _HALF:
        return False, f"{says}; most of its alerts are not of its rules"
    # What fired before the start fires again once its rule has waited and was evaluated.
    waits = waits_of(facts.told.get("rules", ()))
    soon = max((waits.get(alert.name, 0.0) for alert in storm.fresh), default=0.0) + _AGAIN
    return -_LATE <= ahead <= soon + 2 * interval_of(facts, storm.groups), says


def _skew(facts: Facts, storm: Storm) -> tuple[bool, str]:
    from statistics import median

    ahead = [alert.began - facts.now for alert in storm.fresh if alert.began > facts.now + _FUTURE]
    says = f"{len(ahead)} of {len(storm.fresh)} alerts began in the future"
    says += f", by {median(ahead):.0f} s" if ahead else ""
    return bool(ahead) and len(ahead) >= _HALF * len(storm.fresh), says


def _doubled(facts: Facts, storm: Storm) -> tuple[bool, str]:
    same = doubles(storm.fresh)
    says = f"{same} of {len(storm.fresh)} alerts differ from another one in nothing but the name of a replica"
    if storm.fresh and same >= 0.3 * len(storm.fresh):
        return True, says
    status, members = facts.told.get("status"), facts.told.get("members", 1)
    if status is not None and members > 1 and len(status.cluster.peers) < members:
        there = len(status.cluster.peers)
        return True, f"Alertmanager knows {there} of {members} members of its cluster: each tells on its own"
    return False, says


def doubles(alerts: Sequence[StormAlert]) -> int:
    """How many alerts are another one again, but for the replica that sent them. Pure."""
    kinds: dict[tuple[tuple[str, str], ...], int] = {}
    for alert in alerts:
        if any(name in alert.labels for name in REPLICAS):
            key = tuple(sorted(pair for pair in alert.labels.items() if pair[0] not in REPLICAS))
            kinds[key] = kinds.get(key, 0) + 1
    return sum(many - 1 for many in kinds.values())


def _rule(facts: Facts, storm: Storm, ask: Callable[[str], Sequence[float]]) -> tuple[bool, str]:
    name, share = dominant(storm)
    if not name or share < _MOST:
        return False, f"no alert makes most of it; {name or 'none'} is {share:.0%}"
    says = f"{name} is {share:.0%} of {len(storm.fresh)} new alerts"
    _need(facts, "runtime")
    runtime = facts.told["runtime"]
    start = runtime.start_time.timestamp()
    loaded = runtime.last_config_time.timestamp() if runtime.last_config_time else 0.0
    ahead = storm.began - loaded
    if loaded - start < 5.0 or not -_LATE <= ahead <= _SOON:
        return False, f"{says}, but no rules were loaded in the {_SOON / 60:.0f} min before"
    says += f"; rules were loaded {_clock(loaded)}, {ahead:.0f} s before"
    return True, says + _barely(facts, name, ask)


def _barely(facts: Facts, name: str, ask: Callable[[str], Sequence[float]]) -> str:
    """By how much the values are over the rule's bound, where its expression ends in one; "" else."""
    from statistics import median

    query = next((r.query for g in facts.told.get("rules", ()) for r in g.rules if r.name == name), "")
    bound = _BOUND.search(query)
    if bound is None:
        return ""
    try:
        values = ask(query)
    except CouldNotLook:
        return ""
    return f"; their median is {median(values):.4g}, the bound {bound[1]} {bound[2]}" if values else ""


def _flapping(facts: Facts, storm: Storm) -> tuple[bool, str]:
    _need(facts, "flapping")
    names = facts.numbers("flapping") or {}
    many, all_ = sum(names.values()), max(len(storm.fresh), 1)
    says = f"{many:.0f} alerts fired anew three times or more within {facts.since / 60:.0f} min"
    most = sorted(names, key=lambda name: (-names[name], name))[:3]
    says += f": {', '.join(most)}" if most else ""
    return many >= _HALF * all_ and many >= 3, says


def _deploy(facts: Facts, storm: Storm) -> tuple[bool, str]:
    lift = of_labels(storm, _RELEASE)
    if lift is not None and lift.share >= 0.6 and (lift.lift is None or lift.lift >= _LIFT):
        return True, in_words(lift)
    started = facts.numbers("started") or {}
    for job, at in sorted(started.items()):
        share = max(share_of(storm, (label, job)) for label in _SERVICES)
        if share >= 0.6 and -_LATE <= storm.began - at <= _SOON:
            return True, f"{job} was started {_clock(at)}, and {share:.0%} of the alerts are about it"
    if "started" in facts.failed and lift is None:
        raise facts.failed["started"]
    return False, "no release stands out, and nothing that it is about was started right before"


def _shared(storm: Storm) -> tuple[bool, str]:
    root = storm.root
    if root is None:
        return False, "none of the alerts that fire began in this storm"
    others = len([group for group in storm.groups if group.recent]) - 1
    if others >= 1 and root.parts["coverage"] >= _HALF and root.group.depth >= DATASTORE:
        return True, f"{root.group.name} ({', '.join(root.why[:3])})"
    thing = of_labels(storm, _THINGS)
    if thing is not None and thing.share >= 0.6 and others >= 1 and (thing.lift is None or thing.lift >= _LIFT):
        return True, in_words(thing)
    return False, f"nothing that most of the {others + 1} groups of alerts share stands out"


def in_words(lift: Lift) -> str:
    """``node=n7: 92 % of the alerts, 6 % of the targets``."""
    usual = f"usually {lift.usual:.0%}" if lift.usual is not None else "which targets do not have as a label"
    return f"{lift.label}={lift.value}: {lift.share:.0%} of the alerts, {usual}"


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S} UTC"
