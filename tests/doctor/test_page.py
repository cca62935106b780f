"""The page: verdict first, remedies as they must be pasted, the rest in short."""

from __future__ import annotations

import pytest

from opsctl.doctor.as_text import render
from opsctl.doctor.model import Check, Examination, Place, Remedy, verdict
from opsctl.report.style import Style

LONG = "GRANT pg_read_all_stats TO " + "a" * 90 + ";"
YAML = "kubectl apply -f - <<'EOF'\nkind: Role\nrules:\n- apiGroups: [\"\"]\nEOF"


def examination(*checks: Check) -> Examination:
    place = Place(
        name="postgres", kind="postgres", address="shop@db:5432", setting="env X", services=("shop",), checks=checks
    )
    code, says = verdict((place,))
    return Examination(exit=code, says=says, places=(place,), services=("shop",), context="prod")


def breach(id: str = "postgres.rights", *, need="optional", run: str = LONG) -> Check:
    remedy = Remedy(how="As a superuser", run=run)
    return Check(id=id, state="breach", says="it may not see", need=need, remedy=remedy)


FINE = Check(id="postgres.version", state="ok", says="15.3")
BLIND = Check(id="postgres.clock", state="unknown", says="no answer", reason="timeout")


@pytest.mark.parametrize(
    ("checks", "code"),
    [
        ((FINE,), 0),
        ((FINE, breach()), 1),
        ((FINE, breach(need="objective")), 2),
        ((FINE, BLIND), 3),
        ((BLIND, breach()), 3),
        ((BLIND, breach(need="objective")), 2),
    ],
)
def test_the_exit_code_tells_how_bad_it_is(checks, code):
    assert examination(*checks).exit == code


def test_a_remedy_is_never_wrapped_indented_or_decorated():
    for run in (LONG, YAML):
        page = render(examination(FINE, breach(run=run)), Style(width=80))
        assert f"\n\n{run}\n" in page


def test_the_verdict_comes_first_and_lines_fit():
    page = render(examination(FINE, BLIND, breach(run="SELECT 1;")), Style(width=60))
    assert page.splitlines()[0].startswith("CANNOT TELL")
    assert "shop@db:5432" in page
    assert "from env X" in page
    assert all(len(line) <= 60 for line in page.splitlines()[1:])


def test_what_is_fine_is_one_line_until_it_is_asked_for():
    assert "15.3" not in render(examination(FINE), Style())
    assert "15.3" in render(examination(FINE), Style(), verbose=True)


def test_nothing_that_a_server_says_reaches_the_terminal_raw():
    from opsctl.doctor.model import Checks

    checks = Checks("http")
    checks.breach("reachable", "it says \x1b[31mred\x1b[0m and postgresql://a:not-a-real-one@db")
    (found,) = checks.made()
    assert "\x1b" not in found.says
    assert "not-a-real-one" not in found.says
