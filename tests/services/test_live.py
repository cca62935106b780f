"""`opsctl service check`: what is measured of a profile, what is not, and what it is probably called."""

from __future__ import annotations

import subprocess
import time

import pytest

from opsctl.config.endpoint import Endpoint
from opsctl.errors import NotConfigured
from opsctl.services.live import check
from opsctl.services.live_bounds import blind_spots
from opsctl.services.live_model import Checked, Facts, SignalCheck
from opsctl.services.live_names import likely, sure
from opsctl.services.live_page import page
from opsctl.services.live_parts import Part, complaints, parts
from opsctl.services.model import Profile
from opsctl.signals.model import Band, Objective, Ratio, Selector, Signal
from opsctl.signals.shape import Source, matchers_of
from tests.fakes.badserver import refusing_port
from tests.fakes.recording import Recorder
from tests.servers.prometheus import start_prometheus, static

PAGE = b"""\
# TYPE shop_http_request_duration_seconds histogram
shop_http_request_duration_seconds_bucket{handler="/buy",le="0.1"} 4
shop_http_request_duration_seconds_bucket{handler="/buy",le="0.5"} 9
shop_http_request_duration_seconds_bucket{handler="/buy",le="5"} 10
shop_http_request_duration_seconds_bucket{handler="/buy",le="+Inf"} 10
shop_http_request_duration_seconds_sum{handler="/buy"} 3
shop_http_request_duration_seconds_count{handler="/buy"} 10
# TYPE shop_http_requests_total counter
shop_http_requests_total{handler="/buy",status="200"} 10
# TYPE shop_failures_total counter
# TYPE shop_jobs gauge
shop_jobs{queue="mail"} 3
# TYPE shop_memory_used_percent gauge
shop_memory_used_percent 61
# TYPE shop_uptime_total counter
shop_uptime_total 5
"""

LATENCY = Signal(quantile=0.99, histogram="shop_http_request_duration_seconds", unit="s")
MISNAMED = Signal(quantile=0.99, histogram="shop_http_req_latency_seconds", unit="s", by=("handler",), assumed=True)


def profile(signals: dict[str, Signal], *objectives: Objective, **more) -> Profile:
    return Profile(service="shop", signals=signals, objectives=objectives, scrape_interval="1s", **more)


def objective(signal: str, above: str = "500ms", id: str = "slow", runbook: str = "high-latency") -> Objective:
    return Objective(id=id, runbook=runbook, signal=signal, bands=(Band(above=above, severity="critical"),))


def on_page(given: Profile, body: bytes = PAGE) -> Checked:
    """The check of a profile by the service's own page; no Prometheus is there."""

    def resolve(name: str) -> Endpoint:
        if name != "metrics":
            raise NotConfigured(f"no {name}")
        return Endpoint(name=name, url=f"{server.url}/metrics", setting="test")

    with Recorder({"/metrics": body}) as server:
        found = check(given, resolve, file="runbooks/services/shop.yaml")
        server.assert_only_reads()
    return found


def signal(found: Checked, name: str) -> SignalCheck:
    return next(one for one in found.signals if one.signal == name)


def test_a_profile_that_fits_is_said_to_fit():
    found = on_page(profile({"latency_p99": LATENCY}, objective("latency_p99")))
    assert (found.exit, signal(found, "latency_p99").state) == (0, "ok")
    assert found.objectives[0].judged is True
    assert any("Prometheus could not be asked" in note for note in found.notes)
    assert "1 of 1 objectives can be judged now" in page(found)


def test_a_misnamed_histogram_is_found_under_its_real_name():
    found = on_page(profile({"latency_p99": MISNAMED}, objective("latency_p99")))
    assert found.exit == 2
    (lost,) = signal(found, "latency_p99").lost
    best = lost.likely[0]
    assert best.metric == "shop_http_request_duration_seconds"
    assert "is a histogram" in best.why
    assert "has the label handler" in best.why
    assert sure(lost.likely) is best
    text = page(found)
    assert "probably shop_http_request_duration_seconds" in text
    assert "its name is an assumption of the profile" in text
    assert found.fix in text


def test_the_fix_can_be_pasted(tmp_path):
    own = tmp_path / "shop.yaml"
    own.write_text(
        "histogram: shop_http_req_latency_seconds\nrate: shop_http_req_latency_seconds_count\nx: shop_http\n"
    )

    def resolve(name: str) -> Endpoint:
        if name != "metrics":
            raise NotConfigured(f"no {name}")
        return Endpoint(name=name, url=f"{server.url}/metrics", setting="test")

    with Recorder({"/metrics": PAGE}) as server:
        found = check(profile({"latency_p99": MISNAMED}), resolve, file=str(own))
    assert found.fix.endswith("opsctl service lint shop && opsctl service check shop")
    edits = "\n".join(line for line in found.fix.splitlines() if not line.startswith("opsctl "))
    subprocess.run(["bash", "-ec", edits], check=True, timeout=30)
    assert own.read_text() == (
        "histogram: shop_http_request_duration_seconds\nrate: shop_http_request_duration_seconds_count\nx: shop_http\n"
    )


def test_a_built_in_profile_is_copied_not_changed():
    def resolve(name: str) -> Endpoint:
        if name != "metrics":
            raise NotConfigured(f"no {name}")
        return Endpoint(name=name, url=f"{server.url}/metrics", setting="test")

    with Recorder({"/metrics": PAGE}) as server:
        found = check(profile({"latency_p99": MISNAMED}), resolve, file="/opt/x/shop.yaml", built_in=True)
    assert "cp /opt/x/shop.yaml ~/.config/opsctl/runbooks/services/shop.yaml" in found.fix
    assert all("perl" not in line or line.endswith("shop.yaml") for line in found.fix.splitlines())


def test_a_counter_of_which_nothing_was_counted_yet_is_no_misnomer():
    ratio = Signal(ratio=Ratio(of="shop_failures_total", over="shop_http_requests_total"))
    found = on_page(
        profile(
            {"error_ratio": ratio, "error_rate": Signal(rate="shop_failures_total")}, objective("error_ratio", "5%")
        )
    )
    assert signal(found, "error_ratio").state == "idle"
    assert signal(found, "error_rate").state == "idle"
    assert found.objectives[0].judged is True
    assert found.exit == 0


def test_a_numerator_that_nobody_declares_is_told_because_it_would_count_as_0():
    ratio = Signal(ratio=Ratio(of="shop_errors_total", over="shop_http_requests_total"))
    found = on_page(profile({"error_ratio": ratio}, objective("error_ratio", "5%")))
    assert signal(found, "error_ratio").state == "suspect"
    assert "counts as 0" in signal(found, "error_ratio").problems[0]
    assert found.exit == 1


def test_a_value_that_has_not_come_up_is_not_a_label_that_is_not_there():
    def part(label: str, value: str) -> Signal:
        of = Selector(metric="shop_http_requests_total", where={label: value})
        return Signal(ratio=Ratio(of=of, over="shop_http_requests_total"))

    found = on_page(profile({"good": part("status", "=~5.."), "bad": part("code", "=~5..")}))
    assert signal(found, "good").state == "idle"
    assert signal(found, "bad").state == "suspect"
    assert 'code=~"5.." (there are: no such label)' in signal(found, "bad").problems[0]


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (Signal(rate="shop_jobs"), "is a gauge, not a counter"),
        (Signal(gauge="shop_uptime_total"), "is a counter, not a gauge"),
        (Signal(gauge="shop_memory_used_percent", unit="ratio"), "percent?"),
        (Signal(gauge="shop_jobs", by=("shard",)), "has no label shard"),
        (Signal(gauge="shop_jobs", where={"tenant": "!~test.*"}), "leaves nothing out"),
        (
            Signal(quantile=0.9, histogram="shop_http_request_duration_seconds", unit="ms"),
            "says seconds by its name, the signal says ms",
        ),
    ],
)
def test_what_would_mislead_is_told(declared, words):
    found = on_page(profile({"it": declared}))
    assert signal(found, "it").state == "suspect"
    assert words in " ".join(signal(found, "it").problems)


def test_milliseconds_are_seen_by_their_buckets():
    part = Part(Source("took_bucket"), "histogram")
    wide = Facts(metric="took_bucket", series=3, edges=(5.0, 100.0, 5000.0))
    assert "milliseconds, not seconds?" in complaints(part, wide, Signal(quantile=0.5, histogram="took", unit="s"))[0]
    small = Facts(metric="took_bucket", series=3, edges=(0.01, 0.5, 5.0))
    assert "seconds, not milliseconds?" in complaints(part, small, Signal(quantile=0.5, histogram="took", unit="ms"))[0]


def test_too_many_series_are_told():
    facts = Facts(metric="x_total", series=20_000)
    assert "20,000 series" in complaints(Part(Source("x_total"), "counter"), facts, Signal(rate="x_total"))[0]


@pytest.mark.parametrize(
    ("above", "edges", "words"),
    [
        ("500ms", (0.1, 0.5, 1.0), ""),
        ("400ms", (0.25, 0.5, 1.0), ""),  # a bucket no wider than usual
        ("300ms", (0.1, 0.5, 1.0), "inside the wide bucket between 100 ms and 500 ms"),
        ("50ms", (0.1, 0.5), "inside the wide bucket between 0 s and 100 ms"),
        ("10s", (0.1, 0.5, 5.0), "above the highest bucket edge, 5 s: it can never be seen broken"),
    ],
)
def test_a_bound_where_the_buckets_cannot_tell(above, edges, words):
    said = blind_spots(objective("x", above), LATENCY, edges)
    assert words in " ".join(said)
    assert bool(said) == bool(words)


def test_a_bound_above_all_buckets_cannot_be_judged():
    found = on_page(profile({"latency_p99": LATENCY}, objective("latency_p99", "10s")))
    assert found.objectives[0].judged is False
    assert found.exit == 2


def test_a_share_needs_the_very_edge():
    share = Signal(share_above=0.2, histogram="x", unit="ratio")
    assert "nearest are 0.1 and 0.5" in blind_spots(objective("x", "5%"), share, (0.1, 0.5))[0]


def test_buckets_of_another_unit_are_compared_in_base_units():
    milliseconds = Signal(quantile=0.99, histogram="x", unit="ms")
    assert blind_spots(objective("x", "500ms"), milliseconds, (100.0, 500.0, 1000.0)) == []


def test_names_that_only_share_the_prefix_are_not_taken_for_each_other():
    names = {f"shop_{word}_total" for word in ("logins", "orders", "refunds", "mails", "searches", "carts")}
    wanted = Part(Source("shop_reflections_total"), "counter")
    found = likely(wanted, (), names, lambda metric: Facts(metric=metric, type="counter"))
    assert sure(found) is None
    assert all("shop" not in one.why for one in found)


def test_every_kind_of_signal_says_what_it_reads():
    labels = {"job": "shop"}
    mean = parts(Signal(mean="took_seconds", unit="s"), labels)
    assert [p.metric for p in mean] == ["took_seconds_count", "took_seconds_sum"]
    assert parts(Signal(promql="up"), labels) == ()
    (gauge,) = parts(Signal(gauge="depth", where={"queue": "mail"}), labels)
    assert gauge.source.matchers == matchers_of({"job": "shop", "queue": "mail"})


def test_nothing_that_can_be_asked_is_unknown_never_fine():
    def resolve(name: str) -> Endpoint:
        return Endpoint(name=name, url=f"http://127.0.0.1:{refusing_port()}", setting="test")

    found = check(profile({"latency_p99": LATENCY}, objective("latency_p99")), resolve, file="x")
    assert found.exit == 3
    assert found.objectives[0].judged is None
    assert len(found.notes) == 2
    assert "nobody" in page(found)


@pytest.mark.needs("prometheus")
def test_a_real_prometheus_and_the_page_are_held_against_the_profile(tmp_path):
    both = {
        "latency_p99": LATENCY,
        "renamed": MISNAMED,
        "jobs": Signal(gauge="shop_jobs", where={"queue": "post"}),
        "own": Signal(promql='max(shop_jobs{job="shop"})'),
        "none": Signal(promql="no_such_thing"),
    }
    with Recorder({"/metrics": PAGE}) as app:
        server = start_prometheus(tmp_path, [static("shop", app.url.removeprefix("http://"))])
        try:
            urls = {"prometheus": server.url, "metrics": f"{app.url}/metrics"}
            given = profile(both, objective("latency_p99"), prometheus_labels={"job": "shop"})

            def look(one: Profile) -> Checked:
                return check(one, lambda n: Endpoint(name=n, url=urls[n], setting="test"), file="shop.yaml")

            until = time.monotonic() + 30
            while (found := look(given)).signals[0].source != "prometheus" and time.monotonic() < until:
                time.sleep(0.5)
            states = {one.signal: (one.state, one.source) for one in found.signals}
            assert states["latency_p99"] == ("ok", "prometheus")
            assert states["renamed"] == ("missing", "")
            assert states["jobs"] == ("missing", "")
            assert states["own"] == ("ok", "prometheus")
            assert states["none"] == ("missing", "")
            assert signal(found, "latency_p99").age is not None
            assert 'queue="post" (there are: mail)' in signal(found, "jobs").problems[0]
            assert signal(found, "renamed").lost[0].likely[0].metric == "shop_http_request_duration_seconds"
            assert found.objectives[0].judged is True

            other = look(profile({"latency_p99": LATENCY}, prometheus_labels={"job": "store"}))
            assert "on the service's own page only" in signal(other, "latency_p99").problems[0]
            assert other.labels == 'services: {shop: {labels: {job: "shop"}}}'
        finally:
            server.stop()
