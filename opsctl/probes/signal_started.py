"""When the service's processes started, as far as the time looked through goes: each start is a change."""

from __future__ import annotations

from datetime import UTC, datetime

from opsctl.errors import CouldNotLook
from opsctl.model import Change, Seen
from opsctl.probes.look import Look
from opsctl.probes.registry import Params, probe
from opsctl.probes.signal_reading import QUESTION, declared, evidence, read

_MOST_POINTS = 600
_ONE_START = 2.0  # seconds: some exporters compute the start anew each time, a little differently


class StartedParams(Params, frozen=True, kw_only=True):
    """``signal``: a gauge with the unix time at which the newest process started."""

    signal: str = "process_started"


@probe(
    "signal.started",
    params=StartedParams,
    asks="one gauge and its history",
    cost="one query and one range query, or one scrape",
    minimum="any Prometheus-compatible API; from the service's own page only the newest start",
    changes=True,
)
def started(look: Look, params: StartedParams) -> Seen:
    """The starts of the newest process, each as a change. Raises NotConfigured where the profile has no such signal."""
    reading = read(look, params.signal)
    if reading.unknown is not None:
        failed = reading.unknown
        raise CouldNotLook(failed.reason, failed.says, address=failed.address, setting=failed.setting)
    times = {row.value for row in reading.rows if row.value > 0}
    if not reading.direct and reading.sampled_at is not None:
        end = reading.sampled_at.timestamp()
        history = look.signals.history(
            params.signal,
            declared(look, params.signal),
            start=end - look.since,
            end=end,
            step=max(look.signals.interval, look.since / _MOST_POINTS),
            timeout=min(QUESTION, max(0.1, look.remaining())),
            deadline=look.deadline,
        )
        times |= {point.value for point in history.points if point.value > 0}
    changes = tuple(
        Change(
            at=datetime.fromtimestamp(at, UTC),
            system="service",
            subject=look.profile.service,
            says="process started",
            source=reading.source,
        )
        for at in _distinct(times)
    )
    return Seen(evidence=(evidence(look, reading),), changes=changes)


def _distinct(times: set[float]) -> list[float]:
    """Sorted, without those that are the same start told a little differently."""
    kept: list[float] = []
    for at in sorted(times, reverse=True):  # the newest reading's own value is the one that other probes tell, too
        if not kept or kept[-1] - at > _ONE_START:
            kept.append(at)
    return kept[::-1]
