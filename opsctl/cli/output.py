"""The one module that prints. stdout carries the result, stderr progress and notes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from opsctl.cli.result import Result
from opsctl.errors import CannotWrite


def show(result: Result) -> None:
    """Print a command's result in its chosen format, or write it where it is to go. Raises CannotWrite."""
    for line in result.notes:
        note(line)
    if result.file:
        _write_file(result.file, _body(result))
        note(f"Wrote {result.file}")
    elif result.output == "html" and sys.stdout.isatty():
        _show_page(result)
    elif result.output in ("json", "html"):  # bytes as they are: a page says that it is UTF-8
        with _written():
            sys.stdout.buffer.write(_body(result))
            sys.stdout.flush()
    else:
        write(_text(result))


def _body(result: Result) -> bytes:
    if result.output == "json":
        import msgspec

        return msgspec.json.format(msgspec.json.encode(result.data), indent=2) + b"\n"
    text = _text(result)
    return (text if text.endswith("\n") else text + "\n").encode("utf-8", "replace")


def _text(result: Result) -> str:
    if isinstance(result.text, str):
        return result.text
    from opsctl.report.style import Style, stdout_style

    return result.text(Style() if result.file else stdout_style())


def _show_page(result: Result) -> None:
    """A page is of no use in a terminal: it goes beside the saved reports, and its first sentence is printed."""
    from opsctl.config.places import shown
    from opsctl.model import Report
    from opsctl.report.store import folder_of_reports

    report = result.data if isinstance(result.data, Report) else None
    stem = result.stem
    if report is not None and not stem:
        stem = f"{report.started_at:%Y-%m-%dT%H-%M-%S}-{report.runbook}-{report.service}"
    folder = folder_of_reports()
    name = "".join(c if c.isalnum() or c in "-_." else "_" for c in stem or "report")  # it may come from a stranger
    path = folder / f"{name[:200]}.html"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_file(str(path), _body(result), mode=0o600)
    except OSError as error:
        raise CannotWrite(f"{shown(folder)}: {error.strerror or error}", remedy="Add > FILE.") from None
    says = f"{report.verdict.upper()}  {report.says}\n" if report is not None else ""
    write(f"{says}Wrote {shown(path)}")


def _write_file(name: str, body: bytes, *, mode: int = 0o666) -> None:
    """A file with that content, whatever it held before. Raises CannotWrite."""
    try:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
    except OSError as error:
        raise CannotWrite(f"{name}: {error.strerror or error}", remedy="Name another file.") from None


def write(text: str) -> None:
    """Text to stdout; characters that the terminal cannot show are replaced, not fatal (B-65)."""
    if not text:
        return
    if not text.endswith("\n"):
        text += "\n"
    encoding = sys.stdout.encoding or "ascii"
    with _written():
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()


@contextlib.contextmanager
def _written() -> Iterator[None]:
    """Raises CannotWrite when the result does not reach its reader; one that went away wants none."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CannotWrite(f"the result could not be written: {error.strerror}") from None


def note(text: str) -> None:
    """One line to stderr."""
    from opsctl.redact import printable

    encoding = sys.stderr.encoding or "ascii"
    line = printable(text).encode(encoding, "replace").decode(encoding)
    with contextlib.suppress(OSError):  # there is nobody left to tell
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def error(text: str) -> None:
    """An error sentence to stderr."""
    note(f"opsctl: {text}")


def broken_pipe() -> None:
    """The reader went away: nothing more can be said on stdout."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())


class Progress:
    """``looking: 7 of 12 probes``, on one line of stderr, from the first second on; wiped when complete."""

    def __init__(self, what: str) -> None:
        import time

        self._what = what
        self._clock = time.monotonic
        self._start = time.monotonic()
        self._shown = False

    def __call__(self, done: int, total: int) -> None:
        """Called while probes run."""
        if done < total and self._clock() - self._start < 1.0:
            return
        if done >= total:
            if self._shown:
                sys.stderr.write("\r\x1b[K")
                sys.stderr.flush()
            return
        self._shown = True
        sys.stderr.write(f"\r\x1b[K{self._what}: {done} of {total} probes answered")
        sys.stderr.flush()
