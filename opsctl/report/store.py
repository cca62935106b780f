"""Saved reports: one JSON file each, readable by their owner only."""

from __future__ import annotations

import os
from pathlib import Path

from opsctl.model import Report
from opsctl.report.as_json import encode


def save(report: Report, folder: Path) -> Path:
    """Write the report into the folder (made with mode 0700); returns its path. Raises OSError; never overwrites."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    stem = f"{report.started_at:%Y-%m-%dT%H-%M-%S}-{report.runbook}-{report.service}"
    body = encode(report)
    for number in range(1000):
        path = folder / f"{stem}{f'-{number}' if number else ''}.json"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(body)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return path
    raise FileExistsError(0, "a thousand reports of the same second", str(folder))
