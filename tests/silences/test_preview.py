"""The preview equals what Alertmanager then does, on generated labels and matchers; rules and the past beside it."""

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsctl.clients.alertmanager_write import Draft
from opsctl.clients.prometheus_answers import Rule
from opsctl.config.endpoint import Endpoint
from opsctl.silences.matcher import Matcher, parse_all
from opsctl.silences.members import Members
from opsctl.silences.preview import could_match, gather, of

NAMES = ("service", "severity", "host")
VALUES = ("", "api", "api-1", "db", "web\n1", "critical", "a.b", "ä")
labels = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES), min_size=1)
patterns = st.sampled_from(
    ["api", "api.*", "a.b", "api|db", "", ".+", ".*", "web.1", "[a-d]+", "(?i)API", "x*", "ä", "\\w+"]
)
matchers = st.lists(
    st.builds(
        Matcher,
        name=st.sampled_from((*NAMES, "nowhere")),
        value=patterns,
        is_regex=st.booleans(),
        is_equal=st.booleans(),
    ),
    min_size=1,
    max_size=3,
).filter(lambda found: not all(m.matches_empty for m in found))


@pytest.mark.needs("alertmanager")
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(sets=st.lists(labels, min_size=12, max_size=12), wanted=matchers)
def test_the_preview_is_what_is_silenced(alertmanagers, sets, wanted):
    """30 silences against 12 alerts each: 360 label sets."""
    members = Members(Endpoint(name="alertmanager", url=alertmanagers[0].url, setting="test"))
    run = f"r{time.time_ns()}"
    alertmanagers[0].post_alerts(*({"alertname": run, **{k: v for k, v in one.items() if v}} for one in sets))
    mine = [*wanted, *parse_all([run])]
    before, _ = gather(mine, members, None)
    start = datetime.now(UTC)
    id = members.all[0].post(
        Draft(matchers=mine, starts_at=start, ends_at=start + timedelta(minutes=5), created_by="t", comment="t")
    )
    after = members.all[0].alerts((f'alertname="{run}"',))
    silenced = {alert.fingerprint for alert in after if id in alert.status.silenced_by}
    members.all[0].expire(id)
    members.close()
    assert {hit.fingerprint for hit in before.hits} == silenced


def alert(silenced=(), **own):
    status = SimpleNamespace(silenced_by=silenced)
    return SimpleNamespace(labels=own, fingerprint=repr(own), status=status)


def test_what_is_muted_what_stays_and_how_bad():
    seen = of(
        parse_all(["service=orchestrator"]),
        [
            alert(alertname="ServiceDown", service="orchestrator", severity="critical"),
            alert(alertname="HighLatency", service="orchestrator", severity="warning"),
            alert(alertname="HighLatency", service="api"),
            alert(alertname="Watchdog", severity="none"),
            alert(("s1",), alertname="Disk", service="db"),
        ],
    )
    assert (seen.firing, len(seen.hits), seen.critical) == (5, 2, 1)
    assert seen.audible == (("Watchdog", 1), ("HighLatency", 1)), "what is muted already is not audible"
    assert seen.rules is None


@pytest.mark.parametrize(
    ("words", "could"),
    [
        (["service=api"], True),  # the series may have it
        (["severity=critical"], True),
        (["severity=warning"], False),
        (["HighLatency"], True),
        (["Other"], False),
        (["team=~we.*"], True),  # a template may become anything
        (["severity!=critical"], False),
    ],
)
def test_a_rule_could_be_muted_when_its_fixed_labels_allow_it(words, could):
    rule = Rule(name="HighLatency", type="alerting", labels={"severity": "critical", "team": "{{ $labels.team }}"})
    assert could_match(parse_all(words), rule) is could
