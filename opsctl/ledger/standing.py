"""How a run stands: does somebody work on it, was it left in the middle, which steps is nothing known of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from opsctl.ledger.model import Entry, Lease, Run


class Standing(NamedTuple):
    """``lease``: under which somebody works on it now. ``crashed``: it is running, and nobody does.

    ``open``: numbers of steps that were begun and of which nothing tells whether they took effect; ``open_undos`` the
    same for their undo.
    """

    lease: Lease | None
    crashed: bool
    open: tuple[int, ...] = ()
    open_undos: tuple[int, ...] = ()


def lease_of(run: Run, leases: Iterable[Lease]) -> Lease | None:
    """The lease under which a running run goes on."""
    if run.state != "running":
        return None
    return next((lease for lease in leases if lease.scope == run.scope), None)


def standing(run: Run, entries: Iterable[Entry], leases: Iterable[Lease]) -> Standing:
    """How the run stands, by its entries and the leases in force."""
    steps: dict[int, bool] = {}  # step -> whether its act is known
    undos: dict[int, bool] = {}
    for entry in entries:
        if entry.kind == "intent":
            steps[entry.step] = False
        elif entry.kind == "undo-intent":
            undos[entry.step] = False
        elif entry.kind in ("result", "undo-result", "settled"):
            known = "unknown" not in (entry.body.get("state"), entry.body.get("effect"))
            undone = entry.kind == "undo-result" or entry.body.get("undo") is True
            (undos if undone else steps)[entry.step] = known
    lease = lease_of(run, leases)
    return Standing(
        lease,
        run.state == "running" and lease is None,
        tuple(sorted(step for step, known in steps.items() if not known)),
        tuple(sorted(step for step, known in undos.items() if not known)),
    )
