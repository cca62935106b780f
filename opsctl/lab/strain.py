"""Real strain on the process that uses it: CPU burnt under a quota, memory filled with long collector pauses."""

from __future__ import annotations

import gc
import hashlib
import threading
import time

from opsctl.lab.metrics import resident_bytes

CORES = 1.05  # burnt by the whole process, of a quota of one core


class Burner:
    """While on, the process uses about one core: Python code that others must share the interpreter with.

    A second thread adds just so much (outside the interpreter lock) that a machine shared with others still shows a
    full core.
    """

    def __init__(self) -> None:
        self._on = threading.Event()

    def switch(self, on: bool) -> None:
        """Start or stop burning."""
        if on and not self._on.is_set():
            self._on.set()
            threading.Thread(target=self._in_python, daemon=True).start()
            threading.Thread(target=self._outside, daemon=True).start()
        elif not on:
            self._on.clear()

    def _in_python(self) -> None:
        number = 1
        while self._on.is_set():
            for _ in range(5000):
                number = number * 1103515245 + 12345 & 0x7FFFFFFF

    def _outside(self) -> None:
        data = bytes(1 << 18)
        wall, cpu = time.monotonic(), time.process_time()
        while self._on.is_set():
            now, used = time.monotonic(), time.process_time()
            if now - wall > 2.0:  # the last two seconds count, so that an old deficit is not paid back at once
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
