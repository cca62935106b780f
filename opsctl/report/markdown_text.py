"""Text from servers as Markdown that stays text, in the dialects of tickets (GitHub, GitLab, Jira, Linear).

What such dialects turn into a link or a mention (an address, @name, #12) becomes code, where nothing is turned into
anything and which can be copied; what Markdown itself understands is escaped.
"""

from __future__ import annotations

import re

from opsctl.redact import printable

LONGEST = 1500  # characters of one text; the JSON report has it whole

_TOKEN = re.compile(r"\S+")
_LIVE = re.compile(r"@|://|www\.|[#!]\d|\bGH-\d|mailto:|:[a-z_+-][a-z0-9_+-]*:", re.IGNORECASE)
_EDGE = "()[]{}<>,;.!?'\"*_`~"
_ACTIVE = re.compile(r"[\\`*\[<|~$]|&(?=#|\w+;)|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_START = re.compile(r"[#>=]|-{2}|[+:-](?=[\s:-]|$)|\d+(?=[.)](?:\s|$))")
_TICKS = re.compile(r"`+")


def plain(text: str, most: int = LONGEST) -> str:
    """One line of text without any markup, link or mention; never begins a heading, list or quote."""
    words = [_word(token) for token in _TOKEN.findall(shortened(_clean(text), most))]
    line = " ".join(words)
    start = _START.match(line)
    if start is None:
        return line
    number = start[0] if start[0].isdigit() else ""
    return f"{number}\\{line[len(number) :]}"


def code(text: str, most: int = LONGEST) -> str:
    """One line as a code span, whatever ticks it holds. A bar is replaced: dialects differ on one in a table's code."""
    line = " ".join(shortened(_clean(text), most).split()).replace("|", "¦")
    if not line:
        return ""
    fence = "`" * (1 + max((len(run) for run in _TICKS.findall(line)), default=0))
    room = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{room}{line}{room}{fence}"


def block(text: str, language: str = "") -> list[str]:
    """Lines of a fenced block that the text cannot end."""
    body = shortened(_clean(text), 4 * LONGEST)
    fence = "`" * max(3, 1 + max((len(run) for run in _TICKS.findall(body)), default=0))
    return [f"{fence}{language}", *body.splitlines(), fence]


def shortened(text: str, most: int = LONGEST) -> str:
    """The text, or its beginning."""
    return text if len(text) <= most else f"{text[:most]} … (whole in the JSON report)"


def _clean(text: str) -> str:
    return printable(text).encode("utf-8", "replace").decode("utf-8")


def _word(token: str) -> str:
    """A word as text, or what is live in it as code."""
    if _LIVE.search(token) is None:
        return escaped(token)
    parts = token.split("|")
    if len(parts) > 1:
        return "\\|".join(code(part) if _LIVE.search(part) else escaped(part) for part in parts)
    rest = token.lstrip(_EDGE)
    middle = rest.rstrip(_EDGE)
    if _LIVE.search(middle) is None:  # what made it live is at its edge
        return code(token)
    head, tail = token[: len(token) - len(rest)], rest[len(middle) :]
    return f"{escaped(head)}{code(middle)}{escaped(tail)}"


def escaped(text: str) -> str:
    """Markdown's own signs made literal; an underscore within a word needs nothing."""
    return _ACTIVE.sub(lambda found: "\\" + found[0], text)
