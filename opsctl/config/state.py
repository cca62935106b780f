"""Where the ledger is: ``$OPSCTL_STATE``, the context's ``state``, the file's ``state``, else a file of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from opsctl.config.addresses import state_url, with_password, without_password
from opsctl.config.endpoint import Endpoint
from opsctl.config.faults import Path as Keys
from opsctl.config.model import StateAddress
from opsctl.config.references import reference, resolve
from opsctl.errors import ConfigError

if TYPE_CHECKING:
    from opsctl.config.settings import Settings
    from opsctl.config.source import SourceFile

VARIABLE = "OPSCTL_STATE"


class Named(NamedTuple):
    """One setting that names the team's ledger. ``address`` None: it is the environment's ``url``."""

    setting: str
    url: str = ""
    address: StateAddress | None = None
    source: SourceFile | None = None
    keys: Keys = ()

    def says(self) -> str:
        """The address or the reference to it; never a password."""
        if self.address is None or self.source is None:
            return without_password(self.url)
        found = reference(self.address, "url", self.source, self.keys)
        return "" if found is None else found.says() if found.how else without_password(self.address.url)


def named(settings: Settings) -> Iterator[Named]:
    """Every setting that names it, the one that counts first."""
    if url := settings.environ.get(VARIABLE, "").strip():
        yield Named(f"env {VARIABLE}", url)
    source = settings.config.source
    if source is None:
        return
    placed: list[tuple[Keys, str | StateAddress | None]] = [
        (("contexts", settings.context, "state"), settings.spec.state),
        (("state",), settings.config.file.state),
    ]
    for keys, value in placed:
        if value is not None:
            address = StateAddress(url=value) if isinstance(value, str) else value
            yield Named(source.place(keys), address=address, source=source, keys=keys)


def state_of(settings: Settings) -> Endpoint | None:
    """The team's Postgres, or None: the ledger is a file in the user's state folder. Secrets are read now.

    Raises ConfigError for what is no Postgres address, CouldNotLook("unauthorized") when a secret cannot be had.
    """
    one = next(named(settings), None)
    if one is None:
        return None
    url, setting = one.url, one.setting
    if one.address is not None and one.source is not None:
        found = reference(one.address, "url", one.source, one.keys)
        assert found is not None  # its type demands one
        url = resolve(found, settings.environ)
        setting = found.setting if not found.how else f"{found.setting} ({found.says()})"
    try:
        state_url("this", url)
    except ValueError as error:
        remedy = "Write it as postgresql://user@host:5432/database."
        raise ConfigError(str(error), place=setting, remedy=remedy) from None
    if one.address is not None and one.source is not None:
        password = reference(one.address, "password", one.source, one.keys)
        if password is not None:
            url = with_password(url, resolve(password, settings.environ))
    return Endpoint(name="state", url=url, setting=setting)
