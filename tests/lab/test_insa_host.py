"""The small host of INSA's agents: what is really used is counted against it, and everything ends with its fault."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from opsctl.lab.insa_host import CORES, MEMORY, MORE_WORKERS, Host
from opsctl.lab.metrics import Registry
from opsctl.signals.exposition import Page


class Seen:
    """A host and the page it shows."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.host = Host(self.registry, started=1000.0)

    def value(self, metric: str, mode: str = "") -> float:
        page = Page(self.registry.page())
        return sum(value for labels, value, _ in page.samples(metric) if mode.encode() in labels)

    def used(self) -> float:
        return 1 - self.value("node_memory_MemAvailable_bytes") / self.value("node_memory_MemTotal_bytes")

    def burnt(self) -> float:
        """CPU seconds that were used on the host so far."""
        return self.value("node_cpu_seconds_total", '"user"')

    def until(self, true: Callable[[], bool], seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end
            time.sleep(0.1)


@pytest.fixture
def seen() -> Iterator[Seen]:
    one = Seen()
    yield one
    one.host.change(frozenset())


def test_idle_and_healthy(seen: Seen) -> None:
    assert 0.3 < seen.used() < 0.85
    assert seen.value("insa_worker_health_status") == 2
    began, before = time.monotonic(), seen.value("node_cpu_seconds_total")
    time.sleep(0.3)
    whole = seen.value("node_cpu_seconds_total") - before
    assert whole == pytest.approx(CORES * (time.monotonic() - began), rel=0.5)


def test_a_leak_fills_the_memory_and_healing_frees_it(seen: Seen) -> None:
    healthy = seen.host.memory()
    seen.host.change(frozenset({"agent-leak"}))
    seen.until(lambda: seen.used() > 0.9)
    assert seen.host.memory() < MEMORY * 1.02
    seen.host.change(frozenset())
    seen.until(lambda: seen.host.memory() < healthy + 20 * 2**20)


def test_a_model_is_a_new_start_with_the_memory_taken_at_once(seen: Seen) -> None:
    seen.host.change(frozenset({"agent-model-memory"}))
    assert abs(seen.host.started - time.time()) < 30
    assert seen.used() > 0.9
    seen.host.change(frozenset())
    assert seen.host.started == 1000.0


def test_workers_are_processes_with_memory_of_their_own(seen: Seen) -> None:
    before = seen.host.memory()
    seen.host.change(frozenset({"agent-workers"}))
    assert seen.value("insa_worker_health_status") == 2 + MORE_WORKERS
    seen.until(lambda: seen.host.memory() > before + MORE_WORKERS * 15 * 2**20)
    seen.host.change(frozenset())
    assert seen.value("insa_worker_health_status") == 2
    assert seen.host.memory() < before + 5 * 2**20


@pytest.mark.parametrize("fault", ["agent-neighbour", "agent-hot-loop"])
def test_cpu_of_a_neighbour_and_of_a_loop(seen: Seen, fault: str) -> None:
    seen.host.change(frozenset({fault}))
    before = seen.burnt()
    seen.until(lambda: seen.burnt() > before + 0.4, 60.0)  # on a busy machine it takes a while to burn that much
    seen.host.change(frozenset())
    time.sleep(0.7)
    after, began = seen.burnt(), time.process_time()
    time.sleep(0.7)
    assert seen.burnt() - after < 0.2 + time.process_time() - began
