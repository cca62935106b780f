"""The HTML page: one file, nothing runs, nothing is fetched, every text stays text, and it stays small."""

import math
from html.parser import HTMLParser

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from opsctl.model import Bound, Change, Evidence, Finding, Point, Value
from opsctl.report.as_html import render
from tests.report.hostile import BAIT, TEXT, hostile
from tests.report.sample import AT, critical, full

VOID = {"meta", "br"}
MADE = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "footer", "section", "article", "div", "span",
    "p", "h1", "h2", "h3", "h4", "dl", "dt", "dd", "ul", "ol", "li", "strong", "code", "pre", "a", "table", "thead",
    "tbody", "tr", "th", "td", "details", "summary", "figure", "figcaption", "svg", "desc", "g", "line", "rect",
    "circle", "path", "text",
}  # fmt: skip


class Page(HTMLParser):
    """Elements with their attributes, and the texts, as a browser sees them."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.texts, self.open = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    def text(self):
        return " ".join(" ".join(self.texts).split())

    def all(self, tag, kind=None):
        return [a for t, a in self.elements if t == tag and (kind is None or kind in a.get("class", "").split())]


def test_the_order_of_things():
    text = Page(render(full())).text()
    marks = ["CRITICAL", "vritti: P99 of request time 138 ms", "measured 138 ms", "broken since 03:00 UTC",
             "P99 of request time 138 ms", "What changed, nearest to 03:00 UTC first", "Likely causes",
             "KyroDB takes most of each request", "Refuted: 1 cause", "Objectives", "Not configured", "Next",
             "opsctl diagnose high-error-rate -s vritti", "Everything that was looked at",
             "Runbook high-latency (3f1c09a2b7de)"]  # fmt: skip
    place = 0
    for mark in marks:
        place = text.index(mark, place)


def test_each_broken_objective_has_its_plot_and_the_changes_are_on_the_same_time():
    page = Page(render(full()))
    assert len(page.all("svg", "plot")) == 2
    text = page.text()
    assert "objective 50 ms, P2" in text
    assert "P1 above 100 ms" in text
    assert "objective 1 %, P2" in text
    assert text.count("since 03:00 UTC") >= 3
    # six changes: a line in each of two plots, and a mark in the timeline
    assert len(page.all("g", "change")) == 6 * 2 + 6
    across = [a["x1"] for a in page.all("line") if a.get("x1") == a.get("x2")]
    marks = [a["cx"] for a in page.all("circle")]
    assert set(marks) & set(across)


def test_a_gap_in_the_series_is_a_gap():
    paths = [a["d"] for a in Page(render(full())).all("path", "value")]
    assert [d.count("M") for d in paths] == [1, 2]
    assert "nan" not in "".join(paths)


def test_plots_tell_themselves_to_those_who_cannot_see_them():
    page = Page(render(full()))
    for svg in [a for a in page.all("svg") if "role" in a]:
        named = svg["aria-labelledby"].split()
        assert {a.get("id") for tag, a in page.elements if tag in ("title", "desc")} >= set(named)
    assert "lowest 20 ms, highest 138 ms" in page.text()


def test_nothing_is_fetched_and_nothing_runs():
    html = render(full())
    page = Page(html)
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    for tag, attributes in page.elements:
        assert tag in MADE
        assert "style" not in attributes
        assert not {"src", "srcset", "action", "background"} & set(attributes)
        assert attributes.get("href", "#").startswith("#")
    assert "url(" not in html
    assert "@import" not in html


@given(st.lists(TEXT, min_size=1, max_size=8))
def test_no_text_of_a_server_becomes_markup(texts):
    page = Page(render(hostile(texts)))
    assert page.open == []
    for tag, attributes in page.elements:
        assert tag in MADE
        assert not [name for name in attributes if name.startswith("on")]
        assert attributes.get("href", "#").startswith("#")
        assert not {"src", "style", "action", "formaction"} & set(attributes)


def test_bait_is_shown_as_it_was_written():
    for bait in BAIT:
        plain = "".join(c for c in bait if c.isprintable() or c in "\t\n\r").replace("\r", "").replace("[31m", "")
        text = Page(render(critical(says=f"begin {bait} end"))).text()
        assert " ".join(f"begin {plain} end".split()) in text


def test_whatever_a_report_is_made_of_it_renders():
    nothing = {"causes": (), "findings": (), "unknown": (), "changes": (), "next": (), "notes": (), "evidence": ()}
    for verdict in ("ok", "unknown", "warning", "critical"):
        assert Page(render(critical(verdict=verdict, severity=None, measured=None, **nothing))).open == []
        assert Page(render(critical(verdict=verdict, at=AT))).open == []
    healthy = full()
    healthy = msgspec.structs.replace(
        healthy, verdict="ok", findings=tuple(f for f in healthy.findings if f.state == "ok")
    )
    page = Page(render(healthy))
    assert len(page.all("svg", "plot")) == 1  # the headline, within its objective


NUMBER = st.floats() | st.sampled_from(
    [math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, 1.7e308, -1.7e308, 1e-9, 0.05]
)


@given(
    st.lists(st.tuples(NUMBER, NUMBER), max_size=30),
    st.lists(NUMBER, max_size=3),
    NUMBER,
    st.sampled_from(["s", "bytes", "ratio", "per_second", "count", "usd", "", "odd unit <b>"]),
    st.sampled_from(["above", "below"]),
)
def test_no_number_is_too_odd_for_a_plot(points, bounds, measured, unit, side):
    series = tuple(Point(AT.timestamp() + t if -1e6 < t < 1e6 else t, v) for t, v in points)
    finding = Finding(
        id="signal.objective-broken", state="breach", says="odd", measured=measured, unit=unit, evidence=("e1",),
        bounds=tuple(Bound(value=b, side=side, holds=0.0) for b in bounds),
    )  # fmt: skip
    evidence = Evidence(
        id="e1", subject="odd", source="odd", values=(Value(name="odd", value=measured, unit=unit, series=series),)
    )
    headline = msgspec.structs.replace(
        critical().measured, value=measured, objective=measured, unit=unit, series=series
    )
    html = render(critical(findings=(finding,), evidence=(evidence,), measured=headline))
    page = Page(html)
    assert page.open == []
    for tag, attributes in page.elements:
        if tag in ("line", "rect", "circle", "path", "text", "svg"):
            assert "nan" not in " ".join(attributes.values()).lower()
            assert "inf" not in " ".join(attributes.values()).lower()


def test_changes_of_long_ago_and_many_of_them():
    changes = tuple(
        Change(at=AT.replace(year=1970 + n % 50, month=1 + n % 12), system="kubernetes", subject=f"Pod {n}", says="x")
        for n in range(500)
    )
    html = render(critical(changes=changes))
    assert Page(html).open == []
    assert "440 more" in html
    assert len(html) < 100_000


def test_thirty_probes_with_much_to_say_stay_below_400_kb():
    line = "<" + "é&" * 2000
    series = tuple(Point(AT.timestamp() + i, float(i)) for i in range(11_000))
    evidence = tuple(
        Evidence(
            id=f"e{n}", probe=f"probe.{n}", subject="s" * 500, source="http://127.0.0.1:9090", query="q" * 5000,
            values=tuple(Value(name="line", value=line) for _ in range(60))
            + tuple(Value(name=f"v{i}", value=float(i), unit="s", labels={"endpoint": "x" * 300}) for i in range(60))
            + (Value(name=f"signal{n}", value=float(n), unit="s", series=series),),
        )
        for n in range(30)
    )  # fmt: skip
    findings = tuple(
        Finding(id="signal.objective-broken", state="breach", says=line, measured=float(n), threshold=1.0, unit="s",
                evidence=(f"e{n}",))
        for n in range(30)
    )  # fmt: skip
    html = render(critical(evidence=evidence, findings=findings, notes=(line,) * 100))
    assert len(html.encode()) <= 400_000
    assert "left out here, it is in the JSON report" in html
    assert Page(html).open == []
