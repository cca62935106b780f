"""Files that decide what opsctl does: who may read secrets there, who may change what runs, what hides what."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from opsctl.config.contexts import Config, candidates, load_config
from opsctl.config.faults import dotted
from opsctl.config.model import SECRETS
from opsctl.config.places import runbook_places, shown
from opsctl.config.source import SourceFile, literal_secrets
from opsctl.doctor.model import Checks, Place, Remedy
from opsctl.errors import OpsctlError
from opsctl.redact import redact
from opsctl.runbooks.find import find
from opsctl.services.find import list_profiles


def configuration(flag: str | None, environ: Mapping[str, str], failure: OpsctlError | None) -> Place:
    """The configuration file. ``failure``: why it could not be used; that alone is then told, with its remedy."""
    checks = Checks("config")
    address = ""
    if failure is not None:
        checks.breach("readable", failure.sentence(), _mended(failure), need="objective")
        return Place(name="configuration", kind="config", checks=checks.made())
    config = load_config(flag, environ)
    if config.source is None:
        places = ", ".join(shown(path) for path in candidates(environ))
        checks.ok("readable", f"no configuration file ({places}): the environment and the profiles say where to look")
    else:
        address = shown(config.source.path)
        checks.ok("readable", f"{address} is used ({config.setting})")
        _inside(config, config.source, checks)
    return Place(name="configuration", kind="config", address=address, checks=checks.made())


def _mended(failure: OpsctlError) -> Remedy | None:
    """A file that others can read or write is closed to them; other mistakes are told by their own sentence."""
    place = failure.place.partition(":")[0]
    if "others can read" in failure.says or "everybody can write" in failure.says:
        return Remedy(how="In a shell", run=f"chmod 600 {_quoted(place)}")
    return Remedy(how=failure.remedy) if failure.remedy else None


def _inside(config: Config, source: SourceFile, checks: Checks) -> None:
    """Secrets that stand in the file, and files with secrets that it names."""
    data = source.document.data or {}
    for keys in literal_secrets(data):
        says = f"{source.place(keys)}: {dotted(keys)} holds the secret itself; whoever gets the file has it"
        how = "Put it into a file of its own (umask 077), and name that there instead"
        checks.breach("secret-inline", says, Remedy(how=how, run=_by_reference(keys)))
    for path in named_files(data, source):
        _private(path, checks, "secret-file", "a secret")
    _closed([source.path, source.path.absolute().parent], checks, "writable", "change where opsctl looks")


def _by_reference(keys: Sequence[object]) -> str:
    """The line that takes a secret from a file."""
    key = str(keys[-1])
    if "secrets" in keys[-2:]:
        header = str(keys[keys.index("secrets") - 1])
        return f"{header}: {{files: [{header.lower()}.secret]}}"
    return f"{key}_file: {key}.secret" if key in SECRETS else f"{key}: {{url_file: {key}.url}}"


def named_files(data: Any, source: SourceFile) -> Iterator[Path]:
    """The files with secrets that a configuration names: ``*_file`` keys of credentials, and kubeconfigs."""
    if isinstance(data, dict):
        for key, value in data.items():
            name = str(key)
            secret = name.endswith("_file") and name not in ("ca_file", "cert_file", "http_config_file")
            if isinstance(value, str) and (secret or name == "kubeconfig"):
                yield Path(source.beside(value))
            else:
                yield from named_files(value, source)
    elif isinstance(data, list):
        for value in data:
            yield from named_files(value, source)


def _private(path: Path, checks: Checks, id: str, what: str) -> None:
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # the client that needs it says so
    if stat.S_ISREG(mode) and mode & 0o077:
        says = f"{shown(path)} holds {what}, and others can read it (mode {mode & 0o777:03o})"
        checks.breach(id, says, Remedy(how="In a shell", run=f"chmod 600 {_quoted(shown(path))}"))
    else:
        checks.ok(id, f"{shown(path)} is this user's alone")


def kubeconfigs(paths: Iterable[str], environ: Mapping[str, str]) -> Place | None:
    """The kubeconfig files in use: they hold keys and tokens."""
    checks = Checks("kubeconfig")
    for text in dict.fromkeys(paths):
        for part in (text or environ.get("KUBECONFIG", "")).split(os.pathsep):
            if part:
                _private(Path(part).expanduser(), checks, "private", "credentials")
    made = checks.made()
    return Place(name="kubeconfig", kind="kubeconfig", checks=made) if made else None


def books(flag: str | None, environ: Mapping[str, str]) -> Place:
    """The folders of runbooks and profiles: which are in force, what they hide, who may change them."""
    checks = Checks("runbooks")
    folders = runbook_places(flag, environ)
    checks.ok("folders", "searched in this order: " + ", ".join(f"{shown(p)} ({setting})" for p, setting in folders))
    _shadowed([folder for folder, _ in folders], checks)
    files = [f for folder, _ in folders for f in (folder, folder / "services", *folder.glob("*.yaml"))]
    files += [f for folder, _ in folders for f in (folder / "services").glob("*.yaml")]
    _closed(files, checks, "writable", "change what opsctl runs")
    return Place(name="runbooks", kind="runbooks", checks=checks.made())


def _shadowed(folders: Sequence[Path], checks: Checks) -> None:
    """A name in an earlier folder hides the same name in a later one: wanted, or a forgotten copy."""
    for kind, listed in (("runbook", find), ("service", list_profiles)):
        chosen = listed(folders)
        for folder in folders:
            hidden = [
                f"{name} ({shown(chosen[name])})" for name, path in listed([folder]).items() if chosen[name] != path
            ]
            if hidden:
                checks.ok("shadowed", f"of {shown(folder)} are hidden: {kind} {', '.join(hidden)}")


def _closed(paths: Iterable[Path], checks: Checks, id: str, effect: str) -> None:
    """Files and folders that somebody else may write: everybody, or an owner who is neither this user nor root."""
    open_: list[str] = []
    foreign: list[str] = []
    for path in paths:
        try:
            info = path.stat()
        except OSError:
            continue
        if info.st_mode & 0o002 and not (stat.S_ISDIR(info.st_mode) and info.st_mode & stat.S_ISVTX):
            open_.append(shown(path))
        elif info.st_uid not in (0, os.geteuid()):
            foreign.append(shown(path))
    if open_:
        says = f"everybody can write {_some(open_)}: anybody on this host can {effect}"
        run = "chmod o-w " + " ".join(_quoted(path) for path in open_)
        checks.breach(id, says, Remedy(how="In a shell", run=run))
    if foreign:
        checks.ok(id, f"{_some(foreign)} belong to another user, who can {effect}")
    if not open_ and not foreign:
        checks.ok(id, f"nobody else can {effect}")


def _some(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return redact(", ".join(paths[:3])) + more


def _quoted(path: str) -> str:
    """A path for the shell; ``~/`` stays outside the quotes, so that it still means home."""
    return "~/" + shlex.quote(path[2:]) if path.startswith("~/") else shlex.quote(path)
