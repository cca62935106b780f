"""Metrics pages that are wrong in part: what can be read is, the rest is skipped, counted and said; garbage never
raises anything but NotMetrics and never hangs."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsctl.signals.direct import evaluate
from opsctl.signals.exposition import NotMetrics, Page, labels_of, well_formed
from opsctl.signals.growth import Scrapes
from opsctl.signals.model import Ratio, Signal
from tests.servers.web import start_web
from tests.signals.pages import signals

SIGNALS = {
    "quantile": Signal(quantile=0.9, histogram="m"),
    "mean": Signal(mean="m"),
    "rate": Signal(rate="m", by=("a",)),
    "ratio": Signal(ratio=Ratio(of="m", over="n")),
    "gauge": Signal(gauge="m", agg="sum"),
    "age": Signal(age="m"),
    "share": Signal(share_above=0.5, histogram="m"),
}


def growth(first: str, second: str, signal: Signal) -> tuple[list[float], tuple[str, ...]]:
    scrapes = Scrapes(Page(first.encode()), Page(second.encode()), 10.0)
    outcome = evaluate(signal, scrapes, window=10.0)
    return [row.value for row in outcome.rows], (outcome.notes or ((outcome.says,) if outcome.says else ()))


def test_data_behind_the_end_of_an_openmetrics_page_is_not_read() -> None:
    kind = "application/openmetrics-text; version=1.0.0"
    page = Page(b"# TYPE m gauge\nm 1\n# EOF\nm 2\nn 3\n", content_type=kind)
    assert [value for _, value, _ in page.samples("m")] == [1.0]
    assert not page.has("n")
    assert page.notes() == ("2 lines after # EOF were not read",)
    assert Page(b"m 1\n# EOF\n", content_type=kind).notes() == ()
    assert Page(b"m 1\r\n# EOF\r\n", content_type=kind).notes() == ()
    # In the text format it is a comment like any other.
    assert Page(b"m 1\n# EOF\nn 2\n", content_type="text/plain").has("n")


def test_of_a_series_that_is_there_twice_the_first_line_counts() -> None:
    first = 'm{a="1"} 10\nm{a="2"} 1\nm{a="1"} 10\n'
    second = 'm{a="1"} 30\nm{a="2"} 2\nm{a="1"} 90\n'
    values, notes = growth(first, second, Signal(rate="m"))
    assert values == [pytest.approx(2.1)]
    assert notes == ("1 line of m repeat a series, whose first line counts",)
    assert growth(first, second, Signal(gauge="m", agg="sum"))[0] == [32.0]
    # Also where the pages list it in other places.
    assert growth('m{a="1"} 10\nm{a="1"} 11\nm{a="2"} 1\n', second, Signal(rate="m"))[0] == [pytest.approx(2.1)]


def test_created_samples_units_and_metadata_twice_change_nothing() -> None:
    head = "# HELP m_seconds x\n# HELP m_seconds y\n# TYPE m_seconds counter\n# TYPE m_seconds gauge\n"
    head += "# UNIT m_seconds seconds\n"
    text = head + 'm_seconds_total {} # {{t="1"}} 1\nm_seconds_created 1.7e9\nm_seconds_total{{a="x"}} {}\n# EOF\n'
    values, notes = growth(text.format(1, 2), text.format(6, 7), Signal(rate="m_seconds_total"))
    assert values == [pytest.approx(1.0)]
    assert notes == ()


def test_a_native_histogram_is_said() -> None:
    native = '# TYPE m histogram\nm{a="1"} {count:12,sum:3,schema:3,zero_threshold:1e-9}\n# EOF\n'
    page = Page(native.encode())
    assert list(page.samples("m")) == []
    assert page.notes() == ("1 line of m could not be read (a native histogram, which only Prometheus can read)",)
    bare = Page(b"# TYPE m histogram\nm {count:12,sum:3}\nm_count 12\n")
    assert list(bare.samples("m")) == []
    assert "native histogram" in bare.notes()[0]
    only = 'm_bucket{le="+Inf"} %d\nm_count %d\nm_sum 2\n'
    assert growth(only % (1, 1), only % (900, 900), Signal(quantile=0.9, histogram="m"))[1] == (
        "m_bucket has no bucket but +Inf: a native histogram needs a Prometheus",
    )


def test_values_that_are_no_numbers_and_a_mark_in_front() -> None:
    page = Page(b'\xef\xbb\xbfm{a="1"} NaN\nm{a="2"} -Inf\nm{a="3"} 0x10\nm{a="4"} 1e400\nm{a="5"} \xd9\xa3\n')
    values = [value for _, value, _ in page.samples("m")]
    assert math.isnan(values[0])
    assert values[1:] == [-math.inf, math.inf]
    assert page.skipped["m"] == 2


def test_a_huge_label_is_read_in_time() -> None:
    began = time.process_time()
    big = "x" * 5_000_000
    page = Page(f'm{{a="{big}",b="1"}} 1\nm{{a="{big}\\"",b="2"}} 2\nm{{a="{big} 3\nm{{b="4"}} 4\n'.encode())
    assert [labels_of(raw)["b"] for raw, _, _ in page.samples("m")] == ["1", "2", "4"]
    assert page.skipped["m"] == 1
    assert not well_formed(b'a="' + b'\\"' * 100_000)
    assert time.process_time() - began < 10


def test_what_was_skipped_is_in_the_reading_and_in_the_reports_notes() -> None:
    web = start_web({"/metrics": '# HELP m x\nm{a="1"} 5\nm{a=2} 6\nm{a="3"} six\n'})
    reader = signals(metrics=f"{web.url}/metrics")
    reading = reader.read("m", Signal(gauge="m"))
    web.stop()
    assert reading.value == 5.0
    assert reading.note == "2 lines of m could not be read"
    assert f"{web.url}/metrics: 2 lines of m could not be read" in reader.notes()


NAMES = [b"m", b"n", b"m_bucket", b"m_count", b"m_sum", b"# EOF", b"# TYPE m histogram\n"]
MARKS = [b"{", b"}", b'"', b"\\", b"=", b",", b"\n", b"\r\n", b" ", b"\t", b"#", b"\0", b"\xff", "\u00e9".encode()]
PARTS = [
    b'le="0.5"',
    b'le="+Inf"',
    b'a="1"',
    b"1",
    b"-Inf",
    b"NaN",
    b"1_0",
    b" # {} 1 2",
    b"{count:1}",
    b"1700000000000",
]
WORDS = st.sampled_from([*NAMES, *MARKS, *PARTS])
PAGES = st.lists(WORDS | st.binary(max_size=8), max_size=60).map(b"".join)
KINDS = st.sampled_from(
    ["", "text/plain", "application/openmetrics-text", "application/vnd.google.protobuf", "text/html"]
)


def taken(body: bytes, kind: str) -> Page | None:
    try:
        return Page(body, time=1.7e9, content_type=kind)
    except NotMetrics:
        return None


@given(PAGES, PAGES, KINDS)
@settings(max_examples=400, deadline=None)
def test_garbage_is_skipped_and_never_raises(first: bytes, second: bytes, kind: str) -> None:
    one, two = taken(b"m 1\n" + first, kind), taken(b"m 1\n" + second, kind)
    if one is None or two is None:
        return
    scrapes = Scrapes(one, two, 5.0)
    for signal in SIGNALS.values():
        outcome = evaluate(signal, scrapes, window=5.0)
        assert bool(outcome.rows) == (outcome.reason is None)
        assert all(math.isfinite(row.value) for row in outcome.rows)
    for name in ("m", "n", "m_bucket"):
        for raw, value, stamp in two.samples(name):
            assert isinstance(value, float)
            assert isinstance(labels_of(raw), dict)
            two.seconds(stamp)
        assert two.skipped.get(name, 0) >= 0
    assert all(two.notes())


@given(st.binary(max_size=300), KINDS)
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_page_or_refused(body: bytes, kind: str) -> None:
    page = taken(body, kind)
    if page is not None:
        list(page.samples("m"))
        page.type_of("m")
