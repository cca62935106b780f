"""The table of faults fits the runbooks and profiles: each cause that the lab can show has its fault."""

from __future__ import annotations

import pytest

from opsctl.config.places import built_in
from opsctl.lab.faults import DISTRACTORS, ERRORS, FAULTS, LATENCY, fault
from opsctl.runbooks.load import load
from opsctl.services.load import load_profile

SIMULATED = ("vritti", "amas", "insa")


def causes(runbook: str) -> dict[str, tuple[str, ...]]:
    """Cause id -> dependencies it needs."""
    found = load(runbook, [built_in()]).runbook
    return {c.cause: (c.needs,) if isinstance(c.needs, str) else c.needs for c in found.causes}


def test_every_fault_names_a_cause_of_its_runbook_and_a_simulated_service():
    known = {runbook: causes(runbook) for runbook in (LATENCY, ERRORS)}
    for one in FAULTS:
        assert one.service in SIMULATED
        assert one.cause in known[one.runbook], one.id
        assert fault(one.id) is one
    assert len({one.id for one in FAULTS}) == len(FAULTS)
    assert not {one.id for one in FAULTS} & set(DISTRACTORS)


@pytest.mark.parametrize("runbook", [LATENCY, ERRORS])
def test_every_cause_that_a_simulated_service_can_have_has_a_fault(runbook):
    kinds = {d.kind for name in SIMULATED for d in load_profile(name, [built_in()]).dependencies.values()}
    possible = {c for c, needs in causes(runbook).items() if all(not need or need in kinds for need in needs)}
    shown = {one.cause for one in FAULTS if one.runbook == runbook}
    assert possible - shown == set()


def test_no_two_faults_of_a_service_and_runbook_share_a_cause():
    keys = [(one.service, one.runbook, one.cause) for one in FAULTS]
    assert len(set(keys)) == len(keys)
