"""Bands, durations, lower bounds: what a reading means for an objective."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from opsctl.model import Point, Unknown
from opsctl.signals.model import Band, History, Judgement, Objective, Reading, Row
from opsctl.signals.objective import judge

NOW = 1_700_000_000.0
STEP = 15.0
SEVERITIES = {"P1": "sev1", "P2": "sev2", "P3": "sev3"}
VRITTI = (  # VRI-09
    Band(above="50ms", up_to="100ms", for_="10m", severity="P3"),
    Band(above="100ms", for_="5m", severity="P2"),
)


def reading(
    value: float, *, direct: bool = False, at_least: bool = False, exceeds: bool = False, unit: str = "s"
) -> Reading:
    return Reading(
        signal="latency_p99",
        unit=unit,
        rows=(Row(value=value, at_least=at_least, exceeds=exceeds),),
        sampled_at=datetime.fromtimestamp(NOW, UTC),
        direct=direct,
    )


def past(*stretches: tuple[float, float | None]) -> History:
    """Values from the oldest to now: (minutes, value), None = no data."""
    points: list[Point] = []
    at = NOW - sum(minutes for minutes, _ in stretches) * 60
    for minutes, value in stretches:
        end = at + minutes * 60
        while at < end - 1e-6:
            at += STEP
            if value is not None:
                points.append(Point(at, value))
    return History(signal="latency_p99", points=tuple(points), step=STEP)


def held(value: float, history: History | None, *bands: Band, **how: bool) -> Judgement:
    objective = Objective(id="o", runbook="r", signal="latency_p99", bands=bands or VRITTI)
    return judge(objective, reading(value, **how), history, SEVERITIES)


def minutes(judgement: Judgement) -> float:
    assert judgement.since is not None
    return (NOW - judgement.since.timestamp()) / 60


def test_within_the_objective() -> None:
    found = held(0.030, past((60, 0.030)))
    assert (found.band, found.severity, found.pending, found.reason) == (None, None, False, None)
    assert (found.value, found.objective) == (0.030, 0.05)


@pytest.mark.parametrize(
    ("value", "severity"), [(0.050, None), (0.0501, "sev3"), (0.100, "sev3"), (0.1001, "sev2"), (7.0, "sev2")]
)
def test_bands_are_open_below_and_closed_above(value: float, severity: str | None) -> None:
    assert held(value, past((60, value))).severity == severity


def test_at_least_takes_its_bound_in() -> None:
    band = Band(at_least=500, severity="P2")
    assert held(500, None, band, unit="count").severity == "sev2"  # type: ignore[arg-type]
    assert held(499.9, None, band, unit="count").severity is None  # type: ignore[arg-type]


def test_below() -> None:
    low, lower = Band(below="60%", down_to="40%", severity="P3"), Band(below="40%", severity="P2")
    for value, severity in ((0.6, None), (0.59, "sev3"), (0.4, "sev3"), (0.39, "sev2")):
        assert held(value, None, low, lower, unit="ratio").severity == severity  # type: ignore[arg-type]
    assert held(0.7, None, low, lower, unit="ratio").objective == 0.6  # type: ignore[arg-type]


def test_a_band_counts_from_its_duration_on() -> None:
    found = held(0.070, past((60, 0.030), (9, 0.070)))
    assert found.pending
    assert found.severity == "sev3"
    assert minutes(found) == pytest.approx(9, abs=0.3)
    found = held(0.070, past((60, 0.030), (10.25, 0.070)))
    assert not found.pending
    assert minutes(found) == pytest.approx(10, abs=0.3)


def test_the_worst_band_whose_time_has_come_decides() -> None:
    found = held(0.142, past((60, 0.030), (7, 0.142)))
    assert (found.severity, found.pending, found.bound) == ("sev2", False, 0.1)
    assert minutes(found) == pytest.approx(7, abs=0.3)


def test_a_worse_value_continues_the_milder_band() -> None:
    """Eight minutes at 70 ms and three at 142: in the milder band or worse for eleven, in the worse for three."""
    found = held(0.142, past((60, 0.030), (8, 0.070), (3, 0.142)))
    assert (found.severity, found.pending) == ("sev3", False)
    assert minutes(found) == pytest.approx(11, abs=0.3)
    assert found.worse is not None
    assert found.worse.severity == "P2"
    both_short = held(0.142, past((60, 0.030), (2, 0.070), (3, 0.142)))
    assert (both_short.severity, both_short.pending) == ("sev2", True)


def test_a_dip_below_the_bound_starts_anew() -> None:
    found = held(0.142, past((60, 0.142), (1, 0.030), (2, 0.142)))
    assert found.pending
    assert minutes(found) == pytest.approx(2, abs=0.3)


def test_two_missing_steps_are_a_lost_scrape_and_more_are_a_gap() -> None:
    small = past((20, 0.142), (0.5, None), (3, 0.142))
    assert not held(0.142, small).pending
    large = past((20, 0.142), (1, None), (3, 0.142))
    found = held(0.142, large)
    assert found.pending
    assert minutes(found) == pytest.approx(3, abs=0.3), "what was in the gap is neither broken nor ok"


def test_a_run_that_reaches_the_start_of_the_history_may_be_longer() -> None:
    found = held(0.142, past((60, 0.142)))
    assert found.longer
    assert minutes(found) == pytest.approx(60, abs=0.3)
    assert not held(0.142, past((1, 0.030), (59, 0.142))).longer


def test_a_history_that_ends_before_now_is_a_gap() -> None:
    old = History(signal="x", points=tuple(Point(NOW - 600 - i * STEP, 0.142) for i in range(40))[::-1], step=STEP)
    assert held(0.142, old).pending


def test_without_history_the_band_counts_and_its_duration_is_not_known() -> None:
    for found in (
        held(0.142, None, direct=True),
        held(0.142, None),
        held(0.142, History(signal="x", unknown=Unknown(reason="timeout", says="too slow"))),
    ):
        assert (found.severity, found.pending, found.duration_known, found.since) == ("sev2", False, False, None)


def test_no_past_values_at_all_means_it_has_only_begun() -> None:
    found = held(0.142, History(signal="x", step=STEP, unknown=Unknown(reason="no-data", says="none")))
    assert found.pending


def test_a_lower_bound_below_the_objective_says_nothing() -> None:
    """The histogram ends at 25 ms: 50 ms may or may not be exceeded."""
    found = held(0.025, None, at_least=True, exceeds=True)
    assert (found.band, found.reason) == (None, "unsupported")
    assert "at least 25 ms" in found.says


def test_a_lower_bound_above_the_objective_is_a_breach() -> None:
    found = held(0.075, None, at_least=True, exceeds=True)
    assert found.severity == "sev3", "at least; whether it is above 100 ms is not known"
    assert found.at_least
    assert held(0.100, None, at_least=True, exceeds=True).severity == "sev2", "more than 100 ms"
    assert held(0.100, None, at_least=True).severity == "sev3", "100 ms or more"


def test_a_lower_bound_keeps_its_meaning_in_the_past() -> None:
    found = judge(
        Objective(id="o", runbook="r", signal="x", bands=(Band(above="5s", for_="5m", severity="P2"),)),
        reading(5.0, at_least=True, exceeds=True),
        past((20, 0.1), (7, 5.0)),
        SEVERITIES,
    )
    assert (found.severity, found.pending) == ("sev2", False)


def test_a_lower_bound_may_be_enough_to_be_well() -> None:
    enough = Band(below=100, severity="P3")
    assert held(150, None, enough, at_least=True, unit="count").reason is None  # type: ignore[arg-type]
    assert held(50, None, enough, at_least=True, unit="count").reason == "unsupported"  # type: ignore[arg-type]


def test_unknown_and_not_a_number_are_never_well() -> None:
    objective = Objective(id="o", runbook="r", signal="latency_p99", bands=VRITTI)
    nothing = Reading(signal="latency_p99", unit="s", unknown=Unknown(reason="timeout", says="too slow"))
    assert judge(objective, nothing, None, SEVERITIES).reason == "timeout"
    assert held(float("nan"), None).reason == "no-data"


def test_the_worst_row_is_judged() -> None:
    objective = Objective(id="o", runbook="r", signal="x", bands=(Band(below=1, severity="P1"),))
    rows = (Row(labels={"instance": "text"}, value=1), Row(labels={"instance": "image"}, value=0))
    found = judge(objective, Reading(signal="x", unit="count", rows=rows), None, SEVERITIES)
    assert (found.severity, found.labels) == ("sev1", {"instance": "image"})


def test_a_range_may_be_left_on_both_sides() -> None:
    """AMAS-45: 100 to 500 inserts per hour are normal."""
    bands = (Band(below=100, severity="P3"), Band(above=500, severity="P2"))
    for value, severity in ((300, None), (50, "sev3"), (600, "sev2")):
        assert held(value, None, *bands, unit="count").severity == severity  # type: ignore[arg-type]


def test_a_bound_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="ratio"):
        held(0.1, None, Band(above="5%"))


def test_a_word_that_is_not_mapped_leaves_the_severity_open() -> None:
    found = held(1.0, None, Band(above="50ms", severity="weird"))
    assert found.band is not None
    assert found.severity is None
    assert held(1.0, None, Band(above="50ms", severity="sev4")).severity == "sev4"
