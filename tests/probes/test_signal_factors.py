"""signal.factors: the factor that grew most is the story; each against its own usual."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from opsctl.errors import NotConfigured
from opsctl.model import Unknown
from opsctl.probes.signal_factors import COST, FactorsParams, factors
from opsctl.services.model import Profile
from opsctl.signals.model import Reading, Row, Signal
from tests.fakes.endpoints import look_at, says, states

USUAL = {"cost_requests": 10.0, "cost_calls_per_request": 1.0, "cost_tokens_per_call": 400.0, "cost_per_token": 0.001}
SHORT = {"volume": "cost_requests", "calls": "cost_calls_per_request", "size": "cost_tokens_per_call",
         "price": "cost_per_token"}  # fmt: skip


def look(now: dict[str, float | None], *, direct: bool = False, past: bool = True):
    values = {SHORT[factor]: value for factor, value in now.items()}
    profile = Profile(
        service="mine",
        signals=cast(Any, dict.fromkeys(values, Signal(gauge="x"))),
        baselines={} if past else {name: (USUAL[name] / 2, USUAL[name] * 2) for name in values},
    )

    def read(name: str, *_: object, at: float | None = None, **__: object) -> Reading:
        value = values[name] if at is None else (USUAL[name] if past else None)
        if value is None:
            return Reading(signal=name, unit="count", unknown=Unknown(reason="no-data", says="no series"))
        from datetime import UTC, datetime

        return Reading(
            signal=name, unit="count", rows=(Row(value=value),), source="test", direct=direct,
            sampled_at=datetime(2026, 11, 21, tzinfo=UTC),
        )  # fmt: skip

    one = look_at({}, profile)
    object.__setattr__(one, "signals", SimpleNamespace(read=read))
    return factors(one, COST)


def breaches(seen) -> set[str]:
    return {id for id, state in states(seen).items() if state == "breach"}


def test_nothing_grew():
    seen = look({"volume": 11.0, "calls": 1.0, "size": 420.0, "price": 0.001})
    assert set(states(seen).values()) == {"ok"}


@pytest.mark.parametrize("factor", SHORT)
def test_each_factor_can_be_the_story(factor):
    now = {name: USUAL[signal] for name, signal in SHORT.items()}
    seen = look({**now, factor: now[factor] * 3})
    assert breaches(seen) == {f"signal.factor-{factor}"}
    assert says(seen, f"signal.factor-{factor}").endswith("3.00 times, 100% of the growth")


def test_the_biggest_factor_is_the_story_and_the_rest_is_told():
    seen = look({"volume": 15.0, "calls": 4.0, "size": 400.0, "price": 0.0005})
    assert breaches(seen) == {"signal.factor-calls"}
    assert "23% of the growth" in says(seen, "signal.factor-volume")
    assert "0.50 times" in says(seen, "signal.factor-price")


def test_two_that_share_the_growth_are_both_told():
    assert breaches(look({"volume": 20.0, "size": 800.0})) == {"signal.factor-volume", "signal.factor-size"}


def test_without_a_past_the_profiles_middle_is_the_usual():
    seen = look({"volume": 30.0, "calls": 1.0}, past=False)
    assert breaches(seen) == {"signal.factor-volume"}
    assert "usually" in says(seen, "signal.factor-volume")


def test_what_cannot_be_read_is_unknown_and_the_others_are_judged():
    seen = look({"volume": 30.0, "size": None})
    assert states(seen) == {"signal.factor-volume": "breach", "signal.factor-size": "unknown no-data"}


def test_a_service_without_these_signals():
    with pytest.raises(NotConfigured):
        look({})


@pytest.mark.parametrize("wrong", [{}, {"volume": "x", "above": 1.0}, {"volume": "x", "share": 0}])
def test_parameters_are_checked_when_they_load(wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, FactorsParams)
