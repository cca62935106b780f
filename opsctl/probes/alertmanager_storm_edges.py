"""What explains what in a storm: edges from one group of alerts to those that follow from it. Pure, but for YAML.

Three sources: inhibition rules of Alertmanager (source mutes target, so it explains it), the profile's dependencies
(a dependency explains its service), and containment (an alert about a node explains those about pods on it).
Groups are bits of an integer, so that hundreds of groups cost little.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from opsctl.clients.alertmanager import Matcher
from opsctl.probes.alertmanager_storm_alert import Group, words_of
from opsctl.services.model import Profile

_SAMPLE = 20  # alerts of a group that a rule is tried on
_NAMING = ("service", "job", "component", "app", "application", "database", "upstream", "dependency")
# From the outside in: what is named by an earlier one holds what is named by a later one besides.
_SCOPES = ("node", "host", "hostname", "nodename", "database", "job", "namespace", "service", "app", "application",
           "component", "deployment", "instance", "pod", "container", "device", "worker")  # fmt: skip
_MATCHER = re.compile(
    r'\s*("?)(?P<name>[^\s=!~{},"]+)\1\s*(?P<op>=~|!~|!=|=)\s*(?P<value>"(?:\\.|[^"\\])*"|[^,]*?)\s*(?:,|$)'
)


class Rule(NamedTuple):
    """An inhibition rule: while a source fires, targets with the same ``equal`` labels are muted."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]


class Edges(NamedTuple):
    """``below``: per group the bits of those that follow from it; ``why``: (from, to) -> by what, for the sentence."""

    below: tuple[int, ...]
    why: Mapping[tuple[int, int], str]


def inhibitions(text: str) -> tuple[Rule, ...]:
    """The inhibition rules of a configuration as ``/api/v2/status`` gives it; () for what cannot be read."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        found = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader, in C where there is one
    except (yaml.YAMLError, RecursionError):
        return ()
    given = found.get("inhibit_rules") if isinstance(found, dict) else None
    rules = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    try:
        return tuple(
            Rule(_matchers(rule, "source_"), _matchers(rule, "target_"), tuple(map(str, rule.get("equal") or ())))
            for rule in rules
        )
    except (TypeError, AttributeError):  # a shape that no Alertmanager loads
        return ()


def _matchers(rule: Mapping[str, Any], side: str) -> tuple[Matcher, ...]:
    """The three spellings: ``match``, ``match_re`` (before 0.22) and ``matchers``."""
    plain = [Matcher(name=str(n), value=str(v)) for n, v in (rule.get(f"{side}match") or {}).items()]
    plain += [Matcher(name=str(n), value=str(v), is_regex=True) for n, v in (rule.get(f"{side}match_re") or {}).items()]
    for line in rule.get(f"{side}matchers") or ():
        for found in _MATCHER.finditer(str(line).strip().removeprefix("{").removesuffix("}")):
            value = found["value"]
            value = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
            regex, equal = found["op"].endswith("~"), found["op"].startswith("=")
            plain.append(Matcher(name=found["name"], value=value, is_regex=regex, is_equal=equal))
    return tuple(plain)


def selects(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether all hold; an absent label is the empty string. A pattern that cannot be read selects nothing."""
    for one in matchers:
        value = labels.get(one.name, "")
        try:
            hit = re.fullmatch(one.value, value) is not None if one.is_regex else value == one.value
        except re.error:
            return False
        if hit is not one.is_equal:
            return False
    return True


def edges_of(groups: Sequence[Group], rules: Sequence[Rule], profile: Profile | None) -> Edges:
    """Direct edges between groups, each with its reason; the first source that gives one names it."""
    below = [0] * len(groups)
    why: dict[tuple[int, int], str] = {}

    def add(one: int, others: Iterable[int], reason: str) -> None:
        for other in others:
            if other != one and not below[one] >> other & 1:
                below[one] |= 1 << other
                why[one, other] = reason

    for rule in rules:
        sources = [i for i, group in enumerate(groups) if _any(rule.source, group)]
        targets = [i for i, group in enumerate(groups) if _any(rule.target, group)] if sources else []
        for source in sources:
            fits = [i for i in targets if _equal(rule.equal, groups[source], groups[i])]
            if 0 < len(fits) < len(groups):  # one that mutes everything says nothing about causes
                add(source, fits, "inhibition rule")
    if profile is not None:
        ours = [i for i, group in enumerate(groups) if _is_of(profile, group)]
        for name, dependency in profile.dependencies.items():
            roots = [i for i, group in enumerate(groups) if _is_dependency({name, dependency.kind}, group)]
            for root in roots:
                add(root, (i for i in ours if i not in roots), f"{profile.service} needs {name}")
    _contained(groups, add)
    return Edges(tuple(below), why)


def _any(matchers: Sequence[Matcher], group: Group) -> bool:
    return any(selects(matchers, alert.labels) for alert in group.alerts[:_SAMPLE])


def _equal(names: Sequence[str], source: Group, target: Group) -> bool:
    """Whether for each label some alert of both has the same value; a label that both lack is equal, too."""

    def values(group: Group, name: str) -> set[str]:
        return {alert.labels.get(name, "") for alert in group.alerts[:_SAMPLE]}

    return all(values(source, name) & values(target, name) for name in names)


def _is_of(profile: Profile, group: Group) -> bool:
    names = {profile.service, *profile.prometheus_labels.values(), *profile.alert_labels.values()}
    return any(label in _NAMING and value in names for label, value in group.values)


def _is_dependency(names: set[str], group: Group) -> bool:
    """By its name's first words (RedisDown), or because all of its alerts name it (component=redis)."""
    known = {name.lower() for name in names if name}
    first = words_of(group.name)[:1]
    return bool(known.intersection(first)) or any(
        label in _NAMING and value.lower() in known for label, value in group.pairs
    )


def _contained(groups: Sequence[Group], add: Any) -> None:
    """A group whose scope (node=n7) is part of another one's (node=n7, pod=x) holds it."""
    scopes = [frozenset(pair for pair in group.pairs if pair[0] in _SCOPES) for group in groups]
    names = [frozenset(label for label, _ in group.values if label in _SCOPES) for group in groups]
    having: dict[tuple[str, str], int] = {}
    for number, group in enumerate(groups):
        for pair in group.values:
            if pair[0] in _SCOPES:
                having[pair] = having.get(pair, 0) | 1 << number
    for number, scope in enumerate(scopes):
        if not scope or {label for label, _ in scope} != names[number]:
            continue  # it is itself spread over several: it is not one thing that could hold others
        inside = -1
        for pair in scope:
            inside &= having[pair]
        inner = [i for i in bits(inside) if i != number and names[i] > names[number]]
        add(number, inner, f"holds {', '.join(f'{label}={value}' for label, value in sorted(scope))}")


def reachable(edges: Edges, start: int) -> int:
    """The bits of all groups that follow from ``start``, itself not."""
    seen = todo = edges.below[start]
    while todo:
        low = todo & -todo
        new = edges.below[low.bit_length() - 1] & ~seen
        seen |= new
        todo = (todo ^ low) | new
    return seen & ~(1 << start)


def bits(mask: int) -> list[int]:
    """The places of the bits that are set, the lowest first."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found
