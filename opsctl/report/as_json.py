"""A report as JSON, and the JSON Schema that describes it (runbooks/schema/report.json)."""

from __future__ import annotations

from typing import Any

import msgspec

from opsctl.model import SCHEMA, Report
from opsctl.runbooks.seal import sealed


def encode(report: Report) -> bytes:
    """A sealed report for a file: one line per field of the report, times as RFC 3339 in UTC.

    What identifies a report stands first, so that a list reads only the beginning, and a torn file still tells.
    """
    report = sealed(report)
    parts = [f'"{name}":'.encode() + msgspec.json.encode(getattr(report, name)) for name in report.__struct_fields__]
    return b"{" + b",\n".join(parts) + b"}\n"


def schema() -> dict[str, Any]:
    """The published schema of a report."""
    made = msgspec.json.schema(Report)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "opsctl report",
        "description": f"The result of one diagnosis ({SCHEMA}).",
        **made,
    }
