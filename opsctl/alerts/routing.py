"""Alertmanager's running configuration: where an alert is routed, when its group is told, what inhibits it.

Read from what ``/api/v2/status`` gives: the file as it is in force, secrets hidden. Routes match as in Alertmanager:
the first child that matches takes the alert, unless it says ``continue``; without one the route itself does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from opsctl.durations import parse_duration
from opsctl.errors import UsageError
from opsctl.silences.matcher import Matcher, matches_all, parse, split

ALL = "..."  # group_by of every label
_WAIT, _INTERVAL, _REPEAT = 30.0, 300.0, 14400.0  # Alertmanager's defaults, seconds


class BadRouting(ValueError):
    """The configuration cannot be understood; the text says what."""


class Route(NamedTuple):
    """A route with what it inherits. Timers in seconds. ``number``: its place among its parent's children, from 1."""

    number: int
    matchers: tuple[Matcher, ...]
    receiver: str
    goes_on: bool
    group_by: tuple[str, ...]
    group_wait: float
    group_interval: float
    repeat_interval: float
    mute: tuple[str, ...]
    active: tuple[str, ...]
    children: tuple[Route, ...]

    def group_key(self, labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """The labels that make its group: alerts of the same key on the same route are told together."""
        names = sorted(labels) if self.group_by == (ALL,) else self.group_by
        return tuple((name, labels[name]) for name in names if name in labels)


class Inhibition(NamedTuple):
    """A rule: while a source alert fires, targets with the same ``equal`` labels are muted."""

    name: str
    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]

    def holds(self, source: Mapping[str, str], target: Mapping[str, str]) -> bool:
        """Whether ``source`` mutes ``target`` by this rule; a label that both lack is equal, too."""
        same = all(source.get(name, "") == target.get(name, "") for name in self.equal)
        return same and matches_all(self.source, source) and matches_all(self.target, target)

    def text(self) -> str:
        """``severity="critical" mutes severity="warning" with equal service``."""
        source, target = (" ".join(one.text() for one in part) or "everything" for part in (self.source, self.target))
        return f"{source} mutes {target}" + (f" with equal {', '.join(self.equal)}" if self.equal else "")


class Routing(NamedTuple):
    """A configuration's routes and inhibition rules."""

    root: Route
    inhibitions: tuple[Inhibition, ...]

    def paths(self, labels: Mapping[str, str]) -> list[tuple[Route, ...]]:
        """From the root to each route that takes such an alert, in the order in which they are told."""
        return list(_paths(self.root, labels))


def read_routing(text: str) -> Routing:
    """The routing of a configuration file's text. Raises BadRouting."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        found = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader, in C where there is one
    except yaml.YAMLError as error:
        raise BadRouting(f"it is not YAML ({getattr(error, 'problem', None) or 'broken'})") from None
    if not isinstance(found, dict) or not isinstance(found.get("route"), dict):
        raise BadRouting("it has no route")
    try:
        root = _route(found["route"], None, 1)
        rules = tuple(_inhibition(rule, number) for number, rule in enumerate(found.get("inhibit_rules") or (), 1))
    except (UsageError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise BadRouting(getattr(error, "says", None) or str(error)) from None
    except RecursionError:
        raise BadRouting("its routes are nested too deeply") from None
    return Routing(root, rules)


def _paths(route: Route, labels: Mapping[str, str]) -> Iterator[tuple[Route, ...]]:
    if not matches_all(route.matchers, labels):
        return
    taken = False
    for child in route.children:
        hit = False
        for path in _paths(child, labels):
            hit = taken = True
            yield (route, *path)
        if hit and not child.goes_on:
            break
    if not taken:
        yield (route,)


def _route(given: Mapping[str, Any], parent: Route | None, number: int) -> Route:
    def seconds(key: str, otherwise: float) -> float:
        return parse_duration(str(given[key])) if given.get(key) is not None else otherwise

    own = Route(
        number,
        _matchers(given, ""),
        str(given.get("receiver") or (parent.receiver if parent else "")),
        bool(given.get("continue", False)),
        tuple(str(name) for name in given.get("group_by") or ()) or (parent.group_by if parent else ()),
        seconds("group_wait", parent.group_wait if parent else _WAIT),
        seconds("group_interval", parent.group_interval if parent else _INTERVAL),
        seconds("repeat_interval", parent.repeat_interval if parent else _REPEAT),
        tuple(given.get("mute_time_intervals") or ()),  # these two are not inherited
        tuple(given.get("active_time_intervals") or ()),
        (),
    )
    children = tuple(_route(child, own, place) for place, child in enumerate(given.get("routes") or (), 1))
    return own._replace(children=children)


def _inhibition(given: Mapping[str, Any], number: int) -> Inhibition:
    equal = tuple(str(name) for name in given.get("equal") or ())
    name = str(given.get("name") or f"rule {number}")
    return Inhibition(name, _matchers(given, "source_"), _matchers(given, "target_"), equal)


def _matchers(given: Mapping[str, Any], prefix: str) -> tuple[Matcher, ...]:
    """The three spellings: ``match``, ``match_re`` (both from before 0.22) and ``matchers``."""
    found = [Matcher(name=str(k), value=_text(v)) for k, v in (given.get(f"{prefix}match") or {}).items()]
    old = given.get(f"{prefix}match_re") or {}
    found += [Matcher(name=str(k), value=_text(v), is_regex=True) for k, v in old.items()]
    for line in given.get(f"{prefix}matchers") or ():
        text = str(line).strip()
        inner = text[1:-1] if text.startswith("{") and text.endswith("}") else text
        found += [parse(one) for one in split("{" + inner + "}")]
    for one in found:
        one.matches({})  # an expression that RE2 does not take is told here
    return tuple(found)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
