"""The text report: verdict first, number, causes with evidence, what could not be seen, changes, next."""

from opsctl.model import CauseResult, Finding, Unknown
from opsctl.report.as_text import render
from opsctl.report.style import Style
from tests.report.sample import critical, full

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
      postgres: connection refused at 127.0.0.1:5432  (from env DATABASE_URL)
 -  refuted: traffic-spike

What changed (nearest to 03:00 UTC first)
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


def test_what_could_not_be_looked_at_is_told_once_and_names_the_system():
    report = critical()
    more = [
        Unknown(
            reason="server-error",
            says=f"HTTP 500 came for {what}.",
            probe="kubernetes.pods",
            address="kubernetes prod/shop",
            setting="env KUBECONFIG",
        )
        for what in ("pods", "replicasets", "resourcequotas")
    ]
    found = Finding(id="kubernetes.not-ready", state="unknown", says=more[1].says, reason="server-error")
    causes = [
        CauseResult(
            cause=name, says=f"It is {name}.", status="not-measured", score=0, confirmed=(), refuted=(),
            not_measured=("kubernetes.not-ready",), checks=1, measured=0,
        )
        for name in ("pods-unhealthy", "capacity-limit")
    ]  # fmt: skip
    text = render(
        critical(
            unknown=(*report.unknown, *more),
            findings=(*report.findings, found),
            causes=(*report.causes, *causes),
        ),
        Style(80),
    )
    assert " ".join(text.split()).count("HTTP 500 came for pods (kubernetes prod/shop from env KUBECONFIG)") == 1
    assert "2 more questions there fared alike" in " ".join(text.split())
    assert " ?  not measured likewise: capacity-limit" in text
    assert "Could not look at" not in text  # all of it stands under a cause


def test_what_is_not_configured_is_gathered():
    absent = tuple(
        Unknown(reason="not-configured", says=f"shop defines no signal {name}", probe="signal.threshold")
        for name in ("cpu_ratio", "memory_ratio", "cpu_ratio")
    )
    text = render(critical(not_configured=absent), Style(80))
    assert "    shop defines no signal cpu_ratio, memory_ratio\n" in text


def test_a_failure_that_a_note_tells_is_not_told_again():
    report = critical(causes=(), notes=("Postgres could not be asked: connection refused at 127.0.0.1:5432",))
    assert render(report, Style(80)).count("127.0.0.1:5432") == 1


def test_causes_of_an_unknown_verdict_are_conditional():
    assert "Likely causes, if it is broken" in render(critical(verdict="unknown", severity=None), Style(80))


def test_all_that_decides_is_listed_worst_first_when_there_are_several():
    decided = (
        Finding(id="symptom.shown", state="ok", says="/health answers healthy"),
        Finding(id="kubernetes.crash-loop", state="breach", says="2 of 3 pods crash again and again"),
        Finding(id="symptom.shown", state="breach", says="/ready answers 503", severity="sev2"),
        Finding(id="signal.target-missed", state="unknown", says="Availability: no samples", reason="no-data"),
    )
    report = critical(findings=(*critical().findings, *decided), decides=("kubernetes.crash-loop",))
    block = render(report, Style(80)).partition("Objectives\n")[2].partition("\n\n")[0]
    assert block.splitlines() == [
        "    broken   P99 of request time 142 ms, objective 50 ms, broken for 7 min",
        "    shown    /ready answers 503",
        "    breach   2 of 3 pods crash again and again",
        "    unknown  Availability: no samples",
        "    ok       /health answers healthy",
    ]


def test_changes_tell_how_far_they_are_from_the_onset():
    text = render(full(), Style(80))
    assert "What changed (nearest to 03:00 UTC first)" in text
    assert "03:00 UTC  just then      vritti: process started" in text
    assert "02:59 UTC  12 s before    Deployment api: image 1.14.2 -> 1.14.3" in text
