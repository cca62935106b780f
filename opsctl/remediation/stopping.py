"""The stop file: while it is there nothing is changed, by nobody (runbook-automation 6: gh-ost's flag files)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from opsctl.config.places import shown, state_dir
from opsctl.redact import printable, redact

if TYPE_CHECKING:
    from opsctl.config.settings import Settings

NAME = "STOP"
_READ = 400  # bytes of it that are shown


def stop_files(settings: Settings, environ: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Where a stop file is looked for: the user's state folder, and what ``stop_file`` in opsctl.yaml names."""
    own = state_dir(settings.environ if environ is None else environ) / NAME
    named = settings.stop_file()
    return (own, named) if named is not None else (own,)


def stopped_by(files: Sequence[Path]) -> str:
    """Why nothing may be done, in one sentence; "" where no stop file is there. One that cannot be seen is there."""
    for path in files:
        try:
            with path.open("rb") as file:
                text = file.read(_READ)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except IsADirectoryError:
            text = b""
        except OSError as error:
            return f"the stop file {shown(path)} could not be looked at ({error.strerror or error})"
        reason = " ".join(redact(printable(text.decode("utf-8", "replace"))).split())
        return f"the stop file {shown(path)} is there" + (f": {reason}" if reason else "")
    return ""
