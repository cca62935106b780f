"""Quantiles by Prometheus' rules, case by case."""

from __future__ import annotations

import math

import pytest

from opsctl.signals.histogram import quantile

INF = math.inf


def test_linear_inside_a_bucket() -> None:
    found = quantile(0.5, {0.1: 0, 0.2: 100, INF: 100})
    assert found.value == pytest.approx(0.15)
    assert found.events == 100
    assert not found.at_least


def test_the_lowest_bucket_starts_at_zero() -> None:
    assert quantile(0.5, {0.2: 100, INF: 100}).value == pytest.approx(0.1)


def test_a_lowest_edge_of_zero_or_less_is_the_answer() -> None:
    assert quantile(0.1, {0.0: 50, 1.0: 100, INF: 100}).value == 0.0
    assert quantile(0.1, {-1.0: 50, 1.0: 100, INF: 100}).value == -1.0
    assert quantile(0.75, {-1.0: 50, 1.0: 100, INF: 100}).value == pytest.approx(0.0)


def test_above_the_highest_finite_bucket() -> None:
    found = quantile(0.99, {1.0: 10, 5.0: 50, INF: 100})
    assert (found.value, found.at_least) == (5.0, True)
    edge = quantile(0.5, {1.0: 10, 5.0: 50, INF: 100})
    assert (edge.value, edge.at_least) == (5.0, False), "exactly at the edge is not above it"


def test_counts_that_fall_are_lifted() -> None:
    assert quantile(0.5, {1.0: 60, 2.0: 40, INF: 100}).value == pytest.approx(1 * 50 / 60)


@pytest.mark.parametrize(
    "buckets", [{}, {1.0: 5}, {1.0: 5, 2.0: 6}, {INF: 5}, {1.0: 0, INF: 0}, {1.0: math.nan, INF: math.nan}]
)
def test_no_quantile_without_a_finite_and_an_infinite_bucket_and_events(buckets: dict[float, float]) -> None:
    assert math.isnan(quantile(0.5, buckets).value)
