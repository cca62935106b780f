"""Which group of alerts a storm began with: scores of which each part is shown. Pure and deterministic.

score = 0.35 coverage + 0.25 earliness + 0.2 depth + 0.1 severity + 0.1 novelty - penalty (domain-checks.md R5). The
number of alerts plays no part: symptoms would always win.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from opsctl.probes.alertmanager_storm_alert import LAYER, PLUMBING, Group, StormAlert
from opsctl.probes.alertmanager_storm_edges import Edges, bits, reachable

WEIGHTS: Mapping[str, float] = {"coverage": 0.35, "earliness": 0.25, "depth": 0.2, "severity": 0.1, "novelty": 0.1}
CHRONIC, FLAPPING = 0.3, 0.15
FLAPS = 3.0  # times fired anew from which an alert flaps
_SEVERITY = {"sev1": 1.0, "sev2": 0.67, "sev3": 0.33, "sev4": 0.0}
_SUPPORT = 3  # alerts that a label's value must have to be told


class Candidate(NamedTuple):
    """A group as what the others follow from. ``parts``: name -> 0 to 1, before the weight; ``penalty`` is taken off.

    ``covers``: places of the groups that it explains; ``why``: sentences, the strongest first.
    """

    place: int
    group: Group
    score: float
    parts: Mapping[str, float]
    penalty: float
    covers: tuple[int, ...]
    why: tuple[str, ...]


class Cluster(NamedTuple):
    """Groups that belong together; ``representative``: the alert that stands for all of them."""

    head: Group
    representative: StormAlert
    groups: tuple[Group, ...]
    alerts: int


class Lift(NamedTuple):
    """A label's value that the storm's alerts have more often than what is watched. Shares 0-1.

    ``usual``: its share in all targets, else in the alerts that fired before; None where neither has that label.
    """

    label: str
    value: str
    alerts: int
    share: float
    usual: float | None

    @property
    def lift(self) -> float | None:
        """How many times as often as usual; None where that is not known."""
        return self.share / self.usual if self.usual else None


def rank(groups: Sequence[Group], edges: Edges, interval: float) -> tuple[Candidate, ...]:
    """All groups of the storm, the most likely root first. ``interval``: seconds of an evaluation of the rules."""
    places = [i for i, group in enumerate(groups) if group.recent]
    early = _earliness([groups[i].onset for i in places], interval)
    having: dict[tuple[str, str], int] = {}
    for i in places:
        for pair in groups[i].values:
            having[pair] = having.get(pair, 0) | 1 << i
    storm = sum(1 << i for i in places)
    spread = _spread(groups, places)
    found = []
    for i, earliness in zip(places, early, strict=True):
        group = groups[i]
        below = reachable(edges, i) & storm
        shared = {pair: having[pair] & ~(1 << i) for pair in group.pairs if pair in spread}
        alike = 0
        for mask in shared.values():
            alike |= mask
        covers = (below | alike) & ~(1 << i)
        others = len(places) - 1
        parts = {
            "coverage": covers.bit_count() / others if others else 0.0,
            "earliness": earliness,
            "depth": group.depth / 3,
            "severity": _SEVERITY.get(group.severity or "", 0.0),
            "novelty": 0.5 if group.before is None else float(not group.before),
        }
        penalty = FLAPPING if group.flaps >= FLAPS else 0.0
        score = sum(WEIGHTS[name] * value for name, value in parts.items()) - penalty
        why = _reasons(group, parts, below, shared, edges, i, others)
        found.append(Candidate(i, group, round(score, 6), parts, penalty, tuple(bits(covers)), why))
    # Alerts that went on before the storm are told, too, far behind: they did not begin it.
    for i, group in enumerate(groups):
        if not group.recent:
            parts = {"coverage": 0.0, "earliness": 0.0, "depth": group.depth / 3, "severity": 0.0, "novelty": 0.0}
            why = ("fired before the storm",)
            score = WEIGHTS["depth"] * parts["depth"] - CHRONIC
            found.append(Candidate(i, group, round(score, 6), parts, CHRONIC, (), why))
    # Of equal scores: what lies deeper, then what explains more, then the name.
    return tuple(sorted(found, key=lambda c: (-c.score, -c.group.depth, -len(c.covers), c.group.name)))


def _earliness(onsets: Sequence[float], interval: float) -> list[float]:
    """1 for the first, 0 for the last; onsets within one evaluation of the rules are equal."""
    order = sorted(onsets)
    starts: list[float] = []
    for onset in order:
        if not starts or onset - starts[-1] > interval:
            starts.append(onset)
    last = len(starts) - 1
    return [1 - (bisect_right(starts, onset) - 1) / last if last > 0 else 1.0 for onset in onsets]


def _spread(groups: Sequence[Group], places: Sequence[int]) -> set[tuple[str, str]]:
    """Label values that tell something: one that every alert has, storm or not, does not."""
    count: dict[tuple[str, str], int] = {}
    for group in groups:
        for pair in group.pairs:
            count[pair] = count.get(pair, 0) + 1
    quiet = len(groups) - len(places)
    return {pair for pair, many in count.items() if quiet == 0 or many < len(groups)}


def _reasons(
    group: Group,
    parts: Mapping[str, float],
    below: int,
    shared: Mapping[tuple[str, str], int],
    edges: Edges,
    place: int,
    others: int,
) -> tuple[str, ...]:
    found = []
    if below:
        how = list(dict.fromkeys(edges.why[place, i] for i in bits(below & edges.below[place])))
        found.append(f"explains {below.bit_count()} of {others} other groups ({', '.join(how[:2])})")
    best = max(shared, key=lambda pair: (shared[pair].bit_count(), pair), default=None)
    if best is not None and shared[best]:
        found.append(f"shares {best[0]}={best[1]} with {shared[best].bit_count()} of {others}")
    if parts["earliness"] == 1.0:
        found.append("began first")
    if group.depth:
        found.append(f"is about {LAYER[group.depth]}")
    if group.before is False:
        found.append("did not fire in the 7 days before")
    if group.flaps >= FLAPS:
        found.append(f"fired anew {group.flaps:.0f} times lately")
    return tuple(found)


def clusters(groups: Sequence[Group], ranked: Sequence[Candidate]) -> tuple[Cluster, ...]:
    """Each group once, under the best candidate that explains it; the largest cluster of the best one first."""
    taken: set[int] = set()
    found = []
    for candidate in ranked:
        if candidate.place in taken or not candidate.group.recent:
            continue
        members = [candidate.place, *(i for i in candidate.covers if i not in taken)]
        taken.update(members)
        inside = tuple(groups[i] for i in members)
        head = candidate.group
        found.append(Cluster(head, head.representative, inside, sum(len(group.alerts) for group in inside)))
    return tuple(found)


def lifts(
    alerts: Sequence[StormAlert],
    targets: Sequence[Mapping[str, str]],
    background: Sequence[StormAlert] = (),
    top: int = 3,
) -> tuple[Lift, ...]:
    """The values that stand out most: by how much larger their share is than usual, then by lift."""
    storm = _counts(alert.labels for alert in alerts)
    watched = _counts(targets)
    labelled = {label for label, _ in watched}
    past = _counts(alert.labels for alert in background) if len(background) >= _SUPPORT else {}
    values: dict[str, int] = {}
    for label, _ in storm:
        values[label] = values.get(label, 0) + 1
    found = []
    for (label, value), count in storm.items():
        if count < _SUPPORT:
            continue
        usual: float | None = None
        if label in labelled:
            usual = watched.get((label, value), 0) / len(targets)
        elif past:
            usual = past.get((label, value), 0) / len(background)
        expected = usual if usual is not None else 1 / (values[label] + 1)
        share = count / len(alerts)
        if share > expected:
            found.append((share - expected, Lift(label, value, count, share, usual)))
    found.sort(key=lambda one: (-round(one[0], 6), -(one[1].lift or 0.0), one[1].label, one[1].value))
    return tuple(lift for _, lift in found[:top])


def _counts(each: Iterable[Mapping[str, str]]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for labels in each:
        for pair in labels.items():
            if pair[0] not in PLUMBING and pair[1]:
                found[pair] = found.get(pair, 0) + 1
    return found
