"""The probes on signals: the objectives of the runbook, and what the causes ask about signals.

``signal_objectives`` decides the verdict; ``signal_bounds`` looks at values now, ``signal_groups`` at the rows of a
labelled signal, ``signal_past`` and ``signal_factors`` at how values came about, ``signal_trend`` and ``signal_set``
at their course.
"""

from __future__ import annotations

from opsctl.probes import (
    signal_bounds,
    signal_factors,
    signal_few,
    signal_groups,
    signal_objectives,
    signal_past,
    signal_set,
    signal_started,
    signal_trend,
)

__all__ = [
    "signal_bounds",
    "signal_factors",
    "signal_few",
    "signal_groups",
    "signal_objectives",
    "signal_past",
    "signal_set",
    "signal_started",
    "signal_trend",
]
