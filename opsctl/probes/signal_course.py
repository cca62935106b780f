"""How far back the course of a value is looked at, its history, and the answers when there is none."""

from __future__ import annotations

from opsctl.durations import format_duration, parse_duration
from opsctl.model import Seen
from opsctl.probes.look import Look
from opsctl.probes.signal_reading import QUESTION, declared, evidence, thinned, title, unknown
from opsctl.signals.model import History, Reading

_WINDOWS = 6  # of the signal: how far back a course is looked at unless told
LEAST = 10  # values that a course needs


def span_of(look: Look, signal: str, over: str) -> float:
    """Seconds to look back: ``over``, or so many of the signal's windows."""
    return parse_duration(over) if over else _WINDOWS * look.signals.window_of(declared(look, signal))


def history_of(look: Look, signal: str, end: float, span: float) -> History:
    """The signal's ``span`` seconds up to ``end`` (unix seconds), in at most 120 steps."""
    step = max(span / 120, look.signals.interval)
    return look.signals.history(
        signal,
        declared(look, signal),
        start=end - span,
        end=end,
        step=step,
        timeout=min(QUESTION, max(0.1, look.remaining())),
        deadline=look.deadline,
    )


def no_past(look: Look, id: str, reading: Reading) -> Seen:
    """The answer where only a scrape was possible."""
    says = f"{title(look, reading.signal)}: how it went is not known without Prometheus"
    return Seen(evidence=(evidence(look, reading),), findings=(unknown(id, "no-history", says),))


def too_few(look: Look, id: str, reading: Reading, history: History, span: float) -> Seen:
    """The answer where the history is too short, or could not be had."""
    reason = history.unknown.reason if history.unknown is not None else "too-few"
    says = (
        f"{title(look, reading.signal)}: {len(history.points)} values in the last {format_duration(round(span))} "
        "are too few to tell how it goes"
    )
    return Seen(evidence=(evidence(look, reading, thinned(history.points)),), findings=(unknown(id, reason, says),))
