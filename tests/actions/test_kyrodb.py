"""kyrodb.restart: only what is dead or hung, never what loads or has a broken log; over real gRPC and processes."""

from __future__ import annotations

import contextlib
import os
import sys

import pytest

from opsctl.actions import kyrodb_canary, kyrodb_plan
from opsctl.actions.kyrodb import RESTART
from opsctl.actions.kyrodb_canary import Canary
from opsctl.actions.kyrodb_plan import Instance, RestartParams, Seen, propose, why
from opsctl.actions.service_units import Unit
from opsctl.clients.kyrodb_message import KyrodbHealth
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.lab.identity import free_ports
from opsctl.lab.web import Answer, Request, serve
from opsctl.probes.kyrodb_rungs import Climb
from opsctl.services.model import Adapter
from tests.actions.service_hands import done, hands_for, plan_of, proposed
from tests.fakes import badserver as bad
from tests.fakes import rawserver as raw
from tests.fakes.kyrodb import UNHEALTHY, Kyrodb

WELL = {"wal": "healthy"}
REFUSED = CouldNotLook("refused", "connection refused")
LATE = CouldNotLook("timeout", "no answer within 3 s")
UNIT = Unit("systemd kyrodb.service", "kyrodb.service", "running", "active", {"pid": 7}, 7, 90.0)


def at(**more) -> Climb:
    return Climb("kyrodb-text", "db:50051", "test", **more)


def answers(status="healthy", uptime=9000, http=None, word="", **components) -> Climb:
    health = KyrodbHealth(status=status, uptime_seconds=uptime, components={**WELL, **components})
    return at(rung="top", health=health, http=http, word=word)


DEAD = at(rung="tcp", failed=REFUSED)
HUNG = at(rung="grpc", failed=LATE)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (answers(), None, "it answers: healthy"),
        (answers("degraded", 20, 503, "starting"), None, "replays its log"),
        (answers("degraded", 20), None, "replays its log"),
        (answers("unhealthy"), None, "it answers: unhealthy"),
        (answers("unhealthy", wal="unhealthy: inconsistent"), None, "copy its data folder"),
        (at(rung="grpc", failed=LATE, http=503, word="starting"), HUNG._replace(http=503, word="starting"), "replays"),
        (HUNG, answers(), "it answers: healthy"),
        (at(rung="tcp", failed=CouldNotLook("timeout", "no connection")), None, "cannot be reached"),
        (at(rung="dns", failed=CouldNotLook("unresolved", "no such name")), None, "cannot be reached"),
        (at(rung="tls", failed=CouldNotLook("tls", "speaks TLS")), None, "cannot be reached"),
        (at(rung="grpc", failed=CouldNotLook("unauthorized", "wants a key")), None, "it is up"),
        (at(rung="grpc", failed=CouldNotLook("unsupported", "other product")), None, "it is up"),
    ],
)
def test_what_is_left_alone(first, second, words):
    because, against = why(Instance(first, second, "kyrodb", UNIT, ("x",)))
    assert because == ""
    assert words in against


@pytest.mark.parametrize(("first", "second"), [(DEAD, None), (HUNG, HUNG)])
def test_what_is_restarted(first, second):
    because, against = why(Instance(first, second, "kyrodb", UNIT, ("x",)))
    assert because
    assert against == ""


def plan(one: Instance):
    return propose(Seen("shop", (one,), Canary("", "none")), RestartParams())


def failing(one: Instance) -> list[str]:
    return [check.id for check in plan(one).checks if not check.ok]


def test_what_else_must_hold():
    good = Instance(HUNG, HUNG, "kyrodb", UNIT, ("systemctl",), "", 0.4, "40% free")
    assert failing(good) == []
    assert failing(good._replace(free=0.1)) == ["disk"]
    assert failing(good._replace(unit=UNIT._replace(grace=10.0))) == ["grace"]
    assert failing(good._replace(hindrance="in the foreground")) == ["adapter"]
    assert failing(good._replace(free=None)) == []
    changing = Instance(DEAD, None, "kyrodb", UNIT._replace(word="changing"), ("x",))
    assert plan(changing).steps == ()


# A KyroDB in a process of its own, kept by a small supervisor.
SUPERVISOR = """
import os, signal, subprocess, sys, time
verb, file, grpc, http = sys.argv[1:5]
try:
    pid = int(open(file).read()); os.kill(pid, 0)
    pid = 0 if open("/proc/%d/stat" % pid).read().rpartition(")")[2].split()[0] == "Z" else pid
except (OSError, ValueError):
    pid = 0
if verb == "status":
    print("pid=%d" % pid); sys.exit(0 if pid else 3)
if pid:
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.1)
if verb in ("start", "restart"):
    child = subprocess.Popen([sys.executable, "-c", '''
import json, time
from opsctl.lab.kyrodb import start
from opsctl.lab.part import Switches
start({"instance": "text", "port": %s, "http_port": %s}, Switches())
time.sleep(300)
''' % (grpc, http)], stdin=-3, stdout=-3, stderr=-3, start_new_session=True)
    open(file, "w").write(str(child.pid))
"""


class Database:
    def __init__(self, folder) -> None:
        self.port, self.http = free_ports(2)
        (folder / "supervisor.py").write_text(SUPERVISOR)
        self.file = folder / "pid"
        words = (sys.executable, str(folder / "supervisor.py"))
        argv = (*words, "{verb}", str(self.file), str(self.port), str(self.http))
        self.adapter = Adapter(kind="command", unit="kyrodb", argv=argv, data=str(folder), endpoint="kyrodb-text")

    def hands(self, readiness="", **urls):
        places = {
            "kyrodb-text": ("kyrodb", f"127.0.0.1:{self.port}"),
            "kyrodb-text-http": ("kyrodb-http", f"http://127.0.0.1:{self.http}"),
            **({"readiness": ("http", readiness)} if readiness else {}),
            **urls,
        }
        return hands_for({"text": self.adapter}, {"PATH": "/usr/bin:/bin"}, places)

    def signal(self, number: int) -> None:
        with contextlib.suppress(OSError, ValueError):
            os.kill(int(self.file.read_text()), number)


@pytest.fixture
def database(tmp_path):
    database = Database(tmp_path)
    yield database
    database.signal(9)


def test_a_dead_one_is_started_a_hung_one_restarted_and_a_good_one_left(database, monkeypatch):
    monkeypatch.setattr(kyrodb_plan, "APART", 0.2)
    monkeypatch.setattr(kyrodb_plan, "CALL", 1.5)
    with bad.BadServer(bad.answer(200, b"{}")) as service, Kyrodb() as image:
        hands = database.hands(f"{service.url}/ready", **{"kyrodb-image": ("kyrodb", image.address)})
        proposal, (did,) = done(RESTART, hands)
        assert [step.target.id for step in proposal.steps] == ["kyrodb-text"]
        assert [(one.id, one.refused) for one in proposal.excluded] == [("kyrodb-image", True)]
        assert did.state == "acted", did.says
        assert did.after["ready"] is True
        assert RESTART.settled(hands, proposal.steps[0]) == "acted"
        seen = RESTART.verify(hands, plan_of(RESTART, proposal), (1,))
        assert seen.ok, seen.says
        assert "no canary" in seen.says
        assert proposed(RESTART, hands).steps == ()
        assert RESTART.apply(hands, proposal.steps[0]).state == "skipped"
        database.signal(19)  # SIGSTOP
        proposal, (did,) = done(RESTART, hands)
        assert "it hangs" in proposal.steps[0].why
        assert (did.state, did.after["ready"]) == ("acted", True), did.says


def test_one_that_answers_again_before_the_act_is_left_alone(database):
    hands = database.hands()
    (step,) = proposed(RESTART, hands).steps
    pin = dict(step.target.pin)
    with Kyrodb() as there:
        back = hands_for(
            {"text": database.adapter}, {"PATH": "/usr/bin:/bin"}, {"kyrodb-text": ("kyrodb", there.address)}
        )
        did = RESTART.apply(back, step)
        assert (did.state, "neither dead nor hung" in did.says) == ("skipped", True)
    assert pin == {"state": "stopped"}
    assert not database.file.exists()


@pytest.mark.parametrize("keeps", [True, False])
def test_the_canary_must_be_found_again(database, monkeypatch, keeps):
    kept: list[str] = []

    def capture(request: Request) -> Answer:
        kept.extend([request.json()["goal"]] if keeps else [])
        return Answer(200, {"episode_id": "1"})

    (port,) = free_ports(1)
    server = serve(
        port,
        {
            ("POST", "/api/v1/capture"): capture,
            ("POST", "/api/v1/search"): lambda _: Answer(200, {"results": [{"goal": one} for one in kept]}),
        },
    )
    monkeypatch.setattr(kyrodb_canary, "_FOUND", 0.5)
    try:
        hands = database.hands(canary=("http", f"http://127.0.0.1:{port}"))
        told = kyrodb_canary.prove(hands, kyrodb_canary.canary_of(hands))
    finally:
        server.shutdown()
        server.server_close()
    assert told.ok is keeps, told.says
    assert ("was captured and found" if keeps else "is not found within") in told.says


def test_names_that_are_none(database):
    with pytest.raises(NotConfigured, match="no instance of KyroDB"):
        proposed(RESTART, database.hands(), instance="kyrodb-tetx")
    with pytest.raises(NotConfigured, match="declares no KyroDB"):
        proposed(RESTART, hands_for({}, {}))
    bare = hands_for({}, {}, {"kyrodb-text": ("kyrodb", f"127.0.0.1:{database.port}")})
    (check,) = proposed(RESTART, bare).checks
    assert (check.ok, "set services.shop.adapters.kyrodb-text" in check.says) == (False, True)


def test_an_unhealthy_one_by_its_objectives_is_no_reason(database):
    with Kyrodb() as there:
        there.status = UNHEALTHY
        hands = hands_for({"text": database.adapter}, {}, {"kyrodb-text": ("kyrodb", there.address)})
        proposal = proposed(RESTART, hands)
    assert proposal.steps == ()
    assert proposal.excluded[0].refused


def test_silent_connections_are_hung_only_after_the_second_look(database, monkeypatch):
    monkeypatch.setattr(kyrodb_plan, "APART", 0.1)
    monkeypatch.setattr(kyrodb_plan, "CALL", 0.5)
    with raw.RawServer(raw.silent) as server:
        hands = hands_for({"text": database.adapter}, {"PATH": "/usr/bin:/bin"},
                          {"kyrodb-text": ("kyrodb", f"127.0.0.1:{server.port}")})  # fmt: skip
        seen = RESTART.observe(hands, RestartParams())
    (one,) = seen.instances
    assert one.first.hung
    assert one.second is not None
    assert one.second.hung
