"""Reads signals: from Prometheus, else by direct scrape. Replaced by the signals slice."""

from __future__ import annotations

from opsctl.signals.model import History, Reading, Signal


class SignalReader:
    """See the contract in the module that builds it."""

    def read(self, name: str, signal: Signal, *, at: float | None = None) -> Reading:
        raise NotImplementedError

    def history(self, name: str, signal: Signal, *, start: float, end: float, step: float) -> History:
        raise NotImplementedError
