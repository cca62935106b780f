"""Saved reports: one JSON file each, readable by their owner only; the list of them, newest first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from opsctl.model import Report, Severity, VerdictWord

_HEAD = 8192  # bytes: what names a report stands in its first fields


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A saved report in a list. ``problem``: why its file cannot be read, instead of all else."""

    name: str
    path: str
    started_at: datetime | None = None
    runbook: str = ""
    service: str = ""
    verdict: VerdictWord | None = None
    severity: Severity | None = None
    says: str = ""
    problem: str = ""


def folder_of_reports() -> Path:
    """Where reports are kept: ``reports`` in the state folder. It may not exist."""
    from opsctl.config.places import state_dir

    return state_dir() / "reports"


def save(report: Report, folder: Path) -> Path:
    """Write the report into the folder (made with mode 0700); returns its path. Raises OSError; never overwrites."""
    from opsctl.report.as_json import encode

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return write_new(encode(report), folder, f"{report.started_at:%Y-%m-%dT%H-%M-%S}-{report.runbook}-{report.service}")


def write_new(body: bytes, folder: Path, stem: str, *, mode: int = 0o600) -> Path:
    """A new JSON file of that stem, with a number where the stem is taken. Raises OSError; never overwrites."""
    for number in range(1000):
        path = folder / f"{stem}{f'-{number}' if number else ''}.json"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
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


def names(folder: Path) -> list[str]:
    """Names of the saved reports, newest first: the names begin with the time."""
    try:
        found = [entry.name[:-5] for entry in os.scandir(folder) if entry.name.endswith(".json")]
    except OSError:
        return []
    return sorted(found, reverse=True)


def rows(folder: Path) -> Iterator[Row]:
    """The saved reports, newest first, by the beginning of each file."""
    from opsctl.redact import printable
    from opsctl.report.salvage import head

    for name in names(folder):
        path = folder / f"{name}.json"
        try:
            with path.open("rb") as file:
                text = file.read(_HEAD).decode("utf-8", "replace")
        except OSError as error:
            yield Row(name=name, path=str(path), problem=(error.strerror or str(error)).lower())
            continue
        fields = head(text).fields
        wanted = {key: fields[key] for key in Row.__struct_fields__ if key in fields and key not in ("name", "path")}
        try:
            row = msgspec.convert({**wanted, "name": name, "path": str(path)}, Row)
        except msgspec.ValidationError as error:
            yield Row(name=name, path=str(path), problem=str(error))
            continue
        if row.verdict is None or not str(fields.get("schema", "")).startswith("opsctl.report/"):
            yield Row(name=name, path=str(path), problem="not a report, or torn at its beginning")
            continue
        yield msgspec.structs.replace(row, says=printable(row.says))
