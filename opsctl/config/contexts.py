"""Which opsctl.yaml is used, which of its contexts is chosen, and how ``opsctl context use`` writes the choice down.

The choice is one line of the user's own file, ``current-context: NAME``: that line alone is edited, everything else
stays as it is, and the file is replaced in one step. Where the file may not be written (``/etc/opsctl``, a mounted
one), the choice goes into a small file of the state folder, per configuration file, and wins over the file's line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from opsctl.config.model import ConfigFile, ContextSpec
from opsctl.config.places import config_dirs, expanded, shown, state_dir
from opsctl.config.source import SourceFile, read_source
from opsctl.config.yamlfile import parse_text, read_text
from opsctl.errors import CannotWrite, ConfigError, UsageError
from opsctl.nearest import suggestion, unknown_name

FILE = "opsctl.yaml"
_LINE = r"""( *["']?current-context["']?\s*:)[ \t]*(?:"[^"]*"|'[^']*'|[^#\s]*)([ \t]+\#.*?|[ \t]*)(\r?\n?)"""


class Config(NamedTuple):
    """The configuration file in use. ``setting``: who named it. ``source`` None: there is no file."""

    file: ConfigFile
    source: SourceFile | None
    setting: str


class Choice(NamedTuple):
    """The context in use, "" for none, and who chose it."""

    name: str
    setting: str


def candidates(environ: Mapping[str, str]) -> list[Path]:
    """Where a configuration file is looked for when none is named."""
    return [Path(FILE), *(folder / FILE for folder in config_dirs(environ))]


def load_config(flag: str | None, environ: Mapping[str, str]) -> Config:
    """``--config``, ``$OPSCTL_CONFIG``, ``./opsctl.yaml``, the user's, the system's. None is fine, as is ``/dev/null``.

    Raises ConfigError: a named file that is not there, any mistake in it, a found file of another user.
    """
    if flag is not None and not flag:
        raise UsageError("--config names no file")
    named = flag or environ.get("OPSCTL_CONFIG", "")
    setting = "--config" if flag else "env OPSCTL_CONFIG"
    if named == os.devnull:
        return Config(ConfigFile(), None, setting)
    if named:
        source, file = read_source(expanded(named), ConfigFile, "configuration file")
        return Config(file, source, setting)
    for path in candidates(environ):
        if os.path.lexists(path):
            _ours(path)
            source, file = read_source(path, ConfigFile, "configuration file")
            return Config(file, source, "found")
    return Config(ConfigFile(), None, "")


def choose(config: Config, flag: str | None, environ: Mapping[str, str]) -> Choice:
    """``--context``, ``$OPSCTL_CONTEXT``, what ``context use`` wrote, ``current-context``, the only one there is.

    Raises UsageError (64) for an unknown name given by flag or environment, ConfigError (78) for one in a file.
    """
    known = config.file.contexts
    asked = flag if flag is not None else environ.get("OPSCTL_CONTEXT", "")
    if flag is not None or asked:
        if asked not in known:
            raise unknown_name("context", asked, known)
        return Choice(asked, "--context" if flag is not None else "env OPSCTL_CONTEXT")
    if config.source is None:
        return Choice("", "")
    kept = _kept(environ).get(_key(config.source.path), "")
    if kept in known:
        return Choice(kept, shown(_state_file(environ)))
    name = config.file.current_context
    if name:
        place = config.source.place(("current-context",))
        if name not in known:
            remedy = suggestion(name, known) or "This file holds no contexts."
            raise ConfigError(f'there is no context "{name}" in this file', place=place, remedy=remedy)
        return Choice(name, place)
    if len(known) == 1:
        only = next(iter(known))
        return Choice(only, config.source.place(("contexts", only)))
    return Choice("", "")


def spec_of(config: Config, choice: Choice) -> ContextSpec:
    """The chosen context's content. Raises ConfigError when a file holds several and none is chosen."""
    if choice.name:
        return config.file.contexts[choice.name]
    if config.source is not None and config.file.contexts:
        names = ", ".join(sorted(config.file.contexts))
        raise ConfigError(
            f"this file holds the contexts {names}, and none is chosen",
            place=shown(config.source.path),
            remedy=f"Run `opsctl context use {min(config.file.contexts)}`, or give --context.",
        )
    return ContextSpec()


def use(config: Config, name: str, environ: Mapping[str, str]) -> Path:
    """Make ``name`` the current context; returns the file that was written.

    A file of somebody else is left alone even where its mode allows writing: the choice is this user's.
    Raises UsageError, CannotWrite, ConfigError.
    """
    if name not in config.file.contexts or config.source is None:
        raise unknown_name("context", name, config.file.contexts)
    path = config.source.path
    target = path.resolve()
    kept = _kept(environ)
    mine = target.stat().st_uid == os.geteuid()
    if mine and os.access(target, os.W_OK) and os.access(target.parent, os.W_OK | os.X_OK):
        _edit(target, name)
        if kept.pop(_key(path), None) is not None:
            _keep(kept, environ)
        return path
    _keep({**kept, _key(path): name}, environ)
    return _state_file(environ)


def edited(text: str, name: str, path: Path) -> str:
    """The text with ``current-context`` set, and no other change. Raises ConfigError when that cannot be had."""
    before = parse_text(text, path)
    line = before.lines.get(("current-context",))
    value = name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name) else f'"{name}"'
    newline = "\r\n" if "\r\n" in text else "\n"
    if line is None:
        head = re.match(r"(?:[ \t]*(?:#[^\n]*)?\r?\n|%[^\n]*\n|---[ \t]*\r?\n)*", text)
        at = head.end() if head else 0
        new = f"{text[:at]}current-context: {value}{newline}{text[at:]}"
    else:
        rows = text.splitlines(keepends=True)
        found = re.fullmatch(_LINE, rows[line - 1])
        rows[line - 1] = f"{found[1]} {value}{found[2]}{found[3]}" if found else rows[line - 1]
        new = "".join(rows)
    wanted = {**(before.data or {}), "current-context": name}
    if parse_text(new, path).data != wanted:  # an unusual way of writing it: leave the user's file alone
        place = f"{shown(path)}:{line or 1}"
        raise ConfigError(
            "current-context cannot be edited as it is written", place=place, remedy=f"Write {name} there."
        )
    return new


def _edit(path: Path, name: str) -> None:
    text, info = read_text(path, "configuration file")
    mark = "\ufeff" if path.read_bytes()[:3] == b"\xef\xbb\xbf" else ""
    _replace(path, mark + edited(text, name, path), info.st_mode & 0o777, (info.st_uid, info.st_gid))


def _replace(path: Path, text: str, mode: int, owner: tuple[int, int] | None = None) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                if owner is not None and owner != (os.geteuid(), os.getegid()):
                    os.fchown(file.fileno(), *owner)
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CannotWrite(f"this file cannot be written: {error.strerror or error}", place=shown(path)) from None


def _ours(path: Path) -> None:
    """Refuse a file that somebody else put where opsctl looks: it could send secrets elsewhere or name commands."""
    try:
        info = path.stat()
    except OSError:
        return  # reading it will say why
    if info.st_uid not in (0, os.geteuid()):
        says = f"this file belongs to another user (uid {info.st_uid})"
    elif info.st_mode & 0o002:
        says = f"everybody can write this file (mode {info.st_mode & 0o777:03o})"
    else:
        return
    remedy = f"If you trust it, name it: --config {shown(path)} or OPSCTL_CONFIG."
    raise ConfigError(says, place=shown(path), remedy=remedy)


def _key(path: Path) -> str:
    return str(path.resolve())


def _state_file(environ: Mapping[str, str]) -> Path:
    return state_dir(environ) / "current-context.json"


def _kept(environ: Mapping[str, str]) -> dict[str, str]:
    """Configuration file -> context chosen for it; a state file that cannot be read chose nothing."""
    try:
        return msgspec.json.decode(_state_file(environ).read_bytes(), type=dict[str, str])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, ConfigError):
        return {}


def _keep(kept: dict[str, str], environ: Mapping[str, str]) -> None:
    path = _state_file(environ)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CannotWrite(f"this folder cannot be made: {error.strerror}", place=shown(path.parent)) from None
    _replace(path, msgspec.json.format(msgspec.json.encode(kept)).decode() + "\n", 0o600)
