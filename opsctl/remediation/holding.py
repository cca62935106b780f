"""The lease on a scope, held for as long as something is changed there and renewed meanwhile."""

from __future__ import annotations

import contextlib
import threading
import time
from types import TracebackType

from opsctl.errors import OpsctlError, Refused
from opsctl.ledger.model import Ledger
from opsctl.remediation.workspace import Who

SECONDS = 60.0


class Lost(Exception):
    """The lease is no longer ours: nothing more may be done. ``says`` is one sentence."""

    def __init__(self, says: str) -> None:
        super().__init__(says)
        self.says = says


class Holding:
    """Made by taking the lease (raises TryLater, naming the holder); a thread renews it, ``check`` looks at once."""

    def __init__(self, ledger: Ledger, scope: str, who: Who, seconds: float = SECONDS) -> None:
        self.lease = ledger.lease(scope, actor=who.actor, host=who.host, command=who.command, seconds=seconds)
        self._ledger = ledger
        self._seconds = seconds
        self._renewed = time.monotonic()
        self._lost = ""
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Renew it now: before each act. Raises Lost when somebody took it, the ledger's own errors otherwise."""
        self.seen()
        self._renew()
        self.seen()

    def seen(self) -> None:
        """Raises Lost when the last renewal found it gone; asks nobody."""
        if self._lost:
            raise Lost(self._lost)

    def release(self) -> None:
        """Give it back; what fails is left to its own end."""
        self._end.set()
        self._thread.join(timeout=5.0)
        with contextlib.suppress(OpsctlError):
            self._ledger.release(self.lease)

    def _renew(self) -> None:
        with self._lock:
            try:
                self.lease = self._ledger.renew(self.lease, self._seconds)
                self._renewed = time.monotonic()
            except Refused as gone:
                self._lost = gone.says

    def _beat(self) -> None:
        while not self._end.wait(self._seconds / 3):
            try:
                self._renew()
            except OpsctlError as error:
                if time.monotonic() - self._renewed > self._seconds:
                    self._lost = f"the lease could not be renewed in time: {error.says}"

    def __enter__(self) -> Holding:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
