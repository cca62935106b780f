"""The JSON Schema of opsctl.yaml, for editors."""

from __future__ import annotations

from typing import Any

import msgspec

from opsctl.config.model import ConfigFile


def config_schema() -> dict[str, Any]:
    """The schema, ready to be written as JSON."""
    made = msgspec.json.schema(ConfigFile)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "opsctl.yaml", **made}
