"""Secrets by reference: an environment variable, a file, or a command's output. Read only when a client is built.

A secret that cannot be had costs one system's answer, never the others': the failure is CouldNotLook.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from opsctl.config.faults import Path as Keys
from opsctl.config.model import FORMS, Part
from opsctl.config.places import shown
from opsctl.config.source import SourceFile
from opsctl.errors import CouldNotLook
from opsctl.redact import printable, redact

SECONDS = 10.0  # for a command
LIMIT = 64 * 1024  # bytes of a file or an answer

_answers: dict[tuple[str, ...], str | CouldNotLook] = {}  # one run of opsctl asks each command once
_locks: dict[tuple[str, ...], threading.Lock] = {}


class Reference(NamedTuple):
    """Where a value comes from. ``how``: "" literal, ``_env``, ``_file`` or ``_command``."""

    field: str
    how: str
    value: str | tuple[str, ...]
    setting: str  # opsctl.yaml:12

    def __repr__(self) -> str:
        return f"Reference({self.field}{self.how}, from {self.setting})"

    def says(self) -> str:
        """The reference in words, never the secret: ``env PROM_PASSWORD``, ``file ~/token``, ``command pass``."""
        if self.how == "_env":
            return f"env {self.value}"
        if self.how == "_file":
            return f"file {shown(str(self.value))}"
        return f"command {self.value[0]}" if self.how == "_command" else "set in the file"


def reference(part: Part, field: str, source: SourceFile, keys: Keys) -> Reference | None:
    """The form of ``field`` that ``part`` (found at ``keys``) gives, or None when it gives none."""
    for form in FORMS:
        value = getattr(part, field + form)
        if value:
            if form == "_file":
                value = source.beside(value)
            elif form == "_command" and "/" in value[0]:
                value = (source.beside(value[0]), *value[1:])
            return Reference(field, form, value, source.place((*keys, field + form)))
    return None


def resolve(wanted: Reference, environ: Mapping[str, str]) -> str:
    """The value itself, one line. White space around a file's or command's answer is dropped.

    Raises CouldNotLook("unauthorized"), never showing it.
    """
    if wanted.how == "":
        return _one_line(str(wanted.value), wanted)
    if wanted.how == "_env":
        text = environ.get(str(wanted.value), "")
        if not text.strip():
            raise _failed(wanted, f"the environment variable {wanted.value} is not set")
        return _one_line(text.rstrip("\r\n"), wanted)
    if wanted.how == "_file":
        return _one_line(_read(Path(str(wanted.value)), wanted).strip(), wanted)
    argv = tuple(wanted.value)
    with _locks.setdefault(argv, threading.Lock()):
        if argv not in _answers:
            try:
                _answers[argv] = _one_line(_run(argv, environ, wanted).strip(), wanted)
            except CouldNotLook as failure:
                _answers[argv] = failure
        answer = _answers[argv]
    if isinstance(answer, CouldNotLook):
        raise CouldNotLook(answer.reason, answer.says, setting=wanted.setting)
    return answer


def _read(path: Path, wanted: Reference) -> str:
    try:
        if path.exists() and not path.is_file():
            raise _failed(wanted, f"{shown(path)} is not a file")
        with path.open("rb") as file:
            body = file.read(LIMIT + 1)
        if len(body) > LIMIT:
            raise _failed(wanted, f"{shown(path)} is larger than {LIMIT // 1024} KiB")
        return body.decode()
    except OSError as error:
        raise _failed(wanted, f"{shown(path)}: {error.strerror or 'cannot be read'}") from None
    except ValueError:
        raise _failed(wanted, f"{shown(path)} is not UTF-8 text") from None


def _run(argv: tuple[str, ...], environ: Mapping[str, str], wanted: Reference) -> str:
    import signal
    import subprocess

    try:
        process = subprocess.Popen(  # noqa: S603 - an argument list of the user's own configuration, without a shell
            argv,
            stdin=subprocess.DEVNULL,  # it must not ask: there may be nobody there
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environ),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "cannot be run"
        raise _failed(wanted, f"the command {argv[0]} cannot be run: {reason}") from None
    try:
        out, err = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise _failed(wanted, f"the command {argv[0]} did not end within {SECONDS:g} s") from None
    finally:
        if process.returncode is None:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except OSError:
                process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
    if process.returncode != 0:
        lines = printable(redact(err[-2000:].decode("utf-8", "replace"))).strip().splitlines()
        told = f": {lines[-1][:200]}" if lines else ""
        raise _failed(wanted, f"the command {argv[0]} ended with {process.returncode}{told}")
    if len(out) > LIMIT:
        raise _failed(wanted, f"the command {argv[0]} wrote more than {LIMIT // 1024} KiB")
    try:
        return out.decode()
    except UnicodeDecodeError:
        raise _failed(wanted, f"the command {argv[0]} wrote no UTF-8 text") from None


def _one_line(text: str, wanted: Reference) -> str:
    if not text:
        raise _failed(wanted, f"{wanted.says()} is empty")
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise _failed(wanted, f"{wanted.says()} holds more than one line of text")
    return text


def _failed(wanted: Reference, why: str) -> CouldNotLook:
    return CouldNotLook("unauthorized", f"no {wanted.field} could be read: {why}", setting=wanted.setting)
