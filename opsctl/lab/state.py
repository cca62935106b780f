"""The lab's state file: which processes, ports and folders belong to it. Written after each change, read by the CLI."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from opsctl.errors import BadData, ConfigError
from opsctl.lab.identity import Process, is_alive

SCHEMA = "opsctl.lab/1"
FILE = "lab.json"
CONFIG = "opsctl.yaml"
OURS = (FILE, CONFIG, "logs", "data", "prometheus.yml", "rules.yml", "alertmanager.yml", "up.lock", "work",
        "kubeconfig")  # fmt: skip

Kind = Literal["real", "double", "simulated", "absent"]
PartState = Literal["starting", "up", "stopped", "ended", "absent"]


class Part(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One part of the stack. ``kind``: a real server, a double of one, a simulated service, or absent here."""

    name: str
    kind: Kind
    state: PartState = "starting"
    version: str = ""
    address: str = ""
    process: Process | None = None
    says: str = ""


class Lab(msgspec.Struct, kw_only=True):
    """The whole lab. ``on``: what is switched on. ``temporary``: folders outside the lab's own, removed at the end.

    ``services``: those that were asked for, whether or not they could be started.
    """

    schema: str = SCHEMA
    folder: str
    supervisor: Process
    control: int = 0
    token: str = ""
    failed: str = ""
    parts: list[Part] = []
    on: list[str] = []
    temporary: list[str] = []
    services: list[str] = []


def absent(parts: Sequence[Part], needs: Iterable[str]) -> list[str]:
    """Which of the needed parts are not there, each with the reason."""
    found = {part.name: part for part in parts}
    says = []
    for name in needs:
        if name not in found:
            says.append(f"{name} (this lab was started without it)")
        elif found[name].state == "absent":
            says.append(f"{name} ({found[name].says})")
    return says


def file_of(folder: Path) -> Path:
    """Where the state of the lab in this folder is kept."""
    return folder / FILE


def write(lab: Lab) -> None:
    """Replace the state file in one step; only its owner may read it, for it holds the control token."""
    target = file_of(Path(lab.folder))
    draft = target.with_name(f".{FILE}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(lab))
    draft.replace(target)


def read(folder: Path) -> Lab | None:
    """The state of the lab in this folder, None when there is none. Raises BadData for a file that is not ours."""
    path = file_of(folder)
    try:
        info = path.lstat()
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadData(f"cannot be read: {error.strerror}", place=str(path)) from None
    if info.st_uid != os.geteuid():
        raise BadData(f"this file belongs to another user (uid {info.st_uid})", place=str(path))
    try:
        return msgspec.json.decode(data, type=Lab)
    except msgspec.DecodeError as error:
        raise BadData(f"not a lab's state: {error}", place=str(path)) from None


def is_running(lab: Lab) -> bool:
    """Whether its supervisor runs."""
    return is_alive(lab.supervisor)


def prepare(folder: Path) -> None:
    """Make the folder, for its owner alone. Raises ConfigError when it holds anything that is not the lab's."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.stat().st_uid != os.geteuid():
        raise ConfigError("this folder belongs to another user", place=str(folder), remedy="Give another --dir.")
    foreign = sorted(p.name for p in folder.iterdir() if p.name not in OURS and not p.name.startswith(f".{FILE}."))
    if foreign:
        raise ConfigError(
            f"this folder holds other files ({', '.join(foreign[:3])})",
            place=str(folder),
            remedy="Give an empty or new --dir.",
        )
    folder.chmod(0o700)


def remove(folder: Path, temporary: list[str]) -> None:
    """Remove what the lab made: its own entries of the folder, the folder when it is empty then, temporary folders."""
    import shutil
    import tempfile

    roots = {Path(tempfile.gettempdir()).resolve(), Path("/tmp").resolve()}  # noqa: S108 - only to compare with
    for name in temporary:
        path = Path(name)
        if path.name.startswith("opsctl-lab-") and path.parent.resolve() in roots and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
    for name in OURS:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    for draft in folder.glob(f".{FILE}.*"):
        draft.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
