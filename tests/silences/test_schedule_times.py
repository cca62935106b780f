"""Windows recur on the zone's wall clock: ten years without a gap or a double, whatever the clocks do."""

import time
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from opsctl.errors import UsageError
from opsctl.silences.schedule_rule import of_rrule, of_words
from opsctl.silences.schedule_times import Times, between, following

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC")
TWO_HOURS = timedelta(hours=2)


def daily(zone, at, **more):
    return Times(of_words("day", [], datetime.strptime(at, "%H:%M").time(), None), ZoneInfo(zone), TWO_HOURS, **more)


def day(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("at", ["00:00", "02:00", "02:15", "02:30"])
def test_ten_years_have_each_day_once(zone, at):
    info = ZoneInfo(zone)
    found = list(between(daily(zone, at), day("2026-01-01"), day("2036-01-01")))
    days = [one.wall.date() for one in found]
    assert all(after - before == timedelta(days=1) for before, after in pairwise(days))
    assert len(found) in (3651, 3652, 3653)  # zones begin the first day a little before or after UTC
    assert all(first.start < second.start for first, second in pairwise(found))
    assert all(one.end - one.start == TWO_HOURS for one in found)
    odd = 0
    for one in found:
        local = one.start.astimezone(info).replace(tzinfo=None)
        if local != one.wall:  # only what does not exist moves, to the first second after the change
            odd += 1
            before = (one.start - timedelta(seconds=1)).astimezone(info)
            assert before.replace(tzinfo=None) < one.wall < local
            assert "does not exist" in one.says
        elif one.wall.replace(tzinfo=info, fold=1).utcoffset() != one.wall.replace(tzinfo=info).utcoffset():
            assert one.start == one.wall.replace(tzinfo=info, fold=0).astimezone(UTC)
            assert "happens twice" in one.says
    assert odd <= 10


@pytest.mark.parametrize(
    ("zone", "wall", "start", "says"),
    [
        ("Europe/Berlin", "2027-03-28", "2027-03-28T01:00", "02:30 does not exist that day (clocks go forward), it"),
        ("Europe/Berlin", "2027-10-31", "2027-10-31T00:30", "02:30 happens twice that day (clocks go back), the first"),
        ("America/New_York", "2027-03-14", "2027-03-14T07:00", "it starts at 03:00"),
        ("UTC", "2027-03-28", "2027-03-28T02:30", ""),
    ],
)
def test_the_nights_of_the_change(zone, wall, start, says):
    found = {str(one.wall.date()): one for one in between(daily(zone, "02:30"), day(wall), day(wall) + TWO_HOURS * 12)}
    assert found[wall].start == day(start)
    assert says in found[wall].says


def test_half_an_hour_of_lord_howe_and_a_whole_day_of_samoa():
    (gap,) = between(daily("Australia/Lord_Howe", "02:15"), day("2026-10-03T12:00"), day("2026-10-04T12:00"))
    assert gap.start == day("2026-10-03T15:30")
    assert gap.says.endswith("it starts at 02:30")
    samoa = list(between(daily("Pacific/Apia", "12:00"), day("2011-12-28"), day("2012-01-02")))
    assert [one.start for one in samoa] == sorted({one.start for one in samoa})
    assert "it starts at 2011-12-31 00:00" in next(one.says for one in samoa if one.says)


def test_a_part_of_the_time_gives_the_same_windows_as_all_of_it():
    times = daily("Europe/Berlin", "02:30")
    whole = list(between(times, day("2026-10-01"), day("2026-11-10")))
    parts = [one for n in range(40) for one in between(times, *(day("2026-10-01") + timedelta(n + k) for k in (0, 1)))]
    assert parts == whole


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("FREQ=WEEKLY;BYDAY=SU;BYHOUR=2;BYMINUTE=30", ["01-04", "01-11", "01-18", "01-25"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU", ["01-04", "01-18"]),
        ("RRULE:FREQ=MONTHLY;BYDAY=-1FR", ["01-30"]),
        ("FREQ=WEEKLY;COUNT=2", ["01-04", "01-11"]),
        ("FREQ=WEEKLY;UNTIL=20260118", ["01-04", "01-11", "01-18"]),
        ("FREQ=WEEKLY;UNTIL=20260118T013000Z", ["01-04", "01-11", "01-18"]),
        ("FREQ=WEEKLY;UNTIL=20260118T012959Z", ["01-04", "01-11"]),
        ("FREQ=YEARLY;BYMONTH=1;BYYEARDAY=300", []),
    ],
)
def test_rrules(text, days):
    zone = ZoneInfo("Europe/Berlin")
    times = Times(of_rrule(text, datetime(2026, 1, 4, 2, 30), zone), zone, TWO_HOURS)
    found = list(between(times, day("2026-01-01"), day("2026-02-01")))
    assert [f"{one.wall:%m-%d}" for one in found] == days
    assert all(f"{one.wall:%H:%M}" == "02:30" for one in found)


@pytest.mark.parametrize(
    "text",
    [
        "", "weekly", "BYDAY=SU", "FREQ=MINUTELY", "FREQ=DAILY;INTERVAL=0", "FREQ=DAILY;INTERVAL=-1",
        "FREQ=DAILY;BYMONTH=13", "FREQ=DAILY;BYHOUR=24", "FREQ=WEEKLY;BYDAY=XX", "FREQ=WEEKLY;BYDAY=1SU",
        "FREQ=DAILY;COUNT=2;UNTIL=20260101", "FREQ=DAILY;UNTIL=20261399", "FREQ=DAILY;FREQ=DAILY", "FREQ=DAILY;X=1",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTHDAY=0", "FREQ=DAILY\nDTSTART:20200101",
    ],
)  # fmt: skip
def test_an_rrule_that_is_none_is_refused(text):
    with pytest.raises(UsageError):
        of_rrule(text, datetime(2026, 1, 4), UTC)


def test_days_that_are_left_out_and_the_first_and_last_one():
    times = daily("UTC", "02:30", first=date(2026, 1, 3), last=date(2026, 1, 6), without=frozenset({date(2026, 1, 5)}))
    assert [one.wall.day for one in between(times, day("2026-01-01"), day("2026-02-01"))] == [3, 4, 6]


def test_the_next_ones_include_the_one_that_runs_and_a_search_for_nothing_ends():
    times = daily("UTC", "02:30")
    assert [one.wall.day for one in following(times, day("2026-01-01T03:00"), 3)] == [1, 2, 3]
    zone = ZoneInfo("UTC")
    never = Times(of_rrule("FREQ=YEARLY;BYMONTH=1;BYYEARDAY=300", datetime(2026, 1, 1), zone), zone, TWO_HOURS)
    begun = time.monotonic()
    assert following(never, day("2026-01-01"), 5) == []
    assert time.monotonic() - begun < 20
