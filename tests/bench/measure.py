"""Measuring a child process, and pairs of them run in turns.

Only ratios of CPU time between neighbours in time are compared with limits: they hold on a loaded machine, where
milliseconds mean nothing.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

Argv = Sequence[str | Path]


class Run(NamedTuple):
    """One finished process: CPU and wall seconds, peak resident bytes, exit code."""

    cpu: float
    wall: float
    peak: int
    code: int


def run(argv: Argv, env: Mapping[str, str], cwd: Path) -> Run:
    """Run ``argv`` with its output thrown away."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in argv],
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)  # wait4 took it from Popen
    scale = 1 if os.uname().sysname == "Darwin" else 1024
    return Run(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * scale, process.returncode)


def ratio(argv: Argv, base: Argv, env: Mapping[str, str], cwd: Path, rounds: int = 15) -> float:
    """The median over ``rounds`` pairs, after two to warm up, of CPU(argv) / CPU(base).

    The kernel counts a short process's CPU coarsely in places, so a pair is three runs of each.
    """
    ratios = []
    for number in range(rounds + 2):
        one = sum(run(argv, env, cwd).cpu for _ in range(3))
        other = sum(run(base, env, cwd).cpu for _ in range(3))
        if number >= 2:
            ratios.append(one / other)
    return statistics.median(ratios)


def least(argv: Argv, env: Mapping[str, str], cwd: Path, rounds: int = 5) -> Run:
    """The run with the least wall time of ``rounds``: what the work takes when nothing else is in the way."""
    return min((run(argv, env, cwd) for _ in range(rounds)), key=lambda one: one.wall)
