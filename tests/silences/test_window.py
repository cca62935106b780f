"""What people type for start and end is what they mean on their clock, or is refused with how to say it."""

from datetime import UTC, datetime

import pytest

from opsctl.errors import OpsctlError
from opsctl.silences.window import find_zone, window

NOW = datetime(2026, 11, 21, 3, 7, tzinfo=UTC).timestamp()
BERLIN = find_zone("Europe/Berlin")


def asked(start=None, length=None, until=None, now=NOW, zone=BERLIN):
    return window(start=start, length=length, until=until, now=now, zone=zone)


def test_two_hours_from_now_are_told_in_both_clocks():
    found = asked(length="2h")
    assert found.immediate
    assert found.text(BERLIN) == "2026-11-21 03:07 to 05:07 UTC (2026-11-21 04:07 to 06:07 Europe/Berlin), 2h"
    assert found.text(find_zone("UTC")) == "2026-11-21 03:07 to 05:07 UTC, 2h"


@pytest.mark.parametrize(
    ("until", "meant"),
    [
        ("23:00", "2026-11-21T22:00:00+00:00"),
        ("04:00", "2026-11-22T03:00:00+00:00"),  # it is 04:07 in Berlin: tomorrow's
        ("tomorrow 06:00", "2026-11-22T05:00:00+00:00"),
        ("2026-11-21 23:30", "2026-11-21T22:30:00+00:00"),
        ("2026-11-21T23:00:00Z", "2026-11-21T23:00:00+00:00"),
        ("2026-11-22T01:00:00+02:00", "2026-11-21T23:00:00+00:00"),
        ("+90m", "2026-11-21T04:37:00+00:00"),
    ],
)
def test_an_end_as_people_write_it(until, meant):
    assert asked(until=until).end.isoformat() == meant


def test_a_start_in_the_evening_and_a_length():
    found = asked(start="22:00", length="1h")
    assert not found.immediate
    assert (found.start.hour, found.end.hour) == (21, 22)
    assert asked(start="22:00", until="01:00").end.isoformat() == "2026-11-22T00:00:00+00:00"


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({}, "when does it end?"),
        ({"length": "2h", "until": "23:00"}, "both say when it ends"),
        ({"length": "two hours"}, "two hours"),
        ({"length": "0s"}, "not longer than a second"),
        ({"until": "25:00"}, "not a time of day"),
        ({"until": "soon"}, "is not a time"),
        ({"until": "2026-11-20 10:00"}, "before it begins"),
        ({"start": "2026-11-20T00:00:00Z", "length": "2d"}, "1d3h7m in the past"),
        ({"start": "2026-11-22T00:00:00Z", "until": "2026-11-21T10:00:00Z"}, "before it begins"),
        ({"start": "2027-03-28 02:30", "length": "1h"}, "does not exist in Europe/Berlin"),
        ({"start": "2027-10-31 02:30", "length": "1h"}, "happens twice in Europe/Berlin"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(how, says):
    with pytest.raises(OpsctlError) as refused:
        asked(**how)
    assert says in refused.value.sentence()
    assert refused.value.code == 64


def test_the_zone_is_the_users_own():
    assert find_zone(None, {"TZ": "America/New_York"}).name == "America/New_York"
    assert find_zone("UTC").name == "UTC"
    with pytest.raises(OpsctlError, match="not a time zone"):
        find_zone("Berlin")
