"""The diagnosis: run a runbook's probes, collect evidence and findings, judge the causes, give the report.

A probe that fails never stops the others. What could not be looked at becomes an answer "unknown" with its reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from opsctl.clients.readers import Readers
from opsctl.model import Override, Report, Seen
from opsctl.probes.look import Look
from opsctl.runbooks.chosen import Plan, defines, plan
from opsctl.runbooks.collected import collect
from opsctl.runbooks.judge import Circumstances, judge
from opsctl.runbooks.load import Loaded
from opsctl.runbooks.recording import Recording
from opsctl.runbooks.schedule import Job, run_all
from opsctl.runbooks.seal import sealed
from opsctl.services.model import Profile
from opsctl.signals.reader import SignalReader


class Setting(NamedTuple):
    """Where and when a diagnosis looks. Times are unix seconds; ``since`` and the timeouts are seconds."""

    profile: Profile
    readers: Readers
    signals: SignalReader
    context: str = ""
    now: float = 0.0
    at: float | None = None
    since: float = 1800.0
    total: float = 30.0
    each: float = 5.0
    notes: tuple[str, ...] = ()
    runbooks: tuple[str, ...] = ()  # names that exist, for what to run next
    override: Override = Override()  # what the context changed in the profile, for the report
    changes: bool = True  # ask every system what changed, beside the runbook's own probes


def diagnose(
    loaded: Loaded,
    setting: Setting,
    parameters: Mapping[str, object],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Run the runbook against the service. Reads only; always returns a report (design.md, "How data flows")."""
    runbook, profile = loaded.runbook, setting.profile
    began = time.monotonic()
    signals = Recording(setting.signals)
    plans = plan(loaded, profile, parameters) if defines(profile, runbook.runbook) else []
    plans = [item for item in plans if setting.changes or not item.beside]

    def call(item: Plan) -> Callable[[float], Seen]:
        def run(deadline: float) -> Seen:
            look = Look(
                runbook=runbook.runbook,
                profile=profile,
                readers=setting.readers,
                signals=signals,
                now=setting.now,
                at=setting.at,
                since=setting.since,
                deadline=deadline,
                parameters=parameters,
            )
            return item.probe.run(look, item.params)

        return run

    jobs = [Job(lane(item), setting.each, call(item)) for item in plans]
    answers = run_all(jobs, total=setting.total, progress=progress)
    collected = collect(plans, answers, setting.total, setting.readers.where, parameters).cleaned()
    ended = time.time()
    how = Circumstances(
        started_at=datetime.fromtimestamp(setting.now if setting.at is None else ended, UTC),
        now=setting.now,
        told_at=ended,
        at=setting.at,
        since=setting.since,
        seconds=round(time.monotonic() - began, 3),
        context=setting.context,
        notes=(*setting.notes, *setting.signals.notes(), *setting.readers.notes()),
        runbooks=setting.runbooks,
        override=setting.override,
    )
    report = judge(loaded, profile, collected, how, parameters)
    return sealed(msgspec.structs.replace(report, readings=signals.readings(), histories=signals.histories()))


def lane(item: Plan) -> str:
    """The server that a probe burdens: its system, and the endpoint where it names one."""
    system = item.probe.id.partition(".")[0]
    endpoint = getattr(item.params, "endpoint", "")
    return f"{system}:{endpoint}" if endpoint else system
