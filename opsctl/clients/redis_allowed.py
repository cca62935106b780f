"""The commands that may reach Redis: each only reads, and none walks more than a few hundred keys at once.

Never KEYS, MONITOR, DEBUG, FLUSH*, CONFIG SET, OBJECT FREQ or any reset: those cost or destroy what is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

SETTINGS = frozenset({"maxclients", "latency-monitor-threshold", "maxmemory-policy", "slowlog-log-slower-than"})
MOST_AT_ONCE = 1000  # keys of one SCAN step
LONGEST_KEY = 4096  # bytes; a longer one is not sent back

Word = str | bytes
Check = Callable[[tuple[Word, ...]], bool]


def _nothing(arguments: tuple[Word, ...]) -> bool:
    return not arguments


def _one(pattern: str) -> Check:
    def check(arguments: tuple[Word, ...]) -> bool:
        return len(arguments) == 1 and isinstance(arguments[0], str) and re.fullmatch(pattern, arguments[0]) is not None

    return check


def _scan(arguments: tuple[Word, ...]) -> bool:
    if len(arguments) == 5 and arguments[1] == "MATCH" and isinstance(arguments[2], bytes):
        arguments = (arguments[0], *arguments[3:])
    if len(arguments) != 3 or arguments[1] != "COUNT":
        return False
    cursor, _, count = arguments
    if not (isinstance(cursor, str) and isinstance(count, str)):
        return False
    return (
        re.fullmatch("[0-9]{1,20}", cursor) is not None
        and re.fullmatch("[1-9][0-9]{0,3}", count) is not None
        and (int(count) <= MOST_AT_ONCE)
    )


def _key(arguments: tuple[Word, ...]) -> bool:
    return len(arguments) == 1 and isinstance(arguments[0], bytes) and len(arguments[0]) <= LONGEST_KEY


def _sampled(arguments: tuple[Word, ...]) -> bool:
    return len(arguments) == 3 and _key(arguments[:1]) and arguments[1:] == ("SAMPLES", "5")


# (command, subcommand) -> whether these arguments may be sent
_ALLOWED: Mapping[tuple[str, ...], Check] = {
    ("PING",): _nothing,
    ("INFO",): _one("[a-z]+"),
    ("SLOWLOG", "GET"): _one("[0-9]{1,4}"),
    ("LATENCY", "LATEST"): _nothing,
    ("MEMORY", "STATS"): _nothing,
    ("MEMORY", "USAGE"): _sampled,  # never SAMPLES 0, which walks the whole value
    ("CONFIG", "GET"): lambda arguments: len(arguments) == 1 and arguments[0] in SETTINGS,
    ("CLIENT", "LIST"): _nothing,
    ("SELECT",): _one("[0-9]{1,5}"),
    ("SCAN",): _scan,
    ("PTTL",): _key,  # leaves the key's age for eviction alone
    ("TIME",): _nothing,
    ("ACL", "WHOAMI"): _nothing,
    ("ACL", "DRYRUN"): lambda arguments: len(arguments) > 1 and all(isinstance(word, str) for word in arguments),
}


def may_be_sent(command: tuple[str, ...], arguments: tuple[Word, ...]) -> bool:
    """Whether this command with these arguments is on the list."""
    check = _ALLOWED.get(command)
    return check is not None and check(arguments)
