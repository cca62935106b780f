"""Ranking the roots of a storm: each part of the score, what never decides, and how often it is right."""

from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.probes.alertmanager_storm_alert import depth_of, unique, words_of
from opsctl.probes.alertmanager_storm_edges import edges_of, inhibitions
from opsctl.probes.alertmanager_storm_judge import Storm, conclude, worst_minute
from opsctl.probes.alertmanager_storm_rank import WEIGHTS
from tests.probes.storms import INCIDENTS, NOW, OLD, SHOP, facts, judged, some, symptoms


def first(storm: Storm) -> str:
    assert storm.root is not None
    return storm.root.group.name


def part(storm: Storm, name: str) -> dict[str, float]:
    return dict(next(one for one in storm.ranked if one.group.name == name).parts)


def test_the_score_is_the_sum_of_the_parts_that_are_shown():
    storm = judged([some("NodeDown", node="n7"), *symptoms("A", "B", node="n7")])
    for one in storm.ranked:
        assert one.score == pytest.approx(sum(WEIGHTS[k] * v for k, v in one.parts.items()) - one.penalty, abs=1e-5)
    assert sum(WEIGHTS.values()) == pytest.approx(1.0)


def test_the_number_of_alerts_plays_no_part():
    few = judged([some("NodeDown", node="n7"), *symptoms("A", "B", node="n7", count=5)])
    many = judged([some("NodeDown", node="n7"), *symptoms("A", "B", node="n7", count=500)])
    assert [(c.group.name, c.score) for c in few.ranked] == [(c.group.name, c.score) for c in many.ranked]


def test_onset_is_what_prometheus_says_then_the_start_less_what_the_rule_waits():
    groups = [some("Late", 3, 10, wait=300), some("Early", 3, 200), some("Middle", 3, 100)]
    assert part(judged(groups), "Late")["earliness"] == 1.0  # its condition was true 310 s ago
    from opsctl.clients.prometheus_answers import Series

    told = (Series(labels={"alertname": "Middle"}, time=NOW, value=NOW - 500),)
    assert part(judged(groups, onsets=told), "Middle")["earliness"] == 1.0


def test_what_began_within_one_evaluation_began_together():
    storm = judged([some("A", 3, 60), some("B", 3, 52), some("C", 3, 20)])
    assert part(storm, "A")["earliness"] == part(storm, "B")["earliness"] == 1.0
    assert part(storm, "C")["earliness"] == 0.0


def test_what_fired_before_the_storm_is_never_its_root():
    storm = judged([some("NodeDown", 5, OLD, node="n7"), *symptoms("A", "B", "C", node="n7")])
    assert first(storm) != "NodeDown"
    last = storm.ranked[-1]
    assert (last.group.name, last.why) == ("NodeDown", ("fired before the storm",))


def test_flapping_costs_and_novelty_counts():
    storm = judged([some("A", 3, flaps=5), some("B", 3), some("C", 3, before=True)])
    parts = {one.group.name: one for one in storm.ranked}
    assert parts["A"].penalty > 0 == parts["B"].penalty
    assert parts["B"].parts["novelty"] == 1.0 > parts["C"].parts["novelty"]
    unknown = conclude(facts([some("A"), some("B")])._replace(told={}), SHOP, 50.0)
    assert unknown.ranked[0].parts["novelty"] == 0.5


def test_severity_is_mapped_by_the_profile_before_common_words():
    from opsctl.services.model import Profile

    groups = [some("A", severity="P1"), some("B", severity="P2")]
    agro = judged(groups, Profile(service="agro", severities={"P1": "sev3", "P2": "sev2"}))
    assert part(agro, "A")["severity"] < part(agro, "B")["severity"]
    assert part(judged(groups, Profile(service="x")), "A")["severity"] == 0.0  # nobody says what P1 means here


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        ("NodeDown", 3), ("KubeletTooManyPods", 3), ("DNSResolutionFailing", 3), ("PostgresReplicationLag", 2),
        ("RedisDown", 2), ("PodCrashLooping", 1), ("TargetDown", 1), ("HighErrorRate", 0), ("", 0),
    ],
)  # fmt: skip
def test_depth_is_told_by_the_words_of_the_name(name, depth):
    assert depth_of(name) == depth


def test_names_are_read_as_words():
    assert words_of("HTTPErrorRateP99") == ("http", "error", "rate", "p", "99")
    assert words_of("kube_node_not_ready") == ("kube", "node", "not", "ready")


# Edges -----------------------------------------------------------------------------------------------------------


def edges(storm: Storm) -> set[tuple[str, str, str]]:
    return {(storm.groups[a].name, storm.groups[b].name, why) for (a, b), why in storm.edges.why.items()}


def test_a_node_holds_the_pods_on_it_and_no_pod_its_node():
    storm = judged(
        [some("NodeDown", node="n7"), some("PodDown", 5, spread="pod", node="n7"), some("Far", 5, node="n8")]
    )
    assert edges(storm) == {("NodeDown", "PodDown", "holds node=n7")}


def test_a_dependency_explains_its_service_and_not_another_one():
    storm = judged([some("RedisDown"), some("HighLatency", 3, service="shop"), some("LateMail", 3, service="mail")])
    assert ("RedisDown", "HighLatency", "shop needs redis") in edges(storm)
    assert not any(to == "LateMail" for _, to, _ in edges(storm))


def test_inhibition_rules_in_all_their_spellings():
    text = """
    inhibit_rules:
      - {source_match: {alertname: A}, target_match_re: {alertname: "B|C"}, equal: [service]}
      - source_matchers: ['alertname = "D"', severity=~"critical|page"]
        target_matchers: ['{alertname="E", team!="x,y"}']
    """
    rules = inhibitions(text)
    assert len(rules) == 2
    assert [str(m) for m in rules[1].source] == ["alertname=D", "severity=~critical|page"]
    assert [str(m) for m in rules[1].target] == ["alertname=E", "team!=x,y"]
    groups = [
        some("A", service="s"), some("B", service="s"), some("C", service="t"), some("D", severity="page"), some("E"),
    ]  # fmt: skip
    found = edges(judged(groups, inhibit=text))
    assert found >= {("A", "B", "inhibition rule"), ("D", "E", "inhibition rule")}
    assert not any(to == "C" for _, to, _ in found)  # another service


@pytest.mark.parametrize(
    "text", ["", "route: {}", "[", "inhibit_rules: 7", "inhibit_rules: [x, {}]", "inhibit_rules: [{equal: 1}]"]
)
def test_a_configuration_without_readable_rules_gives_none(text):
    rules = inhibitions(text)
    storm = judged([some("A"), some("B")], inhibit=text)
    assert storm.edges == edges_of(storm.groups, rules, SHOP)
    assert not any(storm.edges.below)


def test_a_bad_pattern_in_a_rule_selects_nothing():
    text = "inhibit_rules: [{source_match_re: {alertname: '('}, target_match: {alertname: B}}]"
    assert edges(judged([some("A"), some("B")], inhibit=text)) == set()


# Labels and clusters ---------------------------------------------------------------------------------------------


def test_a_label_stands_out_by_how_much_more_often_it_is_there_than_usual():
    from opsctl.clients.prometheus_answers import Target

    targets = tuple(Target(labels={"node": f"n{n % 16}", "job": "api"}, health="up") for n in range(64))
    storm = judged(
        [some("A", 46, spread="pod", node="n7", job="api"), some("B", 4, job="api", node="n1")], targets=targets
    )
    best = storm.lifts[0]
    assert (best.label, best.value, best.alerts) == ("node", "n7", 46)
    assert best.share == pytest.approx(0.92)
    assert best.usual == pytest.approx(1 / 16)
    assert best.lift == pytest.approx(14.72)
    assert all(lift.label != "job" for lift in storm.lifts)  # all targets have it, too


def test_two_alerts_are_no_support_and_three_labels_are_told():
    storm = judged([some("A", 2, node="n1"), some("B", 9, a="1", b="1", c="1", d="1")])
    assert len(storm.lifts) == 3
    assert all(lift.alerts >= 3 for lift in storm.lifts)


def test_a_cluster_has_one_representative_and_nothing_is_lost():
    storm = judged([some("NodeDown", node="n7"), *symptoms("A", "B", node="n7"), some("Other", 3, service="mail")])
    assert [(c.head.name, len(c.groups)) for c in storm.clusters] == [("NodeDown", 3), ("Other", 1)]
    assert storm.clusters[0].representative.name == "NodeDown"
    assert sum(c.alerts for c in storm.clusters) == len(storm.fresh)


# Detection -------------------------------------------------------------------------------------------------------


def test_what_begins_is_counted_not_what_is_active():
    storm = judged([some("Old", 500, OLD), some("New", 51)])
    assert (storm.rate, storm.holds) == (51.0, True)
    assert judged([some("Old", 500, OLD), some("New", 50)]).holds is False


def test_the_worst_minute_slides():
    assert worst_minute([0, 59, 60, 61, 119], 200, 1000) == (59, 3)  # half open: 119 is the next minute's
    assert worst_minute([], 200, 1000) == (0.0, 0.0)
    assert worst_minute([10], 5000, 1000) == (0.0, 0.0)


def test_far_more_than_usual_is_a_storm_below_the_fixed_bound_once_there_is_history():
    from opsctl.clients.prometheus_answers import Series

    def one(value: float) -> tuple[Series, ...]:
        return (Series(labels={}, time=NOW, value=value),)

    groups = [some("New", 30)]
    assert judged(groups, usual=one(3), history=one(168)).holds
    assert not judged(groups, usual=one(3), history=one(5)).holds  # five hours are no usual
    assert not judged(groups, usual=one(0), history=one(168)).holds  # five times nothing is nothing
    assert judged(groups, usual=one(20), history=one(168)).limit == 50.0


def test_what_nobody_hears_of_is_not_loud():
    storm = judged([some("A", 40), some("B", 40, muted=True)])
    assert (storm.rate, storm.loud) == (80.0, 40.0)


def test_the_watchdog_belongs_to_no_storm():
    assert "Watchdog" not in {group.name for group in judged([some("Watchdog"), some("A", 60)]).groups}


# Determinism and accuracy ----------------------------------------------------------------------------------------

ABOUT = st.sampled_from(INCIDENTS)


@given(ABOUT, st.randoms(use_true_random=False))
def test_the_order_and_doubles_of_the_servers_answer_change_nothing(incident, chance: random.Random):
    seen = facts(incident.groups, inhibit=incident.inhibit)
    shuffled = list(seen.alerts) + chance.sample(seen.alerts, 5)
    chance.shuffle(shuffled)
    again = conclude(seen._replace(alerts=tuple(unique(shuffled))), SHOP, 50.0)
    plain = conclude(seen._replace(alerts=tuple(unique(seen.alerts))), SHOP, 50.0)
    assert again == plain


def test_equal_scores_are_told_by_depth_then_reach_then_name():
    storm = judged([some("B"), some("C"), some("A")])
    assert [one.group.name for one in storm.ranked] == ["A", "B", "C"]


def test_a_thousand_names_are_ranked_the_earliest():
    storm = judged([some(f"A{n}", ago=60 + n % 50) for n in range(1500)])
    assert len(storm.groups) == 1000
    assert storm.rate > 1000


def test_how_often_the_root_is_found_beside_chance_and_beside_the_largest_group():
    places, chances, largest, earliest = [], [], 0, 0
    for incident in INCIDENTS:
        storm = judged(incident.groups, inhibit=incident.inhibit)
        names = [one.group.name for one in storm.ranked]
        places.append(names.index(incident.root) + 1)
        chances.append(1 / len(names))
        largest += max(storm.groups, key=lambda g: (len(g.alerts), g.name)).name == incident.root
        earliest += min(storm.groups, key=lambda g: (min(a.began for a in g.alerts), g.name)).name == incident.root
    count = len(INCIDENTS)
    found, top = sum(p == 1 for p in places) / count, sum(p <= 3 for p in places) / count
    chance = statistics.mean(chances)
    told = f"first {found:.2f}, in the first three {top:.2f}, chance {chance:.2f}, "
    told += f"largest group {largest / count:.2f}, earliest start {earliest / count:.2f}"
    wrong = [i.says for i, p in zip(INCIDENTS, places, strict=True) if p != 1]
    assert found >= 0.7, (told, wrong)
    assert top >= 0.85, (told, wrong)
    assert found > 2.5 * chance, told
    assert largest / count < 0.1, told
    assert earliest / count < found - 0.2, told
