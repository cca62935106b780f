"""JSON Schemas for editors, generated from the typed models: probe ids, their parameters and findings become enums."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from opsctl.probes.registry import Probe, all_probes
from opsctl.runbooks.model import Runbook

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def runbook_schema() -> dict[str, Any]:
    """The schema of a runbook file, with one branch per probe for its parameters."""
    made = msgspec.json.schema(Runbook)
    probes = all_probes()
    definitions = made["$defs"]
    use = definitions["ProbeUse"]
    use["properties"]["probe"] = {"enum": sorted(probes)}
    use["allOf"] = [_branch(probe, definitions) for probe in probes.values()]
    findings = sorted({id for probe in probes.values() for id in probe.emits})
    id_schema = {"anyOf": [{"enum": findings}, {"type": "string", "pattern": r"^local\.[a-z0-9-]+$"}]}
    cause = definitions["CauseSpec"]
    cause["properties"]["confirms"]["items"] = id_schema
    definitions["OkFinding"]["properties"]["ok"] = id_schema
    cause["properties"]["refutes"]["items"] = {"anyOf": [{"$ref": "#/$defs/OkFinding"}, id_schema]}
    return {"$schema": DIALECT, "title": "opsctl runbook", **made}


def _branch(probe: Probe, definitions: dict[str, Any]) -> dict[str, Any]:
    """``with`` of one probe: its parameters, each also as ``{param: NAME}``."""
    made = msgspec.json.schema(probe.params)
    own = made.get("$defs", {})
    reference = made["$ref"].rpartition("/")[2]
    body = own.pop(reference)
    definitions.update(own)
    parameter = {
        "type": "object",
        "properties": {"param": {"type": "string"}},
        "required": ["param"],
        "additionalProperties": False,
    }
    properties = {name: {"anyOf": [value, parameter]} for name, value in body.get("properties", {}).items()}
    with_schema = {
        "type": "object",
        "properties": properties,
        "required": body.get("required", []),
        "additionalProperties": False,
    }
    return {
        "if": {"properties": {"probe": {"const": probe.id}}},
        "then": {"properties": {"with": with_schema}},
    }


def as_text(schema: dict[str, Any]) -> str:
    """A schema as it is written to runbooks/schema/."""
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"
