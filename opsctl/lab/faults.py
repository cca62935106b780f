"""The lab's faults: what each does, and which cause a diagnosis of which runbook should find.

Faults change behaviour, never numbers: the parts named here really answer late, really refuse, really run out.
"""

from __future__ import annotations

from opsctl.lab import faults_agro, faults_amas, faults_insa, faults_keys, faults_kyrodb, faults_threads, faults_vritti
from opsctl.lab.fault import ERRORS, LATENCY, Fault

__all__ = ["DISTRACTORS", "ERRORS", "FAULTS", "LATENCY", "Fault", "fault"]

FAULTS: tuple[Fault, ...] = (
    *faults_vritti.FAULTS,
    *faults_kyrodb.FAULTS,
    *faults_keys.FAULTS,
    *faults_amas.FAULTS,
    *faults_insa.FAULTS,
    *faults_agro.FAULTS,
    *faults_threads.FAULTS,
)

DISTRACTORS: dict[str, str] = {
    "traffic": "Thirty per cent more requests to every service: more than usual, but well within capacity.",
    "alert": "One unrelated alert (DiskSpaceLow of service archive) fires in Alertmanager.",
}


def fault(id: str) -> Fault | None:
    """The fault of that id."""
    return next((f for f in FAULTS if f.id == id), None)
