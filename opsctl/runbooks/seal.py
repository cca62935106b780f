"""A report's seal: a digest of everything else in it, so that a file that was edited or damaged is found out.

It is no signature: who edits a report on purpose can seal it anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from opsctl.model import Report


def sealed(report: Report) -> Report:
    """The report with its seal. To be called last: any later change breaks it."""
    return msgspec.structs.replace(report, seal=seal_of(msgspec.json.decode(msgspec.json.encode(report))))


def seal_of(raw: Mapping[str, Any]) -> str:
    """The seal that a report's plain JSON data should carry; spaces, line breaks and the order of keys do not count."""
    import hashlib

    rest = {key: value for key, value in raw.items() if key != "seal"}
    return "sha256:" + hashlib.sha256(msgspec.json.encode(rest, order="deterministic")).hexdigest()
