"""The faults of INSA in the lab."""

from __future__ import annotations

from opsctl.lab.fault import ERRORS, LATENCY, Fault

FAULTS: tuple[Fault, ...] = (
    Fault(
        "breaker-detour",
        "insa",
        LATENCY,
        "circuit-breaker-open",
        "The agents' circuit breaker is open and their tasks go the long way round, 10.6 s each.",
    ),
    Fault(
        "timeouts",
        "insa",
        ERRORS,
        "timeouts",
        "The agents' upstream hangs on a third of the calls; they end at the agents' deadline.",
    ),
    Fault(
        "circuit-breaker-open",
        "insa",
        ERRORS,
        "circuit-breaker-open",
        "The agents' upstream fails, the circuit breaker opens and its half-open trials fail.",
    ),
    Fault(
        "agent-database-errors",
        "insa",
        ERRORS,
        "database-errors",
        "The agents' own database has lost a table: each task fails when it is recorded.",
    ),
)
