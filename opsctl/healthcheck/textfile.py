"""A file for node_exporter's textfile collector: no timestamps, 0644, renamed into place, the last success kept."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from opsctl.errors import UsageError
from opsctl.healthcheck import files
from opsctl.healthcheck.model import EXIT, Health

_SUCCESS = re.compile(rb"^opsctl_last_success_timestamp_seconds\{[^}]*\} ([0-9.e+]+)$", re.M)


def path_of(name: str) -> Path:
    """Raises UsageError for a name that node_exporter passes over."""
    path = Path(name)
    if path.suffix != ".prom" or not path.stem:
        raise UsageError(f"--textfile {name}: node_exporter reads only files named *.prom")
    return path


def write(path: Path, found: Health | None, code: int) -> None:
    """What this run found, None when it could not even begin. Raises OSError."""
    try:
        kept = _SUCCESS.search(path.read_bytes())
    except FileNotFoundError:
        kept = None
    success = time.time() if code == 0 else float(kept[1]) if kept else None
    files.replace(path, _page(path.stem, found, code, success).encode(), 0o644)


def _page(name: str, found: Health | None, code: int, success: float | None) -> str:
    """``name``, the file's, is in every label set: two files with the same series would be refused, both."""
    own = {"check": name}
    lines = [
        *_metric("opsctl_last_run_timestamp_seconds", "When opsctl healthcheck last ran.", [(own, time.time())]),
        *_metric(
            "opsctl_last_run_exit_code",
            "How it ended: 0 ok, 1 warning, 2 critical, 3 unknown.",
            [(own, code)],
        ),
    ]
    if success is not None:
        says = "When opsctl healthcheck last found everything ok."
        lines += _metric("opsctl_last_success_timestamp_seconds", says, [(own, success)])
    if found is not None:
        says = "How long opsctl healthcheck took."
        lines += _metric("opsctl_last_run_duration_seconds", says, [(own, found.seconds)])
        subjects = [({**own, "service": subject.name}, EXIT[subject.state]) for subject in found.subjects]
        says = "State of a service: 0 ok, 1 warning, 2 critical, 3 unknown."
        lines += _metric("opsctl_service_status", says, subjects)
        checks = [
            ({**own, "service": subject.name, "system": check.name}, check)
            for subject in found.subjects
            if subject.kind != "url"
            for check in subject.checks
        ]
        says = "State of one check of a service: 0 ok, 1 warning, 2 critical, 3 unknown."
        lines += _metric("opsctl_check_status", says, [(labels, EXIT[check.state]) for labels, check in checks])
        says = "How long one check took."
        lines += _metric("opsctl_check_duration_seconds", says, [(labels, check.seconds) for labels, check in checks])
    return "\n".join(lines) + "\n"


def _metric(name: str, says: str, samples: Sequence[tuple[dict[str, str], float]]) -> Iterator[str]:
    if not samples:
        return
    yield f"# HELP {name} {says}"
    yield f"# TYPE {name} gauge"
    seen = set()
    for labels, value in samples:
        text = ",".join(f'{key}="{_escaped(word)}"' for key, word in labels.items())
        if text not in seen:  # the same series twice costs the whole file
            seen.add(text)
            yield f"{name}{{{text}}} {value:.3f}" if isinstance(value, float) else f"{name}{{{text}}} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
