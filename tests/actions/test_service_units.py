"""Restart, stop and start by systemd, pm2 and docker compose: which calls are made, and what each answer means."""

from __future__ import annotations

import pytest

from opsctl.actions.service_restart import RESTART
from opsctl.actions.service_switch import START, STOP
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.services.model import Adapter
from tests.actions.service_hands import done, hands_for, plan_of, proposed
from tests.fakes.supervisors import Host


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path / "host")


def systemd(host, **more):
    return hands_for({"app": Adapter(kind="systemd", unit="shop.service", **more)}, host.environ)


def pm2(host, tmp_path, text=None):
    env_file = ""
    if text is not None:
        (tmp_path / ".env").write_text(text)
        env_file = ".env"
    return hands_for({"app": Adapter(kind="pm2", unit="shop", env_file=env_file, folder=str(tmp_path))}, host.environ)


def compose(host, tmp_path):
    return hands_for({"app": Adapter(kind="docker-compose", unit="web", folder=str(tmp_path))}, host.environ)


def test_a_unit_of_systemd_is_pinned_by_its_invocation_and_restarted(host):
    host.systemd("shop.service")
    hands = systemd(host)
    proposal, dids = done(RESTART, hands)
    (step,) = proposal.steps
    assert step.target.pin == {"state": "active", "invocation": "a" * 32, "pid": 812, "since": "5123"}
    assert step.calls == ("systemctl --no-ask-password restart -- shop.service",)
    assert [did.state for did in dids] == ["acted"]
    assert host.acts() == [["systemctl", "--no-ask-password", "restart", "--", "shop.service"]]
    assert RESTART.settled(hands, step) == "acted"
    assert RESTART.verify(hands, plan_of(RESTART, proposal), (1,)).ok


def test_programs_get_the_variables_of_the_list_and_no_other(host):
    host.systemd("shop.service")
    done(RESTART, systemd(host, user=True))
    for call in host.calls():
        assert set(call["env"]) <= {"PATH", "HOME", "LC_ALL", "LC_CTYPE"}
        assert "--user" in call["argv"]


def test_what_was_restarted_meanwhile_is_left_alone(host):
    host.systemd("shop.service")
    hands = systemd(host)
    (step,) = proposed(RESTART, hands).steps
    assert RESTART.settled(hands, step) == "not-acted"
    host.systemd("shop.service", InvocationID="b" * 32, MainPID="999")
    did = RESTART.apply(hands, step)
    assert (did.state, "another run" in did.says) == ("skipped", True)
    assert host.acts() == []


@pytest.mark.parametrize(
    ("mode", "state", "words"),
    [
        ("denied", "failed", "Interactive authentication required"),
        ("fails", "failed", "failed because the control process exited"),
    ],
)
def test_a_restart_that_fails_says_so_and_what_is_left(host, mode, state, words):
    host.systemd("shop.service")
    hands = systemd(host)
    (step,) = proposed(RESTART, hands).steps
    host.change(mode=mode)
    did = RESTART.apply(hands, step)
    assert did.state == state
    assert words in did.says
    assert ("runs on as before" in did.says) == (mode == "denied")


def test_one_that_does_not_end_is_not_known(host, monkeypatch):
    host.systemd("shop.service", TimeoutStopUSec="500ms")
    monkeypatch.setattr("opsctl.actions.service_restart._START", 0.2)
    hands = systemd(host)
    (step,) = proposed(RESTART, hands).steps
    host.change(mode="slow")
    did = RESTART.apply(hands, step)
    assert did.state == "unknown"
    assert "did not end within" in did.says


@pytest.mark.parametrize(
    ("prepare", "reason", "words"),
    [
        (lambda host: host.systemd("other.service"), "not-found", "knows no unit shop.service"),
        (lambda host: (host.systemd("shop.service"), host.change(mode="no-bus")), "server-error", "connect to bus"),
        (lambda host: None, "not-found", "no program systemctl on PATH"),
    ],
)
def test_a_unit_that_cannot_be_looked_at(host, prepare, reason, words):
    prepare(host)
    with pytest.raises(CouldNotLook) as raised:
        proposed(RESTART, systemd(host))
    assert raised.value.reason == reason
    assert words in raised.value.says


def test_pm2_restarts_its_processes_by_number_with_the_env_files_variables(host, tmp_path):
    host.pm2("other")
    host.pm2("shop", count=2)
    host.change(mode="old")
    proposal, dids = done(RESTART, pm2(host, tmp_path, "POOL=30\nAPI_KEY='s3cr et'\n"))
    assert [step.target.id for step in proposal.steps] == ["pm2 shop 1", "pm2 shop 2"]
    assert proposal.steps[0].shows == (f"with the 2 variables of {tmp_path}/.env",)
    assert [did.state for did in dids] == ["acted", "acted"]
    assert host.acts() == [["pm2", "restart", "1", "--update-env"], ["pm2", "restart", "2", "--update-env"]]
    restarts = [call["env"] for call in host.calls("pm2") if call["argv"][0] == "restart"]
    assert all((env["POOL"], env["API_KEY"]) == ("30", "s3cr et") for env in restarts)
    assert "s3cr" not in str(proposal) + str(dids)


def test_pm2_the_second_is_left_alone_when_the_first_does_not_come_up(host, tmp_path):
    host.pm2("shop", count=2)
    hands = pm2(host, tmp_path)
    first, second = proposed(RESTART, hands, wait="1s").steps
    host.change(mode="crashes")
    did = RESTART.apply(hands, first)
    assert (did.state, did.after["ready"]) == ("acted", False)
    assert "errored" in did.says
    did = RESTART.apply(hands, second)
    assert did.state == "skipped"
    assert "pm2 shop 0 does not serve yet" in did.says
    assert host.acts() == [["pm2", "restart", "0", "--update-env"]]


def test_pm2_knows_no_such_process(host, tmp_path):
    host.pm2("other")
    with pytest.raises(CouldNotLook, match="runs no process shop"):
        proposed(RESTART, pm2(host, tmp_path))


def test_containers_are_restarted_one_by_one_by_their_ids(host, tmp_path):
    host.compose("web", count=2)
    hands = compose(host, tmp_path)
    proposal, dids = done(RESTART, hands)
    assert [step.target.id for step in proposal.steps] == ["container shop-web-1", "container shop-web-2"]
    assert [did.state for did in dids] == ["acted", "acted"]
    assert host.acts() == [["docker", "restart", "-t", "30", "1" * 64], ["docker", "restart", "-t", "30", "2" * 64]]
    assert {call["cwd"] for call in host.calls()} == {str(tmp_path)}


def test_without_the_right_to_speak_to_docker(host, tmp_path):
    host.compose("web")
    host.change(mode="denied")
    with pytest.raises(CouldNotLook) as raised:
        proposed(RESTART, compose(host, tmp_path))
    assert raised.value.reason == "forbidden"


def test_stop_and_start_undo_each_other(host, tmp_path):
    host.pm2("shop")
    host.pm2("shop-worker")
    adapters = {"app": Adapter(kind="pm2", unit="shop"), "worker": Adapter(kind="pm2", unit="shop-worker")}
    hands = hands_for(adapters, host.environ)
    proposal, (did,) = done(STOP, hands, adapter="worker")
    (step,) = proposal.steps
    assert did.state == "acted"
    assert STOP.settled(hands, step) == "acted"
    assert STOP.verify(hands, plan_of(STOP, proposal), (1,)).ok
    assert [one["pm2_env"]["status"] for one in host.state["processes"]] == ["online", "stopped"]
    again = proposed(STOP, hands, adapter="worker")
    assert (again.steps, again.excluded[0].why) == ((), "it is stopped already")
    undone = STOP.undo(hands, step, did.inverse)
    assert undone.state == "acted"
    assert [one["pm2_env"]["status"] for one in host.state["processes"]] == ["online", "online"]
    assert STOP.undo(hands, step, did.inverse).state == "unchanged"
    assert proposed(START, hands, adapter="worker").steps == ()


def test_what_serves_the_users_is_stopped_only_by_saying_so(host):
    host.systemd("shop.service")
    hands = systemd(host)
    (check,) = proposed(STOP, hands, adapter="app").checks
    assert (check.ok, check.lift) == (False, "--serving")
    assert proposed(STOP, hands, adapter="app", serving=True).checks[0].ok


def test_unknown_adapters_and_those_of_other_actions_are_named():
    hands = hands_for({"app": Adapter(kind="kubernetes", unit="api")}, {})
    with pytest.raises(NotConfigured, match=r"no adapter worker; it defines app"):
        proposed(RESTART, hands, adapter="worker")
    with pytest.raises(CouldNotLook, match="actions on Kubernetes"):
        proposed(RESTART, hands)
    kyrodb = hands_for({"kyrodb": Adapter(kind="systemd", unit="k")}, {}, {"kyrodb": ("kyrodb", "127.0.0.1:1")})
    with pytest.raises(CouldNotLook, match=r"kyrodb\.restart"):
        proposed(RESTART, kyrodb, adapter="kyrodb")
