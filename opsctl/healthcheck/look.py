"""Ask everything at once under one deadline; a hung system costs its own line only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from opsctl import __version__
from opsctl.clients.readers import Readers
from opsctl.config.addresses import without_password
from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.healthcheck.judge import judged, lost
from opsctl.healthcheck.model import EXIT, Check, Health, Subject, subject_of, tidy, verdict
from opsctl.healthcheck.steps import Asked, Step, shared_steps, steps_of
from opsctl.healthcheck.urls import look_at_urls
from opsctl.model import Seen
from opsctl.probes.look import Look
from opsctl.runbooks.schedule import Done, Job, run_all
from opsctl.services.model import Profile
from opsctl.services.resolve import resolver

if TYPE_CHECKING:
    from opsctl.config.settings import Settings
    from opsctl.signals.reader import SignalReader

MONITORING = "monitoring"
EACH = 10.0  # seconds for one system, when the whole time is longer
_SINCE = 1800.0
_REST = 1.25  # seconds in which what does not end by itself is given up, and the answer is written


class Wanted(NamedTuple):
    """What to look at. ``total``: seconds for all of it; ``began``: time.monotonic() when they started."""

    profiles: Sequence[Profile]
    urls: Sequence[str]
    asked: Asked
    total: float
    began: float


def look(wanted: Wanted, settings: Settings) -> Health:
    """The answer, at the latest when the time is over."""
    started = datetime.now(UTC)
    end = wanted.began + wanted.total
    spare = min(0.75, wanted.total * 0.15)  # for Python's own start, and for telling it
    urls: list[Subject] = []
    thread = threading.Thread(
        target=lambda: urls.extend(look_at_urls(wanted.urls, deadline=end - spare)), name="opsctl-urls", daemon=True
    )
    if wanted.urls:
        thread.start()
    subjects, notes = _services(wanted, settings, max(0.2, end - time.monotonic()))
    if wanted.urls:
        thread.join(max(0.1, end - time.monotonic()))
    state, says = verdict((*subjects, *urls))
    return Health(
        opsctl=__version__,
        context=settings.context,
        state=state,
        exit=EXIT[state],
        says=says,
        started_at=started,
        seconds=round(time.monotonic() - wanted.began, 3),
        deadline=wanted.total,
        subjects=(*subjects, *urls),
        notes=notes,
    )


def _services(wanted: Wanted, settings: Settings, left: float) -> tuple[list[Subject], tuple[str, ...]]:
    """Services in their order, the monitoring last."""
    steps: list[Step] = []
    absent: dict[str, list[str]] = {}
    for profile in wanted.profiles:
        own, missing = steps_of(profile, settings, wanted.asked)
        steps += own
        absent[profile.service] = [tidy(text) for text in missing]
    if not wanted.profiles and not wanted.urls:
        steps = shared_steps(settings, wanted.asked)
    steps = _once(steps)
    if not steps and not absent:
        return [], ()
    readers: list[Readers] = []
    jobs = [Job(step.lane, min(EACH, left), _call(step, settings, readers)) for step in steps]
    rest = min(_REST, left / 3)
    answers = run_all(jobs, total=left - rest)
    checks = [_check(step, done, wanted.total) for step, done in zip(steps, answers, strict=True)]
    subjects = []
    for profile in wanted.profiles:
        mine = [c for step, c in zip(steps, checks, strict=True) if step.subject == profile.service and c is not None]
        if mine or not wanted.asked.only:
            subjects.append(subject_of(profile.service, "service", mine, absent[profile.service]))
    shared = [check for step, check in zip(steps, checks, strict=True) if not step.subject and check is not None]
    if shared:
        subjects.append(subject_of(MONITORING, "monitoring", _told_apart(shared)))
    said = [note for profile in wanted.profiles for note in settings.notes(profile.service)]
    said += [note for reader in list(readers) for note in reader.notes()]
    threading.Thread(target=_close, args=(list(readers),), name="opsctl-close", daemon=True).start()
    return subjects, tuple(tidy(note) for note in dict.fromkeys(said))


def _close(readers: Sequence[Readers]) -> None:
    """Beside: hanging up may hang."""
    for reader in readers:
        reader.close()


def _once(steps: Sequence[Step]) -> list[Step]:
    """Each system of the monitoring once, however many services share it."""
    found: dict[object, Step] = {}
    for number, step in enumerate(steps):
        key = ("", step.name, step.lane, _place(step)) if not step.subject else number
        found.setdefault(key, step)
    return list(found.values())


def _place(step: Step) -> str:
    return ",".join(end.url for end in step.named.values())


def _call(step: Step, settings: Settings, opened: list[Readers]) -> Callable[[float], Seen]:
    def run(deadline: float) -> Seen:
        if step.failure is not None:
            raise step.failure
        resolve = resolver(step.profile, settings)

        def where(name: str) -> Endpoint:
            return step.named[name] if name in step.named else resolve(name)

        readers = Readers(where)
        opened.append(readers)
        asking = Look(
            runbook=step.runbook,
            profile=step.profile,
            readers=readers,
            signals=_signals(readers, step.profile),
            now=time.time(),
            at=None,
            since=_SINCE,
            deadline=deadline,
        )
        return step.run(asking)

    return run


def _signals(readers: Readers, profile: Profile) -> SignalReader:
    from opsctl.durations import parse_duration
    from opsctl.signals.reader import SignalReader

    return SignalReader(
        readers,
        labels=profile.prometheus_labels,
        scrape_interval=parse_duration(profile.scrape_interval),
        window=parse_duration(profile.window),
        pause=parse_duration(profile.direct_pause),
    )


def _check(step: Step, done: Done[Seen], total: float) -> Check | None:
    """What became of a look; None where there is nothing to look at."""
    if done.value is not None:
        return judged(step.name, step.system, done.value, step.wanted, done.seconds)
    if isinstance(done.error, NotConfigured):
        return None
    if isinstance(done.error, CouldNotLook):
        return lost(step.name, step.system, done.error, done.seconds)
    address = without_password(next((end.url for end in step.named.values()), step.lane.partition(":")[2]))
    if done.error is not None:
        says = f"this is a bug in opsctl: {type(done.error).__name__}: {done.error}"
        return lost(step.name, step.system, CouldNotLook("bug", says, address=address), done.seconds)
    if done.started:
        late = CouldNotLook("timeout", f"no answer within {done.seconds:.0f} s", address=address)
        return lost(step.name, step.system, late, done.seconds)
    says = f"it was not asked: the {total:.3g} s were over"
    return lost(step.name, step.system, CouldNotLook("skipped", says, address=address), 0.0)


def _told_apart(checks: Sequence[Check]) -> list[Check]:
    """Checks of the same name at several addresses get the address into their name."""
    import msgspec

    names = [check.name for check in checks]
    return [
        msgspec.structs.replace(check, name=f"{check.name} {check.address.partition('://')[2] or check.address}")
        if names.count(check.name) > 1
        else check
        for check in checks
    ]
