"""The command: what it takes, what it refuses, and that a broken configuration is a finding, not the end."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.session import Session


@pytest.fixture
def user(tmp_path):
    return Session(tmp_path, LC_ALL="C.UTF-8")


def test_without_anything_it_looks_at_this_host(user):
    done = user.opsctl("doctor", check=(0,))
    assert done.out.startswith("FINE  everything that was looked at is fine")
    assert "-s NAME or --all" in done.out


def test_json_is_the_same_answer(user):
    found = user.opsctl("doctor", "-o", "json", check=(0,)).json()
    assert found["schema"] == "opsctl.doctor/1"
    assert {place["kind"] for place in found["places"]} == {"config", "runbooks", "host", "ledger"}


def test_a_configuration_that_others_can_read_is_a_problem_with_its_remedy(user, tmp_path):
    config = tmp_path / "opsctl.yaml"
    config.write_text("contexts: {prod: {postgres: {url: 'postgresql://a@db/x', password: not-a-real-one}}}\n")
    config.chmod(0o644)
    done = user.opsctl("doctor", check=(2,))
    assert "\n\nchmod 600 opsctl.yaml\n" in done.out
    assert "not-a-real-one" not in done.out
    config.chmod(0o600)
    done = user.opsctl("doctor", "--only", "redis", check=(0,))


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--all", "-s", "vritti"], "exclude each other"),
        (["-s", "vritty"], "Did you mean vritti?"),
        (["--only", "postgrs"], "Did you mean postgres?"),
        (["--timeout", "0s"], "longer than 0s"),
        (["--grants", "mysql"], "postgres"),
    ],
)
def test_what_cannot_be_meant_is_refused(user, argv, words):
    done = user.opsctl("doctor", *argv, check=(64,))
    assert words in done.err


def test_grants_are_printed_whatever_the_configuration_is(user, tmp_path):
    (tmp_path / "opsctl.yaml").write_text("not: [yaml")
    done = user.opsctl("doctor", "--grants", "postgres", "--role", "lookout", check=(0,))
    assert "CREATE ROLE lookout LOGIN" in done.out
    again = json.loads(user.opsctl("doctor", "--grants", "redis", "-o", "json", check=(0,)).out)
    assert again["setup"].splitlines()[1].startswith("ACL SETUSER opsctl reset on ")


def test_a_role_that_acts_has_its_own_setup_and_name(user):
    again = json.loads(user.opsctl("doctor", "--grants", "redis-act", "-o", "json", check=(0,)).out)
    assert again["role"] == "opsctl_act"
    assert "+unlink" in again["setup"]
    done = user.opsctl("doctor", "--grants", "kubernetes-act", "--role", "hand", check=(0,))
    assert "kind: ServiceAccount\nmetadata: {name: hand, namespace: opsctl}" in done.out


def test_a_stop_file_is_a_problem_with_its_remedy(user, tmp_path):
    stop = tmp_path / "home" / ".local" / "state" / "opsctl" / "STOP"
    stop.parent.mkdir(parents=True)
    stop.write_text("migration")
    for argv in ((), ("--only", "ledger")):
        done = user.opsctl("doctor", *argv, check=(1,))
        assert "STOP is there (migration): nothing is changed" in " ".join(done.out.split())
        assert f"\n\nrm {stop}\n" in done.out
    stop.unlink()
    user.opsctl("doctor", "--only", "ledger", check=(0,))


def test_a_service_whose_systems_are_all_gone_is_answered_in_time(user):
    done = user.opsctl("doctor", "-s", "agro", "--timeout", "5s", check=(2,))
    assert done.out.startswith("NOT READY")
    assert "can be judged" in done.out
