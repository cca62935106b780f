"""Which log is meant, and its lines of a time: a file on this host with its older ones, or a workload's pods."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from opsctl.durations import format_duration, parse_duration, parse_quantity, parse_time
from opsctl.errors import CouldNotLook, Refused, Unavailable, UsageError

if TYPE_CHECKING:
    import typer

    from opsctl.clients.logfile import LogWindow
    from opsctl.clients.logline import LogLine
    from opsctl.config.settings import Settings
    from opsctl.probes.log_pods import PodWindow
    from opsctl.services.model import LogFile, Profile

PODS = "kubernetes:"
DEFAULT = "app"
_SECONDS = 60.0  # for reading a window


class Log(NamedTuple):
    """A log of a service. ``setting``: where its path comes from."""

    service: str
    name: str
    spec: LogFile
    setting: str
    profile: Profile
    settings: Settings

    @property
    def pods(self) -> bool:
        """Whether it is the output of a workload's containers."""
        return self.spec.path.startswith(PODS)


class Times(NamedTuple):
    """A window in unix seconds, and its length in words."""

    since: float
    until: float
    words: str


def opened(ctx: typer.Context, service: str | None, name: str | None) -> Log:
    """The log of that name; without one the service's ``app``, or its only one. Raises UsageError, ConfigError."""
    from opsctl.cli.looking import only_service
    from opsctl.cli.options import root_of
    from opsctl.config.settings import load_settings
    from opsctl.nearest import unknown_name
    from opsctl.services.load import apply_override, load_profile

    root = root_of(ctx)
    settings = load_settings(root.config, root.context, {})
    chosen = service or only_service(settings, root.dirs())
    override = settings.override(chosen)
    profile = apply_override(load_profile(chosen, root.dirs()), override)
    logs = profile.logs
    if not logs:
        says = f"the profile of {chosen} names no log"
        raise UsageError(says, remedy=f"Name it there, under logs, or in the context: services.{chosen}.logs.")
    if name is None:
        name = DEFAULT if DEFAULT in logs else next(iter(logs)) if len(logs) == 1 else None
        if name is None:
            raise UsageError(f"which log of {chosen}?", remedy=f"Name it: {', '.join(logs)}.")
    if name not in logs:
        raise unknown_name("log", name, list(logs))
    where = f"context {settings.context}" if name in override.logs else f"profile {chosen}"
    return Log(chosen, name, logs[name], f"{where}, logs.{name}", profile, settings)


def times(since: str, until: str | None) -> Times:
    """``since``: a duration back from the end, or a time. Raises UsageError."""
    now = time.time()
    end = now if until is None else parse_time(until, now)
    try:
        length = parse_duration(since)
    except UsageError:
        length = end - parse_time(since, now)
    if length <= 0:
        raise UsageError("--since must lie before the end of the window")
    words = f"the last {format_duration(length)}" if until is None else f"the {format_duration(length)} before {until}"
    return Times(end - length, end, words)


def budget(text: str) -> int:
    """Bytes to read at most. Raises UsageError."""
    most = int(parse_quantity(text, "bytes"))
    if most < 2**16:
        raise UsageError(f"--read {text} is too little to read a log", remedy="Give at least 64KiB.")
    return most


class Window:
    """The lines of a window, once; afterwards what is to be said about it. Iterating raises CouldNotLook."""

    def __init__(self, log: Log, since: float, until: float, most: int) -> None:
        self._log = log
        self.since, self.until = since, until
        self.lines = 0
        self._source = self._pods() if log.pods else self._file(most)
        self.path = self._source.path

    def __iter__(self) -> Iterator[LogLine]:
        for line in self._source:
            self.lines += 1
            yield line

    @property
    def complete(self) -> bool:
        """Whether all of it was read."""
        return self._source.complete

    @property
    def start(self) -> float | None:
        """The oldest time that was read."""
        return self._source.start

    @property
    def unparsed(self) -> int:
        """Lines that are not in the log's format."""
        return self._source.unparsed

    def notes(self) -> tuple[str, ...]:
        """What was not read, not understood, or odd: one sentence each."""
        from opsctl.durations import format_quantity
        from opsctl.probes.log_count import clock

        source, said = self._source, list(self._source.notes)
        if source.unread:
            begin = f"; it begins at {clock(source.start)}" if source.start is not None else ""
            said.append(f"{format_quantity(source.unread, 'bytes')} of the window were not read{begin} (--read)")
        for number, what in (
            (source.unparsed, "not understood as the log's format"),
            (source.cut, "too long and cut"),
            (source.damaged, "not UTF-8"),
        ):
            if number:
                said.append(f"{number:,} {'line is' if number == 1 else 'lines are'} {what}")
        if source.timeless:
            said.append(f"the lines of {self.path} carry no time, so which are of the window is not known")
        return tuple(said)

    def _file(self, most: int) -> LogWindow:
        from opsctl.clients.logfile import LogWindow

        spec = self._log.spec
        return LogWindow(
            spec.path, since=self.since, until=self.until, format=spec.format, max_bytes=most,
            deadline=time.monotonic() + _SECONDS, setting=self._log.setting,
        )  # fmt: skip

    def _pods(self) -> PodWindow:
        from opsctl.clients.readers import Readers
        from opsctl.probes.log_pods import PodWindow
        from opsctl.probes.look import Look
        from opsctl.services.measured import signals_of
        from opsctl.services.resolve import resolver

        profile = self._log.profile
        readers = Readers(resolver(profile, self._log.settings))
        look = Look(
            runbook="", profile=profile, readers=readers, signals=signals_of(readers, profile, direct=True),
            now=self.until, at=None, since=self.until - self.since, deadline=time.monotonic() + _SECONDS,
        )  # fmt: skip
        return PodWindow(look, self._log.spec, since=self.since)


@contextmanager
def could_be_read(log: Log) -> Iterator[None]:
    """What cannot be looked at ends the command: 77 where it is not permitted, else 69."""
    try:
        yield
    except CouldNotLook as failed:
        kind = Refused if failed.reason in ("forbidden", "unauthorized") else Unavailable
        remedy = "" if log.pods else f"Run it there, or set services.{log.service}.logs.{log.name} in the context."
        raise kind(failed.says, place=failed.setting or log.setting, remedy=remedy) from None
