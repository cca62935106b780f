"""Markdown for a ticket: the same story, and nothing from a server becomes markup."""

import math
import re

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from opsctl.model import Point
from opsctl.report.as_markdown import render
from opsctl.report.markdown_text import code, plain
from tests.report.hostile import BAIT, TEXT, hostile
from tests.report.sample import critical, full

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
# What a ticket's own filters would turn into a link or a mention wherever it stands in text.
LIVE = re.compile(r"(?<!\w)@\w|\w@\w|://|www\.|#\d")


def tokens(markdown):
    """All tokens of a document, inline ones too."""
    found = []
    for token in PARSER.parse(markdown):
        found.append(token)
        found.extend(token.children or ())
    return found


def shape(markdown):
    """The blocks of a document: what kind follows what kind."""
    return [t.type for t in PARSER.parse(markdown)]


def test_the_order_of_things():
    text = render(full())
    marks = ["## CRITICAL (sev1): high-latency on vritti in prod", "**vritti: P99", "since 2026-11-21 03:00:00 UTC",
             "### Likely causes", "### Objectives", "### Not configured", "### What changed", "### Next",
             "Runbook high-latency `3f1c09a2b7de`; opsctl 0.1.0"]  # fmt: skip
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)
    assert "```sh\nopsctl diagnose high-error-rate -s vritti\n```" in text


def test_the_causes_are_one_table_with_their_evidence():
    rows = [line for line in render(full()).splitlines() if line.startswith("|")]
    assert rows[2].startswith("| 1 | **KyroDB takes most of each request** (`kyrodb-slow`) | confirmed | 4 of 4 | ")
    assert "41 lines in 15m match, bound 5 (`log /var/log/vritti/app.log`)" in rows[2]
    assert "connection refused at 127.0.0.1:5432" in rows[3]
    assert len(rows) == 4


def test_whatever_a_verdict_is_made_of_it_renders():
    nothing = {"causes": (), "findings": (), "unknown": (), "changes": (), "next": (), "notes": (), "evidence": ()}
    for verdict in ("ok", "unknown", "warning"):
        assert render(critical(verdict=verdict, severity=None, measured=None, **nothing)).startswith("## ")
        assert render(critical(verdict=verdict)).startswith("## ")
    odd = (Point(math.nan, math.inf), Point(-1e300, math.nan), Point(1e300, 1e308), Point(0, -math.inf))
    measured = msgspec.structs.replace(critical().measured, series=odd, value=math.inf, objective=math.nan)
    assert "## CRITICAL" in render(critical(measured=measured))


@given(st.lists(TEXT, min_size=1, max_size=8))
def test_no_text_of_a_server_becomes_markup(texts):
    markdown = render(hostile(texts))
    for token in tokens(markdown):
        assert token.type not in ("link_open", "image", "html_inline", "html_block", "em_open", "s_open", "hardbreak")
        if token.type == "text":
            assert LIVE.search(token.content) is None, token.content


@given(st.lists(TEXT.filter(str.strip), min_size=1, max_size=8))
def test_no_text_of_a_server_breaks_a_table_or_a_list(texts):
    markdown = render(hostile(texts))
    assert {t for t in shape(markdown) if t.startswith(("blockquote", "ordered", "code_block", "lheading"))} == set()
    rows = [n for n, t in enumerate(PARSER.parse(markdown)) if t.type == "tr_open"]
    assert len(rows) == 3  # the head and two causes
    tables = [t for t in PARSER.parse(markdown) if t.type == "table_open"]
    assert len(tables) == 1


def test_bait_by_name():
    for bait in BAIT:
        inner = [t for t in tokens(f"x {plain(bait)}") if t.type not in ("text", "code_inline", "inline")]
        assert {t.type for t in inner} <= {"paragraph_open", "paragraph_close"}, bait


def test_what_can_be_copied_stays_whole():
    assert plain("refused at danci@127.0.0.1:5432.") == "refused at `danci@127.0.0.1:5432`."
    assert plain("see (http://a.example/x_y)") == "see (`http://a.example/x_y`)"
    assert plain("cpu_ratio at 03:04:11 is $0.10, 90 %") == "cpu_ratio at 03:04:11 is \\$0.10, 90 %"
    assert code("a `b` c") == "``a `b` c``"
    assert plain("image 1.14.2 -> 1.14.3") == "image 1.14.2 -> 1.14.3"
