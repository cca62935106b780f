"""The policy's word on a silence that is about to be sent, and its refusal with every reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsctl.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opsctl.cli.silence_where import Where
    from opsctl.silences.create import Wanted
    from opsctl.silences.firing import Firing
    from opsctl.silences.guard import Refusal


class Guards:
    """The policy's word on a silence; firing alerts are asked for when it is wanted, once."""

    def __init__(
        self, where: Where, wanted: Wanted, allow: Sequence[str], allow_count: int | None, seconds: float | None = None
    ) -> None:
        """``seconds``: how long it may last, when that is not its window."""
        self._where = where
        self._wanted = wanted
        self._allow = allow
        self._allow_count = allow_count
        self._seconds = wanted.window.seconds if seconds is None else seconds
        self.firing: Firing | None = None

    def against(self) -> tuple[Refusal, ...]:
        """Everything that stands against it. Raises Refused when what fires cannot be read."""
        from opsctl.silences.firing import firing

        try:
            self.firing = self.firing or firing(self._where.members, self._wanted.matchers, self._where.timeout)
        except Refused:
            found = self._refusals()
            if not found:
                raise
            return found
        return self._refusals()

    def check(self) -> None:
        """Raises Refused with every reason and what lifts it."""
        refuse(self.against())

    def check_form(self) -> None:
        """What can be told without asking anybody. Raises Refused."""
        refuse(self._refusals())

    def _refusals(self) -> tuple[Refusal, ...]:
        from opsctl.cli.silence_where import reasons
        from opsctl.silences.guard import refusals

        now = self.firing
        wanted = self._wanted
        return refusals(
            self._where.policy,
            wanted.matchers,
            seconds=self._seconds,
            comment=wanted.comment,
            ticket=wanted.ticket,
            firing=None if now is None else [alert.labels for alert in now.alerts],
            complete=now is None or now.complete,
            allowed=reasons(self._allow),
            allow_count=self._allow_count,
        )


def refuse(found: Sequence[Refusal]) -> None:
    """Raises Refused with all reasons, one a line; nothing for none."""
    if found:
        from opsctl.cli.silence_text import told

        raise Refused("\n".join(f"refused: {told(one.says)}" for one in found))
