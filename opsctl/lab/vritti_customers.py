"""Vritti's customers and their keys: a file that outlives the process, and the cache that nothing invalidates.

As in the service's own code (domain-checks.md 2.8): of a key only its hash is kept, its text is shown once; a key that
was validated is remembered with its customer's status for a while, so that a suspension or a revocation counts later.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from opsctl.lab.clock import now_text

STATUSES = ("active", "suspended", "deleted")
TIERS = ("free", "starter", "pro", "enterprise")


def key_id_of(key: str) -> str:
    """The id under which a key is known; tells nothing about it. The lab's own keys (key-3-…) have short ones."""
    if (own := re.match(r"key-(\d+)-", key)) is not None:
        return f"key_{own[1]}"
    return "key_" + hashlib.sha256(key.encode()).hexdigest()[:10]


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _told(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "hash"}


class Known(NamedTuple):
    """A key that is valid: whose it is, and that customer's status when it was looked up."""

    key_id: str
    customer: str
    status: str


class Store:
    """The customers' database. ``keys``: API key -> customer, what it holds when it is new."""

    def __init__(self, path: str, keys: Mapping[str, str]) -> None:
        self._path, self._seed = Path(path), dict(keys)
        self._lock = threading.Lock()
        self._data: dict[str, dict[str, dict[str, Any]]] = {}
        if self._path.exists():
            self._data = json.loads(self._path.read_text())
        else:
            self.reset()

    def reset(self) -> None:
        """As it was when it was new."""
        with self._lock:
            self._data = {"customers": {}, "keys": {}}
            for key, customer in self._seed.items():
                self._data["customers"][customer] = {
                    "customer_id": customer,
                    "status": "active",
                    "subscription_tier": "pro",
                    "credits_used_current_month": 4000,
                    "monthly_credit_limit": 10000,
                }
                self._data["keys"][key_id_of(key)] = self._key(key, customer, "production")
            self._write()

    def look_up(self, key: str) -> Known | None:
        """Whose key it is, if it is one and not revoked."""
        with self._lock:
            found = self._data["keys"].get(key_id_of(key))
            if found is None or found["status"] != "active" or found["hash"] != _hash(key):
                return None
            found["last_used_at"] = now_text()  # on cache misses only, as in the service
            return Known(found["key_id"], found["customer_id"], self._data["customers"][found["customer_id"]]["status"])

    def customer(self, id: str) -> dict[str, Any] | None:
        """A customer's record."""
        with self._lock:
            found = self._data["customers"].get(id)
            return None if found is None else dict(found)

    def change(self, id: str, fields: Mapping[str, str]) -> dict[str, Any]:
        """Set status or tier of a customer that is there."""
        with self._lock:
            self._data["customers"][id].update(fields)
            self._write()
            return dict(self._data["customers"][id])

    def keys_of(self, customer: str) -> list[dict[str, Any]]:
        """A customer's keys without what would help to guess them."""
        with self._lock:
            return [_told(key) for key in self._data["keys"].values() if key["customer_id"] == customer]

    def create(self, customer: str, name: str) -> tuple[str, dict[str, Any]]:
        """A new key: its text, which is kept nowhere, and its record."""
        key = "em_live_" + secrets.token_hex(16)
        with self._lock:
            record = self._data["keys"][key_id_of(key)] = self._key(key, customer, name)
            self._write()
            return key, _told(record)

    def revoke(self, customer: str, key_id: str) -> bool:
        """Whether there was such a key of that customer that was still good."""
        with self._lock:
            found = self._data["keys"].get(key_id)
            if found is None or found["customer_id"] != customer or found["status"] != "active":
                return False
            found["status"] = "revoked"
            self._write()
            return True

    @staticmethod
    def _key(key: str, customer: str, name: str) -> dict[str, Any]:
        return {
            "key_id": key_id_of(key),
            "hash": _hash(key),
            "customer_id": customer,
            "name": name,
            "status": "active",
            "created_at": now_text(),
            "last_used_at": None,
        }

    def _write(self) -> None:
        draft = self._path.with_suffix(".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(self._data, file)
        draft.replace(self._path)


class Cache:
    """Validated keys, for ``seconds`` each."""

    def __init__(self, store: Store, seconds: float) -> None:
        self._store, self._seconds = store, seconds
        self._known: dict[str, tuple[float, Known]] = {}

    def find(self, key: str) -> tuple[Known | None, bool]:
        """Whose key it is (None: nobody's), and whether the cache knew."""
        until, known = self._known.get(key, (0.0, None))
        if known is not None and until > time.monotonic():
            return known, True
        found = self._store.look_up(key)
        if found is None:
            self._known.pop(key, None)
        else:
            self._known[key] = (time.monotonic() + self._seconds, found)
        return found, False

    def clear(self) -> None:
        """Forget all, as a restart does."""
        self._known.clear()
