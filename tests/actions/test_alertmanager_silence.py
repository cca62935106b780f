"""Silencing the symptoms of a storm: what is proposed, what never is, and what a real Alertmanager makes of it."""

from __future__ import annotations

import dataclasses
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.actions import registry
from opsctl.actions.alertmanager_silence import SilenceParams, propose
from opsctl.actions.hands import Stopped
from opsctl.errors import CouldNotLook
from opsctl.silences.matcher import Matcher, matches_all
from opsctl.silences.policy import Policy
from tests.actions.storm_acting import hands_on, numbered, plan_of, proposed, seen_of
from tests.probes.storms import INCIDENTS, OLD, some, symptoms
from tests.servers.alertmanager import start_alertmanager, start_alertmanagers
from tests.servers.process import free_port

STORM = [
    some("DatabaseDown", database="orders", severity="critical"),
    *symptoms("HighErrorRate", "HighLatency", "OrdersLate", "QueueGrowing", database="orders", count=15),
]


def names(proposal) -> list[str]:
    return [step.target.id for step in proposal.steps]


def left(proposal) -> dict[str, str]:
    return {one.id: one.why for one in proposal.excluded}


def mutes(proposal, seen) -> list:
    found = []
    for step in proposal.steps:
        matchers = [Matcher(**one) for one in step.before["matchers"]]
        found += [alert for alert in seen.alerts if matches_all(matchers, alert.labels)]
    return found


# Proposing -------------------------------------------------------------------------------------------------------


def test_the_largest_groups_that_follow_from_the_root_up_to_half_of_all():
    seen = seen_of(STORM)
    proposal = propose(seen, SilenceParams())
    assert names(proposal) == ["HighErrorRate", "HighLatency"]  # 30 of 61; a third would make it 45
    assert left(proposal)["OrdersLate"] == "with it 45 of 61 firing alerts were muted, the limit is 30"
    assert {one.lift for one in proposal.excluded if one.id == "OrdersLate"} == {"--allow-count 60"}
    root = next(one for one in proposal.excluded if one.id == "DatabaseDown")
    assert (root.refused, root.lift) == (True, "")
    assert all(check.ok for check in proposal.checks)
    assert proposal.scope == "alertmanager am:9093"
    assert proposal.impact.startswith("nobody is told of 30 of 61 firing alerts (0 critical) for 30m")
    assert proposal.notes == ("stays audible: OrdersLate (15), QueueGrowing (15), DatabaseDown (1)",)
    step = proposal.steps[0]
    assert step.target.pin == {"matchers": "alertname=HighErrorRate database=orders", "root": "DatabaseDown"}
    assert step.calls[0].startswith(
        "opsctl silence create 'alertname=\"HighErrorRate\"' 'database=\"orders\"' --for 30m"
    )
    assert "INC-7: alert storm: follows from DatabaseDown" in step.calls[0]


def test_naming_the_number_admits_more():
    assert len(names(propose(seen_of(STORM), SilenceParams(allow_count=60)))) == 4
    assert len(names(propose(seen_of(STORM), SilenceParams(allow_count=45)))) == 3
    assert names(propose(seen_of(STORM), SilenceParams(allow_count=5))) == []


def test_critical_symptoms_are_left_audible_unless_named_with_a_reason():
    groups = [*STORM, some("CheckoutDown", 3, 30, database="orders", severity="critical")]
    proposal = propose(seen_of(groups), SilenceParams())
    assert "CheckoutDown" in left(proposal)
    assert "which the policy protects" in left(proposal)["CheckoutDown"]
    admitted = propose(seen_of(groups), SilenceParams(allow=("CheckoutDown=team knows",), allow_count=63))
    assert "CheckoutDown" in names(admitted)
    assert "(3 critical)" in admitted.impact


def test_what_has_nothing_to_do_with_it_what_is_old_and_what_is_muted_is_left_alone():
    groups = [
        *STORM,
        some("MailLate", 3, 30, service="mail"),
        some("CertificateExpiresSoon", 3, OLD, database="orders"),
        some("WorkerIdle", 3, 30, database="orders", muted=True),
    ]
    why = left(propose(seen_of(groups), SilenceParams()))
    assert why["MailLate"] == "nothing says that it follows from the root"
    assert why["CertificateExpiresSoon"] == "it fired before the storm"
    assert why["WorkerIdle"] == "nobody is told of it as it is: silenced or inhibited"


def test_a_matcher_narrows_to_what_all_alerts_of_the_group_share():
    groups = [some("NodeDown", node="n7"), some("PodDown", 60, spread="pod", node="n7", namespace="shop", zone="b")]
    (step,) = propose(seen_of(groups), SilenceParams(allow_count=60)).steps
    assert [one["name"] for one in step.before["matchers"]] == ["alertname", "namespace", "node"]


def test_the_operators_own_root_stays_audible_besides_the_computed_one():
    proposal = propose(seen_of(STORM), SilenceParams(root="OrdersLate"))
    assert not {"OrdersLate", "DatabaseDown"} & set(names(proposal))
    assert left(proposal)["OrdersLate"] == "you named it as the root"
    absent = propose(seen_of(STORM), SilenceParams(root="Nothing"))
    assert absent.steps == ()
    assert [check.id for check in absent.checks if not check.ok] == ["root"]


def test_a_root_that_nobody_hears_of_refuses_it():
    groups = [some("DatabaseDown", database="orders", severity="critical", muted=True), *STORM[1:]]
    assert [c.id for c in propose(seen_of(groups), SilenceParams()).checks if not c.ok] == ["root-audible"]


def test_without_a_storm_and_with_a_member_that_is_not_heard_it_is_refused():
    quiet = propose(
        seen_of([some("DatabaseDown", database="x"), *symptoms("A", database="x", count=5)]), SilenceParams()
    )
    assert "storm" in [check.id for check in quiet.checks if not check.ok]
    deaf = propose(seen_of(STORM, unheard=("am-2: refused",)), SilenceParams())
    assert [check.id for check in deaf.checks if not check.ok] == ["members"]


def test_the_teams_policy_holds():
    short = propose(seen_of(STORM, Policy(max_duration="10m")), SilenceParams())
    assert [check.id for check in short.checks if not check.ok] == ["max_duration"]
    ticket = Policy(ticket=True, ticket_pattern=r"INC-\d+")
    assert all(check.ok for check in propose(seen_of(STORM, ticket), SilenceParams()).checks)
    none = propose(seen_of(STORM, ticket, reason="because"), SilenceParams())
    assert "ticket" in [check.id for check in none.checks if not check.ok]
    narrow = propose(seen_of(STORM, Policy(min_matchers=3)), SilenceParams())
    assert narrow.steps == ()


@pytest.mark.parametrize(
    "bad", [{"duration": "3h"}, {"duration": "5s"}, {"duration": "x"}, {"allow": ("A",)}, {"allow_count": 0}]
)
def test_bad_parameters_are_told(bad):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(bad, SilenceParams)


@given(st.sampled_from(INCIDENTS), st.integers(1, 500), st.randoms(use_true_random=False))
def test_the_root_is_never_silenced_and_the_order_changes_nothing(incident, allowed, chance):
    seen = seen_of(incident.groups, inhibit=incident.inhibit)
    params = SilenceParams(allow_count=allowed)
    proposal = propose(seen, params)
    muted = mutes(proposal, seen)
    roots = {one.group.name for one in seen.storm.roots}
    assert roots
    assert not roots & {alert.name for alert in muted}
    assert not [alert for alert in muted if alert.labels["severity"] == "critical"]
    assert len({alert.key for alert in muted}) <= allowed
    assert {*names(proposal), *left(proposal)} == {group.name for group in seen.storm.groups}  # nothing is hidden
    shuffled = list(seen.alerts)
    chance.shuffle(shuffled)
    assert propose(seen._replace(alerts=tuple(shuffled)), params) == proposal


def test_it_is_registered_with_an_undo_and_help():
    action = registry.get("alertmanager.silence-symptoms")
    assert action is not None
    assert action.undo is not None
    assert action.weight == 2


# A real Alertmanager ---------------------------------------------------------------------------------------------


def post(server, extra=()) -> None:
    server.post_alerts(
        {"alertname": "DatabaseDown", "database": "orders", "severity": "critical"}, {"alertname": "Watchdog"}
    )
    server.post_alerts(
        *(
            {"alertname": name, "database": "orders", "service": f"shop-{n}", "severity": "warning"}
            for name in ("HighErrorRate", "HighLatency", "OrdersLate")
            for n in range(20)
        ),
        *extra,
    )
    server.wait_for_alerts(lambda alerts: len(alerts) == 62 + len(extra))


@pytest.fixture
def server(tmp_path):
    one = start_alertmanager(tmp_path)
    try:
        yield one
    finally:
        one.stop()


def active(server) -> list[dict]:
    return [one for one in server.get("/api/v2/silences") if one["status"]["state"] == "active"]


@pytest.mark.needs("alertmanager")
def test_from_a_plan_to_silences_and_back(server):
    action = registry.get("alertmanager.silence-symptoms")
    post(server)
    with hands_on(server.url) as hands:
        proposal = proposed(hands)
        (step,) = numbered(proposal)  # 20 of 62; a second group would make it 40
        plan = plan_of(proposal)
        assert action.settled(hands, step) == "not-acted"
        did = action.apply(hands, step)
        assert (did.state, did.inverse["matchers"]) == ("acted", step.before["matchers"])
        (silence,) = active(server)
        assert silence["id"] == did.inverse["id"]
        assert silence["createdBy"] == "ana@bastion"
        assert silence["comment"] == "INC-7: alert storm: follows from DatabaseDown [opsctl 01TESTRUN]"
        assert action.settled(hands, step) == "acted"
        ends = time.monotonic() + 10
        while not (seen := action.verify(hands, plan, (1,))).ok:
            assert time.monotonic() < ends, seen.says
            time.sleep(0.2)
        assert seen.says == "1 silences hold, DatabaseDown stays audible"
        again = action.apply(hands, step)  # as after a crash: nothing is made twice
        assert again.state == "unchanged"
        assert again.inverse is None
        assert len(active(server)) == 1
        undone = action.undo(hands, step, did.inverse)
        assert undone.state == "acted"
        assert active(server) == []
        assert action.undo(hands, step, did.inverse).state == "unchanged"
        assert action.settled(hands, step) == "acted"  # it was made, though it has ended since


@pytest.mark.needs("alertmanager")
def test_undo_without_an_id_ends_only_the_silence_of_its_own_run(server):
    action = registry.get("alertmanager.silence-symptoms")
    post(server)
    with hands_on(server.url, run="01OTHER") as other:
        (step,) = numbered(proposed(other))
        assert action.apply(other, step).state == "acted"
        with hands_on(server.url, run="01MINE") as mine:
            assert action.settled(mine, step) == "not-acted"
            assert action.apply(mine, step).state == "acted"
            assert action.undo(mine, step, step.before["inverse"]).state == "acted"
        (kept,) = active(server)
        assert "01OTHER" in kept["comment"]


@pytest.mark.needs("alertmanager")
def test_what_the_plan_did_not_show_is_not_muted(server):
    action = registry.get("alertmanager.silence-symptoms")
    post(server)
    with hands_on(server.url) as hands:
        (step,) = numbered(proposed(hands))
        name = step.target.id
        server.post_alerts({"alertname": name, "database": "orders", "service": "new", "severity": "critical"})
        server.wait_for_alerts(lambda alerts: len(alerts) == 63)
        did = action.apply(hands, step)
        assert (did.state, did.says) == ("skipped", "it would mute 1 critical alerts that were not in the plan")
        few = msgspec.structs.replace(step, before={**step.before, "covers": step.before["covers"][:4]})
        server.post_alerts(*({"alertname": name, "database": "orders", "service": f"more-{n}"} for n in range(9)))
        server.wait_for_alerts(lambda alerts: len(alerts) == 72)
        assert action.apply(hands, few).state == "skipped"
        none = msgspec.structs.replace(
            step,
            before={**step.before, "matchers": [{"name": "alertname", "value": "Gone"}, {"name": "job", "value": "x"}]},
        )
        assert action.apply(hands, none).says == "none of its alerts fires any more"
        wide = msgspec.structs.replace(
            step, before={**step.before, "matchers": [{"name": "alertname", "value": "DatabaseDown"}]}
        )
        assert action.apply(hands, wide).state == "skipped"
        assert active(server) == []


@pytest.mark.needs("alertmanager")
def test_a_stop_file_before_the_request_and_an_alertmanager_that_is_gone(server):
    action = registry.get("alertmanager.silence-symptoms")
    post(server)

    def stop() -> None:
        raise Stopped("/run/opsctl.stop is there")

    with hands_on(server.url) as hands:
        (step,) = numbered(proposed(hands))
        with pytest.raises(Stopped):
            action.apply(dataclasses.replace(hands, check_stop=stop), step)
        assert active(server) == []
    with hands_on(server.url, act=f"http://127.0.0.1:{free_port()}") as hands:
        with pytest.raises(CouldNotLook):
            action.apply(hands, step)
        with pytest.raises(CouldNotLook):
            action.settled(hands, step)
    with hands_on(f"http://127.0.0.1:{free_port()}") as hands, pytest.raises(CouldNotLook):
        proposed(hands)


@pytest.mark.needs("alertmanager")
def test_a_root_that_somebody_else_silences_is_no_success(server):
    action = registry.get("alertmanager.silence-symptoms")
    post(server)
    with hands_on(server.url) as hands:
        proposal = proposed(hands)
        (step,) = numbered(proposal)
        assert action.apply(hands, step).state == "acted"
        server.silence({"alertname": "DatabaseDown"})
        ends = time.monotonic() + 10
        while "DatabaseDown is muted" not in (seen := action.verify(hands, plan_of(proposal), (1,))).says:
            assert time.monotonic() < ends, seen.says
            time.sleep(0.2)
        assert seen.ok is False


@pytest.mark.needs("alertmanager")
def test_alerts_of_all_members_count_and_each_has_the_silence(tmp_path):
    action = registry.get("alertmanager.silence-symptoms")
    group = start_alertmanagers(tmp_path)
    try:
        post(group[0])
        group[1].post_alerts(*({"alertname": "OnlyHere", "service": f"s{n}", "database": "orders"} for n in range(30)))
        group[1].wait_for_alerts(lambda alerts: len(alerts) == 30)
        with hands_on(*(one.url for one in group)) as hands:
            proposal = proposed(hands)
            assert "OnlyHere" in names(proposal)
            step = next(step for step in numbered(proposal) if step.target.id == "OnlyHere")
            assert action.apply(hands, step).state == "acted"
        assert [len(active(one)) for one in group] == [1, 1]
        group[1].stop()
        with hands_on(*(one.url for one in group)) as hands:
            assert [check.id for check in proposed(hands).checks if not check.ok] == ["members"]
    finally:
        for one in group:
            one.stop()
