"""The simulated AMAS' insights: many small cache entries, of which each decision reads a few.

There are so many of them that an emptied cache takes minutes to be of use again, as a real one does. A service that
runs keeps those that are there alive; one that is missed is made again and stored.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time

from opsctl.lab.amas_cache import Cache, CacheDown
from opsctl.lab.amas_store import USERS

COUNT = 20_000
READ = 4  # insights of one decision
LIFETIME = 300_000  # milliseconds: AMAS_STATE
PREFIX = "decision_insight:"
NEXT = "insight-v2:"  # what a new version calls them
KEEP_SECONDS = 60.0


class Insights:
    """Reads through the cache. ``lifetime`` in milliseconds for new entries; ``written``: the prefix of new entries."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self.lifetime = LIFETIME
        self.written = PREFIX
        threading.Thread(target=self._keep, daemon=True).start()

    def read(self, known: bool) -> None:
        """What one decision needs; ``known``: for a user whose insights may be cached at all. Raises CacheDown."""
        ids = random.sample(range(COUNT), READ) if known else [COUNT + random.randrange(10**9) for _ in range(READ)]  # noqa: S311
        found = self._cache.many([f"{PREFIX}{id}" for id in ids])
        missed = [id for id, value in zip(ids, found, strict=True) if value is None]
        if missed:
            self._cache.keeper.set_many({f"{self.written}{id}": text(id) for id in missed}, self.lifetime)

    def warm(self) -> None:
        """Store all of them. Raises CacheDown."""
        for first in range(0, COUNT, 1000):
            self._cache.keeper.set_many({f"{PREFIX}{id}": text(id) for id in range(first, first + 1000)}, self.lifetime)

    def _keep(self) -> None:
        while True:
            time.sleep(KEEP_SECONDS)
            with contextlib.suppress(CacheDown):
                self._cache.keeper.keep_alive([f"user_state:{user}" for user in range(USERS)], self._cache.lifetime)
                for first in range(0, COUNT, 500):
                    keys = [f"{PREFIX}{id}" for id in range(first, first + 500)]
                    self._cache.keeper.keep_alive(keys, self.lifetime)
                    time.sleep(0.02)


def text(id: int) -> str:
    """An insight."""
    return f'{{"insight": {id}, "recall": 0.{id % 97:02d}, "next": "review", "model": "fsrs-4"}}'
