"""One run for a person or for cron: lock, look, remember, write the textfile, tell the switch; what to print of it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from opsctl import __version__
from opsctl.errors import BadData, OpsctlError, UsageError
from opsctl.healthcheck import files
from opsctl.healthcheck.model import Health, tidy
from opsctl.healthcheck.steps import KINDS, Asked

if TYPE_CHECKING:
    from opsctl.config.settings import Settings
    from opsctl.healthcheck.pings import Switch
    from opsctl.services.model import Profile

_MOST_TARGETS = 20_000


class Request(NamedTuple):
    """What was asked for. ``timeout`` and ``jitter`` in seconds; ``dirs``: folders of runbooks."""

    config: str | None
    context: str | None
    dirs: Sequence[Path]
    services: tuple[str, ...] = ()
    everything: bool = False
    asked: Asked = Asked()
    urls: tuple[str, ...] = ()
    targets: str = ""
    timeout: float = 20.0
    jitter: float = 0.0
    lock: bool = False
    lock_skip: bool = False
    on_change: bool = False
    textfile: str = ""
    ping_url: str = ""
    ping_fail_on_warning: bool = False


class Outcome(NamedTuple):
    """``silent``: nothing needs to be said. ``notes``: told beside the answer; ``alarms``: always."""

    found: Health
    silent: bool
    notes: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()


def run(request: Request) -> Outcome:
    """Never raises OpsctlError once the request itself is understood: what is wrong becomes the answer, unknown."""
    began = time.monotonic()
    _checked(request)
    if request.jitter:
        time.sleep(request.jitter * int.from_bytes(os.urandom(4)) / 2**32)
        began = time.monotonic()
    if not (request.lock or request.lock_skip):
        return _run(request, began, ())
    with files.lock(_key(request)) as held:
        if held.mine:
            return _run(request, began, (held.failed,) if held.failed else ())
    who = f" ({held.by})" if held.by else ""
    says = f"another run of this check is still under way{who}; this one did nothing"
    found = unknown(says, request.timeout)
    if request.lock_skip:
        return Outcome(msgspec.structs.replace(found, state="ok", exit=0), silent=True)
    return Outcome(found, silent=False)


def unknown(says: str, deadline: float = 0.0) -> Health:
    """The answer when nothing could be looked at."""
    return Health(
        opsctl=__version__,
        state="unknown",
        exit=3,
        says=tidy(says),
        started_at=datetime.now(UTC),
        seconds=0.0,
        deadline=deadline,
    )


def _checked(request: Request) -> None:
    """Raises UsageError for wishes that cannot be meant."""
    if request.timeout <= 0:
        raise UsageError("--timeout must be longer than 0s")
    if request.everything and request.services:
        raise UsageError("--all and --service exclude each other")
    if request.textfile:
        from opsctl.healthcheck.textfile import path_of

        path_of(request.textfile)


def _run(request: Request, began: float, notes: tuple[str, ...]) -> Outcome:
    switch: Switch | None = None
    total, looking = request.timeout, request.timeout
    if request.ping_url:
        from opsctl.healthcheck.pings import MOST, Switch

        switch = Switch(request.ping_url, fail_on_warning=request.ping_fail_on_warning)
        looking = max(total - MOST, total * 0.6)  # what is left is for the last ping
    try:
        found = _look(request, began, looking)
    except OpsctlError as error:
        found = unknown(error.sentence(), looking)
    compared = None
    if request.on_change:
        from opsctl.healthcheck.memory import compare, lines

        compared = compare(found, _key(request))
        found = msgspec.structs.replace(found, changes=tuple(lines(compared)))
        notes = (*notes, compared.trouble) if compared.trouble else notes
    alarms: tuple[str, ...] = ()
    if request.textfile:
        alarms = _textfile(request.textfile, found)
    if switch is not None:
        trouble = switch.finish(found.exit, body(found), until=began + total)
        notes = (*notes, trouble) if trouble else notes
    silent = not compared.changes if compared is not None else found.exit == 0
    return Outcome(found, silent, notes, alarms)


def body(found: Health) -> str:
    """The diagnostics of a ping: the page as text, without colour."""
    from opsctl.healthcheck.as_text import render
    from opsctl.report.style import Style

    return render(found, Style())


def _textfile(name: str, found: Health) -> tuple[str, ...]:
    from opsctl.healthcheck import textfile

    try:
        textfile.write(textfile.path_of(name), found if found.subjects else None, found.exit)
    except OSError as error:
        return (f"opsctl: --textfile {name} could not be written: {error.strerror or error}",)
    return ()


def _look(request: Request, began: float, total: float) -> Health:
    from opsctl.config.settings import load_settings
    from opsctl.healthcheck.look import Wanted, look

    urls = (*request.urls, *_targets(request.targets))
    settings = load_settings(request.config, request.context)
    profiles = _profiles(request, settings, urls)
    known = {*KINDS, *(name for profile in profiles for name in profile.endpoints)}
    for kind in request.asked.only:
        if kind not in known:
            from opsctl.nearest import unknown_name

            raise unknown_name("system", kind, known)
    return look(Wanted(profiles, tuple(dict.fromkeys(urls)), request.asked, total, began), settings)


def _profiles(request: Request, settings: Settings, urls: Sequence[str]) -> list[Profile]:
    """Those named, all, or those that the context names. Raises UsageError, ConfigError."""
    from opsctl.services.find import list_profiles
    from opsctl.services.load import apply_override, load_profile

    if request.services:
        names = list(dict.fromkeys(request.services))
    elif request.everything:
        names = list(list_profiles(request.dirs))
    else:
        names = [] if urls else settings.services()
    if not names and not urls:
        known = ", ".join(sorted(list_profiles(request.dirs)))
        raise UsageError("no service was named", remedy=f"Name it with -s ({known}), or say --all or --url.")
    return [apply_override(load_profile(name, request.dirs), settings.override(name)) for name in names]


def _targets(name: str) -> list[str]:
    """Addresses of a file, one a line; ``-`` is standard input. Raises BadData."""
    if not name:
        return []
    import sys

    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise BadData(f"--targets {name}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise BadData(f"--targets {name} is not text") from None
    lines = [line.strip() for line in text.splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    if not found:
        raise BadData(f"--targets {name} names no address")
    if len(found) > _MOST_TARGETS:
        raise BadData(f"--targets {name} names {len(found)} addresses; {_MOST_TARGETS} are the most for one run")
    return found


def _key(request: Request) -> str:
    """The same check has the same lock and memory, however its answer is shown."""
    targets = str(Path(request.targets).absolute()) if request.targets not in ("", "-") else request.targets
    asked = request.asked
    return files.key_of(
        [request.config or "", request.context or "", os.environ.get("OPSCTL_CONTEXT", ""), targets]
        + [f"service {name}" for name in sorted(set(request.services))]
        + [f"only {name}" for name in sorted(set(asked.only))]
        + [f"url {url}" for url in request.urls]
        + [str(request.everything), str(asked.deep), asked.watchdog]
    )
