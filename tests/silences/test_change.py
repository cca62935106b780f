"""Extending keeps the id and never shortens; ending is done for all, and a failure does not stop the rest."""

from datetime import UTC, datetime, timedelta

import pytest

from opsctl.errors import Interrupted, Refused, UsageError
from opsctl.silences.book import named, read
from opsctl.silences.change import expire, extend, later_end
from opsctl.silences.policy import Policy
from tests.silences.sample import NOW, known, members_of
from tests.silences.test_create import Between

HOUR = 3600.0


def later(one, plus=None, until=None, policy=None):
    return later_end(one, now=NOW, plus=plus, until=until, policy=policy or Policy())


def test_it_counts_from_the_present_end():
    assert later(known(), plus=2 * HOUR) == NOW + timedelta(hours=3)
    assert later(known(), until=NOW + timedelta(hours=5)) == NOW + timedelta(hours=5)


def test_it_never_gets_shorter():
    with pytest.raises(UsageError) as refused:
        later(known(), until=NOW + timedelta(minutes=5))
    assert "lasts until 2026-11-21 04:07 UTC already" in refused.value.sentence()
    assert "opsctl silence expire 5f0c2b1e" in refused.value.sentence()


def test_an_ended_one_is_refused_with_the_command_that_makes_a_new_one():
    with pytest.raises(Refused) as refused:
        later(known(["service=api", "severity!=critical"], state="expired", end=-60), plus=HOUR)
    assert refused.value.sentence().endswith(
        "Make a new one: opsctl silence create 'service=\"api\"' 'severity!=\"critical\"' --for 59m --comment deploy"
    )


def test_the_longest_counts_from_now_or_from_its_start():
    assert later(known(start=-80 * HOUR), plus=22 * HOUR)
    with pytest.raises(Refused, match="would last 1d1h from now"):
        later(known(), plus=24 * HOUR)
    assert later(known(state="pending", start=50 * HOUR, end=51 * HOUR), plus=22 * HOUR)


@pytest.mark.needs("alertmanager")
def test_an_extension_keeps_the_id_on_every_member(alertmanagers):
    members = members_of(*(server.url for server in alertmanagers))
    id = alertmanagers[0].silence({"service": "extended"})
    (one,) = named(read(members), [id])
    (change,) = extend(members, [(one, one.silence.ends_at + timedelta(hours=2))])
    assert (change.outcome, change.id, change.not_seen_on) == ("extended", id, ())
    (now,) = named(read(members), [id])
    assert now.silence.ends_at - one.silence.ends_at == timedelta(hours=2)
    assert now.silence.starts_at == one.silence.starts_at


@pytest.mark.needs("alertmanager")
def test_one_that_ended_meanwhile_is_told_apart(alertmanagers):
    members = members_of(alertmanagers[0].url)
    id = alertmanagers[0].silence({"service": "raced"})
    (one,) = named(read(members), [id])
    members.all[0].expire(one.id)
    (change,) = extend(members, [(one, datetime.now(UTC) + timedelta(hours=2))])
    assert change.outcome == "forked"
    assert change.id != one.id
    members.all[0].expire(change.id)


@pytest.mark.needs("alertmanager")
def test_a_lost_answer_of_an_extension_is_read_back(alertmanagers):
    members = members_of(Between(alertmanagers[0].url, ["unheard"]).url)
    id = alertmanagers[0].silence({"service": "longer-unheard"})
    (one,) = named(read(members), [id])
    (change,) = extend(members, [(one, one.silence.ends_at + timedelta(hours=1))], timeout=5)
    assert (change.outcome, change.id) == ("extended", one.id)


@pytest.mark.needs("alertmanager")
def test_ending_goes_on_after_a_failure_and_twice_is_fine(alertmanagers):
    members = members_of(*(server.url for server in alertmanagers))
    mine = [alertmanagers[0].silence({"service": f"ended-{number}"}) for number in range(2)]
    first, second = (named(read(members), [id])[0] for id in mine)
    ghost = known(id="0a5d6a0e-8f2e-4b0a-9d0e-000000000000")
    changes = expire(members, [first, ghost, second])
    assert [change.outcome for change in changes] == ["expired", "failed", "expired"]
    assert "knows no silence" in changes[1].says
    assert all(change.not_seen_on == () for change in changes)
    (again,) = expire(members, named(read(members), [mine[0]]))
    assert again.outcome == "unchanged"


@pytest.mark.needs("alertmanager")
def test_ctrl_c_in_the_middle_says_how_far_it_got(alertmanagers, monkeypatch):
    members = members_of(alertmanagers[0].url)
    ids = [alertmanagers[0].silence({"service": f"stopped-{number}"}) for number in range(3)]
    found = [named(read(members), [id])[0] for id in ids]
    real = members.all[0].expire

    def stopped(id, timeout):
        if id == ids[1]:
            raise KeyboardInterrupt
        real(id, timeout)

    monkeypatch.setattr(members.all[0], "expire", stopped)
    with pytest.raises(Interrupted) as told:
        expire(members, found)
    assert told.value.code == 130
    assert told.value.says == (
        f"interrupted; 1 of 3 silences were expired ({ids[0][:8]}), of {ids[1][:8]} it is not known"
    )
