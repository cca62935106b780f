"""What changed on a service's systems, asked by itself: ``opsctl changes``. The same probes as beside a diagnosis."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from opsctl.model import Change, Seen, Struct, Unknown
from opsctl.probes.look import Look
from opsctl.runbooks.changes import ranked
from opsctl.runbooks.chosen import Plan, change_plan
from opsctl.runbooks.collected import collect
from opsctl.runbooks.engine import Setting, lane
from opsctl.runbooks.schedule import Job, run_all


class Source(Struct, frozen=True, kw_only=True):
    """One that was looked at: the probe, what it asked, and who chose the address."""

    probe: str
    source: str
    setting: str = ""


class Changed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What changed from ``since`` to ``until``, the nearest to ``around`` first, or without it the newest first."""

    service: str
    since: datetime
    until: datetime
    changes: tuple[Change, ...]
    sources: tuple[Source, ...]
    context: str = ""
    around: datetime | None = None
    unknown: tuple[Unknown, ...] = ()
    not_configured: tuple[Unknown, ...] = ()
    notes: tuple[str, ...] = ()


def what_changed(
    setting: Setting, *, around: float | None = None, progress: Callable[[int, int], None] | None = None
) -> Changed:
    """The changes of ``setting.since`` seconds up to now, or before ``around`` (unix seconds) and up to now.

    Reads only. What could not be looked at is in ``unknown``.
    """
    now = setting.now
    begin = (now if around is None else min(around, now)) - setting.since
    plans = change_plan(setting.profile, silent=False)

    def call(item: Plan) -> Callable[[float], Seen]:
        def run(deadline: float) -> Seen:
            look = Look(
                runbook="",
                profile=setting.profile,
                readers=setting.readers,
                signals=setting.signals,
                now=now,
                at=None,
                since=now - begin,
                deadline=deadline,
            )
            return item.probe.run(look, item.params)

        return run

    jobs = [Job(lane(item), setting.each, call(item)) for item in plans]
    answers = run_all(jobs, total=setting.total, progress=progress)
    collected = collect(plans, answers, setting.total, setting.readers.where, {})
    onset = None if around is None else datetime.fromtimestamp(around, UTC)
    told = (
        (evidence.probe, evidence.source, evidence.setting) for evidence in collected.evidence if not evidence.unknown
    )
    return Changed(
        service=setting.profile.service,
        context=setting.context,
        since=datetime.fromtimestamp(begin, UTC),
        until=datetime.fromtimestamp(now, UTC),
        around=onset,
        changes=ranked(collected.changes, now=now, since=setting.since, onset=onset),
        sources=tuple(
            Source(probe=probe, source=source, setting=chosen) for probe, source, chosen in dict.fromkeys(told)
        ),
        unknown=collected.unknown,
        not_configured=collected.not_configured,
        notes=tuple(dict.fromkeys((*setting.notes, *setting.signals.notes(), *setting.readers.notes()))),
    )
