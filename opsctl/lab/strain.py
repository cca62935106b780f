"""Real strain on the process that uses it: CPU burnt under a quota, memory filled with long collector pauses."""

from __future__ import annotations

import gc
import hashlib
import threading
import time

from opsctl.lab.metrics import resident_bytes

CORES = 1.15  # used by the whole process, of a quota of one core: on a busy machine it gets less than it asks for
FILLERS = 3  # threads, so that the kernel gives the process its share beside others'
PER_REQUEST = 0.02  # CPU seconds


def compute(seconds: float) -> None:
    """Use so much CPU time in this thread, in Python code, as a hot loop does."""
    number, end = 1, time.thread_time() + seconds
    while time.thread_time() < end:
        for _ in range(2000):
            number = number * 1103515245 + 12345 & 0x7FFFFFFF


class Burner:
    """While on, each request needs ``PER_REQUEST`` of CPU, more than one worker has, and the process uses a full core.

    Threads of their own add what is missing to the full core (outside the interpreter lock), so that the quota is
    used up on a machine that is shared with others, too.
    """

    def __init__(self) -> None:
        self._on = threading.Event()

    @property
    def on(self) -> bool:
        """Whether it is on."""
        return self._on.is_set()

    def switch(self, on: bool) -> None:
        """Start or stop burning."""
        if on and not self._on.is_set():
            self._on.set()
            for _ in range(FILLERS):
                threading.Thread(target=self._fill_up, daemon=True).start()
        elif not on:
            self._on.clear()

    def _fill_up(self) -> None:
        data = bytes(1 << 22)  # large, so that the interpreter lock is asked for seldom
        wall, cpu = time.monotonic(), time.process_time()
        while self._on.is_set():
            now, used = time.monotonic(), time.process_time()
            if now - wall > 2.0:  # only the last two seconds count: an old deficit is not paid back at once
                wall, cpu = now, used
            if used - cpu < CORES * (now - wall):
                hashlib.sha256(data).digest()
            else:
                time.sleep(0.02)


class Filler:
    """While on, the process holds ``target`` bytes of small objects and collects garbage again and again.

    That is what a runtime does near its limit: each collection walks the whole heap and every request stands still.
    """

    def __init__(self, target: float, pause: float) -> None:
        self._target, self._pause = target, pause
        self._on = threading.Event()

    def switch(self, on: bool) -> None:
        """Fill memory, or let go of it."""
        if on and not self._on.is_set():
            self._on.set()
            threading.Thread(target=self._fill, daemon=True).start()
        elif not on:
            self._on.clear()

    def _fill(self) -> None:
        heap: list[list[int]] = []
        gc.disable()  # no collections while filling
        try:
            while self._on.is_set() and resident_bytes() < self._target:
                heap.extend([number] for number in range(50000))
                time.sleep(0.001)
            while self._on.is_set():
                gc.collect()
                time.sleep(self._pause)
            while heap:  # bit by bit: freeing it at once would be one more pause
                del heap[-50000:]
                time.sleep(0.001)
        finally:
            gc.enable()
