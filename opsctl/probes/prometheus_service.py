"""Which targets, series and rules of a Prometheus belong to the service: by the profile's labels, else its address."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from opsctl.clients.prometheus_answers import Rule, RuleGroup, Target
from opsctl.errors import CouldNotLook
from opsctl.probes.look import Look
from opsctl.signals.shape import metrics_of

_WHOLE = ("service", "job", "app", "application")  # those that name a whole service, not a part of one
_MATCHER = re.compile(r'\b(?:service|job|app|application|instance)=(~?)"([^"]*)"')
NAMING = ("service", "job", "component", "app", "application")  # labels of rules and alerts that may name a service


def whose(look: Look) -> str:
    """How a sentence calls the service's targets: ``with job=amas``, ``at 10.0.0.7:3000``. Raises NotConfigured."""
    labels = look.profile.prometheus_labels
    if labels:
        return f"with {', '.join(f'{name}={matcher}' for name, matcher in labels.items())}"
    return f"at {metrics_place(look)}"


def targets_of(look: Look, targets: Sequence[Target]) -> list[Target]:
    """The service's own targets. Raises NotConfigured; CouldNotLook for a matcher that is no regular expression."""
    labels = look.profile.prometheus_labels
    if labels:
        return [target for target in targets if all(fits(target, name, m) for name, m in labels.items())]
    place = metrics_place(look)
    return [target for target in targets if urlsplit(target.scrape_url).netloc.rpartition("@")[2] == place]


def fits(target: Target, name: str, matcher: str) -> bool:
    """A profile's label matcher (``=~``, ``!~``, ``!=`` or a plain value) against a target's label."""
    value = target.labels.get(name, "")
    operator, text = operator_of(matcher)
    if operator in ("=~", "!~"):
        try:
            matches = re.fullmatch(text, value) is not None
        except re.error:
            says = f"the matcher {name}{matcher} of the profile is not a regular expression"
            raise CouldNotLook("bad-query", says) from None
    else:
        matches = value == text
    return matches if operator in ("=", "=~") else not matches


def operator_of(matcher: str) -> tuple[str, str]:
    """``=~prod.*`` as ("=~", "prod.*"); a plain value is an equality."""
    return (matcher[:2], matcher[2:]) if matcher[:2] in ("=~", "!~", "!=") else ("=", matcher)


def selector(look: Look, name: str = "", *more: str) -> str:
    """A PromQL selector of the service's series: ``up{job="amas"}``; ``more`` are matchers as PromQL writes them.

    Raises NotConfigured when the profile has neither labels nor a metrics endpoint.
    """
    parts = []
    for label, matcher in look.profile.prometheus_labels.items():
        operator, text = operator_of(matcher)
        parts.append(f"{label}{operator}{quoted(text)}")
    if not parts:
        parts.append(f"instance={quoted(metrics_place(look))}")
    return f"{name}{{{','.join([*parts, *more])}}}"


def quoted(text: str) -> str:
    """A PromQL string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def metrics_place(look: Look) -> str:
    """host:port of the service's metrics endpoint; raises NotConfigured."""
    url = look.readers.endpoint("metrics").url
    return urlsplit(url if "://" in url else f"//{url}").netloc.rpartition("@")[2]


def names_of(look: Look) -> set[str]:
    """What may stand in a label that names the service."""
    plain = {text for m in look.profile.prometheus_labels.values() if (text := operator_of(m)[1]) == m}
    return {look.profile.service, *plain}


def own_metrics(look: Look) -> list[str]:
    """Names of the metrics that the profile's signals read, without those every process of a library has."""
    found = [name for signal in look.profile.signals.values() for name in metrics_of(signal)]
    return [name for name in dict.fromkeys(found) if not is_common(name)]


def is_common(name: str) -> bool:
    """Whether a metric tells of the process, the runtime or the host rather than of this service."""
    return name == "up" or name.startswith(("process_", "go_", "nodejs_", "python_", "jvm_", "node_", "scrape_"))


def rules_of(look: Look, groups: Sequence[RuleGroup]) -> list[tuple[RuleGroup, Rule]]:
    """The rules that concern the service: its name in a label or a matcher; or, where a rule names no service at all,
    an alert that the profile names or an expression over one of the service's own metrics."""
    names = names_of(look)
    places = set(names)
    with contextlib.suppress(CouldNotLook):  # without a metrics page the names are all there is
        places.add(metrics_place(look))
    alerts = {band.alert for objective in look.profile.objectives for band in objective.bands if band.alert}
    metrics = re.compile(
        "|".join(rf"\b{re.escape(name)}(?:_bucket|_sum|_count)?\b" for name in own_metrics(look)) or "(?!)"
    )

    def ours(rule: Rule) -> bool:
        if any(rule.labels.get(label) in names for label in NAMING):
            return True
        if any(rule.labels.get(label) for label in _WHOLE):
            return False  # another service's, though it may use a metric of the same name
        matched = [found for found in _MATCHER.findall(rule.query) if found[1]]
        if matched:
            return any(_names_one(text, regular == "~", places) for regular, text in matched)
        return rule.name in alerts or metrics.search(rule.query) is not None

    return [(group, rule) for group in groups for rule in group.rules if ours(rule)]


def _names_one(text: str, regular: bool, places: set[str]) -> bool:
    if not regular:
        return text in places
    try:
        return any(re.fullmatch(text, place) is not None for place in places)
    except re.error:
        return False
