"""Kubernetes quantities: ``250m`` CPUs, ``128Mi`` bytes. Pure."""

from __future__ import annotations

import re

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)")
_SUFFIXES = {
    "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip


def quantity(text: object) -> float | None:
    """The number of a quantity in its base unit (CPUs, bytes, count); None when it is absent or not one."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        return float(text) if abs(text) < 1e300 else None
    found = _QUANTITY.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        return None
    figure, exponent, suffix = found.groups()
    return float(f"{figure}e{exponent}") if exponent else float(figure) * _SUFFIXES[suffix or ""]


def cpus(value: float) -> str:
    """CPUs as people write them: ``0.35 CPUs``, ``2 CPUs``."""
    return f"{value:.3g} CPUs"


def binary(value: float) -> str:
    """Bytes as memory limits are written: ``512 MiB``."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} TiB"
