"""The cases under tests/cases: what today's runbooks make of reports that were recorded in the lab.

A new one: break something in the lab, diagnose it, then ``opsctl runbook test --add last --first CAUSE``.
"""

from __future__ import annotations

from collections import Counter

import pytest

from opsctl.config.places import built_in
from opsctl.report.cases import find, home_of, run
from opsctl.runbooks.find import find as runbooks

HOME = home_of(built_in())
CASES = find([HOME])


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.runbook}/{case.path.stem}")
def test_the_case_holds(case):
    outcome = run(case, [built_in()])
    assert outcome.ok, "; ".join(outcome.why)
    assert outcome.notes == (), "an edited report proves nothing"


@pytest.mark.parametrize("runbook", runbooks([built_in()]))
def test_every_runbook_has_cases(runbook):
    assert Counter(case.runbook for case in CASES)[runbook] >= 4


def test_cases_tell_no_secret_and_no_machine():
    for path in HOME.glob("*/*.json"):
        text = path.read_text()
        for word in ("password=", "/home/", "/root/", "/tmp/", "/work/"):
            assert word not in text.replace("password=[redacted]", ""), f"{path.name}: {word}"
