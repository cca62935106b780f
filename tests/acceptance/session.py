"""A user's session with opsctl and its lab, as subprocesses: what the tests of the acceptance section share."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from tests.servers import programs

SCHEMAS = Path(__file__).resolve().parents[2] / "runbooks" / "schema"


class Done(NamedTuple):
    """What one command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


class Session:
    """Runs ``opsctl`` in a folder of its own, with its own home, config and state."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        home = folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        keep = ("PATH", "LANG", "LC_ALL", "TMPDIR")
        self.environ = {name: os.environ[name] for name in keep if name in os.environ}
        self.environ |= {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", **environ}

    def opsctl(self, *argv: str, timeout: float = 120, check: tuple[int, ...] | None = None) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "opsctl", *argv],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environ,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        result = Done(done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in result.err, result.err
        if check is not None:
            assert result.code in check, f"opsctl {' '.join(argv)}: exit {result.code}\n{result.out}\n{result.err}"
        return result

    def diagnose(self, runbook: str, service: str, *more: str) -> tuple[int, dict[str, Any]]:
        """Exit code and report of one diagnosis."""
        done = self.opsctl("diagnose", runbook, "-s", service, "-o", "json", "--no-save", *more, check=(0, 1, 2, 3))
        report = done.json()
        valid(report)
        return done.code, report

    def lab_up(self, *services: str, kube: bool = True) -> None:
        """Start the lab (for these services, or all) and take over the environment lines that it prints."""
        found = programs.find("kube") if kube else None
        if isinstance(found, programs.Program):
            self.environ["OPSCTL_KUBE_BIN"] = str(found.path.parent)
        chosen = [word for name in services for word in ("--service", name)]
        done = self.opsctl("lab", "up", *chosen, timeout=240, check=(0,))
        for line in done.out.splitlines():
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").partition("=")
                self.environ[name] = value.strip("'\"")

    def lab_down(self) -> Done:
        return self.opsctl("lab", "down", timeout=120)


@functools.cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads((SCHEMAS / "report.json").read_text()))


def valid(report: dict[str, Any]) -> None:
    """Fail unless the report is as the published schema says."""
    errors = [f"{error.json_path}: {error.message[:300]}" for error in _validator().iter_errors(report)]
    assert errors == []


def top(report: dict[str, Any]) -> str:
    """The first cause, if it is confirmed."""
    causes = report["causes"]
    return causes[0]["cause"] if causes and causes[0]["status"] == "confirmed" else ""


def confirmed(report: dict[str, Any]) -> list[str]:
    return [c["cause"] for c in report["causes"] if c["status"] == "confirmed"]


def until(seconds: float, look: Any) -> Any:
    """Call ``look`` until it gives something true or the time is over; the last answer."""
    end = time.monotonic() + seconds
    while True:
        answer = look()
        if answer or time.monotonic() > end:
            return answer
        time.sleep(1.0)
