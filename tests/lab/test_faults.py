"""The table of faults fits the runbooks and profiles: each cause that a service of the lab can have has its fault."""

from __future__ import annotations

import functools

import pytest

from opsctl.config.places import built_in
from opsctl.lab.fault import Fault
from opsctl.lab.faults import DISTRACTORS, FAULTS, fault
from opsctl.lab.files import SERVICES
from opsctl.runbooks.load import load
from opsctl.runbooks.model import CauseSpec
from opsctl.services.load import load_profile

RUNBOOKS = sorted(path.stem for path in built_in().glob("*.yaml"))

# (runbook, cause) -> why no service of the lab shows it.
NOT_SHOWN: dict[tuple[str, str], str] = {
    ("high-timeout-rate", "traffic-spike"): "AGRO keeps what its upstream said, INSA's upstream is never short",
    (
        "high-timeout-rate",
        "recent-deployment",
    ): "a bad release is shown in high-error-rate instead",
    ("kyrodb-down", "network"): "no firewall here: tests/probes/test_kyrodb_ladder.py drops the packets",
    ("kyrodb-down", "other-product"): "answered so by a double: tests/probes/test_kyrodb_ladder.py",
    ("key-compromise", "leaked-unused"): "somebody has to report the key: tests/probes/test_log_keys.py",
    ("resource-exhaustion", "cpu-throttling"): "no kubelet here that could throttle, or count it",
    (
        "db-pool-exhaustion",
        "too-many-clients",
    ): "all clients of the lab have one address: tests/probes/test_postgres_states.py",
    ("service-down", "evicted"): "shown on the API server of the tests: tests/probes/test_kubernetes_pods.py",
    ("service-down", "volume-failing"): "its events are shown in tests/probes/test_kubernetes_events.py",
}


@functools.cache
def causes(runbook: str) -> dict[str, CauseSpec]:
    return {cause.cause: cause for cause in load(runbook, [built_in()]).runbook.causes}


@functools.cache
def defining(runbook: str) -> tuple[str, ...]:
    """The services whose profiles say what the runbook judges."""
    found = []
    for service in SERVICES:
        profile = load_profile(service, [built_in()])
        bound = {one.runbook for one in (*profile.objectives, *profile.symptoms)}
        found += [service] if runbook in bound else []
    return tuple(found)


def possible(runbook: str) -> set[str]:
    """Causes whose dependencies one of the services has."""
    found = set()
    for service in defining(runbook):
        kinds = {d.kind for d in load_profile(service, [built_in()]).dependencies.values()}
        for id, cause in causes(runbook).items():
            needs = (cause.needs,) if isinstance(cause.needs, str) else cause.needs
            if all(not need or need in kinds for need in needs) and (not cause.services or service in cause.services):
                found.add(id)
    return found


@pytest.mark.parametrize("one", FAULTS, ids=lambda f: f.id)
def test_every_fault_names_causes_of_runbooks_that_its_service_defines(one: Fault):
    assert one.service in SERVICES
    for runbook, cause in one.found_by:
        assert cause in causes(runbook), runbook
        assert one.service in defining(runbook), runbook
    assert fault(one.id) is one


def test_ids_are_unique_and_no_distraction_has_the_name_of_a_fault():
    assert len({one.id for one in FAULTS}) == len(FAULTS)
    assert not {one.id for one in FAULTS} & set(DISTRACTORS)


@pytest.mark.parametrize("runbook", RUNBOOKS)
def test_every_cause_that_a_service_of_the_lab_can_have_has_a_fault(runbook):
    shown = {cause for one in FAULTS for name, cause in one.found_by if name == runbook}
    excused = {cause for name, cause in NOT_SHOWN if name == runbook}
    assert possible(runbook) - shown - excused == set()
    assert not shown & excused, "shown after all"
    assert excused <= set(causes(runbook)), "no such cause any more"


def test_no_two_faults_of_a_service_and_runbook_share_a_cause_unless_they_differ_in_how():
    keys = [(one.service, *named) for one in FAULTS for named in one.found_by[:1]]
    assert len(set(keys)) == len(keys)


def test_the_commands_that_find_a_fault_are_those_of_its_runbooks():
    one = Fault("x", "amas", "high-latency", "pool-waiting", "…", also=(("high-error-rate", "pool-waiting"),))
    assert one.commands == ("opsctl diagnose high-latency -s amas", "opsctl diagnose high-error-rate -s amas")
