"""firewall.block-ip with a real nft in a network namespace of its own; and what is never blocked without its name."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time

import msgspec
import pytest

from opsctl.actions import firewall
from opsctl.actions.firewall import BLOCK, BlockParams
from opsctl.clients import nft
from tests.actions.vritti_double import hands_on, propose, refused, vritti
from tests.servers import programs

STRANGER = "203.0.113.50"


@pytest.fixture
def double(tmp_path):
    with vritti(tmp_path) as one:
        one.past_use("key_a", STRANGER, 3)
        yield one


class Held:
    """A host without our table, for what is proposed."""

    def __init__(self, environ):
        pass

    def ruleset(self):
        return None


@pytest.fixture
def no_table(monkeypatch):
    monkeypatch.setattr(nft, "Nft", Held)


def test_what_is_proposed(double, no_table):
    with hands_on(double) as hands:
        proposal = propose(BLOCK, hands, ip=STRANGER)
    assert refused(proposal) == {}
    (step,) = proposal.steps
    assert step.target.says == f"1 customer came from {STRANGER} in 7 d: customer-3"
    assert step.calls[-1] == f"nft create element inet opsctl blocked4 '{{ {STRANGER} timeout 86400s }}'"
    assert any("priority -300" in call for call in step.calls), "before every chain that could accept it"
    assert "nft delete element" in proposal.undo


@pytest.mark.parametrize(
    ("ip", "why"),
    [
        ("10.1.2.3", "private"),
        ("172.31.0.9", "private"),
        ("192.168.1.1", "private"),
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("169.254.169.254", "link"),
        ("fe80::1", "link"),
        ("fd00::7", "private"),
        ("100.64.3.4", "carrier"),
        ("0.0.0.0", "no host"),
        ("224.0.0.1", "no host"),
        ("198.51.100.9", "known_addresses"),
        ("198.51.100.77", "trusted_proxies"),
        ("192.0.2.44", "SSH_CONNECTION"),
    ],
)
def test_ours_is_not_blocked_without_being_named(double, no_table, ip, why):
    ours = {"known_addresses": "198.51.100.0/28, monitoring.invalid", "trusted_proxies": "198.51.100.77"}
    with hands_on(double, settings=ours) as hands:
        hands.settings.environ["SSH_CONNECTION"] = "192.0.2.44 50000 192.0.2.1 22"  # type: ignore[index]
        proposal = propose(BLOCK, hands, ip=ip)
        said = next(check.says for check in proposal.checks if check.id == "not-ours")
        assert why in said
        named = proposal.steps[0].target.id.removeprefix("address ")
        assert refused(proposal) == {"not-ours": f"--allow-address {named}"}
        assert refused(propose(BLOCK, hands, ip=ip, allow_address=[ip])) == {}
        assert "not-ours" in refused(propose(BLOCK, hands, ip=ip, allow_address=["10.9.9.9"]))


def test_an_address_of_this_host(double, no_table, monkeypatch):
    monkeypatch.setattr(firewall, "_own", lambda: {firewall.address_of("203.0.113.1")})
    with hands_on(double) as hands:
        assert "not-ours" in refused(propose(BLOCK, hands, ip="203.0.113.1"))


def test_the_kernel_tells_this_hosts_addresses():
    assert firewall.address_of("127.0.0.1") in firewall._own()


def test_an_address_that_several_customers_use(double, no_table):
    with double.log.open("a") as file:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = {"timestamp": stamp, "customer_id": "customer-4", "key_id": "key_b", "path": "/x", "status_code": 200}
        file.write(json.dumps({**line, "client_host": STRANGER}) + "\n")
    with hands_on(double) as hands:
        assert refused(propose(BLOCK, hands, ip=STRANGER)) == {"not-shared": "--allow-shared"}
        assert refused(propose(BLOCK, hands, ip=STRANGER, allow_shared=True)) == {}
        double.log.unlink()
        assert refused(propose(BLOCK, hands, ip=STRANGER)) == {"not-shared": "--allow-shared"}, "not known"


@pytest.mark.parametrize(
    "wrong",
    [
        {"ip": "203.0.113.0/24"},
        {"ip": "x"},
        {"ip": ""},
        {"duration": "25h"},
        {"duration": "0s"},
        {"ip": "fe80::1%eth0"},
    ],
)
def test_one_address_for_at_most_a_day(wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"ip": STRANGER, **wrong}, BlockParams)


REAL = """
import json, subprocess, sys, time
from types import SimpleNamespace
from opsctl.actions import firewall
from opsctl.actions.firewall import BLOCK, BlockParams, Seen
from opsctl.clients import nft
import msgspec, os

hands = SimpleNamespace(settings=SimpleNamespace(environ=dict(os.environ)))
told = {}
def steps(ip, duration="1h"):
    params = BlockParams(ip=ip, duration=duration)
    seen = Seen("host", firewall.address_of(ip), nft.Nft(os.environ).ruleset(), "", 0, "nobody")
    return BLOCK.propose(seen, params)
def plan(proposal):
    return SimpleNamespace(proposal=proposal)
told["before"] = nft.Nft(os.environ).ruleset() is None
for name, ip in (("four", "203.0.113.50"), ("six", "2001:db8::5")):
    proposal = steps(ip)
    step = proposal.steps[0]
    told[name + " settled before"] = BLOCK.settled(hands, step)
    did = BLOCK.apply(hands, step)
    told[name] = did.state
    told[name + " expires"] = did.after["expires_in"]
    told[name + " settled"] = BLOCK.settled(hands, step)
    told[name + " verified"] = BLOCK.verify(hands, plan(proposal), (1,)).ok
    told[name + " again"] = BLOCK.apply(hands, step).state
    told[name + " proposed again"] = len(steps(ip).steps)
    if name == "four":
        subprocess.run(["nft", "flush", "chain", "inet", "opsctl", "input"], check=True)
        told["without its rule"] = BLOCK.verify(hands, plan(proposal), (1,)).says
        subprocess.run(["nft", "delete", "table", "inet", "opsctl"], check=True)
        told["four anew"] = BLOCK.apply(hands, step).state
    told[name + " undone"] = BLOCK.undo(hands, step, did.inverse).state
    told[name + " undone again"] = BLOCK.undo(hands, step, did.inverse).state
short = steps("203.0.113.51", "1s").steps[0]
BLOCK.apply(hands, short)
until = time.monotonic() + 10
while BLOCK.settled(hands, short) == "acted" and time.monotonic() < until:
    time.sleep(0.1)
told["ended by itself"] = BLOCK.settled(hands, short)

# It really drops, although a chain before it accepts everything.
import socket
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
subprocess.run(["ip", "addr", "add", "203.0.113.60/32", "dev", "lo"], check=True)
subprocess.run(["nft", "add", "table", "inet", "site"], check=True)
subprocess.run(["nft", "add", "chain", "inet", "site", "input",
                "{ type filter hook input priority 0; policy accept; }"], check=True)
listener = socket.create_server(("203.0.113.60", 0))
def reach():
    try:
        socket.create_connection(listener.getsockname(), 0.3, source_address=("203.0.113.60", 0)).close()
        return True
    except OSError:
        return False
told["reached before"] = reach()
step = steps("203.0.113.60").steps[0]
did = BLOCK.apply(hands, step)
told["reached while blocked"] = reach()
BLOCK.undo(hands, step, did.inverse)
told["reached after"] = reach()
print(json.dumps(told))
"""


def namespace() -> list[str]:
    """How a program gets a network of its own here; without one the test cannot run."""
    for how in (["unshare", "-rn"], ["unshare", "-n"]):
        try:
            table = [*how, "nft", "add", "table", "inet", "tried"]  # a kernel may have namespaces, and no nf_tables
            if subprocess.run(table, capture_output=True, timeout=20).returncode == 0 and shutil.which("ip"):
                return how
        except OSError:
            continue
    programs.when_missing(
        "nft", programs.Missing("no nf_tables in a network namespace here", "root, nf_tables, iproute2")
    )
    raise AssertionError("skipped or failed above")


@pytest.mark.needs("nft")
def test_a_real_nft_blocks_expires_and_lets_in_again():
    done = subprocess.run([*namespace(), sys.executable, "-c", REAL], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    for name in ("four", "six"):
        assert 3590 < told.pop(f"{name} expires") <= 3600
    assert told == {
        "before": True,
        **{f"{name} settled before": "not-acted" for name in ("four", "six")},
        **dict.fromkeys(("four", "six"), "acted"),
        **{f"{name} settled": "acted" for name in ("four", "six")},
        **{f"{name} verified": True for name in ("four", "six")},
        **{f"{name} again": "unchanged" for name in ("four", "six")},
        **{f"{name} proposed again": 0 for name in ("four", "six")},
        **{f"{name} undone": "acted" for name in ("four", "six")},
        **{f"{name} undone again": "unchanged" for name in ("four", "six")},
        "without its rule": "no rule drops what the set holds",
        "four anew": "acted",
        "ended by itself": "not-acted",
        "reached before": True,
        "reached while blocked": False,
        "reached after": True,
    }


def test_without_permission_it_says_what_is_needed():
    from opsctl.clients.command import Ran

    failed = nft.Nft({}).failed(Ran(("nft",), 1, "", "Operation not permitted (you must be root)\n", 0.0))
    assert failed.reason == "forbidden"
    assert "CAP_NET_ADMIN" in failed.says
