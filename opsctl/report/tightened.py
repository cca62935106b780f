"""A report with shorter texts and lists, for a page that would otherwise be too large to send."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from opsctl.model import Report

_WHOLE = ("series", "readings", "histories", "probes")  # numbers, and what no page shows


def tightened(report: Report, longest: int) -> Report:
    """The report with texts of at most ``longest`` characters, and lists of at most twice as many entries."""
    cut = _tightened(msgspec.to_builtins(report, builtin_types=(datetime,)), longest)
    note = f"Texts were shortened to {longest} characters to keep this page small; the JSON report has all of them"
    return msgspec.structs.replace(msgspec.convert(cut, Report), notes=(note, *cut["notes"]))


def _tightened(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= longest else value[: longest - 1] + "…"
    if isinstance(value, dict):
        return {k: v if k in _WHOLE else _tightened(v, longest) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_tightened(v, longest) for v in value[: 2 * longest]]
    return value
