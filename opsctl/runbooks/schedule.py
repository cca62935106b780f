"""Run looks side by side under deadlines: one hanging source never costs the rest of the answer.

Each look runs in a daemon thread of its own lane. A lane is one server; it takes as many looks at once as that kind
of server stands easily (domain-checks 1.1: a loaded database is asked one thing at a time).
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

WIDTH = {"signal": 10, "http": 6, "kubernetes": 4, "kyrodb": 2, "prometheus": 3, "alertmanager": 2, "log": 2}


class Job(NamedTuple, Generic[T]):
    """One look: its lane, how long it may take (seconds), and the call, given its monotonic deadline."""

    lane: str
    timeout: float
    call: Callable[[float], T]


class Done(NamedTuple, Generic[T]):
    """What became of a job: its value, or the exception, or neither: no answer in time."""

    value: T | None
    error: BaseException | None
    seconds: float
    started: bool


def run_all(
    jobs: Sequence[Job[T]],
    *,
    total: float,
    progress: Callable[[int, int], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> list[Done[T]]:
    """Run all jobs; returns one Done per job, in order, at the latest ``total`` seconds (and a little) from now."""
    start = clock()
    end = start + total
    answers: queue.SimpleQueue[tuple[int, T | None, BaseException | None]] = queue.SimpleQueue()
    waiting: dict[str, deque[int]] = {}
    for index, job in enumerate(jobs):
        waiting.setdefault(job.lane, deque()).append(index)
    running: dict[int, tuple[float, float]] = {}  # index -> started, deadline
    busy: dict[str, int] = dict.fromkeys(waiting, 0)
    done: dict[int, Done[T]] = {}

    def work(index: int, deadline: float) -> None:
        try:
            answers.put((index, jobs[index].call(deadline), None))
        except BaseException as error:  # noqa: BLE001 - handed to the engine, which types and shows it
            answers.put((index, None, error))

    def start_more() -> None:
        for lane, indexes in waiting.items():
            width = WIDTH.get(lane.partition(":")[0], 1)
            while indexes and busy[lane] < width:
                index = indexes.popleft()
                now = clock()
                deadline = min(end, now + jobs[index].timeout)
                running[index] = (now, deadline)
                busy[lane] += 1
                threading.Thread(target=work, args=(index, deadline), daemon=True, name=f"look-{index}").start()

    start_more()
    grace = 1.0  # clients time out by themselves, and say where; this catches those that do not
    while running:
        nearest = min(deadline for _, deadline in running.values()) + grace
        try:
            index, value, error = answers.get(timeout=max(0.01, min(nearest - clock(), 0.2)))
        except queue.Empty:
            index = -1
        now = clock()
        if index >= 0 and index in running:
            began, _ = running.pop(index)
            busy[jobs[index].lane] -= 1
            done[index] = Done(value, error, now - began, True)
        for late in [i for i, (_, deadline) in running.items() if now > deadline + grace]:
            began, _ = running.pop(late)
            busy[jobs[late].lane] -= 1
            done[late] = Done(None, None, now - began, True)
        if now < end:
            start_more()
        if progress is not None:
            progress(len(done), len(jobs))
    return [done.get(i, Done(None, None, 0.0, False)) for i in range(len(jobs))]
