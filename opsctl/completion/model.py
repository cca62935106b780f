"""The command tree as completion sees it."""

from __future__ import annotations

from typing import NamedTuple


class Flag(NamedTuple):
    """An option: its spellings, help, whether a value follows, and what the value may be.

    ``values``: fixed choices. ``kind``: dynamic values from the cache file of that name (service, runbook, context),
    or ``file`` / ``folder``.
    """

    names: tuple[str, ...]
    help: str
    takes_value: bool
    values: tuple[str, ...] = ()
    kind: str = ""


class Node(NamedTuple):
    """A command: its path below ``opsctl``, help, options, subcommands, and the kind of its arguments."""

    path: tuple[str, ...]
    help: str
    flags: tuple[Flag, ...]
    children: tuple[str, ...] = ()
    child_kind: str = ""  # dynamic names beside the fixed children (runbook)
    argument: str = ""  # kind of the positional argument
    argument_values: tuple[str, ...] = ()


Tree = dict[tuple[str, ...], Node]
