"""Postgres, write side: one session that may signal others and alter roles, one statement at a time, autocommit.

Everything the reader can, so that a look needs no second connection while slots are scarce. The statements themselves
lie in ``opsctl/actions/sql``, out of the read side's reach.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from opsctl.clients import postgres_dsn
from opsctl.clients.postgres import CONNECT_SECONDS, PostgresReader
from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook

APPLICATION = "opsctl:remediate"
# After these the server has said no: nothing was done. After the others (connection lost, time over) nobody knows.
_REFUSALS = frozenset({"forbidden", "unsupported", "bad-query", "server-error", "not-found"})


class Statement(NamedTuple):
    """One acting statement: ``{x}`` are quoted names or constants, ``%(x)s`` values; never both in one."""

    name: str
    text: str


class NotActed(Exception):
    """The server refused the statement. ``failure`` says why."""

    def __init__(self, failure: CouldNotLook) -> None:
        super().__init__(failure.says)
        self.failure = failure


class Unclear(Exception):
    """The statement was sent, and no answer tells whether it took effect."""

    def __init__(self, failure: CouldNotLook) -> None:
        super().__init__(failure.says)
        self.failure = failure


class PostgresWriter(PostgresReader):
    """One endpoint, one connection. Failures before anything is sent are CouldNotLook, as the reader's."""

    _read_only = "off"

    def __repr__(self) -> str:
        return f"PostgresWriter(from {self.setting})"

    def act(
        self,
        statement: Statement,
        values: Mapping[str, object] | None = None,
        *,
        names: Mapping[str, str] | None = None,
        literals: Mapping[str, str] | None = None,
        timeout: float = 6.0,
    ) -> list[dict[str, Any]]:
        """Send one statement once. Raises CouldNotLook before, NotActed or Unclear after it was sent.

        ``names`` are quoted as identifiers, ``literals`` as constants: where a statement takes no values (ALTER ROLE).
        """
        with self._turn(timeout) as until:
            connection = self._session(until)
            text = statement.text
            if names or literals:
                from psycopg import sql

                parts: dict[str, Any] = {key: sql.Identifier(value) for key, value in (names or {}).items()}
                parts |= {key: sql.Literal(value) for key, value in (literals or {}).items()}
                text = sql.SQL(text).format(**parts).as_string(connection).replace("%", "%%")
            try:
                left = max(0.5, until - time.monotonic())
                return self._ask(connection, statement.name, text, dict(values or {}), left)
            except CouldNotLook as failure:
                if failure.reason in _REFUSALS:
                    raise NotActed(failure) from None
                raise Unclear(failure) from None

    def _parameters(self, seconds: float) -> dict[str, Any]:
        values = super()._parameters(seconds)
        values["options"] = f"{values['options']} -c default_transaction_read_only=off"
        values["application_name"] = APPLICATION
        return values


def role_of(endpoint: Endpoint) -> str:
    """The role that an endpoint logs in as: its own, else libpq's default. Raises CouldNotLook."""
    values = postgres_dsn.parameters(endpoint, CONNECT_SECONDS)
    return values.get("user") or postgres_dsn.default("user")


def address_of(endpoint: Endpoint) -> str:
    """``database@host:port`` of an endpoint. Raises CouldNotLook."""
    return postgres_dsn.address(postgres_dsn.parameters(endpoint, CONNECT_SECONDS))
