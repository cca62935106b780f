"""The statements by which opsctl acts on Postgres, one per file. No probe can load these ``do_`` files.

Each file starts with a header of ``-- key: text`` lines: ``purpose``, ``minimum`` (oldest major server version),
``privilege``. ``{x}`` is a name or a constant that the client quotes, ``%(x)s`` a value; a literal percent sign in a
file with values is written ``%%``.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from opsctl.clients.postgres_write import Statement
from opsctl.errors import Bug

_FOLDER = Path(__file__).parent
_NAME = re.compile(r"do_[a-z][a-z0-9_]*")
_HEADER = re.compile(r"-- (purpose|minimum|privilege): +\S.*")


@functools.cache
def load(name: str) -> Statement:
    """The statement of file ``NAME.sql``, without its header. Raises Bug for a name that is not a ``do_`` file here."""
    path = _FOLDER / f"{name}.sql"
    if not _NAME.fullmatch(name) or not path.is_file():
        raise Bug(f"there is no statement file {name!r}")
    lines = [line.rstrip() for line in path.read_text(encoding="utf-8").splitlines()]
    return Statement(name, "\n".join(line for line in lines if line and not _HEADER.fullmatch(line)).rstrip(";"))


def names() -> tuple[str, ...]:
    """Every statement file's name, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.sql")))
