"""The one module that prints. stdout carries the result, stderr progress and notes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from opsctl.cli.result import Result
from opsctl.errors import CannotWrite


def show(result: Result) -> None:
    """Print a command's result in its chosen format."""
    for line in result.notes:
        note(line)
    if result.output == "json":
        import msgspec

        body = msgspec.json.format(msgspec.json.encode(result.data), indent=2)
        with _written():
            sys.stdout.buffer.write(body + b"\n")
            sys.stdout.flush()
        return
    text = result.text
    if not isinstance(text, str):
        from opsctl.report.style import stdout_style

        text = text(stdout_style())
    write(text)


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
