"""What ``opsctl lab`` does from outside: start the supervisor, talk to it, and clean up, even after it was killed."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opsctl.config.places import shown, state_dir
from opsctl.errors import ConfigError, OpsctlError, Refused, TryLater, Unavailable, UsageError
from opsctl.lab import state
from opsctl.lab.files import SERVICES
from opsctl.lab.identity import HOST, Process, end
from opsctl.lab.state import Lab, Part

UP_PATIENCE = 120.0
SWITCH_PATIENCE = 90.0
TOKEN = "X-Lab-Token"  # noqa: S105 - a header's name
EXTRA = {"grpc": "grpcio", "psycopg": "psycopg", "redis": "redis"}

Say = Callable[[str], None]


def default_folder() -> Path:
    """Where the lab lives unless told otherwise."""
    return state_dir() / "lab"


def check_extra() -> None:
    """Raises ConfigError when a library of the extra ``lab`` is missing."""
    missing = [name for module, name in EXTRA.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise ConfigError(
            f"the lab needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed",
            remedy="Run: pip install 'opsctl[lab]'",
        )


def running(folder: Path) -> Lab:
    """The lab that runs in this folder. Raises Unavailable when there is none."""
    lab = state.read(folder)
    if lab is None:
        raise Unavailable(f"no lab runs in {shown(folder)}", remedy="Start one: opsctl lab up")
    if not state.is_running(lab):
        raise Unavailable(
            f"the lab in {shown(folder)} has lost its supervisor (pid {lab.supervisor.pid})",
            remedy="Clean up: opsctl lab down",
        )
    return lab


def ask(lab: Lab, method: str, path: str, body: dict[str, Any] | None = None, patience: float = 10.0) -> Any:
    """One command to the supervisor. Raises Unavailable, UsageError, Refused."""
    import http.client

    link = http.client.HTTPConnection(HOST, lab.control, timeout=patience)
    try:
        link.request(method, path, None if body is None else json.dumps(body), {TOKEN: lab.token})
        answer = link.getresponse()
        found: Any = json.loads(answer.read() or b"{}")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable(f"the lab's supervisor does not answer ({type(error).__name__})") from None
    finally:
        link.close()
    if answer.status == 200:
        return found
    says = str(found.get("error") or f"HTTP {answer.status}")
    if answer.status == 400:
        raise UsageError(says)
    if answer.status == 409:
        raise Refused(says, remedy="See `opsctl lab status` for what is there and why.")
    raise Unavailable(f"the lab: {says}", remedy=f"See {shown(Path(lab.folder) / 'logs')}.")


def up(folder: Path, say: Say, services: list[str] | None = None, patience: float = UP_PATIENCE) -> Lab:
    """Start the lab and wait until its numbers are warm; a lab that runs already is returned as it is.

    ``services``: names of ``files.SERVICES``, and what they need is started; None or empty = all. Raises Refused (the
    running lab lacks one of them), ConfigError (extra missing, foreign folder), TryLater (another ``up`` is at work),
    Unavailable (a part did not start; everything is ended again).
    """
    check_extra()
    wanted = sorted(set(services or SERVICES))
    folder = folder.expanduser().absolute()
    state.prepare(folder)
    with (folder / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise TryLater(f"another `opsctl lab up` is at work in {shown(folder)}") from None
        lab = state.read(folder)
        if lab is not None and state.is_running(lab):
            say(f"A lab already runs in {shown(folder)} (pid {lab.supervisor.pid}).")
            if services and (lacking := [name for name in wanted if name not in lab.services]):
                raise Refused(
                    f"the lab that runs was started without {', '.join(lacking)}",
                    remedy="End it (opsctl lab down) and start it again, or start another with --dir.",
                )
            return lab
        if lab is not None:
            say("Cleaning up after a lab that was killed.")
            _clean(lab)
            folder.mkdir(exist_ok=True, mode=0o700)
        try:
            lab = _start(folder, wanted, say, time.monotonic() + patience)
        except BaseException:
            with contextlib.suppress(OpsctlError):
                down(folder)
            raise
    return lab


def _start(folder: Path, services: list[str], say: Say, deadline: float) -> Lab:
    from opsctl.lab.child import environ

    (folder / "logs").mkdir(exist_ok=True, mode=0o700)
    with (folder / "logs" / "supervisor.log").open("ab") as log:
        child = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "opsctl.lab.supervisor", str(folder), *services],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=environ(),
            start_new_session=True,  # it outlives the terminal and its Ctrl-C
        )
    told: set[str] = set()
    while True:
        if child.poll() is not None:
            tail = (folder / "logs" / "supervisor.log").read_text(errors="replace").strip().splitlines()[-1:]
            raise Unavailable(f"the lab's supervisor ended with {child.returncode}: {' '.join(tail)}")
        lab = state.read(folder)
        if lab is not None and lab.supervisor.pid == child.pid:
            _tell(lab, told, say)
            if lab.failed:
                raise Unavailable(f"the lab could not be started: {lab.failed}")
            if _is_ready(lab):
                break
        _wait(deadline, 0.1, "the lab's parts did not start in time")
    from opsctl.lab.warm import wait_warm

    wait_warm(lab, say, deadline)
    return lab


def _tell(lab: Lab, told: set[str], say: Say) -> None:
    for part in lab.parts:
        if part.name not in told and part.state in ("up", "absent"):
            told.add(part.name)
            word = part.kind if part.state == "up" else "absent"
            more = " ".join(x for x in (part.version, part.address) if x) if part.state == "up" else part.says
            say(f"  {part.name:<13} {word:<10} {more}")


def _is_ready(lab: Lab) -> bool:
    if not lab.control:
        return False
    with contextlib.suppress(Unavailable):
        return bool(ask(lab, "GET", "/status")["ready"])
    return False


def _wait(deadline: float, seconds: float, says: str) -> None:
    if time.monotonic() > deadline:
        raise Unavailable(says)
    time.sleep(seconds)


def switch(folder: Path, on: list[str], off: list[str] | str = "") -> list[str]:
    """Switch faults or distractors on and off (``"all"``); returns what is on now."""
    lab = running(folder)
    found = ask(lab, "POST", "/switch", {"on": on, "off": off or []}, SWITCH_PATIENCE)
    return [str(name) for name in found["on"]]


def server(folder: Path, verb: str, name: str) -> None:
    """Stop, start or restart one part of the lab. Raises UsageError for a name that is none."""
    ask(part(folder, name)[0], "POST", "/server", {verb: name}, SWITCH_PATIENCE)


def part(folder: Path, name: str) -> tuple[Lab, Part]:
    """The lab that runs, and one part of it. Raises UsageError for a name that is none, or is absent here."""
    lab = running(folder)
    there = {p.name: p for p in lab.parts if p.kind != "absent"}
    if name not in there:
        from opsctl.nearest import unknown_name

        raise unknown_name("part of the lab", name, [*there])
    return lab, there[name]


def down(folder: Path) -> list[str]:
    """End everything of the lab in this folder; returns the names of the parts that were ended.

    Works after a crash of the supervisor: processes are found by the state file and are only signalled when PID and
    start time are those that were written down. Raises Unavailable when something could not be ended.
    """
    folder = folder.expanduser().absolute()
    lab = state.read(folder)
    if lab is None:
        return []
    if state.is_running(lab) and lab.control:
        with contextlib.suppress(OpsctlError):
            ask(lab, "POST", "/down")
            until = time.monotonic() + 40
            while state.is_running(lab) and time.monotonic() < until:
                time.sleep(0.05)
        lab = state.read(folder) or lab
    return _clean(lab)


def _clean(lab: Lab) -> list[str]:
    names = [part.name for part in lab.parts if part.state != "absent"]
    left = end([lab.supervisor], patience=15.0)
    lab = state.read(Path(lab.folder)) or lab  # it may have noted one more part
    parts: list[Process] = [part.process for part in reversed(lab.parts) if part.process is not None]
    left += end(parts, patience=8.0)
    state.remove(Path(lab.folder), lab.temporary)
    if left:
        raise Unavailable(f"could not end process {', '.join(str(p.pid) for p in left)}")
    return names
