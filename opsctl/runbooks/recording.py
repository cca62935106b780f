"""Keeps what the signals gave during a diagnosis, so that a replay can hold it against other bounds."""

from __future__ import annotations

import math
import threading
from typing import Any

from opsctl.model import RecordedHistory, RecordedReading
from opsctl.runbooks.collected import clean
from opsctl.runbooks.recorded import kept_history, kept_reading
from opsctl.signals.model import History, Reading, Signal
from opsctl.signals.reader import SignalReader


class Recording(SignalReader):
    """A reader of signals that also writes down each answer; whatever else is asked, the real reader answers."""

    def __init__(self, reader: SignalReader) -> None:
        self._reader = reader
        self._written = threading.Lock()
        self._readings: dict[tuple[object, ...], RecordedReading] = {}
        self._histories: dict[tuple[object, ...], RecordedHistory] = {}

    def __getattr__(self, name: str) -> Any:  # the parts that this class did not make are the real reader's
        return getattr(self.__dict__["_reader"], name)

    def read(
        self,
        name: str,
        signal: Signal,
        *,
        at: float | None = None,
        window: float | None = None,
        timeout: float = 5.0,
        deadline: float | None = None,
    ) -> Reading:
        """See ``SignalReader.read``."""
        reading = self._reader.read(name, signal, at=at, window=window, timeout=timeout, deadline=deadline)
        kept = kept_reading(reading, signal, at, window)
        with self._written:
            self._readings.setdefault((name, kept.declared, at, window), kept)
        return reading

    def history(
        self,
        name: str,
        signal: Signal,
        *,
        start: float,
        end: float,
        step: float,
        timeout: float = 5.0,
        window: float | None = None,
        lowest: bool = False,
        deadline: float | None = None,
    ) -> History:
        """See ``SignalReader.history``."""
        past = self._reader.history(
            name,
            signal,
            start=start,
            end=end,
            step=step,
            timeout=timeout,
            window=window,
            lowest=lowest,
            deadline=deadline,
        )
        kept = kept_history(past, signal, start, end, window, lowest)
        with self._written:
            self._histories.setdefault((name, kept.declared, start, end, step, window, lowest), kept)
        return past

    def notes(self) -> tuple[str, ...]:
        """See ``SignalReader.notes``."""
        return self._reader.notes()

    @property
    def interval(self) -> float:
        """See ``SignalReader.interval``."""
        return self._reader.interval

    def readings(self) -> tuple[RecordedReading, ...]:
        """All answers so far, by signal; texts without secrets."""
        with self._written:
            kept = sorted(self._readings.values(), key=lambda r: (r.signal, r.at or math.inf, r.over or 0.0))
        return tuple(clean(one) for one in kept)

    def histories(self) -> tuple[RecordedHistory, ...]:
        """All pasts so far, by signal; texts without secrets."""
        with self._written:
            kept = sorted(self._histories.values(), key=lambda h: (h.signal, h.start, h.step, h.lowest))
        return tuple(clean(one) for one in kept)
