"""signal.threshold, share, part and lone on two scrapes of a page, as for a service without Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from opsctl.errors import NotConfigured
from opsctl.model import Finding, Seen
from opsctl.probes.registry import get
from opsctl.services.model import Profile
from opsctl.signals.model import Band, Objective, Ratio, Signal
from tests.servers.web import start_web
from tests.signals.pages import look, only, run, signals

PROFILE = Profile(
    service="app",
    signals={
        "latency_p99": Signal(quantile=0.99, histogram="request_seconds", unit="s", title="p99"),
        "latency_mean": Signal(mean="request_seconds", unit="s"),
        "database_seconds_per_request": Signal(
            ratio=Ratio(of="database_seconds_sum", over="request_seconds_count"), unit="s"
        ),
        "cache_hit_ratio": Signal(ratio=Ratio(of="hits", over=("hits", "misses"))),
        "queue_depth": Signal(gauge="depth", by=("queue",)),
        "error_rate_by_type": Signal(rate="errors_total", by=("error_type",)),
        "latency_mean_by_endpoint": Signal(mean="endpoint_seconds", by=("endpoint",), unit="s"),
        "wrong": Signal(promql="sum(x)"),
    },
    objectives=(
        Objective(
            id="o", runbook="high-latency", signal="latency_p99", bands=(Band(above="5s", severity="P2"),), row="R-1"
        ),
        Objective(id="c", runbook="low-cache-hit-rate", signal="cache_hit_ratio", bands=(Band(below="60%"),)),
        Objective(id="e", runbook="x", signal="latency_mean_by_endpoint", bands=(Band(above="50ms"), Band(above="1s"))),
    ),
)


def histogram(name: str, labels: str, n: int, seconds: float) -> str:
    """A histogram with edges 0.1, 1 and 5 s after ``n`` requests of ``seconds`` each."""
    comma = "," if labels else ""
    lines = [
        f'{name}_bucket{{{labels}{comma}le="{le}"}} {n if seconds <= float(le) else 0}'
        for le in ("0.1", "1", "5", "+Inf")
    ]
    return "\n".join([*lines, f"{name}_sum{{{labels}}} {n * seconds}", f"{name}_count{{{labels}}} {n}"])


@contextmanager
def page(first: str, second: str) -> Iterator[Any]:
    """Where a probe looks at an app whose page is ``first``, then ``second``."""
    pages = iter([first, second])
    web = start_web({"/metrics": lambda: f"# HELP x x\n{next(pages)}\n"})
    yield look(PROFILE, signals(metrics=f"{web.url}/metrics", pause=0.05))
    web.stop()


def answer(id: str, first: str, second: str, **params: Any) -> Finding:
    with page(first, second) as where:
        return only(run(id, where, finding="local.x", **params))


def test_threshold_above_and_not() -> None:
    depth = 'depth{queue="a"} 3\ndepth{queue="b"} 700'
    found = answer("signal.threshold", depth, depth, signal="queue_depth", above=500)
    assert (found.id, found.state, found.measured, found.threshold) == ("local.x", "breach", 700.0, 500.0)
    assert found.says == "queue_depth (queue=b) 700, above 500"
    assert answer("signal.threshold", depth, depth, signal="queue_depth", above=700).state == "ok"
    assert answer("signal.threshold", depth, depth, signal="queue_depth", at_least=700).state == "breach"


def test_threshold_below() -> None:
    first, second = "hits 0\nmisses 0", "hits 30\nmisses 70"
    found = answer("signal.threshold", first, second, signal="cache_hit_ratio", below="60%")
    assert (found.state, found.says) == ("breach", "cache_hit_ratio 30 %, below 60 %")
    assert answer("signal.threshold", first, second, signal="cache_hit_ratio", below=0.3).state == "ok"


def test_threshold_of_the_services_own_objective() -> None:
    first, second = "hits 0\nmisses 0", "hits 30\nmisses 70"
    found = answer("signal.threshold", first, second, signal="cache_hit_ratio", below="objective")
    assert (found.state, found.threshold, found.threshold_from) == ("breach", 0.6, "objective c")
    with page(first, second) as where, pytest.raises(NotConfigured, match="no objective for queue_depth"):
        run("signal.threshold", where, finding="local.x", signal="queue_depth", above="objective")


def test_threshold_with_a_lower_bound() -> None:
    first, second = histogram("request_seconds", "", 0, 9), histogram("request_seconds", "", 500, 9)
    above = answer("signal.threshold", first, second, signal="latency_p99", above="2s")
    assert (above.state, above.says) == ("breach", "p99 ≥ 5 s, above 2 s")
    beyond = answer("signal.threshold", first, second, signal="latency_p99", above="20s")
    assert (beyond.state, beyond.reason) == ("unknown", "unsupported")


def test_threshold_with_too_few_events() -> None:
    first, second = "hits 0\nmisses 0", "hits 30\nmisses 5"
    found = answer("signal.threshold", first, second, signal="cache_hit_ratio", below=0.9, min=50)
    assert (found.state, found.reason) == ("unknown", "too-few")
    found = answer("signal.threshold", first, "hits 3\nmisses 5", signal="cache_hit_ratio", below=0.9)
    assert (found.state, found.reason) == ("unknown", "too-few")


@pytest.mark.parametrize(
    "params",
    [
        {"signal": "a", "finding": "local.x"},
        {"signal": "a", "finding": "local.x", "above": 1, "below": 2},
        {"signal": "a", "finding": "local.x", "above": "many"},
        {"signal": "a", "finding": "local.x", "above": 1, "over": 2},
    ],
)
def test_threshold_parameters_are_checked_when_the_runbook_loads(params: dict[str, object]) -> None:
    probe = get("signal.threshold")
    assert probe is not None
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(params, probe.params)


def test_a_signal_that_the_service_does_not_define_is_not_configured() -> None:
    for id, params in (
        ("signal.threshold", {"signal": "nope", "above": 1}),
        ("signal.share", {"part": "latency_mean", "whole": "nope"}),
        ("signal.part", {"signal": "nope", "label": "a", "is": ["b"]}),
        ("signal.lone", {"signal": "nope"}),
        ("signal.usual", {"signal": "nope"}),
        ("signal.onset-after", {"signal": "nope"}),
        ("signal.rising", {"signal": "nope"}),
    ):
        with page("a 1", "a 1") as where, pytest.raises(NotConfigured, match="app defines no signal nope"):
            run(id, where, finding="local.x", **params)


def test_share() -> None:
    first = histogram("request_seconds", "", 0, 0.2) + "\ndatabase_seconds_sum 0"
    second = histogram("request_seconds", "", 100, 0.2) + "\ndatabase_seconds_sum 15"
    params = {"part": "database_seconds_per_request", "whole": "latency_mean"}
    with page(first, second) as where:
        seen: Seen = run("signal.share", where, finding="local.x", above="50%", **params)
    found = only(seen)
    assert (found.state, found.threshold) == ("breach", 0.5)
    assert found.measured == pytest.approx(0.75)
    assert found.says == "database_seconds_per_request 150 ms of latency_mean 200 ms: 75%, bound 50%"
    assert [evidence.subject for evidence in seen.evidence] == [
        "app database_seconds_per_request",
        "app latency_mean",
    ]
    assert answer("signal.share", first, second, above=0.8, **params).state == "ok"
    # Little of the whole, and only where the whole is large enough to look into.
    assert answer("signal.share", first, second, below="80%", **params).state == "breach"
    assert answer("signal.share", first, second, below="70%", **params).state == "ok"
    small = answer("signal.share", first, second, below="80%", floor="200ms", **params)
    assert (small.state, small.says.endswith("; 200 ms and less is not looked into")) == ("ok", True)
    assert answer("signal.share", first, second, below="80%", floor="199ms", **params).state == "breach"


def test_share_is_unknown_when_one_side_is() -> None:
    first, second = histogram("request_seconds", "", 0, 0.2), histogram("request_seconds", "", 5, 0.2)
    found = answer("signal.share", first, second, part="database_seconds_per_request", whole="latency_mean")
    assert (found.state, found.reason) == ("unknown", "too-few")


def test_share_of_another_unit_is_a_mistake_of_the_profile() -> None:
    first = histogram("request_seconds", "", 0, 0.2) + "\nhits 0\nmisses 0"
    second = histogram("request_seconds", "", 100, 0.2) + "\nhits 50\nmisses 50"
    with page(first, second) as where, pytest.raises(NotConfigured, match="cache_hit_ratio is in ratio"):
        run("signal.share", where, finding="local.x", part="cache_hit_ratio", whole="latency_mean")


def errors(kyrodb: int, validation: int) -> str:
    return f'errors_total{{error_type="kyrodb"}} {kyrodb}\nerrors_total{{error_type="validation"}} {validation}'


def test_part() -> None:
    params: dict[str, Any] = {"signal": "error_rate_by_type", "label": "error_type"}
    found = answer("signal.part", errors(0, 0), errors(80, 20), **params, **{"is": ["kyrodb"]}, above="50%")
    assert (found.state, found.measured) == ("breach", pytest.approx(0.8))
    assert "error_type kyrodb is 80% of" in found.says
    assert answer("signal.part", errors(0, 0), errors(80, 20), **params, **{"is": ["validation"]}).state == "ok"
    both = answer("signal.part", errors(0, 0), errors(80, 20), **params, **{"is": ["kyrodb", "validation"]}, above=0.99)
    assert both.measured == pytest.approx(1.0)


def test_part_of_nothing_and_of_little() -> None:
    params: dict[str, Any] = {"signal": "error_rate_by_type", "label": "error_type", "is": ["kyrodb"]}
    found = answer("signal.part", errors(5, 5), errors(5, 5), **params)
    assert (found.state, found.says.startswith("error_rate_by_type: nothing was counted in")) == ("ok", True)
    assert answer("signal.part", errors(0, 0), errors(3, 0), **params).reason == "too-few"
    assert answer("signal.part", "other 1", "other 1", **params).reason == "no-data"


def test_part_needs_the_label() -> None:
    with page(errors(0, 0), errors(1, 1)) as where, pytest.raises(NotConfigured, match="not by status"):
        run("signal.part", where, finding="local.x", signal="error_rate_by_type", label="status", **{"is": ["500"]})


def endpoints(**seconds: float) -> tuple[str, str]:
    first = "\n".join(histogram("endpoint_seconds", f'endpoint="/{name}"', 0, s) for name, s in seconds.items())
    second = "\n".join(histogram("endpoint_seconds", f'endpoint="/{name}"', 100, s) for name, s in seconds.items())
    return first, second


def test_lone_by_the_objective_by_a_bound_and_by_a_factor() -> None:
    one = endpoints(a=0.02, b=0.03, c=0.4, d=0.02)
    for above in ("objective", "300ms", 3):
        found = answer("signal.lone", *one, signal="latency_mean_by_endpoint", above=above)
        assert found.state == "breach", above
        assert "highest endpoint=/c 400 ms" in found.says
        assert found.says.startswith("latency_mean_by_endpoint: 1 of 4 over")
    assert answer("signal.lone", *one, signal="latency_mean_by_endpoint", above="500ms").state == "ok"


def test_all_slow_is_not_one_slow() -> None:
    every = endpoints(a=0.3, b=0.4, c=0.5)
    assert answer("signal.lone", *every, signal="latency_mean_by_endpoint").state == "ok"
    assert answer("signal.lone", *every, signal="latency_mean_by_endpoint", above=3).state == "ok"


def test_a_single_endpoint_cannot_stand_alone() -> None:
    found = answer("signal.lone", *endpoints(a=0.4), signal="latency_mean_by_endpoint", above=3)
    assert (found.state, found.reason) == ("unknown", "too-few")
    assert answer("signal.lone", *endpoints(a=0.01), signal="latency_mean_by_endpoint").state == "ok"


def test_a_signal_that_cannot_be_scraped_is_unknown() -> None:
    found = answer("signal.threshold", "x 1", "x 1", signal="wrong", above=1)
    assert (found.state, found.reason) == ("unknown", "unsupported")
