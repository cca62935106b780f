"""`opsctl service check`, from a user's shell: a profile with a wrong name is mended by what is printed."""

from __future__ import annotations

import re

import pytest

from tests.acceptance.session import Session
from tests.fakes.recording import Recorder

PROFILE = """
service: shop
endpoints:
  metrics: {kind: metrics, url: "%s/metrics"}
severities: {critical: sev1}
signals:
  latency_p99: {quantile: 0.99, histogram: shop_http_req_latency_seconds, unit: s, assumed: true}
  request_rate: {rate: shop_http_req_latency_seconds_count, unit: per_second, assumed: true}
objectives:
  - {id: slow, runbook: high-latency, signal: latency_p99, bands: [{above: 500ms, severity: critical}]}
"""
METRICS = b"""\
# TYPE shop_http_request_duration_seconds histogram
shop_http_request_duration_seconds_bucket{le="0.1"} 4
shop_http_request_duration_seconds_bucket{le="0.5"} 9
shop_http_request_duration_seconds_bucket{le="+Inf"} 10
shop_http_request_duration_seconds_sum 3
shop_http_request_duration_seconds_count 10
# TYPE shop_jobs gauge
shop_jobs 3
"""


@pytest.fixture
def app():
    with Recorder({"/metrics": METRICS}) as server:
        yield server
        server.assert_only_reads()


def test_a_wrong_name_is_found_and_mended_by_the_printed_lines(tmp_path, app):
    own = tmp_path / "runbooks" / "services" / "shop.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(PROFILE % app.url)
    user = Session(tmp_path, LC_ALL="C.UTF-8")
    done = user.opsctl("service", "check", "shop", check=(2,))
    assert "0 of 1 objectives can be judged now" in done.out
    assert "probably shop_http_request_duration_seconds" in done.out
    (rename,) = set(re.findall(r"^perl -pi -e .*_latency_seconds\(.*$", done.out, re.M))

    import subprocess

    subprocess.run(["bash", "-c", rename], check=True, cwd=tmp_path, timeout=30)
    done = user.opsctl("service", "check", "shop", check=(0,))
    assert "1 of 1 objectives can be judged now, and all signals are as declared" in done.out
    found = user.opsctl("service", "check", "shop", "-o", "json", check=(0,)).json()
    assert found["schema"] == "opsctl.service-check/1"
    assert {signal["signal"]: signal["state"] for signal in found["signals"]} == {
        "latency_p99": "ok",
        "request_rate": "ok",
    }


def test_an_unknown_service_suggests_the_nearest(tmp_path):
    assert "Did you mean vritti?" in Session(tmp_path).opsctl("service", "check", "vriti", check=(64,)).err
