"""Log files of the simulated services: JSON lines or text lines, kept small by one rotation."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from opsctl.lab.clock import now_text

LARGEST = 4 * 1024 * 1024  # bytes, then the file moves to NAME.1


class Journal:
    """One log file. Lines appear whole; the newest are always in the file itself."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def _write(self, line: str) -> None:
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()
            if self._file.tell() > LARGEST:
                self._file.close()
                self._path.replace(self._path.with_name(self._path.name + ".1"))
                self._file = self._path.open("a", encoding="utf-8")

    def event(self, level: str, event: str, **fields: Any) -> None:
        """One JSON line with ``timestamp``, ``level``, ``event`` and the other fields."""
        self._write(json.dumps({"timestamp": now_text(), "level": level, "event": event, **fields}))

    def line(self, level: str, text: str) -> None:
        """One text line: time, level, text."""
        self._write(f"{now_text()} {level} {text}")
