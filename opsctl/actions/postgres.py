"""The actions on Postgres, registered by importing this module."""

from __future__ import annotations

from opsctl.actions import (
    postgres_blocker,
    postgres_cancel,
    postgres_idle,
    postgres_idle_transaction,
    postgres_role_timeout,
)

__all__ = [
    "postgres_blocker",
    "postgres_cancel",
    "postgres_idle",
    "postgres_idle_transaction",
    "postgres_role_timeout",
]
