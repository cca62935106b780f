"""The guards refuse what would mute too much, say why, and let everything else through."""

import pytest

from opsctl.errors import ConfigError
from opsctl.silences.guard import refusals
from opsctl.silences.matcher import parse_all
from opsctl.silences.policy import Policy, load_policy

FIRING = [
    {"alertname": "Watchdog", "severity": "none"},
    {"alertname": "ServiceDown", "service": "orchestrator", "severity": "critical"},
    {"alertname": "HighLatency", "service": "orchestrator", "severity": "warning"},
    {"alertname": "HighLatency", "service": "api", "severity": "warning"},
    {"alertname": "DiskSpaceLow", "service": "db", "severity": "warning"},
    {"alertname": "HighErrorRate", "service": "api", "severity": "warning"},
]


def refused(*words, policy=None, seconds=3600.0, comment="deploy", firing=FIRING, **more):
    found = refusals(policy or Policy(), parse_all(words), seconds=seconds, comment=comment, firing=firing, **more)
    return {r.rule: r.says for r in found}


def test_a_silence_of_one_service_goes_through():
    assert refused("service=api") == {}
    assert refused("HighLatency", "service=~api|orchestrator") == {}
    assert refused("service=api", "severity!=critical") == {}


@pytest.mark.parametrize(
    "words",
    [
        ["alertname=~.+"],
        ["alertname=~.*"],
        ['nosuchlabel!="x"'],
        ["alertname!=NoSuch"],
        ["alertname=~.+", 'nosuchlabel!="x"'],
        ["alertname=~(?s).*"],
        ["severity!=critical"],
        ["service="],
        ["service!="],
        ["service=~.*"],
    ],
)
def test_everything_and_what_equals_it_is_refused(words):
    found = refused(*words)
    assert "matchers" in found
    assert "service=orchestrator" in found["matchers"], "it says what to write instead"


def test_no_matcher_at_all_is_refused_whatever_fires():
    assert "mutes every alert" in refusals(Policy(), (), seconds=60, comment="x", firing=[])[0].says


@pytest.mark.parametrize("words", [["severity=warning"], ["job=node", "severity=~warning|info"]])
def test_labels_that_cross_services_do_not_stand_alone(words):
    assert "never_alone" in refused(*words)


def test_a_share_of_what_fires_is_refused_with_the_number_that_admits_it():
    found = refused("alertname=~High.*|Disk.*")
    assert found["max_share"].startswith("it would mute 4 of 6 firing alerts (67%, limit 50%)")
    assert "--allow-count 4" in found["max_share"]
    assert refused("alertname=~High.*", firing=FIRING[2:4]) == {}, "two alerts are not a share to judge"


def test_protected_alerts_need_their_name_and_a_reason():
    found = refused("service=orchestrator")
    assert "ServiceDown" in found["protected"]
    assert '--allow ServiceDown="why"' in found["protected"]
    assert refused("service=orchestrator", allowed={"ServiceDown": "planned downtime"}) == {}


def test_watchdog_is_protected_even_while_it_does_not_fire():
    assert "Watchdog" in refused("alertname=~W.*", firing=[])["protected"]
    assert "Watchdog" in refused("Watchdog", firing=None)["protected"]


def test_form():
    assert "policy's 1d" in refused("service=api", seconds=90000)["max_duration"]
    assert "comment" in refused("service=api", comment="  ")
    assert "comment_max" in refused("service=api", comment="x" * 3000)
    strict = Policy(ticket=True, ticket_pattern="OPS-[0-9]+")
    assert "ticket" in refused("service=api", policy=strict)
    assert "ticket_pattern" in refused("service=api", policy=strict, ticket="soon")
    assert refused("service=api", policy=strict, ticket="OPS-12") == {}
    assert "min_matchers" in refused("service=api", policy=Policy(min_matchers=2))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("max_duration: never", "never"),
        ("max_share: 150%", "between 0 and 100%"),
        ("min_matchers: 0", "at least 1"),
        ("protected: ['severity=~[']", "not one for Alertmanager"),
        ("max_durations: 1h", "max_duration"),
    ],
)
def test_a_policy_with_a_mistake_is_named_with_its_place(tmp_path, line, says):
    path = tmp_path / "policy.yaml"
    path.write_text(line + "\n")
    with pytest.raises(ConfigError) as wrong:
        load_policy(path)
    assert says in wrong.value.sentence()
    assert "policy.yaml" in wrong.value.sentence()
