"""What every command returns: data for machines, text for people, the exit code. One module prints it (output.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from opsctl.report.style import Style


class Result(NamedTuple):
    """``data``: anything msgspec encodes (a struct, or a dict of plain values), printed by ``-o json``.

    ``text``: the rendering in any other format, a string or a function of the terminal's style. ``output``: the chosen
    format, as given by the command's ``output`` parameter. ``exit``: the process' exit code.
    ``notes``: lines for stderr. ``file``: where the result goes instead of stdout; "" is stdout.
    ``stem``: the name of an HTML page that would otherwise go to a terminal.
    """

    data: object
    text: str | Callable[[Style], str]
    output: str = "text"
    exit: int = 0
    notes: tuple[str, ...] = ()
    file: str = ""
    stem: str = ""
