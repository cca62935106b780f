"""What every ``opsctl silence`` command needs first: which Alertmanager, policy and clock, and who asks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import typer

from opsctl.cli.options import root_of
from opsctl.errors import ConfigError, CouldNotLook, OpsctlError, Refused, Unavailable, UsageError

if TYPE_CHECKING:
    from opsctl.config.endpoint import Endpoint
    from opsctl.config.settings import Settings
    from opsctl.services.model import Profile
    from opsctl.silences.members import Members
    from opsctl.silences.policy import Policy
    from opsctl.silences.window import Zone


class Where(NamedTuple):
    """``before``, ``after``: the flags that a next command must repeat. ``timeout``: seconds per request."""

    members: Members
    policy: Policy
    zone: Zone
    timeout: float
    before: str
    after: str
    profile: Profile | None
    prometheus: Endpoint | None
    now: datetime

    def command(self, words: str) -> str:
        """A command line to go on with."""
        return f"opsctl {self.before}silence {words}{self.after}"


@contextmanager
def opened(
    ctx: typer.Context,
    url: str | None,
    *,
    timeout: str = "10s",
    policy: str | None = None,
    zone: str | None = None,
    service: str | None = None,
    prometheus: str | None = None,
) -> Iterator[Where]:
    """The cluster's members, closed at the end. Raises UsageError, ConfigError."""
    from opsctl.config.settings import load_settings
    from opsctl.durations import parse_duration
    from opsctl.silences.members import Members
    from opsctl.silences.policy import find_policy, load_policy
    from opsctl.silences.window import find_zone

    seconds = parse_duration(timeout)
    if seconds <= 0:
        raise UsageError("--timeout must be longer than 0s")
    clock = find_zone(zone, dict(os.environ))
    rules = load_policy(find_policy(policy))
    root = root_of(ctx)
    given = {name: value for name, value in (("alertmanager", url), ("prometheus", prometheus)) if value}
    settings = load_settings(root.config, root.context, given)
    profile = _profile(service, settings, root.dirs()) if service or not _named(settings, "alertmanager") else None
    members = Members(_endpoint(settings, profile))
    try:
        yield Where(
            members,
            rules,
            clock,
            seconds,
            *_again(root, url),
            profile if service else None,
            _optional(settings, profile, "prometheus"),
            datetime.now(UTC),
        )
    except CouldNotLook as error:
        raise _typed(error) from None
    finally:
        members.close()


def _named(settings: Settings, name: str) -> bool:
    return bool(settings.flag(name)) or settings.endpoint(name) is not None


def _profile(service: str | None, settings: Settings, dirs: Sequence[object]) -> Profile | None:
    """The service that was named, else the context's only one, whose endpoints then hold."""
    from opsctl.services.load import apply_override, load_profile

    names = [service] if service else settings.services()
    if len(names) != 1 or names[0] is None:
        return None
    name = names[0]
    return apply_override(load_profile(name, list(dirs)), settings.override(name))  # type: ignore[arg-type]


def _endpoint(settings: Settings, profile: Profile | None) -> Endpoint:
    from opsctl.services.resolve import resolver

    try:
        found = settings.endpoint("alertmanager") if profile is None else resolver(profile, settings)("alertmanager")
    except CouldNotLook as error:
        raise ConfigError(error.says, place=error.setting) from None
    if found is None:
        raise ConfigError(
            "nothing says where Alertmanager is",
            remedy="Give --alertmanager-url, set ALERTMANAGER_URL, or set alertmanager in a context of opsctl.yaml.",
        )
    return found


def _optional(settings: Settings, profile: Profile | None, name: str) -> Endpoint | None:
    from opsctl.services.resolve import resolver

    try:
        return settings.endpoint(name) if profile is None else resolver(profile, settings)(name)
    except CouldNotLook:
        return None


def _again(root: object, url: str | None) -> tuple[str, str]:
    import shlex

    from opsctl.redact import redact

    flags = "".join(
        f"--{name} {shlex.quote(value)} "
        for name in ("config", "context", "runbooks")
        if (value := getattr(root, name, None))
    )
    return flags, f" --alertmanager-url {shlex.quote(redact(url))}" if url else ""


def _typed(error: CouldNotLook) -> OpsctlError:
    """A server's refusal or silence as the command's end."""
    says = error.says
    if error.reason in ("unauthorized", "forbidden"):
        return Refused(says, place=error.setting)
    if error.reason == "bad-query":
        return Declined(says)
    return Unavailable(says, place=error.setting)


class Declined(OpsctlError):
    """The server did not take it: a step failed."""

    code = 2


def labels_of(profile: Profile) -> Mapping[str, str]:
    """The labels of a service's alerts. Raises UsageError where nothing gives any."""
    found = profile.alert_labels or profile.prometheus_labels
    if not found:
        raise UsageError(
            f"nothing says which labels the alerts of {profile.service} have",
            remedy=f"Set alert_labels in its profile, or give matchers instead of --service {profile.service}.",
        )
    return found


def author(given: str | None = None) -> str:
    """Who makes a silence: the system's user at this host; under sudo the one who called it."""
    import getpass
    import socket

    if given is not None:
        return clean(given, "--author")
    try:
        user = os.environ.get("SUDO_USER") if os.geteuid() == 0 else None
        user = user or getpass.getuser()
    except (OSError, KeyError):  # a container with an arbitrary user id
        user = str(os.geteuid())
    return clean(f"{user}@{socket.gethostname().partition('.')[0]}", "the user's name")


def clean(text: str, what: str) -> str:
    """Text that is to be stored; surrounding blanks removed. Raises UsageError for control characters and bad bytes."""
    from opsctl.redact import printable

    text = text.strip()
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{what} is not UTF-8 text") from None
    if printable(text) != text:
        raise UsageError(f"{what} holds control characters", remedy="Leave them out.")
    return text


def reasons(allow: Sequence[str]) -> dict[str, str]:
    """``--allow NAME="reason"`` as name -> reason. Raises UsageError."""
    found: dict[str, str] = {}
    for word in allow:
        name, sign, reason = clean(word, "--allow").partition("=")
        if not (name.strip() and sign and reason.strip()):
            raise UsageError(f"--allow {word!r} gives no reason", remedy='Write --allow NAME="why".')
        found[name.strip()] = reason.strip().strip('"')
    return found


def ask(question: str, yes: bool) -> bool:
    """Whether to go on: ``--yes``, or what the terminal answers. Raises UsageError where nobody can be asked."""
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{question} Nobody can be asked here", remedy="Add --yes.")
    return typer.confirm(question, default=False, err=True)


def read_input(name: str) -> tuple[bytes, str]:
    """A file's or (``-``) standard input's bytes, and what to call them. Raises UsageError."""
    from pathlib import Path

    if name == "-":
        return sys.stdin.buffer.read(), "standard input"
    try:
        return Path(name).read_bytes(), name
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror or error}") from None
