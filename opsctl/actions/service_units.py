"""Units of a supervisor: what is known of each, and which kind of adapter speaks to it (one module per kind)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from opsctl.actions.model import Scalar
from opsctl.clients.command import Ran, run, shown
from opsctl.errors import CouldNotLook, NotConfigured

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.services.model import Adapter, Profile

Word = Literal["running", "stopped", "failed", "changing", "unknown"]
Verb = Literal["restart", "stop", "start"]
LOOK = 15.0  # seconds that a supervisor may take to answer a question
KEEP = 30.0  # seconds that a program gets to end by itself, where the supervisor lets us say so


class Unit(NamedTuple):
    """One process, container or unit. ``key``: how its supervisor is told which; ``pin``: survives no restart.

    ``grace``: seconds between the request to end and the kill, None where that is not known.
    """

    id: str
    key: str
    word: Word
    says: str
    pin: dict[str, Scalar]
    pid: int = 0
    grace: float | None = None


class Shell:
    """Runs programs for one adapter: its folder, the allowed variables. (No shell of the system is involved.)"""

    def __init__(self, adapter: Adapter, environ: Mapping[str, str]) -> None:
        self.adapter, self.environ = adapter, environ

    def look(self, argv: Sequence[str]) -> Ran:
        """A question. Raises CouldNotLook when the program is not there or does not answer in time."""
        ran = run(argv, self.environ, timeout=LOOK, folder=self.adapter.folder)
        if ran.code is None:
            raise CouldNotLook("timeout", f"{shown(argv)} does not answer within {LOOK:g} s", address=argv[0])
        return ran

    def act(self, argv: Sequence[str], *, timeout: float, more: Mapping[str, str] | None = None) -> Ran:
        """An act, once. Raises CouldNotLook only before anything was done."""
        return run(argv, self.environ, timeout=timeout, folder=self.adapter.folder, more=more, whole=False)

    def failed(self, ran: Ran) -> CouldNotLook:
        """A question that the program answered with an error."""
        words = f": {ran.words}" if ran.words else ""
        if ran.denied:
            return CouldNotLook("forbidden", f"{shown(ran.argv)} is not permitted{words}", address=ran.argv[0])
        says = f"{shown(ran.argv)} ended with {ran.code}{words}"
        return CouldNotLook("server-error", says, address=ran.argv[0])


class Kind(NamedTuple):
    """A kind of adapter. ``units``: those of the adapter, raises CouldNotLook. ``argv``: the call for one of them."""

    units: Callable[[Shell], tuple[Unit, ...]]
    argv: Callable[[Shell, Verb, str], tuple[str, ...]]
    stops: bool = True  # whether it can stop and start, beside restart
    refreshes: bool = False  # whether a restart gives the process the variables of our call


def kind_of(adapter: Adapter) -> Kind:
    """What handles that kind of adapter; its module is loaded now. Raises CouldNotLook("unsupported")."""
    if adapter.kind == "systemd":
        from opsctl.actions import service_systemd as module

        return module.KIND
    if adapter.kind == "pm2":
        from opsctl.actions import service_pm2

        return service_pm2.KIND
    if adapter.kind == "docker-compose":
        from opsctl.actions import service_compose

        return service_compose.KIND
    if adapter.kind == "command":
        from opsctl.actions import service_command

        return service_command.KIND
    says = f"adapter of kind {adapter.kind}: {adapter.unit} is restarted by the actions on Kubernetes"
    raise CouldNotLook("unsupported", f"{says}: opsctl remediate service-down restart")


def adapter_of(profile: Profile, name: str) -> Adapter:
    """The adapter of that name. Raises NotConfigured, naming those there are."""
    found = profile.adapters.get(name)
    if found is None:
        there = f"; it defines {', '.join(profile.adapters)}" if profile.adapters else ""
        setting = f"services.{profile.service}.adapters.{name}"
        says = f"service {profile.service} defines no adapter {name}{there}: set {setting} of the context"
        raise NotConfigured(says, setting=setting)
    return found


def database_of(profile: Profile, name: str) -> str:
    """The KyroDB endpoint that this adapter restarts, "" where it restarts something else: it has guards of its own."""
    adapter = profile.adapters.get(name)
    endpoint = (adapter.endpoint if adapter is not None else "") or name
    spec = profile.endpoints.get(endpoint)
    if spec is not None and spec.kind == "kyrodb":
        return endpoint
    return next((e for e, one in profile.endpoints.items() if one.kind == "kyrodb"), "") if name == "kyrodb" else ""


def shell_for(hands: Hands, name: str) -> tuple[Shell, Kind]:
    """What runs programs for the adapter of that name, and its kind. Raises CouldNotLook."""
    adapter = adapter_of(hands.profile, name)
    return Shell(adapter, hands.settings.environ), kind_of(adapter)


def units_of(hands: Hands, name: str) -> tuple[Unit, ...]:
    """All units of an adapter. Raises CouldNotLook."""
    shell, kind = shell_for(hands, name)
    return kind.units(shell)


def unit_at(hands: Hands, name: str, key: str) -> Unit | None:
    """One unit by its key; None when it is gone. Raises CouldNotLook."""
    return next((unit for unit in units_of(hands, name) if unit.key == key), None)
