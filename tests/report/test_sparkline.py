"""The shape of the last minutes in one line."""

import math

from opsctl.report.sparkline import sparkline


def test_low_to_high():
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"


def test_a_flat_line_above_zero_is_full_height_and_of_zeros_is_low():
    assert sparkline([5, 5, 5]) == "███"
    assert sparkline([0, 0]) == "▁▁"


def test_peaks_survive_shortening():
    values = [0.0] * 100
    values[50] = 9
    line = sparkline(values, width=10)
    assert len(line) == 10
    assert line.count("█") == 1


def test_gaps_are_gaps_and_nothing_is_nothing():
    assert sparkline([1, math.nan, 1]) == "█ █"
    assert sparkline([]) == ""
    assert sparkline([math.nan]) == ""


def test_without_unicode():
    assert sparkline([0, 7], unicode=False).isascii()
