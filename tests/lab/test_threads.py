"""The simulated applications of Threads, and the failures of its API server that the faults name."""

from __future__ import annotations

import http.client
import threading
import time

from opsctl.lab import threads
from opsctl.lab.faults_threads import FAULTS
from opsctl.lab.files import WORKLOADS
from opsctl.lab.identity import HOST, free_ports
from opsctl.lab.kube_failures import FAILURES
from opsctl.lab.part import Switches
from opsctl.lab.threads import SLOTS, Slots
from opsctl.lab.threads_faults import EFFECTS, KUBE


def get(port: int, path: str) -> int:
    link = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        link.request("GET", path)
        return link.getresponse().status
    except ConnectionRefusedError:
        return 0
    finally:
        link.close()


def test_every_fault_has_its_effect_and_every_named_failure_exists():
    assert {fault.id for fault in FAULTS} == set(EFFECTS)
    assert set(KUBE.values()) <= set(FAILURES)


def test_a_workload_without_pods_has_a_closed_port_and_opens_it_again():
    ports = dict(zip(WORKLOADS, free_ports(3), strict=True))
    switches = Switches()
    threads.start({"ports": ports, "started": 1.0}, switches)
    kept = http.client.HTTPConnection(HOST, ports["orchestrator"], timeout=5)
    kept.request("GET", "/health")
    assert kept.getresponse().read()
    assert [get(port, "/metrics") for port in ports.values()] == [200, 200, 200]
    switches.set(frozenset({"threads-crash-loop"}))
    assert [get(port, "/metrics") for port in ports.values()] == [0, 200, 200]
    try:
        kept.request("GET", "/health")
        assert kept.getresponse().read() == b""
    except (http.client.HTTPException, OSError):
        pass  # hung up, as when a process ends
    switches.set(frozenset({"threads-node-lost"}))
    assert [get(port, "/metrics") for port in ports.values()] == [200, 200, 0]
    switches.set(frozenset({"threads-scrape-only"}))
    assert [get(port, "/metrics") for port in ports.values()] == [500, 200, 200]
    assert get(ports["orchestrator"], "/health") == 200
    switches.set(frozenset())
    assert [get(port, "/metrics") for port in ports.values()] == [200, 200, 200]


def test_fewer_slots_let_fewer_through_at_a_time_and_more_wake_who_waits():
    slots = Slots(1)
    inside: list[int] = []
    leave = threading.Event()

    def work(number: int) -> None:
        with slots:
            inside.append(number)
            leave.wait(5)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(SLOTS)]
    for worker in workers:
        worker.start()
    time.sleep(0.2)
    assert len(inside) == 1
    slots.set(2)
    until = time.monotonic() + 5
    while len(inside) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    assert len(inside) == 2
    leave.set()
    for worker in workers:
        worker.join(5)
    assert len(inside) == SLOTS
