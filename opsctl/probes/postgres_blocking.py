"""Who blocks whom, from the edges that Postgres gives: sessions that block and wait for nobody, their victims, depth.

The tree is made here and not in SQL: in a queue for one lock each session waits behind all before it, so a query that
follows every path doubles its work with each waiter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from opsctl.probes.postgres_session import Session

WAITERS = 200  # looked at; more waiting sessions are counted, not followed

Edges = Mapping[int, frozenset[int]]  # waiting session -> the sessions it waits behind


class Root(NamedTuple):
    """A session that blocks ``victims`` others, directly or through them; the farthest is ``depth`` steps away."""

    pid: int
    victims: int
    depth: int


def edges(here: Session) -> Edges:
    """The edges of the present moment; several lists of one session are joined."""
    rows: Iterable[dict[str, Any]] = here.rows("get_lock_edges", {"limit": WAITERS})
    return {row["pid"]: frozenset(row["blocked_by"]) for row in rows}


def roots(waiting: Edges) -> list[Root]:
    """The roots, most victims first. Empty when nobody waits, or when they only wait for each other (a deadlock)."""
    blockers = frozenset(pid for behind in waiting.values() for pid in behind)
    found = [reach(waiting, pid) for pid in sorted(blockers - waiting.keys())]
    return sorted(found, key=lambda root: -root.victims)


def reach(waiting: Edges, pid: int) -> Root:
    """How far the blocking of ``pid`` reaches: by shortest paths, so a queue behind one session has depth 1 or 2."""
    victims: set[int] = set()
    depth, nearest = 0, {pid}
    while True:
        nearest = {other for other, behind in waiting.items() if other not in victims and behind & nearest} - {pid}
        if not nearest:
            return Root(pid, len(victims), depth)
        victims |= nearest
        depth += 1
