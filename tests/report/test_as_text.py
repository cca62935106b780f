"""The text report: verdict first, number, causes with evidence, what could not be seen, changes, next."""

from opsctl.report.as_text import render
from opsctl.report.style import Style
from tests.report.sample import critical

EXPECTED = """\
CRITICAL  sev2  vritti: P99 of request time 142 ms, objective 50 ms, broken for
    7 min
    ▂▂▂▂▆▇██  7m, highest 142 ms
    (P2 in vritti's own words; next escalation: Team Lead at 03:15 UTC)

Likely causes                                                            checks
 1  KyroDB takes most of each request                      confirmed     1 of 1
      KyroDB takes 118 ms of the mean request's 131 ms (90 %)  [prometheus
        127.0.0.1:9090]
 ?  Statements wait for locks that another session holds   not measured  0 of 1
      connection refused
 -  refuted: traffic-spike

Could not look at
    connection refused at 127.0.0.1:5432  (from env DATABASE_URL)

What changed before 03:00 UTC
    03:00 UTC  Deployment api: image 1.14.2 -> 1.14.3

Note  TLS verification is off for prometheus (opsctl.yaml:7)

Next  opsctl diagnose high-error-rate -s vritti
      Look at KyroDB's own health.
"""


def test_the_whole_page_in_eighty_columns():
    assert render(critical(), Style(80)) == EXPECTED


def test_no_line_is_wider_than_the_terminal():
    for width in (60, 80, 100):
        assert max(len(line) for line in render(critical(), Style(width)).splitlines()) <= width


def test_colour_only_adds():
    import re

    painted = render(critical(), Style(80, colour=True))
    assert "\x1b[" in painted
    plain = re.sub(r"\x1b\[[0-9;]*m", "", painted)
    assert plain.split() == EXPECTED.split()


def test_without_unicode_it_is_ascii():
    assert render(critical(), Style(80, unicode=False)).isascii()


def test_healthy_says_so_in_one_line():
    report = critical(
        verdict="ok",
        severity=None,
        severity_label="",
        says="vritti: P99 20 ms",
        causes=(),
        findings=(),
        unknown=(),
        changes=(),
        next=(),
        notes=(),
        escalation="",
        measured=None,
    )
    assert render(report, Style(80)) == "OK  vritti: P99 20 ms\n"
