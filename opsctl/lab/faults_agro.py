"""The faults of AGRO in the lab."""

from __future__ import annotations

from opsctl.lab.fault import Fault

FAULTS: tuple[Fault, ...] = ()
