"""``opsctl alerts log``: a service's log of alerts, or what changes at the Alertmanagers; line by line (AGRO-31)."""

from __future__ import annotations

import contextlib
import signal
import time
from typing import TYPE_CHECKING, Annotated

import typer

from opsctl.cli import output as out
from opsctl.cli import silence_options as given
from opsctl.cli.options import Format, Output, Service
from opsctl.cli.result import Result
from opsctl.errors import CouldNotLook, Refused, Unavailable, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from opsctl.alerts.logtail import AlertLog
    from opsctl.alerts.model import Sighting
    from opsctl.alerts.read import Unanswered
    from opsctl.cli.alerts_lines import Lines
    from opsctl.cli.alerts_where import Where
    from opsctl.services.model import LogFile
    from opsctl.silences.matcher import Matcher

LOG = "alerts"  # the name of the log in a profile
_PAUSE = 0.5  # seconds between two looks at a file

Since = Annotated[str, typer.Option("--since", metavar="DURATION", help="How far back to begin in a service's log.")]
Follow = Annotated[
    bool,
    typer.Option(
        "--follow", "-f", help="Go on with what comes, until Ctrl-C. Without a log: with what changes at Alertmanager."
    ),
]
Every = Annotated[
    str, typer.Option("--every", metavar="DURATION", help="Between two looks at the Alertmanagers, at least 1s.")
]


def log(
    ctx: typer.Context,
    words: given.Matchers = None,
    service: Service = None,
    since: Since = "1h",
    follow: Follow = False,
    every: Every = "5s",
    url: given.Url = None,
    timeout: given.Timeout = "10s",
    output: Output = Format.text,
) -> Result:
    """One line per alert that was told: its time in UTC, what became of it, name, severity, labels, and what it says.

    Read from the service's log `alerts`. Where there is none, --follow tells what changes at the Alertmanagers:
    firing, resolved, silenced, inhibited, and the end of these. As JSON, one object per line.
    """
    from opsctl.cli.alerts_lines import Lines
    from opsctl.cli.alerts_where import opened, parsed
    from opsctl.durations import parse_duration

    back, pause, matchers = parse_duration(since), parse_duration(every), parsed(words)
    if back <= 0:
        raise UsageError("--since must be longer than 0s")
    if pause < 1:
        raise UsageError(f"--every {every} is shorter than 1s", remedy="Each look asks every Alertmanager anew.")
    file = None if service is None else _file(ctx, service)
    write = Lines(as_json=output == Format.json)
    if file is not None:
        notes: tuple[str, ...] = ()
        with while_read():
            notes = _from_log(file, f"profile {service}, logs.{LOG}", matchers, back, since, follow, write)
        return Result(None, "", notes=notes)
    if not follow:
        says = f"the profile of {service} names no file as its log {LOG}" if service else "without -s there is no log"
        raise _no_log(says)
    with opened(ctx, url=url, service=service, timeout=timeout, zone="UTC") as where:
        with while_read(), until_interrupted():
            _follow_members(where, matchers, pause, write)
        return Result(None, "")


def _file(ctx: typer.Context, service: str) -> LogFile | None:
    """The service's log of alerts where it is a file, from the profile and the context. Raises UsageError."""
    from opsctl.cli.options import root_of
    from opsctl.config.settings import load_settings
    from opsctl.services.load import apply_override, load_profile

    root = root_of(ctx)
    settings = load_settings(root.config, root.context, {})
    profile = apply_override(load_profile(service, root.dirs()), settings.override(service))
    found = profile.logs.get(LOG)
    return None if found is None or found.path.startswith("kubernetes:") else found


def _no_log(says: str) -> UsageError:
    return UsageError(
        says, remedy="Add --follow to see what changes from now on; `opsctl alerts history` has the past."
    )


@contextlib.contextmanager
def while_read() -> Iterator[None]:
    """A reader that went away (`| head`) ends it quietly; Typer would end with 1."""
    try:
        yield
    except BrokenPipeError:
        out.broken_pipe()


@contextlib.contextmanager
def until_interrupted() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the following; that is what was asked for."""

    def interrupt(number: int, stack: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _from_log(
    file: LogFile, setting: str, matchers: Sequence[Matcher], back: float, since: str, follow: bool, write: Lines
) -> tuple[str, ...]:
    """The lines of the last ``back`` seconds, then what is appended; notes for the end. Raises Unavailable, Refused."""
    from opsctl.alerts.logtail import AlertLog

    begin = time.time() - back
    try:
        log = AlertLog(file.path, setting=setting)
    except CouldNotLook as failed:
        kind = Refused if failed.reason == "forbidden" else Unavailable
        remedy = f"Run it there, set logs.{LOG} in the context, or follow Alertmanager: opsctl alerts log --follow"
        raise kind(failed.says, place=setting, remedy=remedy) from None
    with contextlib.closing(log):
        lines = _Reading(log, matchers, write)
        if not follow:
            lines.past(begin, last=True)
        else:
            with until_interrupted():
                lines.past(begin, last=False)
                while True:
                    lines.fresh()
                    time.sleep(_PAUSE)
        nothing = not write.lines and not follow
        return (f"no alert in the last {since} in {log.path}",) if nothing else ()


class _Reading:
    """Lines of a log as alerts; what cannot be read is counted and told once per look."""

    def __init__(self, log: AlertLog, matchers: Sequence[Matcher], write: Lines) -> None:
        self._log = log
        self._matchers = matchers
        self._write = write
        self._cut = 0

    def past(self, begin: float, *, last: bool) -> None:
        """What was received since ``begin`` (unix seconds)."""
        timeless = self._give(self._log.past(begin, last=last), begin)
        if timeless:
            out.note(f"{timeless:,} alerts in {self._log.path} carry no time and were left out")
        if self._log.unread:
            out.note(f"the log is large: its oldest {self._log.unread:,} bytes were not read")

    def fresh(self) -> None:
        """What came since the last look."""
        self._give(self._log.fresh(), None)

    def _give(self, lines: Iterable[bytes], begin: float | None) -> int:
        """Print them; how many were left out because they carry no time."""
        from opsctl.alerts.log import entries_of
        from opsctl.silences.matcher import matches_all

        broken = timeless = 0
        for line in lines:
            entries = entries_of(line)
            if entries is None:
                broken += 1
                continue
            for one in entries:
                if not matches_all(self._matchers, one.labels):
                    continue
                if begin is not None and one.at is None:
                    timeless += 1
                elif begin is None or one.at is None or one.at.timestamp() >= begin:
                    self._write.entry(one)
        path, cut = self._log.path, self._log.cut - self._cut
        self._cut = self._log.cut
        for number, why in ((broken, "no alert could be read in"), (cut, "too long to be read:")):
            if number:
                out.note(f"{why} {number:,} {'line' if number == 1 else 'lines'} of {path}")
        for says in self._log.notes:
            out.note(says)
        self._log.notes.clear()
        return timeless


def _follow_members(where: Where, matchers: Sequence[Matcher], pause: float, write: Lines) -> None:
    """Tell what changes, until interrupted. Raises Unavailable, Refused when nobody answers the first look."""
    from datetime import UTC, datetime

    from opsctl.alerts.changes import Changes
    from opsctl.cli.alerts_text import headline
    from opsctl.cli.alerts_where import unavailable

    if where.own is None or not where.alone:
        where.need_alertmanager()
    changes, silent, first = Changes(), set[str](), True
    while True:
        began = time.monotonic()
        answers, failed = _beside(where, matchers)
        if first and not answers:
            raise unavailable([one.error for one in failed])
        for one in failed:
            if one.address not in silent:
                out.note(f"{one.address} did not answer: {one.error.says}")
        for address in sorted(silent & answers.keys()):
            out.note(f"{address} answers again")
        silent = {one.address for one in failed}
        found = changes.look(answers)
        if first:
            fires = headline(changes.alerts) or "nothing fires"
            out.note(f"{fires} now; what changes follows, until Ctrl-C")
            first = False
        now = datetime.now(UTC)
        for change in found:
            write.change(now, change.state, change.was, change.alert)
        time.sleep(max(0.0, pause - (time.monotonic() - began)))


def _beside(where: Where, matchers: Sequence[Matcher]) -> tuple[dict[str, list[Sighting]], list[Unanswered]]:
    """One look, beside the main thread: Ctrl-C does not wait for a server that hangs."""
    import queue
    import threading

    waiting: queue.SimpleQueue[tuple[dict[str, list[Sighting]], list[Unanswered]] | BaseException]
    waiting = queue.SimpleQueue()

    def work() -> None:
        try:
            waiting.put(_look(where, matchers))
        except BaseException as error:  # noqa: BLE001 - raised again where the answer is taken
            waiting.put(error)

    threading.Thread(target=work, daemon=True).start()
    answer = waiting.get()
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _look(where: Where, matchers: Sequence[Matcher]) -> tuple[dict[str, list[Sighting]], list[Unanswered]]:
    """Ask every member, and the service's own engine. Never raises for one that does not answer."""
    from opsctl.alerts import own, read
    from opsctl.clients.alertmanager import AlertmanagerReader
    from opsctl.silences.matcher import matches_all

    filters = [one.text() for one in (*where.matchers, *matchers)]

    def question(one: AlertmanagerReader) -> tuple[str, list[Sighting]]:
        return one.address, read.merged([one.alerts_as(tuple[read.Wire, ...], filters, where.timeout, {})])

    told, failed = read.ask(() if where.alone else where.readers, question)
    answers = dict(told)
    if where.own is not None and where.profile is not None:
        try:
            found = own.active(where.own, where.profile.service, where.timeout)
            answers[where.own.address] = [alert for alert in found if matches_all(matchers, alert.labels)]
        except CouldNotLook as error:
            failed.append(read.Unanswered(where.own.address, error))
    return answers, failed
