"""Parameters that carry a unit: written as ``5m``, ``90%`` or a plain number in base units, checked when they load."""

from __future__ import annotations

from typing import ClassVar

from opsctl.durations import parse_quantity
from opsctl.model import Finding
from opsctl.probes.registry import Params


class Quantities(Params, frozen=True, kw_only=True):
    """Base of parameters with durations (``durations``) and shares (``ratios``), named by field."""

    durations: ClassVar[tuple[str, ...]] = ()
    ratios: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for name in (*self.durations, *self.ratios):
            if self.number(name) < 0:
                raise ValueError(f"{name} must not be negative")

    def number(self, name: str) -> float:
        """The field in base units: seconds or ratio. Raises BadValue (a ValueError)."""
        value: str | float = getattr(self, name)
        return parse_quantity(value, "s" if name in self.durations else "ratio")


def judged(
    id: str,
    holds: bool,
    says: str,
    *,
    measured: float | None = None,
    threshold: float | None = None,
    unit: str = "",
    parameter: str = "",
) -> Finding:
    """A finding that was measured: breach when the condition holds. ``parameter``: what set the threshold."""
    return Finding(
        id=id,
        state="breach" if holds else "ok",
        says=says,
        measured=measured,
        threshold=threshold,
        unit=unit,
        threshold_from=f"parameter {parameter}" if parameter else "",
    )
