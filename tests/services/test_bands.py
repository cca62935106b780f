"""Bands are half-open: edges belong to exactly one band."""

import math

import pytest

from opsctl.services.bands import Interval, conflicts, gaps, interval
from opsctl.signals.model import Band


def test_above_leaves_its_edge_out_and_at_least_takes_it_in():
    assert interval(Band(above="50ms", up_to="100ms"), "s") == Interval(0.05, False, 0.1, True)
    assert interval(Band(at_least=500), "count") == Interval(500, True, math.inf, True)
    assert interval(Band(below="60%"), "ratio") == Interval(-math.inf, True, 0.6, False)
    assert interval(Band(below=10, down_to=5)) == Interval(5, True, 10, False)


@pytest.mark.parametrize(
    ("band", "says"),
    [
        (Band(), "no bound"),
        (Band(above=1, below=2), "one of"),
        (Band(above=1, at_least=1), "one of"),
        (Band(below=1, up_to=2), "up_to belongs"),
        (Band(above=1, down_to=0), "down_to belongs"),
        (Band(above=2, up_to=1), "no value"),
        (Band(above=1, up_to=1), "no value"),
        (Band(above="fast"), "not a quantity"),
        (Band(above="5%"), "is in ratio, where s is expected"),
    ],
)
def test_bounds_that_say_nothing_are_refused(band, says):
    with pytest.raises(ValueError, match=says):
        interval(band, "s")


def test_neighbours_share_no_value():
    low, high = interval(Band(above=1, up_to=5)), interval(Band(above=5))
    assert list(conflicts([low, high])) == []
    assert list(gaps([low, high])) == []


def test_shared_edges_and_overlaps_are_conflicts():
    low = interval(Band(above=1, up_to=5))
    assert list(conflicts([low, interval(Band(at_least=5))])) == [(0, 1)]
    assert list(conflicts([low, interval(Band(above=4))])) == [(0, 1)]
    assert list(conflicts([interval(Band(above=2000)), interval(Band(above=5000))])) == [(0, 1)]


def test_gaps_between_bands_are_seen():
    assert list(gaps([interval(Band(above=10)), interval(Band(above=1, up_to=5))])) == [(5, 10)]
    assert list(gaps([interval(Band(below=5)), interval(Band(above=5))])) == [(5, 5)]
