"""Routes as amtool finds them, on generated label sets; groups, inhibition and the next time a group is told."""

import json
import random
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from opsctl.alerts.explain import explain
from opsctl.alerts.model import Sighting
from opsctl.alerts.routing import BadRouting, read_routing
from tests.servers import programs

CONFIG = """
route:
  receiver: default
  group_by: [alertname]
  group_wait: 10s
  routes:
    - receiver: database
      matchers: ['service=~"post.*|redis"', severity!="info"]
      routes:
        - receiver: database-page
          match: {severity: critical}
          continue: true
          group_by: ['...']
        - receiver: database-night
          match_re: {zone: 'eu-.*'}
          group_interval: 1m
    - receiver: everyone
      matchers: ['{team="a",zone!~"us-.+"}']
      continue: true
    - receiver: empty
      matchers: [team=""]
      routes:
        - receiver: nobody
          matchers: ["alertname=~\\"(?i)watchdog\\""]
          repeat_interval: 30s
receivers: [{name: default}, {name: database}, {name: database-page}, {name: database-night}, {name: everyone},
            {name: empty}, {name: nobody}]
inhibit_rules:
  - source_matchers: [severity="critical"]
    target_match: {severity: warning}
    equal: [service, zone]
"""
VALUES = {
    "alertname": ["Watchdog", "watchdog", "Slow"],
    "service": ["postgres", "redis", "api", "xredis"],
    "severity": ["critical", "warning", "info"],
    "zone": ["eu-1", "us-1", "eu"],
    "team": ["a", "b"],
}
NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


def test_receivers_are_those_that_amtool_finds(tmp_path):
    amtool = programs.find("alertmanager")
    if isinstance(amtool, programs.Missing):
        pytest.skip(amtool.says)
    path = tmp_path / "alertmanager.yml"
    path.write_text(CONFIG)
    routing = read_routing(CONFIG)
    chance = random.Random(7)
    sets = []
    for _ in range(60):
        sets.append({name: chance.choice(of) for name, of in VALUES.items() if chance.random() < 0.8})
    seen = set()
    for labels in sets:
        argv = ["amtool", "config", "routes", "test", f"--config.file={path}", *(f"{k}={v}" for k, v in labels.items())]
        told = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout.strip()
        found = ",".join(path[-1].receiver for path in routing.paths(labels))
        assert found == told, labels
        seen.add(told)
    assert len(seen) >= 5


def alert(since=0.0, state="active", fingerprint="f", inhibited_by=(), **labels):
    began = NOW - timedelta(seconds=since)
    name = labels.setdefault("alertname", "Slow")
    return Sighting("alertmanager", fingerprint, name, state, labels, began, inhibited_by=inhibited_by)


def telling(alerts):
    return explain(alerts[0], alerts, read_routing(CONFIG), NOW).tellings[0]


def test_timers_are_inherited_and_the_group_is_the_routes():
    path = read_routing(CONFIG).paths({"service": "redis", "zone": "eu-1", "severity": "warning"})[0]
    route = path[-1]
    assert (route.group_wait, route.group_interval, route.repeat_interval) == (10.0, 60.0, 14400.0)
    page = read_routing(CONFIG).paths({"service": "redis", "severity": "critical"})[0][-1]
    assert page.group_key({"b": "1", "a": "2"}) == (("a", "2"), ("b", "1"))


def test_a_group_is_told_after_its_wait_then_what_is_new_then_all_again():
    assert telling([alert(since=4)]).next == NOW + timedelta(seconds=6)
    assert telling([alert(since=3600)]).next == NOW - timedelta(seconds=3590) + timedelta(hours=4)
    # One that joined 20 s ago is told at the group's next look, five minutes after the one before.
    both = telling([alert(since=400), alert(since=20, fingerprint="g")])
    assert (both.together, both.next) == (2, NOW + timedelta(seconds=210))
    old = telling([alert(since=86400 * 3)]).next
    assert NOW < old <= NOW + timedelta(hours=4)


def test_a_silenced_alert_is_not_told_next():
    assert telling([alert(since=4, state="silenced")]).next is None


def test_what_inhibits_is_named_with_its_rule():
    source = alert(fingerprint="s", severity="critical", service="x")
    target = alert(state="inhibited", inhibited_by=("s", "gone"), severity="warning", service="x")
    named, gone = explain(target, [target, source], read_routing(CONFIG), NOW).inhibitors
    assert named.alert == source
    assert named.rule.text() == 'severity="critical" mutes severity="warning" with equal service, zone'
    assert (gone.alert, gone.rule) == (None, None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("route: [", "not YAML"),
        ("a: 1", "no route"),
        ("route: {group_wait: soon}", "not a duration"),
        (json.dumps({"route": {"matchers": ["a=~("]}}), "regular expression"),
        (json.dumps({"route": {"routes": ["x"]}}), "get"),
    ],
)
def test_a_configuration_that_cannot_be_understood_is_said_to_be_so(text, says):
    with pytest.raises(BadRouting, match=says):
        read_routing(text)
