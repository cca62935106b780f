"""How text looks on this terminal: width, colour, whether line-drawing characters can be shown."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple, TextIO

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Style(NamedTuple):
    """``colour`` adds meaning, never carries it alone. ``unicode``: the stream can encode sparklines."""

    width: int = 80
    colour: bool = False
    unicode: bool = True

    def paint(self, text: str, *looks: str) -> str:
        """The text in the given looks (bold, dim, red, green, yellow, cyan), or unchanged without colour."""
        if not self.colour or not text:
            return text
        return f"\x1b[{';'.join(_CODES[look] for look in looks)}m{text}\x1b[0m"

    def verdict(self, word: str) -> str:
        """A verdict word in its colour (INSA-40: red critical, yellow warning, green ok)."""
        looks = {"ok": "green", "warning": "yellow", "critical": "red", "unknown": "cyan"}
        return self.paint(word.upper(), "bold", looks.get(word, "bold"))


def style_of(stream: TextIO) -> Style:
    """The style for a stream: colour only on a terminal; ``NO_COLOR``, ``TERM=dumb``, ``COLUMNS`` obeyed."""
    terminal = stream.isatty()
    width = 80
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns) > 0:
        width = int(columns)
    elif terminal:
        try:
            width = os.get_terminal_size(stream.fileno()).columns or 80
        except (OSError, ValueError):
            width = 80
    colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
    return Style(min(max(width, 40), 120), colour, encoding in ("utf8", "utf16", "utf32"))


def stdout_style() -> Style:
    """The style of standard output."""
    return style_of(sys.stdout)
