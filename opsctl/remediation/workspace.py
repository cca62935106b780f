"""Everything one command that acts works with: service, clients, who does it, and what goes into the ledger."""

from __future__ import annotations

import getpass
import os
import shlex
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from opsctl.redact import printable, redact

if TYPE_CHECKING:
    from types import TracebackType

    from opsctl.actions.hands import Hands
    from opsctl.clients.readers import Readers
    from opsctl.clients.writers import Writers
    from opsctl.config.settings import Settings
    from opsctl.services.model import Profile

ACTOR = "OPSCTL_ACTOR"  # environment: who is meant where several people share an account


class Who(NamedTuple):
    """Who does it, where, by which command, and why: goes into the ledger and the lease."""

    actor: str
    host: str
    command: str
    reason: str = ""
    ticket: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Made by ``open_workspace``; closes its clients at the end of a ``with``."""

    settings: Settings
    profile: Profile
    dirs: tuple[Path, ...]
    readers: Readers
    writers: Writers
    who: Who
    environ: Mapping[str, str]
    direct: bool = False
    clock: Callable[[], float] = field(default=time.time)

    @property
    def context(self) -> str:
        """The context in use, "" for none."""
        return self.settings.context

    def hands(self) -> Hands:
        """What actions use, as of now; its signals have not been read yet."""
        from opsctl.actions.hands import Hands
        from opsctl.services.measured import signals_of

        return Hands(
            profile=self.profile,
            settings=self.settings,
            readers=self.readers,
            writers=self.writers,
            signals=signals_of(self.readers, self.profile, direct=self.direct),
            now=self.clock(),
            actor=self.who.actor,
            reason=" ".join(filter(None, (self.who.reason, self.who.ticket))),
        )

    def close(self) -> None:
        """Close what was opened; never raises."""
        self.writers.close()
        self.readers.close()

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_workspace(
    settings: Settings,
    profile: Profile,
    dirs: Sequence[Path],
    *,
    command: Sequence[str],
    environ: Mapping[str, str] | None = None,
    reason: str = "",
    ticket: str = "",
    direct: bool = False,
    clock: Callable[[], float] = time.time,
) -> Workspace:
    """The workspace of one command. ``profile``: with the context's override in it; ``command``: the argument list.

    Opens nothing yet: a client connects when it is first used.
    """
    from opsctl.clients.readers import Readers
    from opsctl.clients.writers import Writers
    from opsctl.services.resolve import resolver

    environ = os.environ if environ is None else environ
    resolve = resolver(profile, settings)
    return Workspace(
        settings=settings,
        profile=profile,
        dirs=tuple(dirs),
        readers=Readers(resolve),
        writers=Writers(resolve),
        who=who_of(command, environ, reason=reason, ticket=ticket),
        environ=environ,
        direct=direct,
        clock=clock,
    )


def who_of(command: Sequence[str], environ: Mapping[str, str], *, reason: str = "", ticket: str = "") -> Who:
    """The actor is ``$OPSCTL_ACTOR``, else the user of this process; no secret of the command line is kept."""
    host = socket.gethostname().partition(".")[0] or "unknown"
    named = environ.get(ACTOR, "").strip()
    return Who(
        actor=_clean(named) if named else f"{_user()}@{host}",
        host=host,
        command=_clean(shlex.join(command)),
        reason=_clean(reason),
        ticket=_clean(ticket),
    )


def _user() -> str:
    try:
        return _clean(getpass.getuser())
    except (KeyError, OSError):  # a container with an arbitrary user id
        return f"uid-{os.geteuid()}"


def _clean(text: str) -> str:
    return redact(printable(text)).strip()
