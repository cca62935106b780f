"""Firings out of samples, the kind of a day, and what is noisy."""

from datetime import UTC, datetime

import pytest

from opsctl.alerts.past import Firing, Past, day_of, days, firings, noise
from opsctl.clients.alertmanager import Matcher, Silence

LABELS = {"alertname": "Slow", "service": "api"}


def test_a_gap_of_more_than_a_step_parts_two_firings():
    found = firings(LABELS, [0, 60, 120, 300, 600, 660], 0, 660, 60)
    assert [(one.start, one.end, one.begun, one.over) for one in found] == [
        (0, 120, False, True),
        (300, 300, True, True),
        (600, 660, True, False),
    ]
    assert firings(LABELS, [], 0, 600, 60) == []


@pytest.mark.parametrize(
    ("alerts", "kind"),
    [
        (0, "healthy"),
        (2, "healthy"),
        (3, "between healthy and degraded"),
        (5, "degraded"),
        (15, "degraded"),
        (16, "between degraded and incident"),
        (20, "incident"),
        (50, "incident"),
        (51, "more than an incident"),
    ],
)
def test_a_day_has_the_kind_that_its_number_of_alerts_gives(alerts, kind):
    assert day_of(alerts)[0] == kind


def firing(start, end, name="Slow", begun=True):
    return Firing(name, {"alertname": name}, start, end, begun, True)


def test_an_alert_counts_on_the_day_on_which_it_began():
    past = Past((firing(-100, 50, begun=False), firing(10, 200), firing(100, 110), firing(150, 160)), 15.0)
    assert [one.alerts for one in days(past, [0, 100, 200])] == [1, 2]


def test_the_noisiest_comes_first_and_short_ones_never_silenced_are_marked():
    past = Past(
        (*(firing(n * 1000, n * 1000 + 60) for n in range(5)), firing(0, 9000, "Long"), firing(0, 9, "Once")), 15.0
    )
    at = datetime(2026, 11, 21, tzinfo=UTC)
    silence = Silence(id="s", matchers=(Matcher(name="alertname", value="Once"),), starts_at=at, ends_at=at)
    found = noise(past, [silence])
    assert [(one.name, one.times, one.idle) for one in found] == [
        ("Slow", 5, True),
        ("Once", 1, False),
        ("Long", 1, False),
    ]
    assert [one.silenced for one in noise(past, None)] == [None, None, None]
