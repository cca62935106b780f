"""The questions opsctl may ask Postgres, one per file. ``get_`` files only read; nothing else is ever sent by a probe.

Each file starts with a header of ``-- key: text`` lines: ``purpose``, ``minimum`` (oldest major server version),
``privilege`` (what it takes to see everything), and, where it applies, ``params`` (named ``%(x)s`` values) and
``schema`` (what lives in ``{schema}``, an identifier that the client quotes).

Statements of other sessions are read as ``textsend(query)``: they are in their own database's encoding, and a text
function would fail on them.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import NamedTuple

from opsctl.errors import Bug

_FOLDER = Path(__file__).parent
_NAME = re.compile(r"get_[a-z][a-z0-9_]*")
_HEADER = re.compile(r"-- (purpose|minimum|privilege|params|schema): +(\S.*)")


class Query(NamedTuple):
    """One file. ``text`` is the statement without its header; a literal percent sign is written ``%%``."""

    name: str
    text: str
    purpose: str
    minimum: int  # major version of the server, e.g. 14
    privilege: str
    params: tuple[str, ...]
    schema: str  # what is found in {schema}; "" when the statement has no such place


@functools.cache
def load(name: str) -> Query:
    """The query of file ``NAME.sql``. Raises Bug for a name that is not a ``get_`` file of this package."""
    path = _FOLDER / f"{name}.sql"
    if not _NAME.fullmatch(name) or not path.is_file():
        raise Bug(f"there is no query file {name!r}")
    header: dict[str, str] = {}
    body: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        found = _HEADER.fullmatch(line.rstrip()) if not body else None
        if found:
            header[found[1]] = found[2].strip()
        elif line.strip():
            body.append(line.rstrip())
    try:
        return Query(
            name=name,
            text="\n".join(body).rstrip(";"),
            purpose=header["purpose"],
            minimum=int(header["minimum"]),
            privilege=header["privilege"],
            params=tuple(re.findall(r"[a-z_]+", re.sub(r"\([^)]*\)", "", header.get("params", "")))),
            schema=header.get("schema", ""),
        )
    except (KeyError, ValueError) as error:
        raise Bug(f"{name}.sql has no usable header: {error}") from None


def names() -> tuple[str, ...]:
    """Every query file's name, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.sql")))
