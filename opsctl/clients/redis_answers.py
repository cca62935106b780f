"""What Redis answers, as values: INFO samples, slow commands, latency events, clients, a sample of keys."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass

_LONGEST_ANSWER = 8 * 2**20  # bytes; INFO of a busy server is about 20 KB
_MOST_ITEMS = 100_000


@dataclass(frozen=True, slots=True)
class Sample:
    """INFO at one moment. ``taken``: time.monotonic() seconds; ``fields``: names verbatim as Redis has them."""

    taken: float
    fields: Mapping[str, str]

    def number(self, name: str) -> float | None:
        """A field as a number; None when it is absent or no number."""
        try:
            return float(self.fields[name].removesuffix("%"))
        except (KeyError, ValueError):
            return None

    def text(self, name: str) -> str:
        """A field as text; "" when it is absent."""
        return self.fields.get(name, "")

    def part(self, name: str, key: str) -> float:
        """``key`` inside a field such as ``errorstat_OOM:count=3``; 0 when it is absent."""
        found = re.search(rf"(?:^|,){re.escape(key)}=([0-9.]+)", self.fields.get(name, ""))
        return float(found[1]) if found else 0.0

    def calls(self, *commands: str) -> float:
        """How often these commands ran since the start (commandstats)."""
        return sum(self.part(f"cmdstat_{command}", "calls") for command in commands)


@dataclass(frozen=True, slots=True)
class SlowCommand:
    """One SLOWLOG entry. ``at``: unix seconds by the server's clock; ``arguments`` may hold users' data."""

    at: float
    seconds: float
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spike:
    """One event of LATENCY LATEST: when it last happened, how long then, and the longest ever. Seconds."""

    event: str
    at: float
    seconds: float
    longest: float


@dataclass(frozen=True, slots=True)
class Keys:
    """Some of a database's keys, as SCAN gave them. ``complete``: the whole database was walked."""

    names: tuple[bytes, ...]
    complete: bool
    steps: int
    seconds: float


def clients(text: str) -> list[dict[str, str]]:
    """CLIENT LIST, one dictionary per client by Redis' own field names."""
    rows = []
    for line in text.splitlines():
        fields = (word.partition("=") for word in line.split(" "))
        row = {name: value for name, mark, value in fields if mark}
        if "addr" in row:
            rows.append(row)
    return rows


class TooLarge(Exception):
    """An answer that announces more than any answer to our commands needs."""


def refuse_giant(sock: socket.socket | None) -> None:
    """Look at the announced size before anything is read into memory. Raises TooLarge."""
    if sock is None or not hasattr(socket, "MSG_PEEK") or hasattr(sock, "getpeercert"):
        return  # over TLS nothing can be looked at before it is read
    found = re.match(rb"([$*])([0-9]+)\r\n", sock.recv(32, socket.MSG_PEEK))
    if found and int(found[2]) > (_LONGEST_ANSWER if found[1] == b"$" else _MOST_ITEMS):
        raise TooLarge(f"{int(found[2])} {'bytes' if found[1] == b'$' else 'items'}")
