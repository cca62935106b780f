"""A report as JSON, and the JSON Schema that describes it (runbooks/schema/report.json)."""

from __future__ import annotations

from typing import Any

import msgspec

from opsctl.errors import BadData
from opsctl.model import SCHEMA, Report


def encode(report: Report) -> bytes:
    """Indented JSON, times as RFC 3339 in UTC."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def decode(data: bytes, place: str) -> Report:
    """A saved report. Raises BadData (65) naming the place when it is truncated, edited or of another schema."""
    try:
        return msgspec.json.decode(data, type=Report)
    except msgspec.ValidationError as error:
        raise BadData(f"not a report of schema {SCHEMA}: {error}", place=place) from error
    except msgspec.DecodeError as error:
        raise BadData(f"this is not whole JSON: {error}", place=place) from error


def schema() -> dict[str, Any]:
    """The published schema of a report."""
    made = msgspec.json.schema(Report)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "opsctl report",
        "description": f"The result of one diagnosis ({SCHEMA}).",
        **made,
    }
