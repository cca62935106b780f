"""http.budget and http.meter: the breaker as designed, the pace, and what the provider counted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.probes.http_meter import BudgetParams, MeterParams, budget, meter
from opsctl.services.model import Profile
from opsctl.signals.model import Reading, Row, Signal
from tests.fakes.endpoints import look_at, says, states
from tests.fakes.recording import Recorder

NOON = 1795262400.0  # 12:00 UTC


def look(urls: dict[str, str], values: dict[str, float]):
    """A look with signals that read these values."""
    signals = dict.fromkeys(values, Signal(gauge="x"))
    found = look_at(urls, Profile(service="mine", signals=cast(Any, signals)), now=NOON)

    def read(name: str, *_: object, **__: object) -> Reading:
        return Reading(signal=name, unit="usd", rows=(Row(value=values[name]),), source="test")

    object.__setattr__(found, "signals", SimpleNamespace(read=read))
    return found


def page(**fields: object):
    import json

    told = {"daily_cost_usd": 20.0, "limit_threshold_usd": 50.0, "premium_tier_blocked": False, **fields}
    body = json.dumps({k: v for k, v in told.items() if v is not None}).encode()
    return Recorder({"/admin/budget": (200, "application/json", body)})


def asked(values: dict[str, float], **fields: object):
    with page(**fields) as server:
        return budget(look({"admin": f"{server.url}/admin"}, values), BudgetParams())


def test_an_open_breaker_tells_the_pace():
    seen = asked({"tier_cost_per_hour": 10.0})
    assert states(seen) == {"http.budget-blocked": "ok"}
    assert says(seen, "http.budget-blocked") == "$20.00 of $50.00 are spent; at $10.00 an hour the rest lasts 3 h"


def test_a_shut_breaker_is_sev3_and_tells_when_it_opens():
    seen = asked({}, daily_cost_usd=50.1, premium_tier_blocked=True)
    (finding,) = seen.findings
    assert (finding.state, finding.severity) == ("breach", "sev3")
    assert finding.says.endswith("the premium tier is shut; it opens again at 00:00 UTC, in 12 h")


@pytest.mark.parametrize("field", ["daily_cost_usd", "limit_threshold_usd", "premium_tier_blocked"])
def test_another_page_is_no_answer(field):
    with pytest.raises(CouldNotLook, match="has no daily_cost_usd"):
        asked({}, **{field: None})


def test_without_the_admin_key():
    with Recorder({"/admin/budget": (401, "application/json", b"{}")}) as server, pytest.raises(CouldNotLook) as caught:
        budget(look({"admin": f"{server.url}/admin"}, {}), BudgetParams())
    assert caught.value.reason == "unauthorized"


@pytest.mark.parametrize(
    ("billed", "counted", "state"),
    [(20.0, 19.0, "ok"), (31.0, 20.0, "breach"), (0.9, 0.1, "ok"), (5.0, 0.0, "breach"), (10.0, 40.0, "ok")],
)
def test_the_providers_meter(billed, counted, state):
    body = b'{"data": {"usage_daily": %f, "label": "sk-or-secret"}}' % billed
    with Recorder({"/key": (200, "application/json", body)}) as server:
        one = look({"provider-meter": f"{server.url}/key"}, {"daily_cost": counted})
        seen = meter(one, MeterParams(finding="local.meter-above"))
    assert states(seen) == {"local.meter-above": state}
    assert "sk-or" not in str(seen)


def test_a_meter_that_is_nowhere_or_tells_no_number():
    with pytest.raises(NotConfigured):
        meter(look({}, {"daily_cost": 1.0}), MeterParams(finding="local.meter-above"))
    with Recorder({"/key": (200, "application/json", b'{"data": {"usage_daily": null}}')}) as server:
        one = look({"provider-meter": f"{server.url}/key"}, {"daily_cost": 1.0})
        assert states(meter(one, MeterParams(finding="local.x"))) == {"local.x": "unknown bad-answer"}
