"""Measuring a child process, and pairs of them run in turns.

Only ratios of CPU time between neighbours in time are compared with limits: they hold on a loaded machine, where
milliseconds mean nothing.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
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


# The kernel counts what a process held before exec, a copy of its parent, into its peak: so a small parent starts it.
_LAUNCH = """
import os, sys, time
null = os.open(os.devnull, os.O_RDWR)
files = [(os.POSIX_SPAWN_DUP2, null, number) for number in (0, 1, 2)]
began = time.perf_counter()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=files)
_, status, usage = os.wait4(pid, 0)
wall = time.perf_counter() - began
scale = 1 if os.uname().sysname == "Darwin" else 1024
print(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * scale, os.waitstatus_to_exitcode(status))
"""


def run(argv: Argv, env: Mapping[str, str], cwd: Path) -> Run:
    """Run ``argv`` with its output thrown away."""
    launch = [sys.executable, "-I", "-S", "-c", _LAUNCH, *(str(part) for part in argv)]
    told = subprocess.run(launch, env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    cpu, wall, peak, code = told.stdout.split()
    return Run(float(cpu), float(wall), int(peak), int(code))


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
