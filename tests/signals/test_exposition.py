"""Metrics pages: what is read, what is skipped and said, what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from opsctl.signals.exposition import NotMetrics, Page, Picker, labels_of, pairs, well_formed
from tests.signals.large_page import measure


def read(text: str | bytes, metric: str = "m") -> list[tuple[dict[str, str], float]]:
    page = Page(text if isinstance(text, bytes) else text.encode())
    return [(labels_of(raw), value) for raw, value, _ in page.samples(metric)]


def test_only_exactly_the_wanted_name_is_read() -> None:
    text = '# TYPE m counter\nm 1\nm_total 2\nm_bucket{le="1"} 3\nam 4\nm:rate 5\nm{a="b"} 6\n# m 7\n'
    assert read(text) == [({}, 1.0), ({"a": "b"}, 6.0)]


def test_values_as_the_formats_write_them() -> None:
    values = [v for _, v in read('m 1\nm{a="1"} 1.5e-3\nm{a="2"} +Inf\nm{a="3"} -Inf\nm{a="4"} NaN\nm{a="5"} -0\n')]
    assert values[:4] == [1.0, 0.0015, math.inf, -math.inf]
    assert math.isnan(values[4])
    assert values[5] == 0


def test_label_values_with_escapes_and_braces() -> None:
    text = r'm{path="/users/{id}",msg="say \"hi\", {x=\"y\"} 5",nl="a\nb",back="C:\\new\\",le="0.5"} 3' + "\n"
    assert read(text) == [
        (
            {
                "path": "/users/{id}",
                "msg": 'say "hi", {x="y"} 5',
                "nl": "a\nb",
                "back": "C:\\new\\",
                "le": "0.5",
            },
            3.0,
        )
    ]


def test_blanks_trailing_commas_crlf_and_a_missing_last_line_end() -> None:
    text = 'm{ a = "1" , b="2", }\t7 \r\n  m{a="2"} 8\r\n\tm 9\r\nm{a="3"} 10'
    assert read(text) == [({"a": "1", "b": "2"}, 7.0), ({"a": "2"}, 8.0), ({}, 9.0), ({"a": "3"}, 10.0)]


def test_a_sample_on_the_first_line() -> None:
    assert read("m 1\n") == [({}, 1.0)]
    assert read(b"\r\n\r\nm 1\n") == [({}, 1.0)]


def test_timestamps_are_milliseconds_in_the_text_format_and_seconds_in_openmetrics() -> None:
    text = Page(b"m 1 1700000000500\n")
    [(_, value, stamp)] = text.samples("m")
    assert (value, text.seconds(stamp)) == (1.0, 1_700_000_000.5)
    metrics = Page(b"# TYPE m gauge\nm 1 1700000000.5\n# EOF\n")
    [(_, _, stamp)] = metrics.samples("m")
    assert metrics.open_metrics
    assert metrics.seconds(stamp) == 1_700_000_000.5


def test_exemplars_belong_to_the_line_before_the_sign() -> None:
    text = (
        "# TYPE m histogram\n"
        'm_bucket{le="0.1"} 8 # {trace_id="abc"} 0.067\n'
        'm_bucket{le="1",path="# {"} 9 1700000000 # {trace_id="d}e",span="f"} 0.4 1700000000.1\n'
        'm_bucket{le="+Inf"} 17 # {} 9.8 1700000000\n'
        "# EOF\n"
    )
    assert read(text, "m_bucket") == [({"le": "0.1"}, 8.0), ({"le": "1", "path": "# {"}, 9.0), ({"le": "+Inf"}, 17.0)]


def test_duplicate_metadata_and_scattered_groups() -> None:
    text = '# HELP m a\n# TYPE m counter\nm{a="1"} 1\n# HELP n x\nn 2\n# HELP m a\n# TYPE m counter\nm{a="2"} 3\n'
    assert read(text) == [({"a": "1"}, 1.0), ({"a": "2"}, 3.0)]


def test_bad_lines_are_skipped_and_counted() -> None:
    bad = [
        'm{a="1" 5',
        'm{a="1"} five',
        "m",
        "m ",
        "m{a=1} 5",
        'm{a="1"} 5 then',
        'm{a="x"b="y"} 1',
        "m 1_000",
        'm{a="1} 5',
    ]
    page = Page(("# HELP m x\n" + "\n".join([*bad, 'm{a="ok"} 5', "m 6"]) + "\n").encode())
    assert [(labels_of(raw), value) for raw, value, _ in page.samples("m")] == [({"a": "ok"}, 5.0), ({}, 6.0)]
    # "m" alone and "m " never named a sample of the metric in a way that could be told from prose
    counted = page.skipped["m"] + sum(1 for raw, _, _ in page.lines("m") if not well_formed(raw))
    assert counted >= 7


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        (b"<!DOCTYPE html><html>m 1</html>", "text/html", "HTML"),
        (b'{"status": "ok"}', "application/json", "JSON"),
        (b"", "text/plain", "empty"),
        (b"  \n", "text/plain", "empty"),
        (b"\x0a\x05hello\x00", "application/vnd.google.protobuf", "protobuf format; opsctl reads text"),
        (b"\x0a\x05hello\x00", "text/plain", "binary"),
        (b"\x1f\x8b\x08\x00", "text/plain", "gzip"),
        (b"m 1\n", "application/openmetrics-text; version=1.0.0", "cut off"),
    ],
)
def test_what_is_not_a_metrics_page_is_refused(body: bytes, kind: str, says: str) -> None:
    with pytest.raises(NotMetrics, match=says):
        Page(body, content_type=kind)


def test_a_page_of_other_text_has_no_such_metric() -> None:
    page = Page(b"Not here, ask m or n\n")
    assert not page.has("m")
    assert list(page.samples("m")) == []


def test_a_few_labels_are_picked_whatever_surrounds_them() -> None:
    pick = Picker(("le", "a"))
    assert pick(b'a="1",le="5"') == (b"5", b"1")
    assert pick(b'le="5",a="1"') == (b"5", b"1")
    assert pick(b'le = "5" , a="1"') == (b"5", b"1")
    assert pick(b'ale="7",a="1"') == (b"", b"1")
    assert pick(b'b="x,le=",a="1"') == (b"", b"1")
    assert pick(b'b="x,a=\\"2\\"",a="1",le="5"') == (b"5", b"1")
    assert pick(b'b="\\\\",a="1",le="5"') == (b"5", b"1")
    assert pick(b"") == (b"", b"")


def test_series_are_paired_whatever_their_order() -> None:
    first = Page(b'm{a="1"} 1\nm{a="2"} 2\nm{a="3"} 3\nm{a="4",b="x"} 4\n')
    second = Page(b'm{a="0"} 10\nm{a="3"} 13\nm{a="1"} 11\nm{b="x",a="4"} 14\nm{a="9"} 19\n')
    found = {
        labels_of(after[0])["a"]: (before[1] if before else None, after[1])
        for before, after in pairs(first, second, "m")
    }
    assert found == {"0": (None, 10.0), "3": (3.0, 13.0), "1": (1.0, 11.0), "4": (4.0, 14.0), "9": (None, 19.0)}


def test_a_long_page_is_read_in_pieces_without_losing_a_line() -> None:
    count = 20_000
    text = "# HELP m x\n" + "".join(f'm{{n="{i}",pad="{"x" * (i % 60)}"}} {i}\n' for i in range(count)) + "n 1\n"
    values = [value for _, value in read(text)]
    assert values == [float(i) for i in range(count)]


@pytest.mark.slow
def test_two_pages_of_50_mb_take_little_more_memory_than_they_are_long(tmp_path: Path) -> None:
    """Limit: 250 MB for everything. How long it takes is measured by the bench."""
    found = measure(tmp_path)
    assert found.rows == {"quantile": 1, "quantile by endpoint": 500, "mean": 1, "rate": 1, "ratio": 1}
    assert found.peak < 200 * 2**20
