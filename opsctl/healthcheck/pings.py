"""Start and finish of a run told to a dead man's switch. Bounded in time; whatever becomes of it, the answer stands.

A warning is a success: the check ran, and what it found does not stop the service. ``fail_on_warning`` turns that.
"""

from __future__ import annotations

import threading
import time
import uuid

from opsctl.clients.ping import Pings
from opsctl.config.addresses import http_url
from opsctl.errors import CouldNotLook, UsageError

MOST = 5.0  # seconds for the last ping
_START = 3.0


class Switch:
    """Tells the start at once, beside the check, and the end when it is known."""

    def __init__(self, url: str, *, fail_on_warning: bool = False) -> None:
        """Raises UsageError for what is no URL; never shows it: it is a secret."""
        try:
            http_url("--ping-url", url)
        except ValueError as error:
            raise UsageError(str(error)) from None
        self._pings = Pings(url, str(uuid.uuid4()))
        self._fail_on_warning = fail_on_warning
        self._trouble = ""
        self._started = threading.Thread(target=self._start, name="opsctl-ping", daemon=True)
        self._started.start()

    def _start(self) -> None:
        try:
            self._pings.send("start", timeout=_START)
        except CouldNotLook as failed:
            self._trouble = failed.says

    def finish(self, code: int, body: str, *, until: float) -> str:
        """``code`` 0-3 and what was found; at the latest at ``until`` (time.monotonic()). Why it failed, else ""."""
        self._started.join(max(0.0, min(_START, until - time.monotonic())))
        status = 0 if code == 1 and not self._fail_on_warning else code
        trouble: list[str] = []

        def send() -> None:
            try:
                self._pings.send(str(status), body, timeout=max(0.3, min(MOST, until - time.monotonic())))
            except CouldNotLook as failed:
                trouble.append(failed.says)

        last = threading.Thread(target=send, name="opsctl-ping", daemon=True)
        last.start()
        last.join(max(0.5, until + 0.3 - time.monotonic()))
        if last.is_alive():
            return "the last ping was not answered in time"
        return trouble[0] if trouble else self._trouble
