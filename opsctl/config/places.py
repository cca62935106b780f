"""Folders: where configuration and runbooks are looked for, where state and cached files go (design.md "Layout").

XDG base folders on every system. A relative XDG value is ignored, as that specification demands.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from opsctl.errors import ConfigError

SYSTEM = Path("/etc/opsctl")
PACKAGE = Path(__file__).resolve().parent.parent


def home_dir(environ: Mapping[str, str] | None = None) -> Path | None:
    """The user's home folder, or None for a user that has none (a container with an arbitrary user id)."""
    environ = os.environ if environ is None else environ
    named = environ.get("HOME", "")
    if named:
        return Path(named) if Path(named).is_absolute() else None
    try:
        return Path.home()
    except RuntimeError:
        return None


def config_dirs(environ: Mapping[str, str] | None = None) -> list[Path]:
    """The user's configuration folder, then the system's. They need not exist."""
    user = _xdg("XDG_CONFIG_HOME", ".config", environ)
    return [user, SYSTEM] if user is not None else [SYSTEM]


def state_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where reports are kept: ``$XDG_STATE_HOME/opsctl`` or ``~/.local/state/opsctl``. It may not exist yet."""
    return _xdg("XDG_STATE_HOME", ".local/state", environ) or _private_temp("state")


def cache_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where files that can be made again are kept: ``$XDG_CACHE_HOME/opsctl`` or ``~/.cache/opsctl``."""
    return _xdg("XDG_CACHE_HOME", ".cache", environ) or _private_temp("cache")


def runbook_dirs(flag: str | None, environ: Mapping[str, str] | None = None) -> list[Path]:
    """Folders with runbooks, first one wins: ``--runbooks``, ``$OPSCTL_RUNBOOKS`` (several, joined as in ``PATH``),
    ``./runbooks``, the user's and the system's configuration folder, the built-in set.

    Raises ConfigError when the flag or the variable names no folder.
    """
    return [folder for folder, _ in runbook_places(flag, environ)]


def runbook_places(flag: str | None, environ: Mapping[str, str] | None = None) -> list[tuple[Path, str]]:
    """The folders of ``runbook_dirs`` with the setting that named each."""
    environ = os.environ if environ is None else environ
    found: list[tuple[Path, str]] = []
    if flag is not None:
        found.append((_named(flag, "--runbooks", "Name an existing folder."), "--runbooks"))
    for part in filter(None, environ.get("OPSCTL_RUNBOOKS", "").split(os.pathsep)):
        setting = "env OPSCTL_RUNBOOKS"
        found.append((_named(part, setting, "Name an existing folder or unset it."), setting))
    usual = [Path("runbooks"), *(folder / "runbooks" for folder in config_dirs(environ))]
    found += [(folder, "found") for folder in usual if folder.is_dir()]
    found.append((built_in(), "built-in"))
    unique: dict[Path, tuple[Path, str]] = {}
    for folder, setting in found:
        unique.setdefault(folder.resolve(), (folder, setting))
    return list(unique.values())


def _named(name: str, setting: str, remedy: str) -> Path:
    folder = expanded(name)
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {shown(folder)}", place=setting, remedy=remedy)
    return folder


def built_in() -> Path:
    """The runbooks that come with opsctl: inside the wheel, or beside the package in a checkout."""
    installed = PACKAGE / "_runbooks"
    return installed if installed.is_dir() else PACKAGE.parent / "runbooks"


def expanded(name: str) -> Path:
    """A path as somebody wrote it, ``~`` put in full. ``~nobody`` stays as it is, and is then just not found."""
    return Path(os.path.expanduser(name))  # noqa: PTH111 - Path.expanduser raises for an unknown user


def shown(path: str | os.PathLike[str]) -> str:
    """A path as people know it: relative below the working folder, with ``~`` below home."""
    text = os.fspath(path)
    try:
        here = os.getcwd()  # noqa: PTH109 - Path.cwd() is slower and this runs for every error place
    except FileNotFoundError:
        here = ""
    absolute = text if text.startswith("/") or not here else os.path.normpath(f"{here}/{text}")
    if here not in ("", "/") and absolute.startswith(here + "/"):
        return absolute[len(here) + 1 :]
    home = os.environ.get("HOME", "").rstrip("/")
    if home and absolute.startswith(home + "/"):
        return "~" + absolute[len(home) :]
    return absolute


def _xdg(variable: str, default: str, environ: Mapping[str, str] | None) -> Path | None:
    environ = os.environ if environ is None else environ
    named = environ.get(variable, "")
    if named.startswith("/"):
        return Path(named) / "opsctl"
    home = home_dir(environ)
    return None if home is None else home / default / "opsctl"


def _private_temp(kind: str) -> Path:
    """For a user without a home: a folder of their own, made now so that nobody else can take its name."""
    import tempfile

    folder = Path(tempfile.gettempdir()) / f"opsctl-{os.geteuid()}"
    remedy = f"Set HOME or XDG_{kind.upper()}_HOME."
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        info = folder.lstat()
    except OSError as error:
        raise ConfigError(f"no folder for {kind}: {error.strerror}", place=shown(folder), remedy=remedy) from None
    if info.st_uid != os.geteuid() or info.st_mode & 0o022:
        raise ConfigError("this folder belongs to or can be written by others", place=shown(folder), remedy=remedy)
    return folder / kind
