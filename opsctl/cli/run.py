"""One run of the command line: the only map from errors to exit codes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from opsctl.cli import output
from opsctl.cli.result import Result
from opsctl.errors import CouldNotLook, OpsctlError

INTERRUPTED = 130
UNKNOWN = 3  # a command that monitoring reads has no word for anything else


def run(argv: list[str]) -> int:
    """Run a command line; returns the exit code. Never lets a traceback reach the user."""
    from opsctl.cli.app import COMMANDS, tree

    root = tree()
    code = _run(root, argv)
    chosen = getattr(root, "chosen", "") or next((word for word in argv if word in COMMANDS), "")
    exits = COMMANDS[chosen].exits if chosen else ()
    return code if not exits or code in exits else UNKNOWN


def _run(root: Any, argv: list[str]) -> int:
    import typer

    try:
        outcome = root.main(args=argv, prog_name="opsctl", standalone_mode=False)
        if isinstance(outcome, Result):
            try:
                output.show(outcome)
            except BrokenPipeError:  # its reader has seen enough; what came of it is so all the same
                output.broken_pipe()
            return outcome.exit
        if outcome == INTERRUPTED:  # typer turns Ctrl-C into this
            raise KeyboardInterrupt
        return outcome if isinstance(outcome, int) else 0
    except OpsctlError as error:
        output.error(error.sentence())
        return error.code
    except CouldNotLook as failure:
        output.error(f"could not look: {failure.says}")
        return 69
    except typer.TyperException as error:
        return _usage(error)
    except (KeyboardInterrupt, typer.Abort):
        output.error(f"interrupted; {_changed(argv)}")
        return INTERRUPTED
    except BrokenPipeError:
        output.broken_pipe()
        return 0
    except Exception as error:  # noqa: BLE001 - the last gate: our bug, told in one sentence with a report file
        return _bug(error, argv)


def _usage(error: Exception) -> int:
    """A mistake on the command line: what was wrong, and where the help is."""
    message = getattr(error, "format_message", lambda: str(error))()
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        output.write(context.get_help() if context is not None else message)
        return 64
    path = context.command_path if context is not None else "opsctl"
    output.error(f"{message.rstrip('.')}. See `{path} --help`.")
    return 64


def _bug(error: Exception, argv: list[str]) -> int:
    """Our own mistake: a short report file instead of a traceback on the screen."""
    import platform
    import tempfile
    import traceback

    from opsctl import __version__
    from opsctl.redact import redact

    trace = "".join(traceback.format_exception(error))
    text = redact(
        f"opsctl {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        f"command: opsctl {' '.join(argv)}\n\n{trace}"
    )
    try:
        from opsctl.config.places import state_dir

        folder = state_dir() / "bugs"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        where = _write(folder, text)
    except (OSError, OpsctlError):
        where = _write(Path(tempfile.gettempdir()), text)
    output.error(f"this is a bug in opsctl ({type(error).__name__}); {_changed(argv)}. Details: {where}")
    return 70


def _changed(argv: list[str]) -> str:
    """What can be said of changes where a command ended in the middle."""
    from opsctl.cli.app import COMMANDS

    entry = next((COMMANDS[word] for word in argv if word in COMMANDS), None)
    return f"what was done until then: {entry.record}" if entry is not None and entry.record else "nothing was changed"


def _write(folder: Path, text: str) -> Path:
    import os
    import time

    path = folder / f"opsctl-bug-{time.strftime('%Y-%m-%dT%H-%M-%S', time.gmtime())}-{os.getpid()}.txt"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def main() -> None:
    """Console entry behind the front door."""
    code = run(sys.argv[1:])
    leave(code)


def leave(code: int) -> None:
    """End the process at once: flush, run what was registered for the end (temporary files), exit.

    Threads that still wait for a hanging server must not keep it alive, and taking every module apart, which Python
    otherwise does now, costs as much as starting Python did.
    """
    import atexit
    import os

    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:  # what could not be said was told already, or its reader went away
            output.broken_pipe()
    atexit._run_exitfuncs()
    os._exit(code)
