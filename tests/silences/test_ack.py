"""Acks live as long as their alert fires, and no longer than they may."""

from datetime import UTC, datetime, timedelta

import pytest

from opsctl.errors import UsageError
from opsctl.silences import ack
from opsctl.silences.book import Book, read
from opsctl.silences.create import Wanted, create
from opsctl.silences.matcher import parse_all
from opsctl.silences.renew import renew
from opsctl.silences.window import Window
from tests.silences.sample import NOW, alert, known, members_of

DAY = 86400.0
MARK = ack.mark(3600, NOW + timedelta(hours=6))


def acked(comment=f"on it {MARK}", **more):
    found = ack.of(known(comment=comment, **more))
    assert found is not None
    return found


def due(one, fires=True, heard=True, longest=DAY):
    return ack.due(one, fires=fires, heard=heard, now=NOW, longest=longest)


def test_the_marker_is_read_back_and_others_are_left_alone():
    assert MARK == "[opsctl ack 1h, at most until 2026-11-21T09:07:00Z]"
    assert (acked().each, acked().last) == (3600, NOW + timedelta(hours=6))
    for comment in ("ACK! on it", "[opsctl ack never, at most until 2026-11-21T09:07:00Z]", "[opsctl ack 1h]", ""):
        assert ack.of(known(comment=comment)) is None


def test_while_it_fires_it_is_extended_in_its_second_half():
    assert due(acked(end=3000)).what == "leave"
    renewal = due(acked(end=900))
    assert (renewal.what, renewal.end) == ("extend", NOW + timedelta(hours=1))


def test_it_never_goes_beyond_its_maximum_age_or_the_policys():
    old = ack.mark(3600, NOW + timedelta(minutes=30))
    assert due(acked(comment=old, end=900)).end == NOW + timedelta(minutes=30)
    assert "maximum age at 2026-11-21 03:37 UTC" in due(acked(comment=old, end=1800)).says
    assert due(acked(comment=ack.mark(3600, NOW + timedelta(days=900)), end=60), longest=5400.0).end == NOW + timedelta(
        minutes=30
    ), "its start was an hour ago"


def test_it_ends_when_it_is_clear_but_only_if_that_can_be_believed():
    assert due(acked(), fires=False).what == "end"
    assert due(acked(), fires=False, heard=False).what == "leave"
    assert not ack.long_enough(NOW - timedelta(minutes=2), NOW), "a fresh server has not heard of all alerts yet"
    assert ack.long_enough(NOW - timedelta(hours=2), NOW)


def test_a_fingerprint_means_its_alert_without_labels_that_the_next_restart_changes():
    one = alert("00112233445566aa", alertname="High", service="api", pod="api-7f")
    twin = alert("00112233445566bb", alertname="High", service="api", pod="api-8c")
    texts = lambda found: [m.text() for m in found]  # noqa: E731
    assert texts(ack.aim(["00112233445566aa"], [one])) == ['alertname="High"', 'service="api"']
    assert texts(ack.aim(["00112233445566aa"], [one, twin])) == ['alertname="High"', 'pod="api-7f"', 'service="api"']
    assert texts(ack.aim(["High"], [])) == ['alertname="High"']
    with pytest.raises(UsageError, match="no firing alert has the fingerprint"):
        ack.aim(["00112233445566cc"], [one])


def test_the_same_alert_is_acknowledged_once():
    book = Book((known(["b=2", "a=1"], comment=MARK),), 0.0, ())
    assert ack.there(book, parse_all(["a=1", "b=2"])) is not None
    assert ack.there(book, parse_all(["a=1"])) is None


@pytest.mark.needs("alertmanager")
def test_a_round_extends_what_fires_and_keeps_the_id(alertmanagers):
    members = members_of(*(server.url for server in alertmanagers))
    alertmanagers[1].post_alerts({"alertname": "Acked", "service": "renewed"})  # only one member heard of it
    now = datetime.now(UTC).replace(microsecond=0)
    comment = f"on it {ack.mark(3600, now + timedelta(hours=6))}"
    ids = {}
    for service, seconds in (("renewed", 600), ("cleared", 600)):
        window = Window(now, now + timedelta(seconds=seconds), True)
        ids[service] = create(members, Wanted(parse_all([f"service={service}"]), window, "ana", comment)).id
    done = {one.renewal.ack.known.id: one for one in renew(members, read(members), now, DAY)}
    extended = done[ids["renewed"]]
    assert (extended.renewal.what, extended.change.outcome, extended.change.id) == (
        "extend",
        "extended",
        ids["renewed"],
    )
    left = done[ids["cleared"]]
    assert left.renewal.what == "leave", "these servers have just started: clear is not believed yet"
    later = now + timedelta(minutes=7)
    ended = {one.renewal.ack.known.id: one for one in renew(members, read(members), later, DAY)}[ids["cleared"]]
    assert (ended.renewal.what, ended.change.outcome) == ("end", "expired")
