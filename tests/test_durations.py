"""What people write as durations, times and quantities, and what they get to read."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.durations import (
    BadValue,
    format_duration,
    format_quantity,
    parse_duration,
    parse_quantity,
    parse_time,
    parse_with_unit,
)
from opsctl.errors import OpsctlError

NOW = datetime(2026, 11, 21, 3, 7, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("5m", 300),
        ("1h30m", 5400),
        ("1d", 86_400),
        ("2w", 1_209_600),
        ("1y", 31_536_000),
        ("250ms", 0.25),
        ("1s1ms", 1.001),
        ("1.5s", 1.5),
        ("0", 0),
        ("0s", 0),
        (" 10s ", 10),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", " ", "5", "m", "1h1h", "30m1h", "1m30", "-5m", "5 m", "1e3s", "5M", "∞", "1_0s", "9" * 400 + "s", "nan"],
)
def test_what_is_not_a_duration(text: str) -> None:
    with pytest.raises(BadValue, match="duration") as caught:
        parse_duration(text)
    assert "Write it as 90s, 5m or 1h30m" in caught.value.sentence()
    assert caught.value.code == 64


def test_a_bare_number_is_told_which_unit_to_add() -> None:
    with pytest.raises(BadValue) as caught:
        parse_duration("30")
    assert "for instance 30s" in caught.value.sentence()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.25, "250ms"),
        (90, "1m30s"),
        (5400, "1h30m"),
        (864_000, "10d"),
        (1_209_600, "2w"),
        (31_536_000, "1y"),
        (0.00001, "1ms"),  # something is never shown as nothing
    ],
)
def test_durations_as_prometheus_writes_them(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(0, 10**13))
def test_a_formatted_duration_reads_back_exactly(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    for read in (parse_duration, parse_quantity, lambda t: parse_time(t, NOW)):
        try:
            said = str(read(text))
        except OpsctlError as error:
            said = error.sentence()
        assert said not in ("nan", "inf", "-inf")
        assert "\n" not in said


@pytest.mark.parametrize("seconds", [-1, math.nan, math.inf])
def test_what_cannot_be_a_duration_is_a_mistake_of_ours(seconds: float) -> None:
    with pytest.raises(ValueError):
        format_duration(seconds)


@pytest.mark.parametrize(
    ("text", "before_now"),
    [
        ("2026-11-21T03:07:12Z", 0),
        ("2026-11-21T04:07:12+01:00", 0),
        ("2026-11-21 03:07:12", 0),
        ("2026-11-21 03:07", 12),
        ("2026-11-21T03:07:11.5Z", 0.5),
        ("2026-11-21T03:07:11.500000000Z", 0.5),
        ("2026-11-21", 3 * 3600 + 7 * 60 + 12),
        ("03:07", 12),
        ("03:08", 86_400 - 48),  # later than now: yesterday
        ("10m ago", 600),
        ("-10m", 600),
        ("1h30m ago", 5400),
        ("now", 0),
        (str(int(NOW)), 0),
    ],
)
def test_times(text: str, before_now: float) -> None:
    assert parse_time(text, NOW) == pytest.approx(NOW - before_now, abs=1e-5)


@pytest.mark.parametrize(
    "text", ["", "-", "ago", "x ago", "--5m", "2026-13-01", "25:00", "2026-11-21T03", "2026-W47", "tomorrow", "1e9"]
)
def test_what_is_not_a_time(text: str) -> None:
    with pytest.raises(BadValue, match="not a time"):
        parse_time(text, NOW)


def test_milliseconds_are_recognised_as_a_mistake() -> None:
    with pytest.raises(BadValue) as caught:
        parse_time("1795230432000", NOW)
    assert "Divide milliseconds by 1000" in caught.value.sentence()


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("50ms", 0.05, "s"),
        ("500us", 0.0005, "s"),
        ("1h30m", 5400, "s"),
        ("7 min", 420, "s"),
        ("5%", 0.05, "ratio"),
        ("0.1 %", 0.001, "ratio"),
        ("$0.10", 0.1, "usd"),
        ("5 usd", 5, "usd"),
        ("64MiB", 64 * 2**20, "bytes"),
        ("1.5GB", 1.5e9, "bytes"),
        ("10/min", 1 / 6, "per_second"),
        ("12/s", 12, "per_second"),
        ("1,204", 1204, ""),
        ("5000", 5000, ""),
        (0.05, 0.05, ""),
        (3, 3, ""),
        ("-0.5", -0.5, ""),
    ],
)
def test_quantities(text: str | float, value: float, unit: str) -> None:
    assert parse_with_unit(text) == (pytest.approx(value), unit)


@pytest.mark.parametrize("text", ["", "abc", "$", "%", "5_0", "1,20", "$5/h", "5 parsecs", "nan", "inf", "1e999", True])
def test_what_is_not_a_quantity(text: str) -> None:
    with pytest.raises(BadValue, match="not a quantity"):
        parse_quantity(text)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_numbers_that_are_none(number: float) -> None:
    with pytest.raises(BadValue):
        parse_quantity(number)


def test_a_unit_of_another_kind_is_refused() -> None:
    assert parse_quantity("50ms", "s") == 0.05
    assert parse_quantity("50", "s") == 50
    with pytest.raises(BadValue, match="is in s, where ratio is expected"):
        parse_quantity("50ms", "ratio")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.142, "s", "142 ms"),
        (5e-7, "s", "0.5 µs"),
        (1.25, "s", "1.25 s"),
        (0.9996, "s", "1 s"),
        (90, "s", "90 s"),
        (420, "s", "7 min"),
        (5400 * 2, "s", "3 h"),
        (0, "s", "0 s"),
        (0.05, "ratio", "5 %"),
        (0.83333, "ratio", "83.3 %"),
        (0.1, "usd", "$0.10"),
        (0.0034, "usd", "$0.0034"),
        (-1234.5, "usd", "-$1,234.50"),
        (64 * 2**20, "bytes", "64 MiB"),
        (100, "bytes", "100 bytes"),
        (12.345, "per_second", "12.3/s"),
        (1204, "count", "1,204"),
        (1204, "", "1,204"),
        (35, "tokens", "35 tokens"),
        (math.nan, "s", "NaN"),
        (math.inf, "s", "infinite"),
        (None, "s", "none"),
    ],
)
def test_quantities_as_people_read_them(value: float | None, unit: str, text: str) -> None:
    assert format_quantity(value, unit) == text


def test_two_numbers_that_differ_never_look_the_same() -> None:
    assert format_quantity(0.05004, "s") == "50 ms"
    assert format_quantity(0.05004, "s", beside=0.05) == "50.04 ms"
    assert format_quantity(0.05001, "ratio", beside=0.05) == "5.001 %"
    assert format_quantity(0.1001, "usd", beside=0.1) == "$0.1001"


def test_a_lower_bound_says_so() -> None:
    assert format_quantity(5, "s", at_least=True) == "≥ 5 s"


@given(st.floats(1e-9, 1e12) | st.just(0.0), st.sampled_from(["s", "ratio", "usd", "bytes", "per_second", "count"]))
def test_a_shown_quantity_reads_back_within_its_digits(value: float, unit: str) -> None:
    if unit == "usd" and value < 1e-4:
        return
    back = parse_quantity(format_quantity(value, unit), "" if unit == "count" else unit)
    assert back == pytest.approx(value, rel=0.06 if unit == "usd" else 0.006)


@given(st.floats(-1e12, 1e12), st.sampled_from(["s", "ratio", "usd", "bytes", "per_second", "count", "tokens"]))
def test_any_number_can_be_shown(value: float, unit: str) -> None:
    text = format_quantity(value, unit)
    assert text
    assert text not in ("-0", "-0 %", "-$0.00", "-0/s")
