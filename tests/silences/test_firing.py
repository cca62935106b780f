"""What fires is asked once; in a storm only what matches; without an answer the guards do not let anything through."""

import time

import pytest

from opsctl.errors import Refused
from opsctl.silences import firing as module
from opsctl.silences.firing import firing
from opsctl.silences.guard import refusals
from opsctl.silences.matcher import parse_all
from opsctl.silences.policy import Policy
from tests.fakes.recording import Recorder
from tests.silences.sample import members_of

ONE = '[{"labels": {"alertname": "A", "service": "api"}, "fingerprint": "%s", "status": {"state": "active"}}]'


def test_all_members_are_asked_and_each_alert_counts_once():
    with Recorder({"/api/v2/alerts": ONE % "a"}) as one, Recorder({"/api/v2/alerts": ONE % "b"}) as two:
        found = firing(members_of(one.url, two.url, one.url + "/"), parse_all(["service=api"]))
        assert (len(found.alerts), found.complete) == (2, True)
        assert len(found.hits(parse_all(["service=api"]))) == 2


def test_in_a_storm_only_what_matches_is_read(monkeypatch):
    monkeypatch.setattr(module, "_ALL_WITHIN", 0.3)

    def slow(seen):
        if not seen.query:
            time.sleep(1.5)
        return 200, "application/json", (ONE % "a").encode()

    with Recorder({"/api/v2/alerts": slow}) as server:
        found = firing(members_of(server.url), parse_all(["service=api"]), timeout=20)
        assert (len(found.alerts), found.complete) == (1, False)
        assert server.seen[-1].query == "filter=service%3D%22api%22"


def test_without_an_answer_nothing_is_let_through():
    with Recorder({"/api/v2/alerts": (500, "application/json", b'"no"')}) as server, pytest.raises(Refused) as refused:
        firing(members_of(server.url), parse_all(["service=api"]))
    assert refused.value.code == 77
    assert "--timeout 60s" in refused.value.sentence()


def test_the_share_is_judged_by_the_number_when_the_total_is_unknown():
    labels = [{"alertname": "A", "service": "api", "n": str(n)} for n in range(9)]
    against = lambda fires, **more: [  # noqa: E731
        one.rule
        for one in refusals(
            Policy(), parse_all(["service=api"]), seconds=60, comment="x", firing=fires, complete=False, **more
        )
    ]
    assert against(labels[:2]) == []
    assert against(labels) == ["max_share"]
    assert against(labels, allow_count=9) == []
